"""What a run over many records has done, so that it can be gone on with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from rnaformer_cli.errors import InputError, OutputError
from rnaformer_cli.files import make_folder, reason, write_text
from rnaformer_cli.sequence.record import RnaRecord

_DIGITS = 32  # of a checksum


class RunLog:
    """A file beside the outputs: the run's settings, then a line for each record that is done.

    A line is written when all files of its record are whole, so what it says is true whenever
    the run ends. Each part of a run (`--shard`) has a file of its own.

    Raises:
        InputError: a log that cannot be read, or that of a run with other settings.
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
        self._done = self._read(settings) if resume and self._path.exists() else {}
        self._file = self._begin(settings)

    def has(self, record: RnaRecord, name: str) -> bool:
        """Whether this very record was done under this name, and its files are as written."""
        done = self._done.get(name)
        return done is not None and done == _FinishedRecord(
            record_checksum(record), self._files(name)
        )

    def add(self, record: RnaRecord, name: str) -> None:
        """Note a record whose files are written."""
        line = {"name": name, "record": record_checksum(record), "files": self._files(name)}
        try:
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
            self._file.flush()
        except OSError as error:
            raise OutputError(reason(error), path=self._path) from None

    def _files(self, name: str) -> str:
        """The checksum of a record's files together, or "" if one is not there."""
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
        except OSError as error:  # what could not be written before is tried once more
            raise OutputError(reason(error), path=self._path) from None

    def _begin(self, settings: Mapping[str, Any]) -> IO[str]:
        """The file, rewritten with what it held that is true, open for more."""
        lines: list[Mapping[str, Any]] = [{"settings": dict(settings)}]
        lines += [
            {"name": name, "record": done.record, "files": done.files}
            for name, done in self._done.items()
        ]
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        write_text(self._path, text)
        try:
            return self._path.open("a", encoding="utf-8", newline="\n")
        except OSError as error:
            raise OutputError(reason(error), path=self._path) from None

    def _read(self, settings: Mapping[str, Any]) -> dict[str, _FinishedRecord]:
        """Records that are done, by name; a last line that is not whole does not count."""
        try:
            text = self._path.read_text(encoding="utf-8")
            first, *rest = [json.loads(line) for line in text.split("\n")[:-1]]
            before = dict(first["settings"])
            done = {line["name"]: _FinishedRecord(line["record"], line["files"]) for line in rest}
        except OSError as error:
            raise InputError(reason(error), path=self._path) from None
        except (ValueError, KeyError, TypeError):
            raise InputError(
                "is no log of a run; remove it to begin anew", path=self._path
            ) from None
        for name, value in settings.items():
            if before.get(name) != value:
                message = f"was made with {name} {before.get(name)}, not {value}"
                raise InputError(message, path=self._path)
        return done


@dataclass(frozen=True, slots=True)
class _FinishedRecord:
    """The checksums of a record that was read and of the files that were written for it."""

    record: str
    files: str


def record_checksum(record: RnaRecord) -> str:
    """The same for records that give the same files."""
    text = "\n".join((record.id, record.description, record.sequence))
    if record.reactivities is not None:
        text += f"\n{record.reactivities.reagent}\n{record.reactivities.values}"
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
