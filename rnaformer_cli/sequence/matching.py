"""Match data from files to records by id."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from rnaformer_cli.errors import RnaformerError
from rnaformer_cli.files import safe_name
from rnaformer_cli.sequence.record import RnaRecord


class RecordData(Protocol):
    """Data of one RNA, as read from a file."""

    @property
    def id(self) -> str | None:
        """The id of the RNA; None if the file does not name it."""

    @property
    def path(self) -> str | None:
        """The path of the file."""

    @property
    def line(self) -> int:
        """The first line with data."""

    @property
    def sequence(self) -> str | None:
        """The sequence of the RNA, if the file has it."""


Data = TypeVar("Data", bound=RecordData)


class DataIndex(Generic[Data]):
    """Data by the id of their record. `error` is the class of errors about the data.

    If a file does not name its RNA, its name without suffix must be the id of the record, or the
    file name of that id. If a run has a single record and all data have one id, the data belong to
    the record even if the ids differ, provided that the file names no RNA or has its sequence.
    """

    def __init__(self, error: Callable[..., RnaformerError]) -> None:
        self._error = error
        self._data: dict[str, list[Data]] = {}
        self._matched: dict[str, str] = {}  # id of the data -> sequence of its first record
        self._unreadable: set[str] = set()  # ids whose data could not be read

    def add(self, data: Data) -> None:
        """Add the data of one RNA."""
        name = file_stem(data.path) if data.id is None else data.id
        self._data.setdefault(name, []).append(data)

    def add_error(self, error: RnaformerError) -> bool:
        """Register data that could not be read. Other data of that id are not used either.

        The result is True if the error is reported later, with its record.
        """
        if error.location.record is not None:
            self._unreadable.add(error.location.record)
        return False

    def match(self, record: RnaRecord, is_only: bool = False) -> str | None:
        """The id of the record's data, or None. From then on, that id has a record."""
        file_name = safe_name(record.id)
        names = [record.id, *([file_name] if self._is_unnamed(file_name) else [])]
        if is_only and len(self._data) == 1:
            [(name, found)] = self._data.items()
            has_sequence = all(data.sequence == record.sequence for data in found)
            names += [name] * (self._is_unnamed(name) or has_sequence)
        matched = next((name for name in names if name in self._data), None)
        if matched is not None:
            self._matched.setdefault(matched, record.sequence)
        return matched

    def unmatched(self) -> list[RnaformerError]:
        """An error for each id without a record."""
        return [
            self._unmatched(name, found[0])
            for name, found in self._data.items()
            if name not in self._matched
        ]

    def _is_unnamed(self, name: str) -> bool:
        """Whether all data under a name come from files that do not name their RNA."""
        return all(data.id is None for data in self._data.get(name, ()))

    def _unmatched(self, name: str, data: Data) -> RnaformerError:
        if data.id is not None:
            return self._error(f"no record {name!r}", path=data.path, line=data.line)
        message = f"no record {name!r}; a file without ids is named after its record"
        return self._error(message, path=data.path)


def file_stem(path: str | None) -> str:
    """The name of a file without its suffix and without `.gz`."""
    file = Path(path or "")
    inner = file.with_suffix("") if file.suffix.lower() == ".gz" else file
    return inner.stem
