"""The chemical probing data of one RNA."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rnaformer_cli.errors import ProbingError

REAGENTS = ("1M7", "1M6", "NMIA", "NAI", "FAI", "2A3", "5NIA", "BzCN", "DMS", "CMCT")

# RNAstructure writes -999 for bases without data, and treats any value below -500 as missing.
NO_DATA_BELOW = -500.0


@dataclass(frozen=True, slots=True)
class Reactivities:
    """A reactivity for each base, in the scale of the experiment; None where there is no value.

    Raises:
        ProbingError: no base, a value that is not finite, or a reagent that is not in REAGENTS.
    """

    values: tuple[float | None, ...]
    reagent: str | None = None  # None: not known

    def __post_init__(self) -> None:
        if not self.values:
            raise ProbingError("no reactivities")
        for position, value in enumerate(self.values, start=1):
            if value is not None and not math.isfinite(value):
                message = f"the reactivity of base {position} is {value}; expected a finite number"
                raise ProbingError(message)
        if self.reagent is not None and self.reagent not in REAGENTS:
            raise ProbingError(unknown_reagent(self.reagent))

    def __len__(self) -> int:
        return len(self.values)

    @property
    def n_missing(self) -> int:
        """The number of bases without a value."""
        return sum(value is None for value in self.values)


def find_reagent(name: str) -> str:
    """The reagent of that name in its usual spelling; case is ignored.

    Raises:
        ProbingError: an unknown reagent.
    """
    for reagent in REAGENTS:
        if reagent.casefold() == name.strip().casefold():
            return reagent
    raise ProbingError(unknown_reagent(name))


def unknown_reagent(name: str) -> str:
    """The message for a reagent that is not known."""
    return f"{name[:80]!r} is not a known reagent; expected one of {', '.join(REAGENTS)}"
