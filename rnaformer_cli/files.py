"""Reading of plain and compressed text, atomic writing, and file names for record ids."""

from __future__ import annotations

import contextlib
import errno
import gzip
import hashlib
import io
import os
import sys
import unicodedata
import zlib
from collections.abc import Iterator, Set
from functools import partial
from pathlib import Path
from typing import IO, Any, BinaryIO, Literal, cast

from rnaformer_cli.errors import InputError, OutputError
from rnaformer_cli.limits import MAX_LINE

GZIP_MAGIC = b"\x1f\x8b"
STDIN = "-"
LOCKED_ERRNOS = {errno.EACCES, errno.EAGAIN}  # of a lock that is held; the system decides which
MAX_NAME_BYTES = 200  # of a file name; with its number and suffix it may have 255
_DEVICES = frozenset(  # reserved names of Windows, with any suffix
    ["CON", "CONIN$", "CONOUT$", "PRN", "AUX", "NUL"]
).union(f"{name}{n}" for name in ("COM", "LPT") for n in "123456789¹²³")
_CHUNK = 1 << 20
_BYTE_ORDER_MARK = "\ufeff"


def read_lines(path: str | Path) -> Iterator[str]:
    """Yield the lines of a text file without their line ends; "-" is standard input.

    Gzip is detected by its first bytes and unpacked line by line. LF, CRLF and CR end a line. A
    byte order mark is removed from the start of any line, because files may be concatenated.

    Raises:
        InputError: the file cannot be opened, is damaged, is not UTF-8 text, has a line of more
            than MAX_LINE letters, or was truncated while it was read.
    """
    name = "stdin" if str(path) == STDIN else str(path)
    try:
        with contextlib.ExitStack() as stack:
            raw = _stdin() if str(path) == STDIN else stack.enter_context(_file(path))
            size = 0 if str(path) == STDIN else os.fstat(raw.fileno()).st_size
            lines = iter(partial(_text(raw, stack).readline, MAX_LINE + 1), "")
            for number, line in enumerate(lines, start=1):
                if len(line) > MAX_LINE and not line.endswith("\n"):
                    message = f"a line of more than {MAX_LINE:,} letters (the limit)"
                    raise InputError(message, path=name, line=number)
                if not _is_utf8(line):
                    raise InputError("not UTF-8 text", path=name, line=number)
                yield line.rstrip("\n").removeprefix(_BYTE_ORDER_MARK)
            if size and os.fstat(raw.fileno()).st_size < size:
                raise InputError("was truncated while it was read", path=name)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise InputError("damaged gzip file", path=name) from None
    except IsADirectoryError:
        raise InputError("is a folder; expected a file", path=name) from None
    except OSError as error:
        raise InputError(os_error_text(error), path=name) from None


def _text(raw: io.BufferedReader, stack: contextlib.ExitStack) -> io.TextIOWrapper:
    binary: IO[bytes] = raw
    if raw.peek(2).startswith(GZIP_MAGIC):
        binary = cast("IO[bytes]", gzip.open(raw, "rb"))  # noqa: SIM115  # closed with the text
    text = io.TextIOWrapper(
        cast("BinaryIO", binary), encoding="utf-8-sig", errors="surrogateescape", newline=None
    )
    return stack.enter_context(text)


def _file(path: str | Path) -> io.BufferedReader:
    return Path(path).open("rb")


def _stdin() -> io.BufferedReader:
    if sys.stdin is None:
        raise InputError("is closed", path="stdin")
    if sys.stdin.buffer.closed:
        raise InputError("was already read, and can be read only once", path="stdin")
    return cast("io.BufferedReader", sys.stdin.buffer)


def _is_utf8(line: str) -> bool:
    """Whether no byte was escaped; strict decoding would fail without the line number."""
    return line.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in line)


def list_files(folder: str | Path, suffixes: Set[str]) -> list[Path]:
    """The files of a folder with one of these suffixes, compressed or not, sorted by name.

    Links and pipes are included; their reader reports those that cannot be read. Hidden files and
    folders are not.
    """
    return sorted(
        file
        for file in Path(folder).iterdir()
        if suffix_of(file) in suffixes and not file.name.startswith(".") and not file.is_dir()
    )


def suffix_of(path: str | Path) -> str:
    """The suffix in lower case; of `x.ct.gz` it is `.ct`."""
    path = Path(path)
    unpacked = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return unpacked.suffix.lower()


def check_regular(path: Path) -> None:
    """Reject a file in a folder that could block reading or be endless.

    Raises:
        InputError: a pipe, a socket or a device.
    """
    if path.exists() and not path.is_file():
        raise InputError(
            "is not a regular file; only regular files of a folder are read", path=path
        )


def read_bytes(path: str | Path, limit: int | None = None) -> bytes:
    """The content of a file of at most `limit` bytes.

    Raises:
        InputError: the file cannot be read, or is larger.
    """
    try:
        if limit is None:
            return Path(path).read_bytes()
        with Path(path).open("rb") as file:
            is_larger = os.fstat(file.fileno()).st_size > limit
            data = b"" if is_larger else file.read(limit + 1)  # the size of a device is 0
    except OSError as error:
        raise InputError(os_error_text(error), path=path) from None
    if is_larger or len(data) > limit:
        raise InputError(f"more than {limit:,} bytes (the limit)", path=path)
    return data


def sha256_of(path: str | Path) -> str:
    """The SHA-256 checksum of a file, in hexadecimal digits.

    Raises:
        InputError: the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with _file(path) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise InputError(os_error_text(error), path=path) from None
    return digest.hexdigest()


@contextlib.contextmanager
def write_atomically(
    path: str | Path, binary: bool = False, follow: bool = True
) -> Iterator[IO[str] | IO[bytes]]:
    """Open a temporary file that replaces the target when the block ends without an error.

    Readers never see an incomplete file. The target of a symbolic link is replaced, not the link.
    Text is compressed if the name ends in `.gz`; equal text gives equal bytes. A device or a named
    pipe is written directly. Without `follow`, links, devices and pipes are replaced: in a folder
    of many files they could lead to the file of another record.

    Raises:
        OutputError: the folder is missing or cannot be written to, or the disk is full.
    """
    _check_encoding(path)
    if Path(path).is_dir():
        raise OutputError("is a folder; expected a file", path=path)
    is_special = follow and Path(path).exists() and not Path(path).is_file()
    target = os.path.realpath(path) if follow else path
    try:
        opened = _open_special(path, binary) if is_special else _open_temporary(target, binary)
        with opened as file:
            yield file
    except BrokenPipeError:
        raise  # from stdout, which the block may also write to
    except OSError as error:
        raise OutputError(os_error_text(error), path=path) from None


def _check_encoding(path: str | Path) -> None:
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        encoding = sys.getfilesystemencoding()
        message = f"cannot be a file name in this locale ({encoding}); set LC_ALL=C.UTF-8"
        raise OutputError(message, path=path) from None


def _open_special(path: str | Path, binary: bool) -> IO[str] | IO[bytes]:
    return open(path, "wb") if binary else open_text(path, is_compressed=is_gzip_name(path))


@contextlib.contextmanager
def _open_temporary(path: str | Path, binary: bool) -> Iterator[IO[str] | IO[bytes]]:
    target = Path(path)
    is_compressed = is_gzip_name(path)
    temporary = target.with_name(f".{target.name[:40]}.{os.urandom(8).hex()}")
    try:  # before the file is opened, because an interrupt at any time must remove it
        with open(temporary, "xb") if binary else open_text(temporary, "x", is_compressed) as file:
            yield file
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def open_text(
    path: str | Path, mode: Literal["w", "x"] = "w", is_compressed: bool = False
) -> IO[str]:
    """Open a text file for writing as UTF-8 with LF line ends, compressed by gzip on request."""
    if is_compressed:
        return _GzipText(cast("BinaryIO", open(path, f"{mode}b")))  # closed with the text
    return open(path, mode, encoding="utf-8", newline="\n")


def is_gzip_name(path: str | Path) -> bool:
    """Whether a file name has the suffix of compressed files."""
    return Path(path).suffix.lower() == ".gz"


class _GzipText(io.TextIOWrapper):
    """Text that is compressed into a binary file, without name and time in its header.

    Flushing fills the buffer only: a compressed block for every record would be larger than the
    text.
    """

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        packed = gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0)
        buffer = io.BufferedWriter(cast("io.RawIOBase", packed), _CHUNK)
        super().__init__(buffer, encoding="utf-8", newline="\n")
        self._packed = packed

    def close(self) -> None:
        """Write what is buffered, and close the binary file."""
        try:
            super().close()
        finally:
            self._raw.close()


def write_text(path: str | Path, text: str, follow: bool = True) -> None:
    """Write a whole text file; see write_atomically."""
    with write_atomically(path, follow=follow) as file:
        cast("IO[str]", file).write(text)


def lock_file(file: IO[Any], path: str | Path) -> bool:
    """Lock an open file until it is closed; False if another process holds the lock.

    False also if the path has become another file meanwhile. True without a lock on Windows and on
    file systems that have none.
    """
    if sys.platform == "win32":
        return True
    import fcntl

    try:  # not lockf(), whose lock ends when any other descriptor of the file is closed
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in LOCKED_ERRNOS
    return Path(path).exists() and os.path.samestat(os.fstat(file.fileno()), Path(path).stat())


def make_folder(path: str | Path) -> None:
    """Create a folder and its parents, unless it exists.

    Raises:
        OutputError: the folder cannot be created.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise OutputError("is a file; expected a folder", path=path) from None
    except OSError as error:
        raise OutputError(os_error_text(error), path=path) from None


def text_name(path: str | Path) -> str:
    """The last part of a path as valid Unicode.

    File names are bytes on many systems. They are decoded as UTF-8 in any locale; invalid bytes
    become U+FFFD.
    """
    return os.fsencode(Path(path).name).decode("utf-8", "replace")


class UniqueFileNames:
    """Makes unique, non-empty file names from record ids, without folders."""

    def __init__(self) -> None:
        self._uses: dict[str, int] = {}  # by normalised name: file systems may ignore case

    def add(self, name: str) -> str:
        """A new name; a second `x` becomes `x_2`."""
        plain = candidate = safe_name(name)
        number = self._uses.get(_normalised(plain), 0) + 1
        while _normalised(candidate) in self._uses:
            number = max(number, 2)
            candidate = f"{plain}_{number}"
            number += 1
        self._uses[_normalised(plain)] = max(number - 1, 1)
        self._uses.setdefault(_normalised(candidate), 1)
        return candidate


def _normalised(name: str) -> str:
    """The name in one case and one Unicode form: `é` may be one character or two."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def safe_name(name: str) -> str:
    """A file name for an id: shortened, with `_` for white space and for forbidden characters."""
    plain = "".join(letter if _is_harmless(letter) else "_" for letter in name)
    plain = plain.encode()[:MAX_NAME_BYTES].decode(errors="ignore")
    if plain.partition(".")[0].upper() in _DEVICES:
        return f"_{plain}"
    return "_" + plain[1:] if not plain or plain.startswith((".", "-")) else plain


def _is_harmless(letter: str) -> bool:
    return letter.isprintable() and not letter.isspace() and letter not in '\\/?%*:|"<>'


def os_error_text(error: OSError) -> str:
    """The system's error text, with a lower-case first letter."""
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:]
