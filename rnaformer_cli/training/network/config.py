"""The config of a training run, as read from a TOML file."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_type_hints

from rnaformer_cli.errors import ConfigError, InputError, shorten_repr
from rnaformer_cli.files import read_bytes
from rnaformer_cli.limits import MAX_CONFIG_DEPTH, MAX_CONFIG_TEXT
from rnaformer_cli.model.config import ModelConfig, check_type
from rnaformer_cli.training.batches.config import BatchConfig, check_at_least, check_fractions

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_PART = r"""(?:"[^"\n]*"|'[^'\n]*'|(?<![\w-])[\w-]+)[ \t]*\.[ \t]*"""  # of a dotted key
_DEEP_KEY = re.compile(rf"(?:{_PART}){{{MAX_CONFIG_DEPTH}}}")


@dataclass(frozen=True, slots=True)
class OptimiserConfig:
    """Settings of the optimiser. `muon` is for the matrices of the blocks; the rest uses AdamW.

    Raises:
        ConfigError: a value out of its range.
    """

    kind: Literal["muon", "adamw"] = "muon"
    learning_rate: float = 4e-3  # peak value
    final_learning_rate_fraction: float = 0.02  # of the peak, at the end of the run
    warmup: float = 0.03  # fraction of the run
    weight_decay: float = 0.01  # on the matrices of the blocks
    max_gradient_norm: float = 1.0  # larger gradients are scaled down to this norm
    ema_decay: float = 0.999  # of the moving average of the weights, which is saved

    def __post_init__(self) -> None:
        check_fractions(self, "final_learning_rate_fraction", "warmup", "ema_decay")
        check_at_least(self, 0, "weight_decay")
        for name in ("learning_rate", "max_gradient_norm"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name} must be above 0, not {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class RunConfig:
    """Duration and validation. Exactly one of `steps` and `minutes` is above 0.

    Raises:
        ConfigError: a value out of its range, or both or neither of `steps` and `minutes`.
    """

    steps: int = 0
    minutes: float = 0.0  # of training, without validation; on CPUs at most the processor time
    seed: int = 0
    validate_every: float = 5.0  # minutes
    validate_records: int = 120  # fixed random sample of each validation set
    validate_length: int = 300  # bases; longer records are not used

    def __post_init__(self) -> None:
        if (self.steps > 0) == (self.minutes > 0):
            raise ConfigError("exactly one of steps and minutes must be above 0")
        check_at_least(self, 0, "seed")
        check_at_least(self, 1, "validate_records", "validate_length")
        if self.validate_every <= 0:
            raise ConfigError(f"validate_every must be above 0, not {self.validate_every}")


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """All sections of a training config."""

    model: ModelConfig = field(default_factory=ModelConfig)
    batches: BatchConfig = field(default_factory=BatchConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    run: RunConfig = field(default_factory=lambda: RunConfig(minutes=60.0))

    def to_dict(self) -> dict[str, Any]:
        """Plain values by section, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainConfig:
        """The config from plain values by section, after checks of names and types.

        Raises:
            ConfigError: an unknown section or key, or an invalid value.
        """
        sections = {section.name: section for section in fields(cls)}
        types = get_type_hints(cls)
        built: dict[str, Any] = {}
        for name, section in values.items():
            if name not in sections:
                raise ConfigError(f"unknown section {name!r}; known: {', '.join(sections)}")
            if not isinstance(section, Mapping):
                raise ConfigError(f"{name!r} must be a section, not {shorten_repr(section)}")
            built[name] = _build_section(types[name], name, section)
        return cls(**built)


def read_config(path: str | Path) -> TrainConfig:
    """The config in a TOML file.

    Raises:
        InputError: a file that cannot be read or is not TOML.
        ConfigError: an unknown section or key, or an invalid value.
    """
    try:
        text = read_bytes(path, MAX_CONFIG_TEXT).decode()
        if _DEEP_KEY.search(text):  # tomllib takes time quadratic in the number of parts
            message = f"a key of more than {MAX_CONFIG_DEPTH} parts (the limit)"
            raise InputError(message, path=path)
        values = tomllib.loads(text)
    except ValueError as error:
        raise InputError(f"not a TOML file: {error}", path=path) from None
    except RecursionError:
        raise InputError("not a TOML file: nested too deeply", path=path) from None
    try:
        return TrainConfig.from_dict(values)
    except ConfigError as error:
        raise error.at(path) from None


def _build_section(kind: type, name: str, values: Mapping[str, Any]) -> Any:
    if kind is ModelConfig:
        return ModelConfig.from_dict(values)
    types = get_type_hints(kind)
    for key, value in values.items():
        if key not in types:
            raise ConfigError(f"unknown key {key!r} in [{name}]; known: {', '.join(types)}")
        if key == "source_weights":
            check_type(key, value, dict)
        elif key != "lengths":
            check_type(key, value, types[key])
    if "lengths" in values:
        values = {**values, "lengths": _lengths(values["lengths"])}
    return kind(**values)


def _lengths(value: object) -> tuple[int, ...]:
    if not isinstance(value, (list, tuple)):
        raise ConfigError(f"lengths must be a list, not {shorten_repr(value)}")
    for length in value:
        check_type("lengths", length, int)
    return tuple(value)
