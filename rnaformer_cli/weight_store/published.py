"""Translate published checkpoints of automl/RNAformer into the names of this package.

Their state dicts (`*.pth`) hold tensors only and are read with `weights_only=True`; their
configs (`*.yml`) are read as plain data. LoRA layers are merged into the weights they adapt.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from rnaformer_cli.errors import ConfigError, InputError, WeightsError, shorten_repr
from rnaformer_cli.files import read_bytes
from rnaformer_cli.limits import MAX_CONFIG_BRACKETS, MAX_CONFIG_DEPTH, MAX_CONFIG_TEXT
from rnaformer_cli.model.config import ModelConfig, Positions
from rnaformer_cli.model.embedding import N_CODES, sinusoids
from rnaformer_cli.model.lora import Tensors, merge_lora
from rnaformer_cli.model.tensor_file import read_tensor_file

# One released config has `cycling: false` although its weights were trained with recycling; the
# public evaluation script runs it with 6 passes.
DEFAULT_CYCLES = 6

_TENSOR_NAMES = (
    (r"^recycle_pair_norm\.", "recycle_norm."),
    (r"^seq2mat_embed\.norm\.", "embedding.norm."),
    (r"^seq2mat_embed\.src_embed_1\.", "embedding.column."),
    (r"^seq2mat_embed\.src_embed_2\.", "embedding.row."),
    (r"^(embedding\.(?:row|column))\.(?:embed_seq\.)?weight$", r"\1.letter.weight"),
    (r"^(embedding\.(?:row|column))\.embed_pair_pos\.", r"\1.position."),
    (r"^RNAformer\.output_ln\.", "norm."),
    (r"^RNAformer\.layers\.", "blocks."),
    (r"\.attn_pair_row\.", ".row_attention."),
    (r"\.attn_pair_col\.", ".column_attention."),
    (r"_attention\.(?:attn\.)?Wqkv\.", "_attention.qkv."),
    (r"_attention\.(?:attn\.)?out_proj\.", "_attention.out."),
    (r"\.pair_transition\.", ".transition."),
    (r"\.transition\.(?:conv1|linear_1)\.", ".transition.widen."),
    (r"\.transition\.(?:conv2|linear_2)\.", ".transition.narrow."),
    (r"\.conv\.(weight|bias)$", r".\1"),
    (r"\.input_norm\.", ".norm."),
    (r"^pdf_embedding\.", "flag."),
    (r"^output_mat\.", "read_out."),
)


def read_published(
    state_path: str | Path, config_path: str | Path
) -> tuple[ModelConfig, Tensors, list[str]]:
    """The config, the tensors, and notes for the user on how they were translated.

    Raises:
        InputError: a file that cannot be read, or holds other objects than tensors or plain values.
        ConfigError: a config that this network does not support.
        WeightsError: tensors that contradict the config.
    """
    raw = read_yaml(config_path)
    published = read_state_dict(state_path)
    tensors = {_rename(name): tensor.float() for name, tensor in published.items()}
    try:
        config = published_config(raw)
        config, notes = _resolve_recycling(config, tensors)
        _check_constants(config, tensors)
        if any(".lora_" in name for name in tensors):
            tensors, note = merge_lora(tensors, raw)
            notes.append(note)
    except ConfigError as error:
        raise error.at(config_path) from None
    except WeightsError as error:
        raise error.at(state_path) from None
    _transpose_positions(config, tensors)
    return config, tensors, notes


def read_yaml(path: str | Path) -> Mapping[str, Any]:
    """The mapping in a YAML file, without building any object.

    Raises:
        InputError: an unreadable file; YAML that is not a mapping of plain values, is deeply
            nested, or has aliases, tags or duplicate keys.
    """
    content = read_bytes(path, MAX_CONFIG_TEXT)
    try:
        text = yaml.reader.Reader(content).buffer  # decoded; fails for characters YAML forbids
        if text.count("[") + text.count("{") > MAX_CONFIG_BRACKETS:
            raise InputError(f"more than {MAX_CONFIG_BRACKETS:,} brackets in a config", path=path)
        _check_events(content, path)
        loader = yaml.SafeLoader(content)
        node = loader.get_single_node()
        _check_keys(node, path)
        values = None if node is None else loader.construct_document(node)
    except _YAML_ERRORS:
        raise InputError("not a plain YAML file", path=path) from None
    if not isinstance(values, dict):
        raise InputError("expected a YAML mapping", path=path)
    return values


# Those of PyYAML, also for invalid dates, invalid or too large numbers, and unhashable keys.
_YAML_ERRORS = (yaml.YAMLError, ValueError, OverflowError, LookupError, TypeError, AttributeError)


def _check_events(content: bytes, path: str | Path) -> None:
    """Refuse aliases, tags and deep nesting before objects are built, which could take minutes."""
    depth = 0
    for event in yaml.parse(content, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):  # nested aliases grow exponentially
            raise InputError("YAML aliases are not supported", path=path, line=line)
        if getattr(event, "tag", None) is not None:
            raise InputError("YAML tags are not supported", path=path, line=line)
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_CONFIG_DEPTH:
            message = f"nested more than {MAX_CONFIG_DEPTH} levels deep (the limit)"
            raise InputError(message, path=path, line=line)


def _check_keys(node: yaml.Node | None, path: str | Path) -> None:
    """Refuse duplicate keys; PyYAML would silently use the last one."""
    if isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _check_keys(value, path)
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    line, name = key.start_mark.line + 1, shorten_repr(key.value)
                    raise InputError(f"duplicate key {name}", path=path, line=line)
                seen.add(key.value)
            _check_keys(value, path)


def read_state_dict(path: str | Path) -> Mapping[str, Tensor]:
    """The tensors of a PyTorch state dict. Nothing in the file is executed.

    Raises:
        InputError: an unreadable file, or an object that is not a state dict of tensors.
    """
    state = read_tensor_file(path, "a PyTorch state dict of tensors")
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        raise InputError("expected a state dict: tensors by name", path=path)
    _check_size(state, path)
    return state


def _check_size(state: Mapping[str, Tensor], path: str | Path) -> None:
    """Refuse tensors with more bytes than the file, such as views that repeat stored values."""
    needed = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
    if needed > Path(path).stat().st_size:
        raise InputError(f"is smaller than the {needed:,} bytes of its tensors", path=path)
    for name, tensor in state.items():
        if not tensor.is_floating_point() or tensor.layout != torch.strided:
            raise InputError(f"tensor {name!r} is not a dense floating-point tensor", path=path)


def published_config(raw: Mapping[str, Any]) -> ModelConfig:
    """Translate the `RNAformer` section of a published config.

    Raises:
        ConfigError: a missing section or setting, or a setting that this network does not support.
    """
    section = raw.get("RNAformer")
    if not isinstance(section, Mapping):
        raise ConfigError("no section 'RNAformer'")
    if section.get("use_glu") and not section.get("ff_kernel"):
        raise ConfigError("use_glu is not supported")
    if section.get("seq_vocab_size", N_CODES) != N_CODES:
        raise ConfigError(
            f"seq_vocab_size must be {N_CODES}, not {shorten_repr(section['seq_vocab_size'])}"
        )
    cycling = section.get("cycling", False)
    if not isinstance(cycling, int):  # a bool is an int
        raise ConfigError(f"cycling must be a number of passes, not {shorten_repr(cycling)}")
    return ModelConfig.from_dict(
        {
            **{ours: _setting(section, theirs) for ours, theirs in _SETTING_NAMES.items()},
            "ff_factor": _number(section, "ff_factor"),
            "norm_eps": _number(section, "ln_eps"),
            "softmax_scale": bool(_setting(section, "softmax_scale")),
            "patch": 1,
            "positions": _positions(section),
            "rotary_fraction": _rotary_fraction(section),
            "recycling": bool(cycling),
            "cycles": int(cycling) or 1,
            "outputs": 1 if section.get("binary_output", True) else 2,
            "label_flag": bool(section.get("pdb_flag", True)),
            "dropout": _number({"resi_dropout": 0.0, **section}, "resi_dropout"),
        }
    )


_SETTING_NAMES = {
    "dim": "model_dim",
    "depth": "n_layers",
    "heads": "num_head",
    "ff_kernel": "ff_kernel",
    "max_positions": "max_len",
    "norm_affine": "learn_ln",
    "use_bias": "use_bias",
}


def _rename(name: str) -> str:
    for pattern, ours in _TENSOR_NAMES:
        name = re.sub(pattern, ours, name)
    return name


def _setting(section: Mapping[str, Any], name: str) -> Any:
    if name not in section:
        raise ConfigError(f"no setting {name!r} in section 'RNAformer'")
    return section[name]


def _number(section: Mapping[str, Any], name: str) -> float:
    value = _setting(section, name)
    try:
        return float(value)  # YAML reads 1e-5 as text
    except (TypeError, ValueError, OverflowError):
        raise ConfigError(f"{name} must be a number, not {shorten_repr(value)}") from None


def _positions(section: Mapping[str, Any]) -> Positions:
    if not _setting(section, "pos_embedding"):
        return "none"
    # The published name is misleading: `rel_pos_enc` selects one-hot encoded absolute positions.
    return "absolute" if _setting(section, "rel_pos_enc") else "sinusoidal"


def _rotary_fraction(section: Mapping[str, Any]) -> float:
    return _number(section, "rotary_emb_fraction") if section.get("rotary_emb") else 0.0


def _resolve_recycling(config: ModelConfig, tensors: Tensors) -> tuple[ModelConfig, list[str]]:
    """The config with recycling if the tensors have a recycling norm, and a note if that differs.

    Raises:
        WeightsError: a config with recycling, but no recycling norm.
    """
    has_norm = "recycle_norm.weight" in tensors
    if has_norm == config.recycling:
        return config, []
    if not has_norm:
        raise WeightsError(
            f"the config has {config.cycles} cycles, but no tensor of a recycling norm"
        )
    note = (
        "the config says 'cycling: false', but the weights have a recycling norm; "
        f"using {DEFAULT_CYCLES} cycles"
    )
    return replace(config, recycling=True, cycles=DEFAULT_CYCLES), [note]


def _check_constants(config: ModelConfig, tensors: Tensors) -> None:
    """Drop stored constants, after checking that they equal those of this package."""
    width = int(config.rotary_fraction * config.head_dim)
    expected = {
        ".scale": torch.tensor([math.sqrt(config.dim // 2)]),
        ".freqs": 10_000.0 ** (-torch.arange(0, width, 2)[: width // 2] / max(width, 1)),
        ".pe": sinusoids(torch.arange(config.max_positions), config.dim)[None],
    }
    for name in list(tensors):
        for ending, value in expected.items():
            if name.endswith(ending):
                stored = tensors.pop(name)
                if stored.shape != value.shape or not torch.allclose(stored, value, atol=1e-4):
                    raise WeightsError(f"{name!r} differs from the constant given by the config")


def _transpose_positions(config: ModelConfig, tensors: Tensors) -> None:
    """Turn the published linear layer over one-hot positions into an embedding table."""
    if config.positions == "absolute":
        for name in ("embedding.row.position.weight", "embedding.column.position.weight"):
            if name in tensors:
                tensors[name] = tensors[name].T.contiguous()
