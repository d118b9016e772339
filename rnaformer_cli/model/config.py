"""The configuration of a network, as stored with its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args, get_type_hints

from rnaformer_cli.errors import ConfigError, shorten_repr

CONFIG_FILE = "config.json"  # a folder with this file is a checkpoint
TENSOR_FILE = "model.safetensors"
FAMILIES_FILE = "families.safetensors"

Positions = Literal["none", "absolute", "sinusoidal", "relative"]
AttentionKind = Literal["axial", "full", "rows", "none"]

MAX_VALUES = {  # far above usable values: a damaged config is refused before memory is allocated
    "dim": 16_384,
    "depth": 1_000,
    "ff_factor": 64,
    "max_positions": 1_000_000,
    "cycles": 1_000,
    "folding_logit_weight": 1_000,
}


PREDICTION_SETTINGS = frozenset(  # settings that do not change the tensors of a network
    ("cycles", "folding_logit_weight", "dropout", "flag", "threshold", "threshold_ratio")
)


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The settings of a network.

    Raises:
        ConfigError: a value out of range, or values that contradict each other.
    """

    dim: int = 48  # channels C of the pair matrix
    depth: int = 5  # blocks
    heads: int = 3  # attention heads H; each has dim / heads channels
    ff_factor: float = 3.0  # the transition widens to ff_factor · dim
    ff_kernel: Literal[0, 1, 3] = 3  # 0: a plain feed-forward, 1 or 3: two convolutions
    patch: Literal[1, 2] = 2  # bases per cell of the latent matrix, each way; 1 as published
    positions: Positions = "relative"
    max_positions: int = 64  # size of the table; larger positions are clipped
    rotary_fraction: float = 0.0  # of a head's channels; 0 switches rotary embedding off
    attention: AttentionKind = "axial"  # ablations: over all cells, over rows only, none
    recycling: bool = True  # whether a pass takes the output of the previous pass as input
    cycles: int = 2  # default number of passes in prediction
    outputs: Literal[1, 2] = 1  # logits per cell; of two, the last is the pair logit
    label_flag: bool = False  # adds flag · w + b to each cell: curated labels 1, computed labels 0
    folding: bool = False  # adds base-pair probabilities of a folding model to the embedding
    folding_logit_weight: float = 0.0  # of the folding model's logits in the pair logits
    norm_affine: bool = True
    norm_eps: float = 1e-5
    use_bias: bool = True
    softmax_scale: bool = True
    dropout: float = 0.0  # on each residual, in training only
    flag: float = 1.0  # the label flag in prediction, from 0 (computed) to 1 (curated)
    threshold: float = 0.5  # pairs below it are not predicted; chosen on validation data
    threshold_ratio: float = 0.0  # threshold / expected F1 of a record; 0: one threshold for all

    def __post_init__(self) -> None:
        self._check_ranges()
        if self.dim % self.heads:
            raise ConfigError(f"dim ({self.dim}) must be divisible by heads ({self.heads})")
        if self.patch > 1 and self.outputs == 2:
            raise ConfigError("patch 2 does not support outputs 2")
        if self.flag != 1.0 and not self.label_flag:
            raise ConfigError(f"flag ({self.flag}) must be 1 without label_flag")
        if self.folding_logit_weight and not self.folding:
            raise ConfigError(
                f"folding_logit_weight ({self.folding_logit_weight}) must be 0 without folding"
            )
        if not self.recycling and self.cycles != 1:
            raise ConfigError(f"cycles must be 1 without recycling, not {self.cycles}")
        if self.rotary_fraction and 2 * self.rotary_dim > self.dim:
            raise ConfigError(
                f"rotary_fraction ({self.rotary_fraction}) turns {2 * self.rotary_dim} channels, "
                f"but dim is {self.dim}"
            )

    def _check_ranges(self) -> None:
        for name in ("dim", "depth", "heads", "max_positions", "cycles"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name, maximum in MAX_VALUES.items():
            if getattr(self, name) > maximum:
                raise ConfigError(f"{name} must be at most {maximum}, not {getattr(self, name)}")
        if self.hidden_dim < 1:
            raise ConfigError(f"ff_factor must widen to at least 1 channel, not {self.ff_factor}")
        self._check_fractions()

    def _check_fractions(self) -> None:
        """Check ranges with comparisons that are False for NaN."""
        for name in ("rotary_fraction", "flag", "threshold", "threshold_ratio", "dropout"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ConfigError(f"{name} must be from 0 to 1, not {getattr(self, name)}")
        if not 0.0 < self.norm_eps <= 1.0:
            raise ConfigError(f"norm_eps must be above 0 and at most 1, not {self.norm_eps}")
        if not self.folding_logit_weight >= 0.0:
            raise ConfigError(
                f"folding_logit_weight must be at least 0, not {self.folding_logit_weight}"
            )

    @property
    def head_dim(self) -> int:
        """Channels D of one attention head."""
        return self.dim // self.heads

    @property
    def hidden_dim(self) -> int:
        """Channels inside the transition."""
        return int(self.ff_factor * self.dim)

    @property
    def rotary_dim(self) -> int:
        """Channels rotated for each axis; an even number, since channels rotate in pairs."""
        return int(self.rotary_fraction * self.head_dim) // 2 * 2

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, in the order of the fields."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelConfig:
        """Check names and types, then build.

        Raises:
            ConfigError: an unknown key, or a value of the wrong type.
        """
        hints = get_type_hints(cls)
        known = {field.name: hints[field.name] for field in fields(cls)}
        for name, value in values.items():
            if name not in known:
                raise ConfigError(f"unknown setting {name!r}; known: {', '.join(known)}")
            check_type(name, value, known[name])
        return cls(**values)


def check_type(name: str, value: object, expected: Any) -> None:
    """Check a value against the type of a setting: a class, or a Literal of its choices.

    Raises:
        ConfigError: a value of another type (an int is accepted as a float, a bool is not a
            number), or a number that is not finite or does not fit 64 bits.
    """
    choices = get_args(expected)
    if choices:
        if not isinstance(value, (str, int)) or value not in choices or isinstance(value, bool):
            listed = ", ".join(repr(choice) for choice in choices)
            raise ConfigError(f"{name} must be one of {listed}, not {shorten_repr(value)}")
        return
    allowed = (int, float) if expected is float else expected
    if not isinstance(value, allowed) or (isinstance(value, bool) and expected is not bool):
        raise ConfigError(f"{name} must be {expected.__name__}, not {shorten_repr(value)}")
    if isinstance(value, (int, float)) and not -(2**63) < value < 2**63:
        raise ConfigError(f"{name} must be above -2^63 and below 2^63, not {shorten_repr(value)}")
