"""Match structure constraints to records."""

from __future__ import annotations

from dataclasses import replace

from rnaformer_cli.constraints.entry import ConstraintEntry
from rnaformer_cli.errors import ConstraintError, RnaformerError
from rnaformer_cli.files import safe_name
from rnaformer_cli.sequence.encode import UNKNOWN
from rnaformer_cli.sequence.matching import DataIndex, file_stem
from rnaformer_cli.sequence.record import RnaRecord


class ConstraintIndex(DataIndex[ConstraintEntry]):
    """Constraints by the id of their record; see DataIndex."""

    def __init__(self) -> None:
        super().__init__(ConstraintError)
        self._errors: dict[str, RnaformerError] = {}  # errors in the files, by id
        self._failed: set[str] = set()  # ids in _errors for which there is a record

    def add_error(self, error: RnaformerError) -> bool:
        """Register constraints that could not be read, under their id or else the file name.

        The first error of an id is raised by attach() for the record of that id; unmatched() lists
        it if there is no such record. The result is True if the error is reported in this way.
        """
        super().add_error(error)
        name = error.location.record
        if name is None:
            self._unreadable.add(file_stem(error.location.path))
            return False
        return self._errors.setdefault(name, error) is error

    def match(self, record: RnaRecord, is_only: bool = False) -> str | None:
        """The id under which the record has constraints; see DataIndex."""
        if record.id in self._errors:
            self._failed.add(record.id)
        return super().match(record, is_only)

    def unmatched(self) -> list[RnaformerError]:
        """An error for each id without a record."""
        errors = [error for name, error in self._errors.items() if name not in self._failed]
        return errors + super().unmatched()

    def attach(self, record: RnaRecord, is_only: bool = False) -> RnaRecord:
        """The record with its constraints, or unchanged if it has none.

        Raises:
            ConstraintError: constraints that could not be read, that do not fit the record, or that
                occur twice and differ.
        """
        name = self.match(record, is_only)
        if record.id in self._errors:
            raise self._errors[record.id]
        is_unreadable = not self._unreadable.isdisjoint((record.id, safe_name(record.id)))
        if is_unreadable or (name is None and is_only and self._unreadable):
            raise ConstraintError("its constraints could not be read", record=record.id)
        if name is None:
            return record
        *others, entry = self._data[name]
        try:
            if self._matched[name] != record.sequence:
                message = f"the constraints of {name!r} belong to a record with another sequence"
                raise ConstraintError(message)
            _check_sequence(entry.sequence, record.sequence)
            constraints = entry.resolve(record.sequence)
            if any(other.resolve(record.sequence) != constraints for other in others):
                message = f"the constraints of {name!r} occur twice, and are not the same"
                raise ConstraintError(message)
            return replace(record, constraints=constraints)
        except ConstraintError as error:
            line = error.location.line or entry.line
            raise ConstraintError(
                error.message, path=entry.path, line=line, record=record.id
            ) from None


def _check_sequence(letters: str | None, sequence: str) -> None:
    if letters is None:
        return
    if len(letters) != len(sequence):
        message = f"constraints for {len(letters)} bases, but the RNA has {len(sequence)}"
        raise ConstraintError(message)
    for base, (letter, other) in enumerate(zip(letters, sequence, strict=True), start=1):
        if letter != other and UNKNOWN not in (letter, other):
            raise ConstraintError(f"{letter!r} at base {base}, but the RNA has {other!r}")
