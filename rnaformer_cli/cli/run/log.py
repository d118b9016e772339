"""The log of finished records, with which a stopped run is resumed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from rnaformer_cli.errors import InputError, OutputError
from rnaformer_cli.files import make_folder, os_error_text, sha256_of, write_text
from rnaformer_cli.json_text import parse_json
from rnaformer_cli.sequence.record import RnaRecord

_DIGITS = 32  # hexadecimal digits of a checksum


class LogError(OutputError):
    """A log that cannot grow: the records after it could not be resumed."""


class RunLog:
    """A file in the output folder: the settings of the run, then one line per finished record.

    A line is written after all files of its record, so the log is valid whenever the run ends.
    Each part of a run (`--shard`) has its own log.

    Raises:
        InputError: a log that cannot be read, or the log of a run with other settings.
        OutputError: the folder cannot be written to.
    """

    def __init__(
        self,
        folder: str | Path,
        settings: Mapping[str, Any],
        suffixes: Sequence[str],
        part: tuple[int, int] | None = None,
        resume: bool = False,
        pictures: str | Path | None = None,
        image: str = "svg",
    ) -> None:
        name = ".rnaformer-run" + (f"-{part[0]}-of-{part[1]}" if part else "") + ".jsonl"
        self._folder = Path(folder)
        self._suffixes = suffixes
        self._pictures = pictures
        self._image = image  # format of the pictures
        self._path = self._folder / name
        make_folder(folder)
        is_there = self._path.exists() or self._path.is_symlink()
        self._finished = self._read(settings) if resume and is_there else {}
        self._file = self._open(settings)

    def is_done(self, record: RnaRecord, name: str) -> bool:
        """Whether the same record was finished under this name and its files are unchanged."""
        finished = self._finished.get(name)
        if finished is None or finished.record != record_checksum(record):
            return False
        is_drawn = self._pictures is None or _is_same(finished.picture, self._picture(name))
        return is_drawn and _is_same(finished.files, self._files(name))

    def unmet(self, name: str) -> tuple[int, ...]:
        """The bases that must pair and have no partner in a record that was finished, 0-based."""
        return self._finished[name].unmet

    def add(self, record: RnaRecord, name: str, unmet: Sequence[int] = ()) -> None:
        """Log a record whose files are written; `unmet` are its bases without a partner."""
        checksums = record_checksum(record), self._files(name), self._picture(name)
        finished = _FinishedRecord(*checksums, tuple(unmet))
        try:
            self._file.write(json.dumps(finished.line(name), ensure_ascii=False) + "\n")
            self._file.flush()
        except OSError as error:
            raise LogError(os_error_text(error), path=self._path) from None

    def _files(self, name: str) -> str:
        """The checksum of all files of a record, or "" if one is missing."""
        return _checksum(self._folder / f"{name}.{suffix}" for suffix in self._suffixes)

    def _picture(self, name: str) -> str:
        """The checksum of a record's picture, or "" if it is missing or not written."""
        if self._pictures is None:
            return ""
        return _checksum([Path(self._pictures) / f"{name}.{self._image}"])

    def close(self) -> None:
        """Close the file."""
        try:
            self._file.close()
        except OSError as error:  # close() writes buffered text again that could not be written
            raise OutputError(os_error_text(error), path=self._path) from None

    def _open(self, settings: Mapping[str, Any]) -> IO[str]:
        """The file, rewritten with its valid lines and opened for appending."""
        lines: list[Mapping[str, Any]] = [{"settings": dict(settings)}]
        lines += [finished.line(name) for name, finished in self._finished.items()]
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        write_text(self._path, text, follow=False)
        try:
            return self._path.open("a", encoding="utf-8", newline="\n")
        except OSError as error:
            raise OutputError(os_error_text(error), path=self._path) from None

    def _read(self, settings: Mapping[str, Any]) -> dict[str, _FinishedRecord]:
        """The finished records by name; an incomplete last line is ignored."""
        try:
            if not self._path.is_file():  # reading a pipe would block
                raise ValueError
            text = self._path.read_text(encoding="utf-8")
            first, *rest = [parse_json(line) for line in text.split("\n")[:-1]]
            previous = dict(first["settings"])
            finished = {line.pop("name"): _FinishedRecord(**line) for line in rest}
        except OSError as error:
            raise InputError(os_error_text(error), path=self._path) from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise InputError(
                "is not the log of a run; remove it to start a new run", path=self._path
            ) from None
        for name in {**settings, **previous}:  # an optional setting may be in one of them
            before, now = previous.get(name), settings.get(name)
            if before != now:
                message = f"was made with {name} {before}, not {now}"
                raise InputError(message, path=self._path)
        return finished


@dataclass(frozen=True, slots=True)
class _FinishedRecord:
    """The checksums of an input record and of its output files."""

    record: str
    files: str
    picture: str = ""
    unmet: tuple[int, ...] = ()  # bases that must pair and have no partner, 0-based

    def __post_init__(self) -> None:
        if not all(isinstance(base, int) and base >= 0 for base in self.unmet):
            raise ValueError("unmet is not a list of bases")
        object.__setattr__(self, "unmet", tuple(self.unmet))

    def line(self, name: str) -> dict[str, Any]:
        """The fields of this record's line in the log."""
        values = {"name": name, **asdict(self)}
        for optional in ("picture", "unmet"):
            if not values[optional]:
                del values[optional]
        return values


def _is_same(before: str, now: str) -> bool:
    """Whether two checksums are equal and not "", the checksum of missing files."""
    return before == now != ""


def _checksum(paths: Iterable[Path]) -> str:
    """One checksum of several files; "" if one is missing or not a regular file."""
    try:
        found = [sha256_of(path) if path.is_file() else "" for path in paths]
    except (InputError, OSError):
        return ""
    return "" if "" in found else hashlib.sha256("".join(found).encode()).hexdigest()[:_DIGITS]


def record_checksum(record: RnaRecord) -> str:
    """The checksum of an input record: id, description, sequence, reactivities, constraints."""
    text = "\n".join((record.id, record.description, record.sequence))
    if record.reactivities is not None:
        text += f"\n{record.reactivities.reagent}\n{record.reactivities.values}"
    if record.constraints is not None:
        text += f"\n{record.constraints.to_dict()}"
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
