"""Text that is safe to print on a terminal."""

from __future__ import annotations


def escape_controls(text: str) -> str:
    """The text with control characters escaped, so that it stays on one line of a terminal."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
