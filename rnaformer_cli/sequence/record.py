"""An input RNA with its probing data and constraints."""

from __future__ import annotations

from dataclasses import dataclass

from rnaformer_cli.errors import ConstraintError, ProbingError, SequenceError, shorten_repr
from rnaformer_cli.sequence.constraints import Constraints
from rnaformer_cli.sequence.letters import READABLE, letter_error, normalise
from rnaformer_cli.sequence.reactivities import Reactivities

_NO_SPACE = str.maketrans("", "", " \t\r\n")


@dataclass(frozen=True, slots=True)
class RnaRecord:
    """An RNA with its name.

    The sequence is normalised as in FASTA files: white space is removed, letters become upper case,
    T becomes U, and other IUPAC letters become N. It then holds A C G U N only.

    Raises:
        SequenceError: no base, or a letter that is not a base.
        ProbingError: more or fewer reactivities than bases.
        ConstraintError: constraints for more or fewer bases.
        TypeError: an id or a sequence that is not text; other constraints or reactivities.
    """

    id: str
    sequence: str
    description: str = ""  # the rest of the FASTA header
    n_ambiguous: int = 0  # letters that were read as N
    reactivities: Reactivities | None = None  # chemical probing data
    constraints: Constraints | None = None  # on the structure

    def __post_init__(self) -> None:
        self._check_types()
        text = self.sequence.translate(_NO_SPACE)
        if not text:
            raise SequenceError("no sequence", record=self.id)
        if not READABLE.issuperset(text):
            base = next(base for base, letter in enumerate(text) if letter not in READABLE)
            message = f"base {base + 1}: {letter_error(text[base], text)}"
            raise SequenceError(message, record=self.id)
        sequence, n_ambiguous = normalise(text)
        object.__setattr__(self, "sequence", sequence)
        object.__setattr__(self, "n_ambiguous", self.n_ambiguous + n_ambiguous)
        if self.reactivities is not None and len(self.reactivities) != len(self.sequence):
            message = f"{len(self.reactivities)} reactivities for {len(self.sequence)} bases"
            raise ProbingError(message, record=self.id)
        if self.constraints is not None and len(self.constraints) != len(self.sequence):
            n_bases = len(self.constraints)
            message = f"constraints for {n_bases} bases, but the RNA has {len(self.sequence)}"
            raise ConstraintError(message, record=self.id)

    def _check_types(self) -> None:
        for name in ("id", "sequence"):
            if not isinstance(getattr(self, name), str):
                found = type(getattr(self, name)).__name__
                raise TypeError(f"{name} is given as {found}; expected text")
        if not isinstance(self.constraints, Constraints | None):
            found = type(self.constraints).__name__
            raise TypeError(f"constraints are given as {found}; parse_constraints() reads text")
        if not isinstance(self.reactivities, Reactivities | None):
            found = type(self.reactivities).__name__
            raise TypeError(f"reactivities are given as {found}; expected Reactivities(values)")

    def __repr__(self) -> str:
        return f"RnaRecord({shorten_repr(self.id)}, {shorten_repr(self.sequence)})"

    def __len__(self) -> int:
        return len(self.sequence)
