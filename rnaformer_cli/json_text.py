"""JSON as anybody may write it: refused, not followed, where it is deep or no Unicode text."""

from __future__ import annotations

import json
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """The value that a text holds.

    Raises:
        ValueError: no JSON; too deep; a number of more than 4300 digits; half a character, as
            `"\\ud800"` is, which no file can be written with.
    """
    try:
        value = json.loads(text)
        if (b"\\u" if isinstance(text, bytes) else "\\u") in text:  # type: ignore[operator]  # both are of one kind
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value
