"""The reactivities of one RNA in a chemical probing experiment."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rnaformer_cli.errors import SequenceError


@dataclass(frozen=True, slots=True)
class Reactivities:
    """One value for each base; None where nothing was measured. Any scale can be used.

    Raises:
        SequenceError: a value that is not finite.
    """

    values: tuple[float | None, ...]
    reagent: str | None = None  # with "DMS" only A and C count

    def __post_init__(self) -> None:
        for position, value in enumerate(self.values, start=1):
            if value is not None and not math.isfinite(value):
                message = f"the reactivity of base {position} is {value}, expected a finite number"
                raise SequenceError(message)

    def __len__(self) -> int:
        return len(self.values)
