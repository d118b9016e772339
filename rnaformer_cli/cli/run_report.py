"""What is told on stderr while records go by: failures, warnings, progress."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from rnaformer_cli.cli.main import one_line
from rnaformer_cli.errors import RnaformerError
from rnaformer_cli.sequence.record import RnaRecord

if TYPE_CHECKING:
    from rich.progress import Progress


class Report:
    """Counts what happened and says it once; silent about success."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.failures = 0
        self.written = 0
        self.left_out = 0  # done by an earlier run
        self.ended_by: RnaformerError | None = None  # what --fail-fast stopped at
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
        self._say(f"rnaformer: {one_line(str(error))}")

    def warn(self, text: str) -> None:
        """Tell what the user may want to know."""
        if not self.quiet:
            self._say(f"rnaformer: warning: {text}")

    def warn_ambiguous(self) -> None:
        """Tell once how many letters were read as N."""
        if self._ambiguous_letters:
            letters = counted(self._ambiguous_letters, "ambiguous letter")
            records = counted(self._ambiguous_records, "record")
            self.warn(f"read {letters} as N in {records}")

    def tell_left_out(self) -> None:
        """Tell how many records an earlier run had done."""
        if self.left_out and not self.quiet:
            self._say(f"rnaformer: {counted(self.left_out, 'record')} done before")

    @contextlib.contextmanager
    def progress(self) -> Iterator[None]:
        """Show how many records are done, if stderr is a terminal and stdout is not."""
        if self.quiet or not sys.stderr.isatty() or sys.stdout.isatty():
            yield
            return
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TextColumn("{task.completed} records"), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            progress.add_task("predict", total=None)
            self._progress = progress
            yield
        self._progress = None

    def leave_out(self) -> None:
        """One more record was written by an earlier run."""
        self.left_out += 1
        self.advance()

    def advance(self) -> None:
        """One more record is written."""
        self.written += 1
        if self._progress is not None:
            self._progress.advance(self._progress.task_ids[0])

    def reach(self, number: int) -> None:
        """So many records are done, some of them perhaps in an earlier run."""
        if self._progress is not None:
            self._progress.update(self._progress.task_ids[0], completed=number)

    def _say(self, text: str) -> None:
        if self._progress is not None:
            self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            click.echo(text, err=True)


def counted(number: int, noun: str) -> str:
    """The number with its noun, in the plural unless it is one."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
