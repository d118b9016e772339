"""Put the predictions of all parts into the order of the input; checks that no record is lost."""

import json
import sys
from collections.abc import Iterator
from typing import IO

from rnaformer_cli.errors import RnaformerError
from rnaformer_cli.files import read_lines, write_atomically
from rnaformer_cli.sequence.fasta import read_fasta_file
from rnaformer_cli.sequence.record import RnaRecord


class Part:
    """The predictions of one part, which are in input order already."""

    def __init__(self, path: str) -> None:
        self._lines = read_lines(path)
        self.advance()

    def advance(self) -> None:
        """Go to the next prediction, if there is one."""
        self.line = next(self._lines, None)
        found = json.loads(self.line) if self.line else {}
        self.key = (found.get("id"), found.get("sequence"))


def read_records(path: str) -> Iterator[RnaRecord | RnaformerError]:
    """What a file holds; if it cannot be read, that counts as one failed record."""
    try:
        yield from read_fasta_file(path)
    except RnaformerError as error:
        yield error


def merge(fasta: list[str], parts: list[Part], file: IO) -> tuple[int, int]:
    """Write the predictions; gives the number of records read and written."""
    read = written = 0
    for path in fasta:
        for record in read_records(path):
            read += 1
            key = (record.id, record.sequence) if isinstance(record, RnaRecord) else None
            part = next((one for one in parts if one.key == key), None)
            if part is not None:
                file.write(f"{part.line}\n")
                part.advance()
                written += 1
    return read, written


def merge_tables(paths: list[str], file: IO) -> int:
    """Write rows under one header; gives their number."""
    tables = [list(read_lines(path)) for path in paths]
    rows = [row for _, *rows in tables for row in rows]
    file.write("\n".join([tables[0][0], *rows]) + "\n")
    return len(rows)


job = snakemake  # noqa: F821  # put here by Snakemake's `script:`
with write_atomically(job.output.predictions) as file:
    parts = [Part(path) for path in job.input.predictions]
    read, written = merge(job.input.fasta, parts, file)
with write_atomically(job.output.failures) as file:
    failed = merge_tables(job.input.failures, file)
if read != written + failed:
    sys.exit(f"{read} records were read, but {written} predicted and {failed} failed")
