"""Score matrices as `predict --scores` writes them, a NumPy archive, read one by one."""

from __future__ import annotations

import contextlib
import io
import tokenize
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from rnaformer_cli.errors import InputError, ScoreError, shown
from rnaformer_cli.files import UniqueFileNames, reason, safe_name
from rnaformer_cli.structure.structure import StructureRecord

Matrix = np.ndarray[Any, np.dtype[np.float32]]  # of scores, (L, L)
_MAX_HEADER = 256  # bytes of the header of an array; that of a matrix has 118
_ROUNDING = 1e-3  # of half precision; the matrices of earlier versions differ in the last digit
_BROKEN = (zlib.error, tokenize.TokenError, SyntaxError)  # data, and headers
_NO_ARCHIVE = "not a NumPy archive of score matrices"


class ScoreArchive:
    """The matrices of `predict --scores`, each read when it is asked for.

    Raises:
        InputError: a file that cannot be read, or is no such archive.
        ScoreError: matrices of an id that more records had when they were predicted.
    """

    def __init__(self, path: str, records: Sequence[StructureRecord]) -> None:
        self._path = path
        with self._told():
            self._archive = zipfile.ZipFile(path)
        listed = self._archive.namelist()
        self._members = set(listed)
        if len(listed) > len(self._members):
            twice = next(name for name, count in Counter(listed).items() if count > 1)
            raise InputError(f"{shown(twice)} is in this archive twice", path=path)
        known = {name.removesuffix(".npy") for name in listed}
        names = UniqueFileNames()
        self._names = [names.take(record.id) for record in records]
        plain = {safe_name(record.id) for record in records}
        for name in sorted(known - set(self._names)):
            base, mark, number = name.rpartition("_")
            if mark and number.isdecimal() and base in plain:
                message = "may be of this record; draw all structures that it was made with"
                raise ScoreError(f"{name!r} {message}", record=base)

    def matrix(self, place: int, record: StructureRecord) -> Matrix | None:
        """The matrix of a record by its place, or None; its size is checked before it is read.

        Raises:
            InputError: no symmetric array of numbers from 0 to 1.
            ScoreError: a matrix of another length.
        """
        name = f"{self._names[place]}.npy"
        if name not in self._members:
            return None
        if self._archive.getinfo(name).compress_type not in (
            zipfile.ZIP_STORED,
            zipfile.ZIP_DEFLATED,
        ):
            raise InputError(_NO_ARCHIVE, path=self._path)  # NumPy writes no other kind
        shape, kind = self._header(name)
        if len(shape) != 2 or shape[0] != shape[1] or kind not in (np.half, np.single, np.double):
            raise InputError(_NO_ARCHIVE, path=self._path)
        check_length("score matrix", shape[0], record)
        with self._told(), self._archive.open(name) as file:
            found: Matrix = np.lib.format.read_array(
                file, allow_pickle=False, max_header_size=_MAX_HEADER
            )
        is_score = (found >= 0) & (found <= 1 + _ROUNDING)  # and no NaN
        if not is_score.all() or np.abs(found - found.T).max() > _ROUNDING:
            raise InputError(_NO_ARCHIVE, path=self._path)
        return found

    def _header(self, name: str) -> tuple[tuple[int, ...], Any]:
        """The shape of an array and the kind of its numbers; nothing else of it is read."""
        of_one, of_two = np.lib.format.read_array_header_1_0, np.lib.format.read_array_header_2_0
        with self._told(), self._archive.open(name) as file:
            start = io.BytesIO(file.read(2 * _MAX_HEADER))  # a header may claim gigabytes
            is_first = np.lib.format.read_magic(start) == (1, 0)
            shape, _, kind = (of_one if is_first else of_two)(start, max_header_size=_MAX_HEADER)
        return shape, kind

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except zipfile.BadZipFile:
            raise InputError(_NO_ARCHIVE, path=self._path) from None
        except OSError as error:
            raise InputError(reason(error), path=self._path) from None
        except (ValueError, RuntimeError, AttributeError, TypeError, EOFError, *_BROKEN):
            raise InputError(_NO_ARCHIVE, path=self._path) from None


def check_length(what: str, length: int, record: StructureRecord) -> None:
    """Refuse what is of another length than the record.

    Raises:
        ScoreError: naming both lengths.
    """
    if length != record.structure.length:
        message = f"{record.structure.length} bases, but a {what} of {length}"
        raise ScoreError(message, record=record.id)
