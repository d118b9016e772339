"""Text of strangers as a page can hold it."""

from __future__ import annotations

import re

_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def fit(text: str) -> str:
    """The text with a mark in place of what no page may hold: control and bidi characters."""
    return _UNFIT.sub("\ufffd", text)
