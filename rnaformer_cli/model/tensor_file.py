"""PyTorch files read as data: tensors, numbers and names; nothing in them is executed."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from rnaformer_cli.errors import InputError
from rnaformer_cli.files import read_bytes

# What torch.load raises for files that are damaged or hold more than data.
_UNREADABLE = (
    pickle.UnpicklingError,
    RuntimeError,
    EOFError,
    OSError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
)


def read_tensor_file(path: str | Path, expected: str) -> Any:
    """What a PyTorch file holds, on the CPU; `expected` is what it should be, in words.

    Raises:
        InputError: the file cannot be read, or is not what was expected.
    """
    return parse_tensors(read_bytes(path), path, expected)


def parse_tensors(data: bytes, path: str | Path, expected: str) -> Any:
    """The same for bytes that were read from `path`.

    Raises:
        InputError: the bytes are not what was expected.
    """
    try:
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except _UNREADABLE:
        raise InputError(f"not {expected}", path=path) from None
