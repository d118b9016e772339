"""Read PyTorch files as data: tensors, numbers and names. Nothing in them is executed."""

from __future__ import annotations

import io
import pickle
import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from rnaformer_cli.errors import InputError
from rnaformer_cli.files import read_bytes
from rnaformer_cli.limits import MAX_TENSOR_BYTES
from rnaformer_cli.model.pickles import check_pickle

_PICKLES = 5  # in a file of the old format, before the bytes of the tensors
# Exceptions of torch.load for files that are damaged or hold more than data.
_UNREADABLE = (
    pickle.UnpicklingError,
    RuntimeError,  # includes zipfile's error for archives of an unknown version
    EOFError,
    OSError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    MemoryError,
    struct.error,
)


def read_tensor_file(path: str | Path, expected: str) -> Any:
    """The object in a PyTorch file, on the CPU. `expected` describes it in error messages.

    Raises:
        InputError: the file cannot be read, or is not a safe PyTorch file.
    """
    if Path(path).exists() and not Path(path).is_file() and not Path(path).is_dir():
        raise InputError(f"not {expected}", path=path)  # a device might never end
    return parse_tensors(read_bytes(path, MAX_TENSOR_BYTES), path, expected)


def parse_tensors(data: bytes, path: str | Path, expected: str) -> Any:
    """The object in the bytes of a PyTorch file that was read from `path`.

    Raises:
        InputError: the bytes are not a safe PyTorch file.
    """
    try:
        if _unpacked_size(data) > len(data):  # PyTorch does not compress; a zip bomb does
            raise InputError(f"not {expected}", path=path)
        if sum(_storages(data).values()) > len(data):  # each number takes at least one byte
            raise InputError(f"not {expected}", path=path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickles that PyTorch did not write
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except _UNREADABLE:
        raise InputError(f"not {expected}", path=path) from None


def _storages(data: bytes) -> dict[str, int]:
    """The number of elements of each storage, by its key, as declared in the pickles of a file."""
    sizes: dict[str, int] = {}
    if data.startswith(b"PK"):  # read like torch.load: members may be compressed
        archive = torch._C.PyTorchFileReader(io.BytesIO(data))
        check_pickle(io.BytesIO(archive.get_record("data.pkl")), sizes)
        return sizes
    file = io.BytesIO(data)
    for _ in range(_PICKLES):
        check_pickle(file, sizes)
    return sizes


def _unpacked_size(data: bytes) -> int:
    """Bytes of all members of an archive; 0 for the old format, which is not an archive."""
    if not data.startswith(b"PK"):
        return 0
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return sum(member.file_size for member in archive.infolist())
    except zipfile.BadZipFile as error:
        raise ValueError("no archive") from error
