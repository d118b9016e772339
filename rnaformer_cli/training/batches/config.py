"""The section [batches] of a training config: sampling of records and size of batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rnaformer_cli.errors import ConfigError, shorten_repr


@dataclass(frozen=True, slots=True)
class BatchConfig:
    """Sampling of records and size of batches.

    Raises:
        ConfigError: a value out of its range.
    """

    max_cells: int = 40_000  # B·L·L of a batch; a longer record is a batch by itself
    batches_per_step: int = 2  # over all GPUs
    bucketed: bool = False  # batches of one latent side, from data that stay on the device
    lengths: tuple[int, ...] = (128, 128, 200, 300, 500)  # longest record in each part of the run
    cluster_exponent: float = 0.3  # a cluster of n records has weight n ** this
    length_exponent: float = 1.0  # a record of L > 100 bases has weight (100 / L) ** this
    computed_fraction: float = 0.35  # fraction of the records that have computed labels
    # Factor of the sampling weight of records by their source; 1 for sources that are not listed.
    source_weights: Mapping[str, float] = field(default_factory=lambda: {"rfam-predicted": 0.5})
    negative_fraction: float = 1.0  # fraction of the cells without a pair that enter the loss
    augmented_fraction: float = 0.0  # fraction of the curated records whose letters are redrawn
    max_mutation_rate: float = 0.5  # maximum fraction of pairs and unpaired letters redrawn

    def __post_init__(self) -> None:
        check_at_least(self, 1, "max_cells", "batches_per_step")
        check_fractions(
            self,
            "computed_fraction",
            "negative_fraction",
            "augmented_fraction",
            "max_mutation_rate",
        )
        if not self.lengths or min(self.lengths) < 1:
            raise ConfigError(f"lengths must be positive, not {list(self.lengths)}")
        if self.negative_fraction == 0.0:
            raise ConfigError("negative_fraction must be above 0")
        for name, weight in self.source_weights.items():
            if not isinstance(weight, (int, float)) or not 0 <= weight < 2**63:
                message = (
                    f"source_weights of {name!r} must be 0 or more, not {shorten_repr(weight)}"
                )
                raise ConfigError(message)


def check_at_least(config: object, minimum: int, *names: str) -> None:
    """Check that settings are not below a minimum.

    Raises:
        ConfigError: the value of one of `names` is below `minimum`.
    """
    for name in names:
        if getattr(config, name) < minimum:
            raise ConfigError(f"{name} must be at least {minimum}, not {getattr(config, name)}")


def check_fractions(config: object, *names: str) -> None:
    """Check that settings are from 0 to 1.

    Raises:
        ConfigError: the value of one of `names` is outside this range.
    """
    for name in names:
        if not 0.0 <= getattr(config, name) <= 1.0:
            raise ConfigError(f"{name} must be from 0 to 1, not {getattr(config, name)}")
