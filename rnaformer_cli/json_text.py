"""JSON as anybody may write it: refused, not followed, where it is deep or no Unicode text."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any


class RepeatedKeyError(ValueError):
    """An object that has a key twice, of which readers of JSON take the last without a word."""


def parse_json(text: str | bytes) -> Any:
    """The value that a text holds.

    Raises:
        RepeatedKeyError: a key that an object has twice.
        ValueError: no JSON; too deep; a number of more than 4300 digits; half a character, as
            `"\\ud800"` is, which no file can be written with.
    """
    try:
        value = json.loads(text, object_pairs_hook=_unique)
        if (b"\\u" if isinstance(text, bytes) else "\\u") in text:  # type: ignore[operator]  # both are of one kind
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def _unique(items: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(items)
    if len(found) < len(items):
        name = next(key for key, count in Counter(key for key, _ in items).items() if count > 1)
        raise RepeatedKeyError(f"the key {name[:80]!r} a second time")
    return found


def text_id(value: Any) -> str:
    """An id, which may be a number.

    Raises:
        TypeError: neither text nor a whole number.
    """
    if type(value) not in (str, int):
        raise TypeError
    return str(value)
