"""The reactivities of one RNA as read from a file, before they are matched to a record."""

from __future__ import annotations

import math
import re
from array import array
from dataclasses import dataclass, field

from rnaformer_cli.errors import ProbingError, shorten_repr
from rnaformer_cli.limits import MAX_BASES
from rnaformer_cli.sequence.encode import ALPHABET, AMBIGUOUS, UNKNOWN
from rnaformer_cli.sequence.reactivities import NO_DATA_BELOW

_NO_VALUE = {"", "NA", "N/A", "NAN", "NULL", "NONE"}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_POSITION = re.compile(r"0{0,20}\d{1,9}", re.ASCII)
_TO_RNA = str.maketrans("T" + AMBIGUOUS, "U" + UNKNOWN * len(AMBIGUOUS))
_LETTERS = ALPHABET + "T" + AMBIGUOUS
_READABLE = frozenset(_LETTERS + _LETTERS.lower())


@dataclass(frozen=True, slots=True)
class ProbingProfile:
    """Reactivities by position, and what the file says about their RNA.

    The columns `positions`, `values`, `letters` and `lines` have an entry for each value of the
    file, in file order.
    """

    id: str | None  # None: the file does not name its RNA
    positions: array[int]  # 1-based, without duplicates
    values: array[float]  # NaN where the file has no value
    lines: array[int]  # of the file, 1-based
    letters: str = ""  # the base at each position, N if unknown; "" if the file has no bases
    sequence: str | None = None  # of the whole RNA
    n_bases: int | None = None  # of the whole RNA, if the file gives it
    reagent: str | None = None  # as the file spells it
    path: str | None = None

    @property
    def line(self) -> int:
        """The first line with a value."""
        return self.lines[0]


@dataclass(slots=True)
class ProfileBuilder:
    """The columns of a profile as they are read."""

    record: str | None = None  # named in errors
    positions: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))
    lines: array[int] = field(default_factory=lambda: array("q"))
    letters: list[str] = field(default_factory=list)

    def add(self, position: int, value: float | None, line: int, letter: str = "") -> None:
        """Add a value."""
        self.positions.append(position)
        self.values.append(math.nan if value is None else value)
        self.lines.append(line)
        self.letters.append(letter)

    def build(
        self,
        sequence: str | None = None,
        n_bases: int | None = None,
        reagent: str | None = None,
    ) -> ProbingProfile:
        """The profile of all values.

        Raises:
            ProbingError: two values for a position, or no value at all.
        """
        if not self.positions:
            raise ProbingError("no reactivities", record=self.record)
        if len(set(self.positions)) < len(self.positions):
            raise self._repeated()
        known = any(self.letters)
        letters = "".join(letter or UNKNOWN for letter in self.letters) if known else ""
        n_bases = len(sequence) if sequence is not None else n_bases
        columns = (self.positions, self.values, self.lines, letters)
        return ProbingProfile(self.record, *columns, sequence, n_bases, reagent)

    def _repeated(self) -> ProbingError:
        first: dict[int, int] = {}
        for position, line in zip(self.positions, self.lines, strict=True):
            if position in first:
                where = (
                    "" if first[position] == line else f"; the first is on line {first[position]}"
                )
                message = f"duplicate value for position {position}{where}"
                return ProbingError(message, line=line, record=self.record)
            first[position] = line
        raise AssertionError("no position is repeated")


def parse_position(text: str) -> int:
    """A position, 1-based.

    Raises:
        ProbingError: not a whole number from 1 to MAX_BASES.
    """
    number = int(text) if _POSITION.fullmatch(text) else 0
    if not 1 <= number <= MAX_BASES:
        raise ProbingError(
            f"{shorten_repr(text)} is not a position; expected a whole number above 0"
        )
    return number


def parse_value(text: str, position: int) -> float | None:
    """A reactivity; None for NA, NaN, an empty field, and -999 or any other value below -500.

    Raises:
        ProbingError: neither a finite number nor a missing value.
    """
    if text.upper() in _NO_VALUE:
        return None
    number = float(text) if _NUMBER.fullmatch(text) else math.nan
    return check_value(number, text, position)


def check_value(number: float, original: object, position: int) -> float | None:
    """A reactivity; None for -999 and any other value below -500.

    Raises:
        ProbingError: not a finite number.
    """
    if not math.isfinite(number):
        message = (
            f"the value at position {position} is {shorten_repr(original)}; expected a number or NA"
        )
        raise ProbingError(message)
    return None if number < NO_DATA_BELOW else number


def parse_letters(text: str) -> str:
    """The letters in upper case, with U for T and N for ambiguous letters.

    Raises:
        ProbingError: a letter that is not a base, or more than MAX_BASES letters.
    """
    if len(text) > MAX_BASES:
        message = f"more than {MAX_BASES:,} bases (the limit per record)"
        raise ProbingError(message)
    if not _READABLE.issuperset(text):
        wrong = next(sign for sign in text if sign not in _READABLE)
        raise ProbingError(f"{wrong!r} is not an RNA base")
    return text.upper().translate(_TO_RNA)


def one_word(name: str) -> str:
    """A name as an id: white space becomes `_`."""
    return "_".join(name.split())


def count_values(total: int, added: int, limit: int, line: int) -> int:
    """The number of values read from a file so far, `added` included.

    Raises:
        ProbingError: more than the limit.
    """
    if total + added > limit:
        raise ProbingError(f"more than {limit:,} values (the limit)", line=line)
    return total + added


def with_location(error: ProbingError, line: int, record: str | None) -> ProbingError:
    """The error with a line and a record, unless it already has them."""
    place = error.location
    return ProbingError(error.message, line=place.line or line, record=place.record or record)
