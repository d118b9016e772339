"""Text that is safe to print on a terminal."""

from __future__ import annotations


def escape_controls(text: str) -> str:
    """Text that cannot move the cursor or break the line: other characters are escaped."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)
