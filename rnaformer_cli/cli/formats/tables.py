"""Tables with aligned columns, identical on a terminal and in a file."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rnaformer_cli.cli.formats.text import escape_controls


def print_table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    footer: Sequence[Sequence[str]] = (),
    err: bool = False,
    left: int = 1,
) -> None:
    """Print text in columns, the first `left` columns left-aligned, the others right-aligned.

    Control characters are escaped. Rows wider than the terminal are neither wrapped nor cut, so
    that the output can be searched and piped.
    """
    rows, footer = (
        [[escape_controls(cell) for cell in row] for row in part] for part in (rows, footer)
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, title in enumerate(head):
        table.add_column(title, justify="left" if index < left else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    for row in footer:
        table.add_row(*(Text(cell, style="bold") for cell in row))
    stream = sys.stderr if err else sys.stdout
    widest = max(cell_len(cell) for row in (head, *rows, *footer) for cell in row)
    console = Console(file=stream, width=len(head) * (widest + 2), highlight=False)
    with console.capture() as captured:  # rich would exit with 1 on a closed pipe
        console.print(table)
    lines = captured.get().splitlines()
    click.echo("\n".join(line.rstrip() for line in lines), err=err)
