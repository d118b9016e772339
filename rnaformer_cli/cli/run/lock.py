"""A lock on the output folder: it admits one run, or several shards of one run."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from rnaformer_cli.errors import OutputError
from rnaformer_cli.files import LOCKED_ERRNOS, make_folder, os_error_text

LOCK_FILE = ".rnaformer-run.lock"


@contextlib.contextmanager
def locked(folder: str | Path, part: tuple[int, int] | None = None) -> Iterator[None]:
    """Lock a folder against other runs, or against other runs of the same part.

    The lock is released at the end of the block, or by the system when the process ends. The empty
    lock file stays. On file systems without locks, and on Windows, nothing is locked.

    Raises:
        OutputError: another run holds the lock, or the folder cannot be written to.
    """
    make_folder(folder)
    try:
        file = (Path(folder) / LOCK_FILE).open("ab")
    except OSError as error:
        raise OutputError(os_error_text(error), path=Path(folder) / LOCK_FILE) from None
    with file:
        if not _lock(file.fileno(), part):
            message = "is in use by another run; wait until it ends or choose another folder"
            raise OutputError(message, path=folder)
        yield


def _lock(file: int, part: tuple[int, int] | None) -> bool:
    """Lock the byte of a part, or all bytes; False if another run holds the lock.

    True without a lock if the system has none.
    """
    if sys.platform == "win32":
        return True
    import fcntl

    start, length = (part[0], 1) if part else (0, 0)  # a length of 0 locks to the end of the file
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, length, start)
    except OSError as error:
        return error.errno not in LOCKED_ERRNOS
    return True
