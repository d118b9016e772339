"""Group records of similar lengths into batches with a limited number of matrix cells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from rnaformer_cli.sequence.encode import ALPHABET, UNKNOWN, encode
from rnaformer_cli.sequence.record import RnaRecord

WINDOW_RECORDS = 256  # records that are read ahead and sorted by length
FIRST_WINDOW_RECORDS = 8  # of the first window; few, so that its results come soon
_WINDOW_GROWTH = 4  # ratio of the records of a window to those of the one before
WINDOW_CELLS = 2**24  # limit on the cells of their matrices, all of which may be in memory


def read_windows(
    records: Iterable[RnaRecord], first: int = FIRST_WINDOW_RECORDS
) -> Iterator[list[RnaRecord]]:
    """Yield the records in windows.

    A window ends at WINDOW_CELLS cells or at its number of records, which grows from `first` to
    WINDOW_RECORDS.
    """
    window: list[RnaRecord] = []
    size, limit = 0, first
    for record in records:
        window.append(record)
        size += len(record) ** 2
        if len(window) == limit or size >= WINDOW_CELLS:
            yield window
            window, size = [], 0
            limit = min(limit * _WINDOW_GROWTH, WINDOW_RECORDS)
    if window:
        yield window


def make_batches(lengths: Sequence[int], max_cells: int) -> list[list[int]]:
    """Indices by batch, longest first. B·L·L is at most `max_cells`, except in batches of one."""
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    batches: list[list[int]] = []
    for index in order:
        if batches:
            longest = lengths[batches[-1][0]]
            if (len(batches[-1]) + 1) * longest**2 <= max_cells:
                batches[-1].append(index)
                continue
        batches.append([index])
    return batches


def to_tensors(sequences: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Codes (B, L), padded to the longest sequence, and is_base (B, L)."""
    longest = max(len(sequence) for sequence in sequences)
    codes = np.full((len(sequences), longest), ALPHABET.index(UNKNOWN), dtype=np.int64)
    is_base = np.zeros((len(sequences), longest), dtype=np.bool_)
    for row, sequence in enumerate(sequences):
        codes[row, : len(sequence)] = encode(sequence)
        is_base[row, : len(sequence)] = True
    return torch.from_numpy(codes), torch.from_numpy(is_base)
