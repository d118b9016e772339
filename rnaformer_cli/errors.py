"""The exceptions of the package. All are reported to the user in one line.

RnaformerError
├── SequenceError        FASTA that cannot be read, a letter that is not a base
├── ProbingError         chemical probing data that cannot be read or does not fit its RNA
├── ConstraintError      structure constraints that cannot be read or met, or do not fit their RNA
├── StructureError       pairs, brackets or a structure file that cannot be read or written
├── ScoreError           prediction and reference that cannot be compared
├── DatasetError         an invalid labelled record, or sets with related records
├── TrainingError        a run that cannot start or continue
├── ConfigError          an invalid setting of a network or of a run
├── WeightsError         a checkpoint that is missing, damaged or does not fit
├── DeviceError          a device, a precision or memory that this machine does not have
├── DependencyError      a missing optional package that this command needs
├── InputError           a file that cannot be opened or is not what its reader expects
└── OutputError          a file that cannot be written

The message is one sentence. The location (file, line, column, record) is kept in fields, to which
the reader of a file adds the path: `reads.fa:12:7: message`.
"""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Location:
    """The location of an error in the input; line and column are 1-based."""

    path: str | None = None
    line: int | None = None
    column: int | None = None
    record: str | None = None

    def __str__(self) -> str:
        numbers = [str(n) for n in (self.line, self.column) if n is not None]
        position = ":".join([self.path or "line", *numbers]) if self.path or numbers else ""
        if self.record is None:
            return position
        name = f"record {self.record!r}"
        return f"{position}: {name}" if position else name


class RnaformerError(Exception):
    """An anticipated failure; its text is one line for the user."""

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
        self.location = Location(None if path is None else str(path), line, column, record)

    def at(self, path: str | Path) -> RnaformerError:
        """A copy of the error with the path of its file."""
        old = self.location
        return type(self)(
            self.message, path=path, line=old.line, column=old.column, record=old.record
        )

    def of(self, record: str) -> RnaformerError:
        """A copy of the error with the id of its record, unless it has one."""
        old = self.location
        name = record if old.record is None else old.record
        return type(self)(
            self.message, path=old.path, line=old.line, column=old.column, record=name
        )

    def __str__(self) -> str:
        prefix = str(self.location)
        return f"{prefix}: {self.message}" if prefix else self.message


class SequenceError(RnaformerError):
    """FASTA that cannot be read, or a letter that is not a base."""


class ProbingError(RnaformerError):
    """Chemical probing data that cannot be read, or that does not fit its RNA."""


class ConstraintError(RnaformerError):
    """Structure constraints that cannot be read or met, or that do not fit their RNA."""


class StructureError(RnaformerError):
    """Pairs, brackets or a structure file that cannot be read or written."""


class ScoreError(RnaformerError):
    """A prediction and a reference that cannot be compared."""


class DatasetError(RnaformerError):
    """An invalid labelled record, or data sets with related records."""


class TrainingError(RnaformerError):
    """A training run that cannot start or continue."""


class ConfigError(RnaformerError):
    """An invalid setting of a network or of a run."""


class WeightsError(RnaformerError):
    """A checkpoint that is missing, damaged or does not fit its config."""


class DeviceError(RnaformerError):
    """A device, a precision or memory for a record that this machine does not have."""


class DependencyError(RnaformerError):
    """An optional package that is needed here but not installed."""


class InputError(RnaformerError):
    """A file that cannot be opened or is not in the expected format."""


class OutputError(RnaformerError):
    """A file that cannot be written."""


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 80
_SHORT.maxlevel = 2  # a few kB of YAML with aliases can expand to gigabytes


def shorten_repr(value: object) -> str:
    """The repr of an input value for a message, shortened if it is long."""
    try:
        return _SHORT.repr(value)
    except ValueError:  # Python formats no integer of more than 4300 digits
        return "a number of thousands of digits"
