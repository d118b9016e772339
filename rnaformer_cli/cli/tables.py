"""Tables for people: aligned columns, never cut, the same on a terminal and in a file."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDTH = 10_000  # no wrapping: what is too wide for a terminal can still be searched and piped


def print_table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    footer: Sequence[Sequence[str]] = (),
    err: bool = False,
    left: int = 1,
) -> None:
    """Print text in columns, the first `left` to the left and the others to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, title in enumerate(head):
        table.add_column(title, justify="left" if index < left else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    for row in footer:
        table.add_row(*(Text(cell, style="bold") for cell in row))
    stream = sys.stderr if err else sys.stdout
    console = Console(file=stream, width=_WIDTH, highlight=False)
    console.print(table)
