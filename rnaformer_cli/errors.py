"""The tree of failures that a user can meet.

RnaformerError
├── SequenceError        FASTA that cannot be read, a letter that is not a base
├── ProbingError         chemical probing data that cannot be read or does not fit its RNA
├── StructureError       pairs, brackets or a structure file that cannot be read or written
├── ScoreError           prediction and reference that cannot be compared
├── DatasetError         a labelled record, or two sets that share what they must not
├── TrainingError        a run that cannot begin or go on
├── ConfigError          a setting of a network or of a run that makes no sense
├── WeightsError         a checkpoint that is missing, damaged or does not fit
├── DeviceError          a device or a precision that this machine does not have
├── DependencyError      an optional package that this command needs
├── InputError           a file that cannot be opened or is not what its reader expects
└── OutputError          a file that cannot be written

Each is one sentence. Where it happened (file, line, column, record) travels in fields, so
that the reader that knows the place adds it once: `reads.fa:12:7: message`.
"""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the input something is wrong; line and column are 1-based."""

    path: str | None = None
    line: int | None = None
    column: int | None = None
    record: str | None = None

    def __str__(self) -> str:
        numbers = [str(n) for n in (self.line, self.column) if n is not None]
        spot = ":".join([self.path or "line", *numbers]) if self.path or numbers else ""
        if self.record is None:
            return spot
        name = f"record {self.record!r}"
        return f"{spot}: {name}" if spot else name


class RnaformerError(Exception):
    """A failure that was foreseen; its text is one line for the user."""

    def __init__(
        self,
        message: str,
        *,
        path: str | Path | None = None,
        line: int | None = None,
        column: int | None = None,
        record: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.place = Place(None if path is None else str(path), line, column, record)

    def at(self, path: str | Path) -> RnaformerError:
        """The same failure, told with the file it happened in."""
        here = self.place
        return type(self)(
            self.message, path=path, line=here.line, column=here.column, record=here.record
        )

    def __str__(self) -> str:
        place = str(self.place)
        return f"{place}: {self.message}" if place else self.message


class SequenceError(RnaformerError):
    """FASTA that cannot be read, or a letter that is not a base."""


class ProbingError(RnaformerError):
    """Chemical probing data that cannot be read, or that does not fit its RNA."""


class StructureError(RnaformerError):
    """Pairs, brackets or a structure file that cannot be read or written."""


class ScoreError(RnaformerError):
    """A prediction and a reference that cannot be compared."""


class DatasetError(RnaformerError):
    """A labelled record that is none, or data sets that share what they must not."""


class TrainingError(RnaformerError):
    """A training run that cannot begin or go on."""


class ConfigError(RnaformerError):
    """A setting of a network or of a run that makes no sense."""


class WeightsError(RnaformerError):
    """A checkpoint that is missing, damaged or does not fit its config."""


class DeviceError(RnaformerError):
    """A device or a precision that this machine does not have."""


class DependencyError(RnaformerError):
    """An optional package that is needed and not installed."""


class InputError(RnaformerError):
    """A file that cannot be opened, or is not what its reader expects."""


class OutputError(RnaformerError):
    """A file that cannot be written."""


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 80
_SHORT.maxlevel = 2  # a few kB of YAML can be a list that would fill the memory when written out


def shown(value: object) -> str:
    """A value of the input as messages show it: its repr, cut where it is long."""
    try:
        return _SHORT.repr(value)
    except ValueError:  # Python writes out no number of more than 4300 digits
        return "a number of thousands of digits"
