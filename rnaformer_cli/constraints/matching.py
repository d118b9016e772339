"""Which constraints belong to which record."""

from __future__ import annotations

from dataclasses import replace

from rnaformer_cli.constraints.entry import ConstraintEntry
from rnaformer_cli.errors import ConstraintError
from rnaformer_cli.sequence.encode import UNKNOWN
from rnaformer_cli.sequence.matching import DataIndex
from rnaformer_cli.sequence.record import RnaRecord


class ConstraintIndex(DataIndex[ConstraintEntry]):
    """Constraints by the id of their record; see DataIndex."""

    def __init__(self) -> None:
        super().__init__(ConstraintError)

    def attach(self, record: RnaRecord, is_only: bool = False) -> RnaRecord:
        """The record with its constraints, or as it is where there are none.

        Raises:
            ConstraintError: constraints that could not be read, that do not fit the record, or that
                are there twice.
        """
        if record.id in self._refused:
            raise ConstraintError("its constraints could not be read", record=record.id)
        name = self.match(record, is_only)
        if name is None:
            return record
        entry = self._data[name][-1]
        try:
            if len(self._data[name]) > 1:
                raise ConstraintError(f"constraints for {name!r} a second time")
            if self._matched[name] != record.sequence:
                message = f"the constraints of {name!r} belong to a record with another sequence"
                raise ConstraintError(message)
            _check_sequence(entry.sequence, record.sequence)
            return replace(record, constraints=entry.resolve(record.sequence))
        except ConstraintError as error:
            line = error.location.line or entry.line
            raise ConstraintError(
                error.message, path=entry.path, line=line, record=record.id
            ) from None


def _check_sequence(letters: str | None, sequence: str) -> None:
    if letters is None:
        return
    if len(letters) != len(sequence):
        message = f"constraints of {len(letters)} bases, where the RNA has {len(sequence)}"
        raise ConstraintError(message)
    for base, (letter, other) in enumerate(zip(letters, sequence, strict=True), start=1):
        if letter != other and UNKNOWN not in (letter, other):
            raise ConstraintError(f"{letter!r} at base {base}, where the RNA has {other!r}")
