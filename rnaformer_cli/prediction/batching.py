"""Group records into batches of similar lengths, bounded by the cells of their pair matrices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from rnaformer_cli.sequence.encode import ALPHABET, UNKNOWN, encode
from rnaformer_cli.sequence.record import RnaRecord

WINDOW_RECORDS = 256  # records that are read ahead and sorted by length
WINDOW_CELLS = 2**24  # limit of the cells of their matrices, which may be kept in memory


def read_windows(records: Iterable[RnaRecord]) -> Iterator[list[RnaRecord]]:
    """Yield windows of up to WINDOW_RECORDS records and about WINDOW_CELLS cells, in order."""
    window: list[RnaRecord] = []
    size = 0
    for record in records:
        window.append(record)
        size += len(record) ** 2
        if len(window) == WINDOW_RECORDS or size >= WINDOW_CELLS:
            yield window
            window, size = [], 0
    if window:
        yield window


def make_batches(lengths: Sequence[int], max_cells: int) -> list[list[int]]:
    """Indices in batches, longest first. B·L·L is at most `max_cells`, except in batches of one."""
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
