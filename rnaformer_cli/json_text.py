"""JSON parsing that rejects deep nesting and invalid Unicode with a ValueError."""

from __future__ import annotations

import json
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: invalid JSON; nested too deeply; a number of more than 4300 digits; a lone
            surrogate such as `"\\ud800"`, which cannot be written to a file.
    """
    try:
        value = json.loads(text)
        if (b"\\u" if isinstance(text, bytes) else "\\u") in text:  # type: ignore[operator]  # both are str or both are bytes
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value
