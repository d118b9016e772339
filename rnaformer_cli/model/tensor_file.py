"""PyTorch files read as data: tensors, numbers and names; nothing in them is executed."""

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

_PICKLES = 5  # in the older kind of file; the tensors' bytes follow
# What torch.load raises for files that are damaged or hold more than data.
_UNREADABLE = (
    pickle.UnpicklingError,
    RuntimeError,  # and its kinds: zipfile has one for archives of an unknown version
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
    """What a PyTorch file holds, on the CPU; `expected` is what it should be, in words.

    Raises:
        InputError: the file cannot be read, or is not what was expected.
    """
    if Path(path).exists() and not Path(path).is_file() and not Path(path).is_dir():
        raise InputError(f"not {expected}", path=path)  # a device, which has no end
    return parse_tensors(read_bytes(path, MAX_TENSOR_BYTES), path, expected)


def parse_tensors(data: bytes, path: str | Path, expected: str) -> Any:
    """The same for bytes that were read from `path`.

    Raises:
        InputError: the bytes are not what was expected.
    """
    try:
        if _unpacked_size(data) > len(data):  # PyTorch stores; a bomb is compressed
            raise InputError(f"not {expected}", path=path)
        if sum(_storages(data).values()) > len(data):  # each number has a byte at least
            raise InputError(f"not {expected}", path=path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickles that PyTorch did not write
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except _UNREADABLE:
        raise InputError(f"not {expected}", path=path) from None


def _storages(data: bytes) -> dict[str, int]:
    """How many numbers the pickles of a file say that each storage has, by its key."""
    sizes: dict[str, int] = {}
    if data.startswith(b"PK"):  # read as torch.load will: members may be compressed
        archive = torch._C.PyTorchFileReader(io.BytesIO(data))
        check_pickle(io.BytesIO(archive.get_record("data.pkl")), sizes)
        return sizes
    file = io.BytesIO(data)
    for _ in range(_PICKLES):
        check_pickle(file, sizes)
    return sizes


def _unpacked_size(data: bytes) -> int:
    """Bytes of all members of an archive; 0 for the older kind of file, which is none."""
    if not data.startswith(b"PK"):
        return 0
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return sum(member.file_size for member in archive.infolist())
    except zipfile.BadZipFile as error:
        raise ValueError("no archive") from error
