"""Text that is safe to print on a terminal."""

from __future__ import annotations

import sys
from typing import IO

import click


def escape_controls(text: str) -> str:
    """Text that cannot move the cursor or break the line: other characters are escaped."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def escape_for_terminal(text: str, stream: IO[str]) -> str:
    """Text as it is for files and pipes; on a terminal control characters are escaped."""
    if not stream.isatty():
        return text
    return "".join(f"{escape_controls(line)}\n" for line in text.split("\n")[:-1])


def print_result(text: object) -> None:
    """Print what a user or a file named, and a line's end; see escape_for_terminal."""
    click.echo(escape_for_terminal(f"{text}\n", sys.stdout), nl=False)
