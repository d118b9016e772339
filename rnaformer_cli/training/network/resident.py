"""Training data that stay on the device, so that no step makes or moves a batch in Python.

A batch is gathered on the device from flat tensors by the indices of its records: letters, labels
and, for networks with a folding model, its base-pair probabilities, which are computed once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnaformer_cli.dataset.records import LabelledRecord
from rnaformer_cli.folding.model import FoldingModel
from rnaformer_cli.folding.pairs import NO_LETTER
from rnaformer_cli.sequence.encode import ALPHABET, UNKNOWN, encode
from rnaformer_cli.training.batches.bucketed import Bucket
from rnaformer_cli.training.network.targets import LabelledBatch

FOLDING_CELLS = {"cuda": 40_000_000, "cpu": 400_000}  # B·L·L that are folded at once
_UNKNOWN = ALPHABET.index(UNKNOWN)


class ResidentRecords:
    """Records as flat tensors on a device.

    Letters take a byte for each base, labels 8 bytes for each pair, and the probabilities of the
    folding model, in half precision, 2 bytes for each cell.
    """

    def __init__(
        self,
        records: Sequence[LabelledRecord],
        device: torch.device,
        folding: FoldingModel | None = None,
    ) -> None:
        self.device = device
        lengths = np.array([len(record) for record in records], dtype=np.int64)
        labels = [_entries(record) for record in records]
        self._n_entries = np.array([len(label) for label in labels], dtype=np.int64)
        self._first_entry = _starts(self._n_entries)
        entries = np.concatenate([*labels, np.zeros((0, 3), np.float32)])
        codes = np.concatenate([encode(record.sequence) for record in records]).astype(np.uint8)
        self._ends = torch.from_numpy(entries[:, :2].astype(np.int16)).to(device)
        self._values = torch.from_numpy(entries[:, 2].copy()).to(device)
        self._codes = torch.from_numpy(codes).to(device)
        self._lengths = torch.from_numpy(lengths).to(device)
        self._first_base = torch.from_numpy(_starts(lengths)).to(device)
        self._first_cell = torch.from_numpy(_starts(lengths**2)).to(device)
        flags = [float(record.is_curated) for record in records]
        self._flags = torch.tensor(flags, device=device)
        self._folding: Tensor | None = None
        if folding is not None:
            self._folding = torch.zeros(int((lengths**2).sum()), dtype=torch.half, device=device)
            self._fold(folding, lengths)

    def batch(self, bucket: Bucket) -> LabelledBatch:
        """The records of a bucket on the device, padded to its length."""
        indices = torch.from_numpy(bucket.indices).to(self.device, non_blocking=True)
        bases, is_base = self._letters(indices, bucket.length)
        target = torch.zeros(len(indices), bucket.length, bucket.length, device=self.device)
        row, entry = self._own_entries(bucket.indices)
        left, right = self._ends[entry].long().unbind(1)
        target[row, left, right] = self._values[entry]
        target[row, right, left] = self._values[entry]
        folding = None
        if self._folding is not None:
            where, is_cell = self._cells(indices, is_base)
            folding = torch.where(is_cell, self._folding[where].float(), 0.0)
        return LabelledBatch(bases, is_base, target, self._flags[indices], folding)

    def _letters(self, indices: Tensor, length: int) -> tuple[Tensor, Tensor]:
        """Codes and is_base (B, L) of records."""
        place = torch.arange(length, device=self.device)
        is_base = place < self._lengths[indices][:, None]
        where = (self._first_base[indices][:, None] + place).clamp(max=len(self._codes) - 1)
        return torch.where(is_base, self._codes[where].long(), _UNKNOWN), is_base

    def _own_entries(self, indices: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """For each labelled pair of these records: the row in the batch, and the label's index."""
        counts = self._n_entries[indices]
        rows = np.repeat(np.arange(len(indices)), counts)
        within = np.arange(int(counts.sum())) - np.repeat(_starts(counts), counts)
        entries = np.repeat(self._first_entry[indices], counts) + within
        moved = torch.from_numpy(np.stack([rows, entries])).to(self.device, non_blocking=True)
        return moved[0], moved[1]

    def _cells(self, indices: Tensor, is_base: Tensor) -> tuple[Tensor, Tensor]:
        """The places of the cells of records in the flat tensor (B, L, L), and which are real."""
        place = torch.arange(is_base.shape[1], device=self.device)
        lengths = self._lengths[indices][:, None, None]
        where = self._first_cell[indices][:, None, None] + place[:, None] * lengths + place
        is_cell = is_base[:, :, None] & is_base[:, None, :]
        return torch.where(is_cell, where, 0), is_cell

    @torch.no_grad()
    def _fold(self, folding: FoldingModel, lengths: NDArray[np.int64]) -> None:
        """Compute the base-pair probabilities of all records, the longest first."""
        assert self._folding is not None
        order = np.argsort(-lengths, kind="stable")
        limit = FOLDING_CELLS.get(self.device.type, FOLDING_CELLS["cpu"])
        first = 0
        while first < len(order):
            longest = int(lengths[order[first]])
            chosen = order[first : first + max(1, limit // longest**2)]
            first += len(chosen)
            indices = torch.from_numpy(chosen).to(self.device)
            bases, is_base = self._letters(indices, longest)
            probabilities = folding(bases.masked_fill(~is_base, NO_LETTER))
            where, is_cell = self._cells(indices, is_base)
            self._folding[where[is_cell]] = probabilities[is_cell].half()


def _entries(record: LabelledRecord) -> NDArray[np.float32]:
    """The labels of a record (N, 3): left, right, probability."""
    label = record.probabilities
    entries = label if label is not None else [(*pair, 1.0) for pair in record.pairs]
    return np.array(entries, dtype=np.float32).reshape(-1, 3)


def _starts(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each of several runs of these lengths begins."""
    return np.cumsum(counts) - counts
