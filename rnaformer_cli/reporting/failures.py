"""The table of failed records that `rnaformer predict --failures` writes."""

from __future__ import annotations

from dataclasses import dataclass

from rnaformer_cli.errors import InputError
from rnaformer_cli.files import read_lines

FAILURE_COLUMNS = ("file", "line", "column", "record", "message")


@dataclass(frozen=True, slots=True)
class FailedRecord:
    """A record that was not predicted, and why."""

    id: str  # or the file, if the whole file is at fault
    message: str


def read_failures(path: str) -> list[FailedRecord]:
    """The rows of a table of failures.

    Raises:
        InputError: a file that is not such a table, with the line.
    """
    failures = []
    for number, line in enumerate(read_lines(path), start=1):
        cells = line.split("\t")
        if len(cells) != len(FAILURE_COLUMNS) or (number == 1 and tuple(cells) != FAILURE_COLUMNS):
            message = "expected a table that `rnaformer predict --failures` writes"
            raise InputError(message, path=path, line=number)
        if number > 1:
            failures.append(FailedRecord(cells[3] or cells[0], cells[4]))
    return failures
