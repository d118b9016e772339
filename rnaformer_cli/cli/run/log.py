"""The log of finished records, with which a stopped run is resumed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from rnaformer_cli.errors import InputError, OutputError
from rnaformer_cli.files import make_folder, os_error_text, write_text
from rnaformer_cli.sequence.record import RnaRecord

_DIGITS = 32  # hexadecimal digits of a checksum


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
    ) -> None:
        name = ".rnaformer-run" + (f"-{part[0]}-of-{part[1]}" if part else "") + ".jsonl"
        self._folder = Path(folder)
        self._suffixes = suffixes
        self._path = self._folder / name
        make_folder(folder)
        self._finished = self._read(settings) if resume and self._path.exists() else {}
        self._file = self._open(settings)

    def is_done(self, record: RnaRecord, name: str) -> bool:
        """Whether the same record was finished under this name and its files are unchanged."""
        finished = self._finished.get(name)
        return finished is not None and finished == _FinishedRecord(
            record_checksum(record), self._files(name)
        )

    def add(self, record: RnaRecord, name: str) -> None:
        """Log a record whose files are written."""
        line = {"name": name, "record": record_checksum(record), "files": self._files(name)}
        try:
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
            self._file.flush()
        except OSError as error:
            raise OutputError(os_error_text(error), path=self._path) from None

    def _files(self, name: str) -> str:
        """The checksum of all files of a record, or "" if one is missing."""
        digest = hashlib.sha256()
        try:
            for suffix in self._suffixes:
                digest.update((self._folder / f"{name}.{suffix}").read_bytes())
        except OSError:
            return ""
        return digest.hexdigest()[:_DIGITS]

    def close(self) -> None:
        """Close the file."""
        try:
            self._file.close()
        except OSError as error:  # buffered text that could not be written is written again
            raise OutputError(os_error_text(error), path=self._path) from None

    def _open(self, settings: Mapping[str, Any]) -> IO[str]:
        """The file, rewritten with its valid lines and opened for appending."""
        lines: list[Mapping[str, Any]] = [{"settings": dict(settings)}]
        lines += [
            {"name": name, "record": finished.record, "files": finished.files}
            for name, finished in self._finished.items()
        ]
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        write_text(self._path, text)
        try:
            return self._path.open("a", encoding="utf-8", newline="\n")
        except OSError as error:
            raise OutputError(os_error_text(error), path=self._path) from None

    def _read(self, settings: Mapping[str, Any]) -> dict[str, _FinishedRecord]:
        """The finished records by name; an incomplete last line is ignored."""
        try:
            text = self._path.read_text(encoding="utf-8")
            first, *rest = [json.loads(line) for line in text.split("\n")[:-1]]
            previous = dict(first["settings"])
            finished = {
                line["name"]: _FinishedRecord(line["record"], line["files"]) for line in rest
            }
        except OSError as error:
            raise InputError(os_error_text(error), path=self._path) from None
        except (ValueError, KeyError, TypeError):
            raise InputError(
                "is not the log of a run; remove it to start a new run", path=self._path
            ) from None
        for name, value in settings.items():
            if previous.get(name) != value:
                message = f"was made with {name} {previous.get(name)}, not {value}"
                raise InputError(message, path=self._path)
        return finished


@dataclass(frozen=True, slots=True)
class _FinishedRecord:
    """The checksums of an input record and of its output files."""

    record: str
    files: str


def record_checksum(record: RnaRecord) -> str:
    """The checksum of an input record: its id, description and sequence."""
    text = "\n".join((record.id, record.description, record.sequence))
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
