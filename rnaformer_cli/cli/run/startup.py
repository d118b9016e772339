"""Faster imports."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Collect no garbage inside, and never search the objects that exist at the end.

    Imports create many objects and no garbage. Python would search them several times for cycles,
    and once more at the end of the program.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
