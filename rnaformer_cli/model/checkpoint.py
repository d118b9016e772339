"""Read and write checkpoints: folders with config.json, model.safetensors and a card, README.md.

A checkpoint may also have a library of family profiles, families.safetensors.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from torch.overrides import TorchFunctionMode

from rnaformer_cli.errors import ConfigError, WeightsError, shorten_repr
from rnaformer_cli.families.mixture import FamilyMixture, FamilyModel
from rnaformer_cli.families.profiles import Library, read_library, unreadable, write_library
from rnaformer_cli.families.recognition import ProfileSearch
from rnaformer_cli.files import read_bytes, sha256_of, write_atomically, write_text
from rnaformer_cli.json_text import parse_json
from rnaformer_cli.limits import MAX_CONFIG_BYTES
from rnaformer_cli.model.config import CONFIG_FILE, FAMILIES_FILE, TENSOR_FILE, ModelConfig
from rnaformer_cli.model.network import RNAformer

CARD_FILE = "README.md"
_FOLDING_PREFIX = "folding."  # of the names of the folding model's tensors
CONFIG_DIGEST = "config_sha256"
ChecksumState = Literal["covered", "uncovered", "changed"]
FORMAT_VERSION = 1

_OLD_MODEL_KEYS = {"folding_weight": "folding_logit_weight", "threshold_share": "threshold_ratio"}
_OLD_FAMILY_KEYS = {  # of weights that were released before version 0.1.0
    "trust": "evidence_scale",
    "needed": "null_log_odds",
    "length": "null_log_odds_slope",
    "network": "network_coefficient",
    "families": "family_coefficient",
    "together": "interaction",
    "shift": "intercept",
    "most": "ceiling",
}
_KEYS = frozenset({"format", "name", "sha256", "model", "families", "about", "config_sha256"})
Kind = TypeVar("Kind")

_SHOWN = 3  # names in a message about tensors that do not fit


@dataclass(frozen=True, slots=True)
class FamilyFile:
    """The checksum of a checkpoint's profile library and the parameters of its mixture.

    `of` names the weights, in a folder beside those of the checkpoint, that hold the library; None
    if the checkpoint has a copy of its own.
    """

    sha256: str
    mixture: FamilyMixture
    of: str | None = None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The contents of config.json: the settings of the network, and the origin of its tensors."""

    name: str
    model: ModelConfig
    sha256: str  # of the tensor file
    families: FamilyFile | None = None
    about: Mapping[str, Any] = field(default_factory=dict)  # free text and numbers
    config: ChecksumState = "covered"  # "uncovered" without, "changed" with a wrong checksum


def read_checkpoint(folder: str | Path) -> Checkpoint:
    """Read config.json, not the tensors.

    Raises:
        WeightsError: a missing folder or file, or JSON that is not the config of a checkpoint.
        ConfigError: an unknown setting.
    """
    path = _file_in(folder, CONFIG_FILE)
    try:
        values = parse_json(read_bytes(path, MAX_CONFIG_BYTES))
        if values["format"] != FORMAT_VERSION:
            raise WeightsError(
                f"format must be {FORMAT_VERSION}, not {shorten_repr(values['format'])}", path=path
            )
        model = ModelConfig.from_dict(_renamed(values["model"], _OLD_MODEL_KEYS))
        name, digest = _check_type(values["name"], str), _check_type(values["sha256"], str)
        families, about = _read_family_file(values), _about(values)
        return Checkpoint(name, model, digest, families, about, _checksum_state(values))
    except (ValueError, TypeError, AttributeError, KeyError):
        message = "expected a JSON object with format, name, model and sha256"
        raise WeightsError(message, path=path) from None
    except ConfigError as error:
        raise error.at(path) from None


def _checksum_state(values: Mapping[str, Any]) -> ChecksumState:
    if CONFIG_DIGEST not in values:
        return "uncovered"
    recorded = _check_type(values[CONFIG_DIGEST], str)
    return "covered" if recorded == config_digest(values) else "changed"


def config_digest(values: Mapping[str, Any]) -> str:
    """The SHA-256 of a config's values except this checksum, independent of their order."""
    rest = {key: value for key, value in values.items() if key != CONFIG_DIGEST}
    text = json.dumps(rest, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _file_in(folder: str | Path, name: str) -> Path:
    """The path of a regular file of a checkpoint; a device or a pipe might never end."""
    path = Path(folder) / name
    if not path.is_file():
        raise WeightsError(f"no {name} in this folder", path=folder)
    return path


def _read_family_file(values: Mapping[str, Any]) -> FamilyFile | None:
    if "families" not in values:
        return None
    section = _renamed(values["families"], _OLD_FAMILY_KEYS)
    digest, of = _check_type(section.pop("sha256"), str), section.pop("of", None)
    if of is not None and (of in {"", ".."} or Path(_check_type(of, str)).name != of):
        raise ConfigError(f"of in families must be a name, not {shorten_repr(of)}")
    return FamilyFile(digest, FamilyMixture.from_dict(section), of)


def _renamed(section: object, old_keys: Mapping[str, str]) -> dict[str, Any]:
    """A copy of a section of config.json with old keys renamed."""
    return {old_keys.get(key, key): value for key, value in _check_type(section, dict).items()}


def _about(values: Mapping[str, Any]) -> Mapping[str, Any]:
    unknown = sorted(set(values) - _KEYS)
    if unknown:
        raise ConfigError(
            f"unknown key {shorten_repr(unknown[0])}; known: {', '.join(sorted(_KEYS))}"
        )
    return _check_type(values.get("about", {}), dict)


def _check_type(value: Any, expected_type: type[Kind]) -> Kind:
    if not isinstance(value, expected_type):
        raise TypeError
    return value


def load_network(folder: str | Path) -> tuple[RNAformer, Checkpoint]:
    """The network with its weights, on the CPU and in evaluation mode, and its checkpoint.

    Raises:
        WeightsError: a missing or damaged file; a missing, extra or misshapen tensor; values that
            are not finite; a wrong checksum of the tensors or of config.json.
        ConfigError: an unknown setting.
    """
    checkpoint = read_checkpoint(folder)
    path = _file_in(folder, TENSOR_FILE)
    network = _meta_network(checkpoint.model)
    tensors = read_tensors(path, tensor_shapes(network.state_dict()))
    _check_digest(path, checkpoint.sha256)
    if checkpoint.config == "changed":
        message = f"was changed after it was written: its {CONFIG_DIGEST} is another"
        raise WeightsError(message, path=_file_in(folder, CONFIG_FILE))
    network.load_state_dict(tensors, strict=True, assign=True)
    return network.eval(), checkpoint


def load_families(folder: str | Path, checkpoint: Checkpoint) -> FamilyModel | None:
    """The family profiles of a checkpoint, or None if it has none.

    Raises:
        WeightsError: a missing or damaged file, or a wrong checksum.
    """
    if checkpoint.families is None:
        return None
    recorded = checkpoint.families
    holder = Path(folder) if recorded.of is None else Path(folder).absolute().parent / recorded.of
    if recorded.of is not None and not holder.is_dir():
        message = f"its family profiles are those of {recorded.of!r}, which is no folder beside it"
        raise WeightsError(message, path=folder)
    path = _file_in(holder, FAMILIES_FILE)
    library = read_library(path)
    _check_digest(path, recorded.sha256)
    return FamilyModel(ProfileSearch(library), recorded.mixture, recorded.sha256)


def _check_digest(path: Path, expected: str) -> None:
    digest = sha256_of(path)
    if digest != expected:
        recorded = expected[: len(digest)]  # limits the message if config.json is damaged
        raise WeightsError(f"sha256 is {digest}, {CONFIG_FILE} says {recorded}", path=path)


def read_tensors(path: str | Path, expected: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """The tensors of a safetensors file as float32.

    Names and shapes are compared with `expected` before any tensor is read, so that a malicious
    file does not allocate memory.

    Raises:
        WeightsError: a damaged file; a missing, extra or misshapen tensor; values that are not
            finite.
    """
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            names = list(file.keys())
            check_tensors(
                expected, {name: tuple(file.get_slice(name).get_shape()) for name in names}
            )
            return {name: _as_finite_floats(name, file.get_tensor(name)) for name in names}
    except (SafetensorError, OSError):
        raise WeightsError(unreadable(path), path=path) from None
    except WeightsError as error:
        raise error.at(path) from None


def save_checkpoint(
    folder: str | Path,
    name: str,
    model: ModelConfig,
    tensors: Mapping[str, Tensor],
    about: Mapping[str, Any],
    card: str,
    families: tuple[Library, FamilyMixture] | None = None,
) -> Checkpoint:
    """Check that the tensors fit the config, then write a checkpoint folder.

    Raises:
        WeightsError: a missing, extra or misshapen tensor.
        OutputError: the folder cannot be written.
    """
    check_tensors(tensor_shapes(_meta_network(model).state_dict()), tensor_shapes(tensors))
    data = save({key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()})
    target = Path(folder)
    family_file = None
    if families is not None:
        write_library(target / FAMILIES_FILE, families[0])
        family_file = FamilyFile(sha256_of(target / FAMILIES_FILE), families[1])
    digest = hashlib.sha256(data).hexdigest()
    checkpoint = Checkpoint(name, model, digest, family_file, about)
    with write_atomically(target / TENSOR_FILE, binary=True) as file:
        file.write(data)  # type: ignore[arg-type]  # opened as binary
    write_text(target / CARD_FILE, card)
    values = {
        "format": FORMAT_VERSION,
        "name": name,
        "sha256": checkpoint.sha256,
        "model": model.to_dict(),
        "about": dict(about),
    }
    if family_file is not None:
        values["families"] = {"sha256": family_file.sha256, **family_file.mixture.to_dict()}
    values[CONFIG_DIGEST] = config_digest(json.loads(json.dumps(values)))
    write_text(target / CONFIG_FILE, json.dumps(values, indent=2, ensure_ascii=False) + "\n")
    return checkpoint


def to_half_precision(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors as float16, except those of the folding model.

    The folding model multiplies hundreds of Boltzmann factors, so its scores stay float32.

    Raises:
        WeightsError: a value beyond the range of float16.
    """
    halves = dict(tensors)
    for name, tensor in tensors.items():
        if not name.startswith(_FOLDING_PREFIX):
            halves[name] = tensor.half()
            if not torch.isfinite(halves[name]).all():
                raise WeightsError(f"tensor {name!r} has values beyond the range of float16")
    return halves


def _as_finite_floats(name: str, tensor: Tensor) -> Tensor:
    if not tensor.is_floating_point():
        raise WeightsError(f"tensor {name!r} holds {tensor.dtype}, expected floating point")
    numbers = tensor.float()
    if not torch.isfinite(numbers).all():
        raise WeightsError(f"tensor {name!r} has values that are not finite")
    return numbers


def tensor_shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor."""
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def check_tensors(
    expected: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]
) -> None:
    """Compare names and shapes.

    Raises:
        WeightsError: missing, extra or misshapen tensors; the first few are named.
    """
    missing = [name for name in expected if name not in found]
    extra = [name for name in found if name not in expected]
    if missing:
        raise WeightsError(f"missing tensors: {_format_names(missing)}")
    if extra:
        raise WeightsError(f"unknown tensors: {_format_names(extra)}")
    for name, shape in expected.items():
        if found[name] != shape:
            raise WeightsError(f"tensor {name!r} has shape {found[name]}, expected {shape}")


def _format_names(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(repr(name) for name in names[:_SHOWN]) + more


def _meta_network(config: ModelConfig) -> RNAformer:
    """A network on PyTorch's meta device: its tensors have shapes but no memory."""
    with torch.device("meta"), _SkipInitialisation():
        return RNAformer(config)


class _SkipInitialisation(TorchFunctionMode):
    """Skips torch.nn.init, which on meta tensors would load PyTorch's compiler."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == torch.nn.init.__name__:
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return func(*args, **kwargs)
