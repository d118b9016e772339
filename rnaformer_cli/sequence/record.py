"""One RNA of the input."""

from __future__ import annotations

from dataclasses import dataclass

from rnaformer_cli.errors import ConstraintError, ProbingError, SequenceError
from rnaformer_cli.sequence.constraints import Constraints
from rnaformer_cli.sequence.encode import ALPHABET
from rnaformer_cli.sequence.reactivities import Reactivities


@dataclass(frozen=True, slots=True)
class RnaRecord:
    """An RNA with its name; the sequence is upper case and holds A C G U N only.

    Raises:
        SequenceError: no base, or a letter that is none of the five.
        ProbingError: a number of reactivities that is not that of the bases.
        ConstraintError: constraints of an RNA of another length.
    """

    id: str
    sequence: str
    description: str = ""
    n_ambiguous: int = 0  # letters that were read as N
    reactivities: Reactivities | None = None  # chemical probing data
    constraints: Constraints | None = None  # on its structure

    def __post_init__(self) -> None:
        if not self.sequence:
            raise SequenceError("no sequence", record=self.id)
        for base, letter in enumerate(self.sequence, start=1):
            if letter not in ALPHABET:
                message = f"{letter!r} at base {base} is not one of A C G U N"
                raise SequenceError(message, record=self.id)
        if self.reactivities is not None and len(self.reactivities) != len(self.sequence):
            message = f"{len(self.reactivities)} reactivities for {len(self.sequence)} bases"
            raise ProbingError(message, record=self.id)
        if self.constraints is not None and len(self.constraints) != len(self.sequence):
            message = f"constraints of {len(self.constraints)} bases for {len(self.sequence)} bases"
            raise ConstraintError(message, record=self.id)

    def __len__(self) -> int:
        return len(self.sequence)
