"""Where the records of a run come from: files, folders, standard input; all of them or a part."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from rnaformer_cli.cli.run.progress import Expected, Report
from rnaformer_cli.errors import InputError, RnaformerError, SequenceError
from rnaformer_cli.files import STDIN, UniqueFileNames, check_regular
from rnaformer_cli.sequence.fasta import fasta_files, read_fasta_file
from rnaformer_cli.sequence.record import RnaRecord


@dataclass(frozen=True, slots=True)
class Inputs:
    """FASTA files and folders, and which of their records are wanted."""

    paths: tuple[str, ...]
    strict: bool = False
    max_length: int | None = None
    shard: tuple[int, int] | None = None
    fail_fast: bool = False
    named: bool = False  # whether each record needs a file name that no other has

    def records(
        self, report: Report, is_done: Callable[[RnaRecord, str], bool]
    ) -> Iterator[tuple[RnaRecord, str]]:
        """The good records with their names; the bad ones are reported.

        With `fail_fast` the first bad one ends the input; those before it are still predicted.
        Names are those of a whole run, so those of other parts are taken too.
        """
        part, parts = self.shard or (1, 1)
        taken = UniqueFileNames() if self.named else None
        for number, found in enumerate(self._scan()):
            name = taken.take(found.id) if taken and isinstance(found, RnaRecord) else ""
            if number % parts != part - 1:
                continue
            error = self._refusal(found)
            if isinstance(found, RnaRecord) and error is None:
                if is_done(found, name):
                    report.skip(len(found))
                    continue
                report.count(found)
                yield found, name
            elif self.fail_fast:
                report.ended_by = error
                return
            elif error is not None:
                report.fail(error)

    def expected(self) -> Expected | None:
        """What is to be done, read in advance; None for what can be read only once."""
        if any(not (Path(path).is_file() or Path(path).is_dir()) for path in self.paths):
            return None
        part, parts = self.shard or (1, 1)
        found = [len(one) for one in self._scan() if isinstance(one, RnaRecord)]
        return Expected.of(found[part - 1 :: parts])

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
        """What is in a file, or why it cannot be read; files after it are read all the same."""
        try:
            if is_in_folder:
                check_regular(Path(file))
            yield from read_fasta_file(file, self.strict)
        except RnaformerError as error:
            yield error

    def _refusal(self, found: RnaRecord | RnaformerError) -> RnaformerError | None:
        """Why something that was read is not predicted; None for a good record."""
        if not isinstance(found, RnaRecord):
            return found
        if self.max_length is None or len(found) <= self.max_length:
            return None
        message = f"{len(found)} bases are more than --max-length {self.max_length}"
        return SequenceError(message, record=found.id)


def standard_input() -> tuple[str, ...]:
    """Standard input as the only file, unless a person sits there.

    Raises:
        click.UsageError: it is a terminal.
    """
    if sys.stdin is not None and sys.stdin.isatty():
        raise click.UsageError("no FASTA file given (`-` reads standard input)")
    return (STDIN,)
