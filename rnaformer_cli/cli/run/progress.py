"""What is told on stderr while records go by: failures, warnings, progress."""

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
from rnaformer_cli.files import reason
from rnaformer_cli.sequence.record import RnaRecord

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn


LOW_CONFIDENCE = 0.5  # expected F1 below which a structure is a guess
LONG_RUN_RECORDS = 100  # records
MAX_LISTED_FAILURES = 20  # records whose failure is told in full: nobody reads a million lines


@dataclass(frozen=True, slots=True)
class Expected:
    """What a run is going to do, as far as its input tells."""

    records: int
    cells: int  # L x L, summed: what the time grows with

    @classmethod
    def of(cls, lengths: Iterable[int]) -> Expected:
        """From the lengths of all records."""
        sizes = [length**2 for length in lengths]
        return cls(len(sizes), sum(sizes))


class Report:
    """Counts what happened and says it once; silent about success."""

    def __init__(self, quiet: bool = False, failure_table: FailureTable | None = None) -> None:
        self.quiet = quiet
        self._failure_table = failure_table
        self._started = time.perf_counter()
        self._bases = 0  # of the records that are written
        self._expected: Expected | None = None
        self.failures = 0
        self.data_failures = 0  # of probing data, without which their records are predicted
        self._n_matched = 0
        self._n_with_data = 0
        self._failed_records = 0
        self.written = 0
        self.left_out = 0  # done by an earlier run
        self.ended_by: RnaformerError | None = None  # what --fail-fast stopped at
        self._predicted = 0
        self._low_confidence = 0
        self._ambiguous_letters = 0
        self._ambiguous_records = 0
        self._progress: Progress | None = None

    def count(self, record: RnaRecord) -> None:
        """Note a record that was read."""
        self._ambiguous_letters += record.n_ambiguous
        self._ambiguous_records += record.n_ambiguous > 0

    def fail(self, error: RnaformerError) -> None:
        """Tell a failure that does not end the run."""
        self.failures += 1
        self._tell_failure(error)

    def fail_data(self, error: RnaformerError) -> None:
        """Tell why probing data are not used; their record is predicted without them."""
        self.data_failures += 1
        self._tell_failure(error)

    def _tell_failure(self, error: RnaformerError) -> None:
        if self._failure_table is not None:
            self._failure_table.add(error)
        self._failed_records += error.place.record is not None
        if error.place.record is None or self._failed_records <= MAX_LISTED_FAILURES:
            self._print(f"rnaformer: {escape_controls(str(error))}")
        elif self._failed_records == MAX_LISTED_FAILURES + 1:
            where = (
                "the table has them" if self._failure_table else "--failures FILE.tsv lists them"
            )
            self._print(f"rnaformer: further records that fail are counted only ({where})")

    def report_unlisted(self) -> None:
        """Tell how many more records failed than were told."""
        untold = self._failed_records - MAX_LISTED_FAILURES
        if untold > 0:
            self._print(f"rnaformer: {counted(untold, 'more record')} failed")

    def warn(self, text: str) -> None:
        """Tell what the user may want to know."""
        if not self.quiet:
            self._print(f"rnaformer: warning: {text}")

    def count_confidence(self, confidence: float) -> None:
        """Count a record that was predicted."""
        self._predicted += 1
        self._low_confidence += confidence < LOW_CONFIDENCE

    def report_low_confidence(self) -> None:
        """Tell once how many records have a low confidence."""
        if self._low_confidence:
            low = f"{self._low_confidence:,} of {counted(self._predicted, 'record')}"
            verb = "has" if self._low_confidence == 1 else "have"
            self.warn(f"{low} {verb} a confidence below {LOW_CONFIDENCE} (see docs/output.md)")

    def count_data(self, record: RnaRecord) -> None:
        """Count a record in a run with probing data."""
        self._n_matched += 1
        self._n_with_data += record.reactivities is not None

    def report_data(self) -> None:
        """Tell how many records had probing data, in a run that was given some."""
        if self._n_matched and not self.quiet:
            verb = "has" if self._n_with_data == 1 else "have"
            records = f"{self._n_with_data:,} of {counted(self._n_matched, 'record')}"
            self._print(f"rnaformer: {records} {verb} reactivities")

    def warn_ambiguous(self) -> None:
        """Tell once how many letters were read as N."""
        if self._ambiguous_letters:
            letters = counted(self._ambiguous_letters, "ambiguous letter")
            records = counted(self._ambiguous_records, "record")
            self.warn(f"read {letters} as N in {records}")

    def report_skipped(self) -> None:
        """Tell how many records an earlier run had done."""
        if self.left_out and not self.quiet:
            self._print(f"rnaformer: {counted(self.left_out, 'record')} done before")

    def report_summary(self) -> None:
        """Tell what a long run did and how long it took; a short one only where progress is."""
        done = self.written - self.left_out
        if self.quiet or (done + self.failures < LONG_RUN_RECORDS and not self.shows_progress):
            return
        seconds = time.perf_counter() - self._started
        failed = f"; {self.failures:,} failed" if self.failures else ""
        self._print(
            f"rnaformer: {counted(done, 'record')}, {self._bases:,} nt in {seconds:.1f} s{failed}"
        )

    @property
    def shows_progress(self) -> bool:
        """Whether progress is shown: stderr is a terminal and stdout is not."""
        return not self.quiet and sys.stderr.isatty() and not sys.stdout.isatty()

    @contextlib.contextmanager
    def progress(self, expected: Expected | None = None) -> Iterator[None]:
        """Show how much is done, if anybody sees it; with a time left if the end is known."""
        self._started = time.perf_counter()
        if not self.shows_progress:
            yield
            return
        from rich.console import Console
        from rich.progress import Progress

        self._expected = expected
        columns = _columns(expected is not None)
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            progress.add_task("", total=expected.cells if expected else None, told="0 records")
            self._progress = progress
            yield
        self._progress = None

    def skip(self, bases: int = 0) -> None:
        """One more record was written by an earlier run."""
        self.left_out += 1
        self._bases -= bases  # which is about what this run does
        self.advance(bases)

    def advance(self, bases: int = 0) -> None:
        """One more record is written."""
        self.written += 1
        self._bases += bases
        if self._progress is None:
            return
        rate = self._bases / max(time.perf_counter() - self._started, 1e-9)
        number = f"{self.written:,} of " if self._expected else ""
        total = counted(self._expected.records if self._expected else self.written, "record")
        told = f"{number}{total}, {rate:,.0f} nt/s" if self._bases else f"{number}{total}"
        self._progress.update(self._progress.task_ids[0], advance=bases**2, told=told)

    def reach(self, number: int) -> None:
        """So many records are done, some of them perhaps in an earlier run."""
        if self._progress is not None:
            self._progress.update(self._progress.task_ids[0], told=counted(number, "record"))

    def _print(self, text: str) -> None:
        if self._progress is not None:
            self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            click.echo(text, err=True)


class FailureTable:
    """Failures as TSV: file, line, column, record, message; each is in the file when it is told.

    Raises:
        OutputError: the file cannot be written.
    """

    HEADER = ("file", "line", "column", "record", "message")

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            self._file = open(path, "w", encoding="utf-8", newline="\n")  # noqa: SIM115  # closed by close()
        except OSError as error:
            raise OutputError(reason(error), path=path) from None
        self._write(self.HEADER)

    def add(self, error: RnaformerError) -> None:
        """One more failure."""
        place = error.place
        values = (place.path, place.line, place.column, place.record, error.message)
        self._write(["" if value is None else escape_controls(str(value)) for value in values])

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, values: Iterable[str]) -> None:
        try:
            self._file.write("\t".join(values) + "\n")
            self._file.flush()
        except OSError as error:
            raise OutputError(reason(error), path=self._path) from None


def _columns(is_end_known: bool) -> list[ProgressColumn]:
    from rich.progress import (
        BarColumn,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    told = TextColumn("{task.fields[told]}")
    if not is_end_known:
        return [SpinnerColumn(), told, TimeElapsedColumn()]
    left = [TextColumn("left"), TimeRemainingColumn()]
    return [SpinnerColumn(), BarColumn(), told, TimeElapsedColumn(), *left]


def counted(number: int, noun: str) -> str:
    """The number with its noun, in the plural unless it is one."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
