"""Text that is safe to print on a terminal."""

from __future__ import annotations

import sys
from typing import IO

import click


def escape_controls(text: str) -> str:
    """The text with control characters escaped, so that it stays on one line of a terminal."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def escape_for_terminal(text: str, stream: IO[str]) -> str:
    """The text, with control characters escaped if the stream is a terminal."""
    if not stream.isatty():
        return text
    return "".join(f"{escape_controls(line)}\n" for line in text.split("\n")[:-1])


def print_result(text: object) -> None:
    """Print a line with text from a user or a file; see escape_for_terminal."""
    click.echo(escape_for_terminal(f"{text}\n", sys.stdout), nl=False)
