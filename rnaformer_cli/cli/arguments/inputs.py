"""The input records of a run, from files, folders or standard input; all of them or a shard."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from rnaformer_cli.cli.run.progress import RunReporter, Workload
from rnaformer_cli.errors import InputError, RnaformerError, SequenceError
from rnaformer_cli.files import STDIN, UniqueFileNames, check_regular
from rnaformer_cli.sequence.fasta import fasta_files, read_fasta_file
from rnaformer_cli.sequence.record import RnaRecord


@dataclass(frozen=True, slots=True)
class Inputs:
    """FASTA files and folders, and the selection of their records."""

    paths: tuple[str, ...]
    strict: bool = False
    max_length: int | None = None
    shard: tuple[int, int] | None = None
    fail_fast: bool = False
    needs_names: bool = False  # whether each record needs a unique file name

    def records(
        self, report: RunReporter, is_written: Callable[[RnaRecord, str], bool]
    ) -> Iterator[tuple[RnaRecord, str]]:
        """Yield the valid records with their file names and report the bad ones.

        With `fail_fast` the first bad record ends the input; the records before it are predicted.
        A shard has the file names of a whole run, so records of other shards are named as well.
        """
        part, parts = self.shard or (1, 1)
        names = UniqueFileNames() if self.needs_names else None
        for number, scanned in enumerate(self._scan()):
            name = names.add(scanned.id) if names and isinstance(scanned, RnaRecord) else ""
            if number % parts != part - 1:
                continue
            error = self._error(scanned)
            if isinstance(scanned, RnaRecord) and error is None:
                if is_written(scanned, name):
                    report.skip(len(scanned))
                    continue
                report.count(scanned)
                yield scanned, name
            elif self.fail_fast:
                report.ended_by = error
                return
            elif error is not None:
                report.fail(error)

    def workload(self) -> Workload | None:
        """Read all inputs in advance and measure them; None if one can be read only once."""
        if any(not (Path(path).is_file() or Path(path).is_dir()) for path in self.paths):
            return None
        part, parts = self.shard or (1, 1)
        lengths = [len(record) for record in self._scan() if isinstance(record, RnaRecord)]
        return Workload.of(lengths[part - 1 :: parts])

    def _scan(self) -> Iterator[RnaRecord | RnaformerError]:
        for path in self.paths:
            try:
                for file in fasta_files(path):
                    yield from self._scan_file(file, is_in_folder=file != path)
            except InputError as error:
                yield error

    def _scan_file(
        self, file: str | Path, is_in_folder: bool
    ) -> Iterator[RnaRecord | RnaformerError]:
        """Yield the records and errors of a file; an unreadable file is one error."""
        try:
            if is_in_folder:
                check_regular(Path(file))
            yield from read_fasta_file(file, self.strict)
        except RnaformerError as error:
            yield error

    def _error(self, scanned: RnaRecord | RnaformerError) -> RnaformerError | None:
        """The error for which a record is not predicted; None for a valid record."""
        if not isinstance(scanned, RnaRecord):
            return scanned
        if self.max_length is None or len(scanned) <= self.max_length:
            return None
        message = f"{len(scanned)} bases are more than --max-length {self.max_length}"
        return SequenceError(message, record=scanned.id)


def standard_input() -> tuple[str, ...]:
    """Standard input as the only input file.

    Raises:
        click.UsageError: standard input is a terminal.
    """
    if sys.stdin is not None and sys.stdin.isatty():
        raise click.UsageError("no FASTA file given (`-` reads standard input)")
    return (STDIN,)
