"""JSON parsing that rejects repeated keys, deep nesting and invalid Unicode."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any


class RepeatedKeyError(ValueError):
    """A JSON object with a duplicate key; most JSON readers silently use the last one."""


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text.

    Raises:
        RepeatedKeyError: an object with a repeated key.
        ValueError: invalid JSON; nested too deeply; a number of more than 4300 digits; a lone
            surrogate such as `"\\ud800"`, which cannot be written to a file.
    """
    try:
        value = json.loads(text, object_pairs_hook=_unique)
        if (b"\\u" if isinstance(text, bytes) else "\\u") in text:  # type: ignore[operator]  # both are str or both are bytes
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def _unique(items: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(items)
    if len(values) < len(items):
        name = next(key for key, count in Counter(key for key, _ in items).items() if count > 1)
        raise RepeatedKeyError(f"duplicate key {name[:80]!r}")
    return values


def text_id(value: Any) -> str:
    """The text of an id, which may be a whole number in JSON.

    Raises:
        TypeError: neither text nor a whole number.
    """
    if type(value) not in (str, int):
        raise TypeError
    return str(value)
