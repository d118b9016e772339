"""Sanitised text for HTML pages."""

from __future__ import annotations

import re

# Control and bidirectional characters, and lone surrogates.
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def sanitise(text: str) -> str:
    """The text with U+FFFD in place of characters that a page must not contain."""
    return _FORBIDDEN.sub("\ufffd", text)
