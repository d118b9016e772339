"""The input records of a run, from files, folders or standard input; all of them or a shard."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from rnaformer_cli.cli.run.progress import RunReporter, Workload
from rnaformer_cli.constraints.matching import ConstraintIndex
from rnaformer_cli.errors import (
    ConstraintError,
    InputError,
    ProbingError,
    RnaformerError,
    SequenceError,
)
from rnaformer_cli.files import STDIN, UniqueFileNames, check_regular
from rnaformer_cli.probing.matching import ProfileIndex
from rnaformer_cli.sequence.fasta import fasta_files, read_fasta_file, scan_bare
from rnaformer_cli.sequence.record import RnaRecord

_MIN_SEQUENCE = 4  # letters in the name of a missing file that may be meant as a sequence


@dataclass(frozen=True, slots=True)
class Inputs:
    """FASTA files and folders, and the selection of their records."""

    paths: tuple[str, ...]
    strict: bool = False
    max_length: int | None = None
    shard: tuple[int, int] | None = None
    fail_fast: bool = False
    needs_names: bool = False  # whether each record needs a unique file name
    profiles: ProfileIndex | None = None  # probing data for the records
    constraints: ConstraintIndex | None = None  # for the records, from separate files
    constraints_in_fasta: bool = False  # whether FASTA files have constraints below sequences
    sequences: tuple[str, ...] = ()  # given by --seq

    def records(
        self, report: RunReporter, is_written: Callable[[RnaRecord, str], bool]
    ) -> Iterator[tuple[RnaRecord, str]]:
        """Yield the valid records with their file names and report the bad ones.

        With `fail_fast` the first bad record ends the input; the records before it are predicted.
        """
        for scanned, name, is_only in self._shard_records():
            error = self._error(scanned)
            if isinstance(scanned, RnaRecord) and error is None:
                record = self._with_data(scanned, is_only, report)
                if record is None:
                    if report.ended_by is not None:
                        return
                    continue
                if is_written(record, name):
                    report.skip(len(record))
                    continue
                report.count(record)
                yield record, name
            elif self.fail_fast:
                report.ended_by = error
                return
            elif error is not None:
                report.fail(error)
        self._report_unmatched(report)

    def _shard_records(self) -> Iterator[tuple[RnaRecord | RnaformerError, str, bool]]:
        """The records of this shard, their file names, and whether the run has only one record.

        Names and data are assigned as in an undivided run, so records of other shards count, too.
        """
        part, parts = self.shard or (1, 1)
        taken = UniqueFileNames() if self.needs_names else None
        scan, is_only = self._scan(), False
        indices = [index for index in (self.profiles, self.constraints) if index is not None]
        if indices:
            head = list(itertools.islice(scan, 2))
            scan, is_only = itertools.chain(head, scan), len(head) == 1
        for number, found in enumerate(scan):
            name = taken.add(found.id) if taken and isinstance(found, RnaRecord) else ""
            if isinstance(found, RnaRecord):
                for index in indices:
                    index.match(found, is_only)
            if number % parts == part - 1:
                yield found, name, is_only

    def _with_data(self, record: RnaRecord, is_only: bool, report: RunReporter) -> RnaRecord | None:
        """The record with its constraints and probing data.

        None if `fail_fast` ends the run at bad data, or if the constraints are bad.
        """
        given = self._with_constraints(record, is_only, report)
        if given is None or self.profiles is None:
            return given
        try:
            given = self.profiles.attach(given, is_only)
        except ProbingError as error:
            if self.fail_fast:
                report.ended_by = error
                return None
            report.fail_data(error)
        report.count_data(given)
        return given

    def _with_constraints(
        self, record: RnaRecord, is_only: bool, report: RunReporter
    ) -> RnaRecord | None:
        """The record with its constraints; None after reporting constraints that cannot be met."""
        if self.constraints is None:
            if self.constraints_in_fasta:
                report.count_constraints(record)
            return record
        try:
            given = self.constraints.attach(record, is_only)
        except ConstraintError as error:
            if self.fail_fast:
                report.ended_by = error
            else:
                report.fail(error)
            return None
        report.count_constraints(given)
        return given

    def _report_unmatched(self, report: RunReporter) -> None:
        """Report data with ids that no record has; with `fail_fast` only the first."""
        for what, index in (("probing data", self.profiles), ("constraints", self.constraints)):
            unmatched = [] if index is None else index.unmatched()
            if not self.fail_fast:
                report.fail_unmatched(unmatched, what)
            elif report.ended_by is None:
                report.ended_by = next(iter(unmatched), None)

    def workload(self) -> Workload | None:
        """The size of all inputs, which are read in advance; None if one can be read only once."""
        if not self._is_repeatable():
            return None
        part, parts = self.shard or (1, 1)
        lengths = [len(record) for record in self._scan() if isinstance(record, RnaRecord)]
        return Workload.of(lengths[part - 1 :: parts])

    def second_record(self) -> RnaRecord | None:
        """The second valid record, if there is one and all inputs can be read in advance."""
        valid = self.valid_records()
        return None if valid is None else next(itertools.islice(valid, 1, None), None)

    def valid_records(self) -> Iterator[RnaRecord] | None:
        """The valid records, read in advance; None if an input can be read only once."""
        if not self._is_repeatable():
            return None
        part, parts = self.shard or (1, 1)
        found = itertools.islice(self._scan(), part - 1, None, parts)
        return (one for one in found if isinstance(one, RnaRecord) and self._error(one) is None)

    def _is_repeatable(self) -> bool:
        return all(Path(path).is_file() or Path(path).is_dir() for path in self.paths)

    def _scan(self) -> Iterator[RnaRecord | RnaformerError]:
        for result in scan_bare(self.sequences, self.strict):
            yield result.at("--seq") if isinstance(result, SequenceError) else result
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
            first = len(self.sequences) + 1
            yield from read_fasta_file(file, self.strict, self.constraints_in_fasta, first)
        except RnaformerError as error:
            yield _with_hint(error, str(file))

    def _error(self, scanned: RnaRecord | RnaformerError) -> RnaformerError | None:
        """The error because of which a record is not predicted; None for a valid record."""
        if not isinstance(scanned, RnaRecord):
            return scanned
        if self.max_length is None or len(scanned) <= self.max_length:
            return None
        message = f"{len(scanned)} bases are more than --max-length {self.max_length}"
        return SequenceError(message, record=scanned.id)


def _with_hint(error: RnaformerError, file: str) -> RnaformerError:
    """The error, with a hint at --seq if the name of a missing file looks like a sequence."""
    is_sequence = len(file) >= _MIN_SEQUENCE and set(file.upper()) <= set("ACGUTN")
    if not is_sequence or Path(file).exists():
        return error
    return InputError(f"{error.message}; --seq {file} predicts this sequence", path=file)


def standard_input() -> tuple[str, ...]:
    """Standard input as the only input file.

    Raises:
        click.UsageError: standard input is a terminal.
    """
    if sys.stdin is not None and sys.stdin.isatty():
        raise click.UsageError("no FASTA file given (`-` reads standard input)")
    return (STDIN,)
