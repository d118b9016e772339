"""Reports of a run on stderr: failures, warnings, progress."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from rnaformer_cli.cli.formats.text import escape_controls
from rnaformer_cli.errors import OutputError, RnaformerError
from rnaformer_cli.files import is_gzip_name, open_text, os_error_text
from rnaformer_cli.probing.likelihood import is_used_base
from rnaformer_cli.reporting.failures import FAILURE_COLUMNS
from rnaformer_cli.sequence.record import RnaRecord
from rnaformer_cli.structure.structure import noncanonical_pairs

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn


LOW_CONFIDENCE = 0.5  # expected F1 below which a warning is printed
MAX_LISTED_UNMATCHED = 10  # ids of probing data without a record that are reported one by one
LONG_RUN_RECORDS = 100  # runs with at least so many records end with a summary
MAX_LISTED_FAILURES = 20  # failed records that are reported one by one; further ones are counted


@dataclass(frozen=True, slots=True)
class Workload:
    """The size of the input of a run."""

    records: int
    cells: int  # sum of L x L; the time is proportional to it

    @classmethod
    def of(cls, lengths: Iterable[int]) -> Workload:
        """The workload of records with these lengths."""
        sizes = [length**2 for length in lengths]
        return cls(len(sizes), sum(sizes))


class RunReporter:
    """Counts records, failures and warnings and reports them on stderr."""

    def __init__(
        self,
        quiet: bool = False,
        failure_table: FailureTable | None = None,
        uses_stdout: bool = True,
    ) -> None:
        self.quiet = quiet
        self._uses_stdout = uses_stdout  # for structures, which must not mix with progress
        self._done = 0  # records predicted in this run or an earlier one
        self._done_bases = 0
        self.failed_ids: list[str] = []
        self._failure_table = failure_table
        self._started = time.perf_counter()
        self._bases = 0  # of the written records
        self._workload: Workload | None = None
        self.failures = 0
        self.data_failures = 0  # unusable probing data; the records are predicted without them
        self._n_matched = 0
        self._n_with_data = 0
        self._n_looked_up = 0  # records of a run with constraints
        self._n_constrained = 0
        self._n_noncanonical = 0  # forced pairs
        self._first_noncanonical = ""
        self._failed_records = 0
        self.written = 0
        self.skipped = 0  # records that an earlier run has finished
        self.ended_by: RnaformerError | None = None  # the error at which --fail-fast stopped
        self._predicted = 0
        self._low_confidence = 0
        self._ambiguous_letters = 0
        self._ambiguous_records = 0
        self._progress: Progress | None = None

    def count(self, record: RnaRecord) -> None:
        """Count a record that was read."""
        self._ambiguous_letters += record.n_ambiguous
        self._ambiguous_records += record.n_ambiguous > 0

    def fail(self, error: RnaformerError) -> None:
        """Report a failure that does not end the run."""
        self.failures += 1
        self._report_failure(error)

    def fail_data(self, error: RnaformerError) -> None:
        """Report why probing data are not used; their record is predicted without them."""
        self.data_failures += 1
        self._report_failure(error)

    def fail_unmatched(self, errors: Iterable[RnaformerError], what: str) -> None:
        """Report data that belong to no record: the first ones one by one, the number of others."""
        unlisted = 0
        for number, error in enumerate(errors, start=1):
            if number <= MAX_LISTED_UNMATCHED:
                self.fail_data(error)
                continue
            self.data_failures += 1
            unlisted += 1
            if self._failure_table is not None:
                self._failure_table.add(error)
        if unlisted:
            profiles = format_count(unlisted, "more id")
            self._print(f"rnaformer: {what} of {profiles} belong to no record")

    def _report_failure(self, error: RnaformerError) -> None:
        if self._failure_table is not None:
            self._failure_table.add(error)
        if error.location.record is not None:
            self._failed_records += 1
            self.failed_ids.append(error.location.record)
        if error.location.record is None or self._failed_records <= MAX_LISTED_FAILURES:
            self._print(f"rnaformer: {escape_controls(str(error))}")
        elif self._failed_records == MAX_LISTED_FAILURES + 1:
            where = (
                "the table lists them" if self._failure_table else "--failures FILE.tsv lists them"
            )
            self._print(f"rnaformer: further failed records are only counted ({where})")

    def report_unlisted(self) -> None:
        """Report the number of failed records that were not listed."""
        unlisted = self._failed_records - MAX_LISTED_FAILURES
        if unlisted > 0:
            self._print(f"rnaformer: {format_count(unlisted, 'more record')} failed")

    def warn(self, text: str) -> None:
        """Print a warning, unless the run is quiet."""
        if not self.quiet:
            self._print(f"rnaformer: warning: {text}")

    def count_confidence(self, confidence: float) -> None:
        """Count a record that was predicted."""
        self._predicted += 1
        self._low_confidence += confidence < LOW_CONFIDENCE

    def report_low_confidence(self) -> None:
        """Warn of the number of records with a low confidence."""
        if self._low_confidence:
            low = f"{self._low_confidence:,} of {format_count(self._predicted, 'record')}"
            verb = "has" if self._low_confidence == 1 else "have"
            self.warn(f"{low} {verb} a confidence below {LOW_CONFIDENCE} (see docs/output.md)")

    def count_data(self, record: RnaRecord) -> None:
        """Count a record in a run with probing data."""
        self._n_matched += 1
        data = record.reactivities
        if data is not None:
            self._n_with_data += any(is_used_base(record.sequence, data.values, data.reagent))

    def report_data(self) -> None:
        """Report the number of records with usable probing data, in a run with probing data."""
        if self._n_matched and not self.quiet:
            verb = "has" if self._n_with_data == 1 else "have"
            records = f"{self._n_with_data:,} of {format_count(self._n_matched, 'record')}"
            self._print(f"rnaformer: {records} {verb} reactivities")

    def count_constraints(self, record: RnaRecord) -> None:
        """Count a record in a run with constraints."""
        self._n_looked_up += 1
        if record.constraints is None:
            return
        self._n_constrained += 1
        pairs = noncanonical_pairs(record.sequence, record.constraints.pairs)
        if pairs and not self._n_noncanonical:
            self._first_noncanonical = f"record {record.id!r}, {pairs[0]}"
        self._n_noncanonical += len(pairs)

    def report_constraints(self) -> None:
        """Report the number of records with constraints, and warn of non-canonical forced pairs."""
        if self._n_noncanonical:
            count = format_count(self._n_noncanonical, "forced pair")
            verb = "is" if self._n_noncanonical == 1 else "are"
            which = "" if self._n_noncanonical == 1 else "the first: "
            self.warn(f"{count} {verb} not canonical ({which}{self._first_noncanonical})")
        if self._n_looked_up and not self.quiet:
            verb = "has" if self._n_constrained == 1 else "have"
            records = f"{self._n_constrained:,} of {format_count(self._n_looked_up, 'record')}"
            self._print(f"rnaformer: {records} {verb} constraints")

    def warn_ambiguous(self) -> None:
        """Warn of the number of letters that were read as N."""
        if self._ambiguous_letters:
            letters = format_count(self._ambiguous_letters, "ambiguous letter")
            records = format_count(self._ambiguous_records, "record")
            self.warn(f"read {letters} as N in {records}")

    def report_skipped(self) -> None:
        """Report the number of records that an earlier run has finished."""
        if self.skipped and not self.quiet:
            self._print(f"rnaformer: {format_count(self.skipped, 'record')} done before")

    def report_summary(self) -> None:
        """Report the records and the time of a long run, or of any run that shows progress."""
        done = self.written - self.skipped
        if self.quiet or (done + self.failures < LONG_RUN_RECORDS and not self.shows_progress):
            return
        seconds = time.perf_counter() - self._started
        failed = f"; {self.failures:,} failed" if self.failures else ""
        records = format_count(done, "record")
        self._print(f"rnaformer: {records}, {self._bases:,} nt in {seconds:.1f} s{failed}")

    def note_references(self, number: int) -> None:
        """Report the number of references without a record in the input, if there are any."""
        if number and not self.quiet:
            verb = "is" if number == 1 else "are"
            records = format_count(number, "reference")
            self._print(f"rnaformer: {records} without a record in the input {verb} left out")

    @property
    def shows_progress(self) -> bool:
        """Whether progress is drawn: on a terminal that shows no structures at the same time."""
        is_mixed = self._uses_stdout and sys.stdout.isatty()
        return not self.quiet and sys.stderr.isatty() and not is_mixed

    @contextlib.contextmanager
    def progress(self, workload: Workload | None = None) -> Iterator[None]:
        """Show the progress inside the block, with the remaining time if the workload is known."""
        self._started = time.perf_counter()
        if not self.shows_progress:
            yield
            return
        from rich.console import Console
        from rich.progress import Progress

        self._workload = workload
        columns = _columns(workload is not None)
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            progress.add_task("", total=workload.cells if workload else None, status="0 records")
            self._progress = progress
            yield
        self._progress = None

    def skip(self, bases: int = 0) -> None:
        """Count a record that an earlier run has written."""
        self.skipped += 1
        self._bases -= bases  # the rate is that of this run; advance() adds them again
        self._done_bases -= bases
        self.advance(bases)

    def advance(self, bases: int = 0) -> None:
        """Count a record that is predicted and written."""
        self.count_written(bases)
        self.show_done(bases)

    def count_written(self, bases: int = 0) -> None:
        """Count a written record."""
        self.written += 1
        self._bases += bases

    def show_done(self, bases: int = 0) -> None:
        """Show that one more record is predicted, which may be written later."""
        self._done += 1
        self._done_bases += bases
        if self._progress is None:
            return
        rate = self._done_bases / max(time.perf_counter() - self._started, 1e-9)
        number = f"{self._done:,} of " if self._workload else ""
        total = format_count(self._workload.records if self._workload else self._done, "record")
        status = (
            f"{number}{total}, {rate:,.0f} nt/s" if self._done_bases > 0 else f"{number}{total}"
        )
        self._progress.update(self._progress.task_ids[0], advance=bases**2, status=status)

    def set_count(self, number: int) -> None:
        """Show the number of finished records, including those of an earlier run."""
        if self._progress is not None:
            self._progress.update(self._progress.task_ids[0], status=format_count(number, "record"))

    def _print(self, text: str) -> None:
        if self._progress is not None:
            self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            click.echo(text, err=True)


class FailureTable:
    """Failures as TSV: file, line, column, record, message; flushed after each failure.

    Raises:
        OutputError: the file cannot be written.
    """

    HEADER = FAILURE_COLUMNS

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            self._file = open_text(path, is_compressed=is_gzip_name(path))
        except OSError as error:
            raise OutputError(os_error_text(error), path=path) from None
        self._write(self.HEADER)

    def add(self, error: RnaformerError) -> None:
        """Write a row for a failure."""
        location = error.location
        values = (location.path, location.line, location.column, location.record, error.message)
        self._write(["" if value is None else escape_controls(str(value)) for value in values])

    def close(self) -> None:
        """Close the file.

        Raises:
            OutputError: what was buffered cannot be written.
        """
        try:
            self._file.close()
        except OSError as error:
            raise OutputError(os_error_text(error), path=self._path) from None

    def _write(self, values: Iterable[str]) -> None:
        try:
            self._file.write("\t".join(values) + "\n")
            self._file.flush()
        except OSError as error:
            raise OutputError(os_error_text(error), path=self._path) from None


def _columns(has_workload: bool) -> list[ProgressColumn]:
    from rich.progress import (
        BarColumn,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    status = TextColumn("{task.fields[status]}")
    if not has_workload:
        return [SpinnerColumn(), status, TimeElapsedColumn()]
    remaining = [TextColumn("left"), TimeRemainingColumn()]
    return [SpinnerColumn(), BarColumn(), status, TimeElapsedColumn(), *remaining]


def format_count(number: int, noun: str) -> str:
    """The number with its noun, which is in the plural unless the number is 1."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
