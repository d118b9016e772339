"""One run at a time in an output folder; parts of a run (`--shard`) may work side by side."""

from __future__ import annotations

import contextlib
import errno
import sys
from collections.abc import Iterator
from pathlib import Path

from rnaformer_cli.errors import OutputError
from rnaformer_cli.files import make_folder, reason

NAME = ".rnaformer-run.lock"
_LOCKED_ERRNOS = {errno.EACCES, errno.EAGAIN}  # systems differ in how they say it


@contextlib.contextmanager
def locked(folder: str | Path, part: tuple[int, int] | None = None) -> Iterator[None]:
    """Keep other runs out of a folder, or other runs of the same part, while the block lasts.

    The lock goes with the process, however that ends; its empty file stays. Where the system
    knows no locks, nobody is kept out.

    Raises:
        OutputError: another run is at work there, or the folder may not be written to.
    """
    make_folder(folder)
    try:
        file = (Path(folder) / NAME).open("ab")
    except OSError as error:
        raise OutputError(reason(error), path=Path(folder) / NAME) from None
    with file:
        if not _lock(file.fileno(), part):
            message = "is in use by another run; wait for its end or choose another folder"
            raise OutputError(message, path=folder)
        yield


def _lock(file: int, part: tuple[int, int] | None) -> bool:
    """Whether the lock could be had: a part takes the byte of its number, a whole run takes all."""
    if sys.platform == "win32":
        return True
    import fcntl

    start, length = (part[0], 1) if part else (0, 0)  # 0 bytes: to the end, wherever that is
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, length, start)
    except OSError as error:
        return error.errno not in _LOCKED_ERRNOS
    return True
