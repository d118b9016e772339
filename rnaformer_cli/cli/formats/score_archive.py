"""Reads the NumPy archives of score matrices that `predict --scores` writes."""

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

from rnaformer_cli.errors import InputError, ScoreError, shorten_repr
from rnaformer_cli.files import UniqueFileNames, os_error_text, safe_name
from rnaformer_cli.structure.structure import StructureRecord

Matrix = np.ndarray[Any, np.dtype[np.float32]]  # of scores, (L, L)
_MAX_HEADER = 256  # bytes of an array's header; the header of a matrix has 118
_ROUNDING = 1e-3  # of half precision, which earlier versions wrote
_BROKEN = (zlib.error, tokenize.TokenError, SyntaxError)  # damaged data, damaged headers
_NO_ARCHIVE = "not a NumPy archive of score matrices"


class ScoreArchiveReader:
    """The matrices of an archive; each is read when it is requested.

    Raises:
        InputError: a file that cannot be read, is not an archive or repeats a name.
        ScoreError: the archive has more matrices of one id than there are records.
    """

    def __init__(self, path: str, records: Sequence[StructureRecord]) -> None:
        self._path = path
        with self._archive_errors():
            self._archive = zipfile.ZipFile(path)
        listed = self._archive.namelist()
        self._members = set(listed)
        if len(listed) > len(self._members):
            twice = next(name for name, count in Counter(listed).items() if count > 1)
            raise InputError(f"{shorten_repr(twice)} is in this archive twice", path=path)
        members = {name.removesuffix(".npy") for name in listed}
        names = UniqueFileNames()
        self._names = [names.add(record.id) for record in records]
        plain = {safe_name(record.id) for record in records}
        for name in sorted(members - set(self._names)):
            base, separator, number = name.rpartition("_")
            if separator and number.isdecimal() and base in plain:
                message = "may belong to this record; draw all structures of that run together"
                raise ScoreError(f"{name!r} {message}", record=base)

    def matrix(self, index: int, record: StructureRecord) -> Matrix | None:
        """The matrix of the record with this index, or None.

        The header is checked before the data are read.

        Raises:
            InputError: not a symmetric array of numbers from 0 to 1.
            ScoreError: a matrix of another length.
        """
        name = f"{self._names[index]}.npy"
        if name not in self._members:
            return None
        if self._archive.getinfo(name).compress_type not in (
            zipfile.ZIP_STORED,
            zipfile.ZIP_DEFLATED,
        ):
            raise InputError(_NO_ARCHIVE, path=self._path)  # NumPy writes no other compression
        shape, dtype = self._header(name)
        if len(shape) != 2 or shape[0] != shape[1] or dtype not in (np.half, np.single, np.double):
            raise InputError(_NO_ARCHIVE, path=self._path)
        check_length("score matrix", shape[0], record)
        with self._archive_errors(), self._archive.open(name) as file:
            matrix: Matrix = np.lib.format.read_array(
                file, allow_pickle=False, max_header_size=_MAX_HEADER
            )
        is_score = (matrix >= 0) & (matrix <= 1 + _ROUNDING)  # NaN is neither
        if not is_score.all() or np.abs(matrix - matrix.T).max() > _ROUNDING:
            raise InputError(_NO_ARCHIVE, path=self._path)
        return matrix

    def _header(self, name: str) -> tuple[tuple[int, ...], Any]:
        """The shape and the dtype of an array, without reading its data."""
        with self._archive_errors(), self._archive.open(name) as file:
            start = io.BytesIO(file.read(2 * _MAX_HEADER))  # a header may claim gigabytes
            is_version_1 = np.lib.format.read_magic(start) == (1, 0)
            read_header = (
                np.lib.format.read_array_header_1_0
                if is_version_1
                else np.lib.format.read_array_header_2_0
            )
            shape, _, dtype = read_header(start, max_header_size=_MAX_HEADER)
        return shape, dtype

    @contextlib.contextmanager
    def _archive_errors(self) -> Iterator[None]:
        try:
            yield
        except zipfile.BadZipFile:
            raise InputError(_NO_ARCHIVE, path=self._path) from None
        except OSError as error:
            raise InputError(os_error_text(error), path=self._path) from None
        except (ValueError, RuntimeError, AttributeError, TypeError, EOFError, *_BROKEN):
            raise InputError(_NO_ARCHIVE, path=self._path) from None


def check_length(what: str, length: int, record: StructureRecord) -> None:
    """Check that a reference or matrix has the length of the record.

    Raises:
        ScoreError: another length; the message has both.
    """
    if length != record.structure.length:
        message = f"{record.structure.length} bases, but a {what} of {length}"
        raise ScoreError(message, record=record.id)
