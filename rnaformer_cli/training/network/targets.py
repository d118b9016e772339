"""Labelled records -> tensors, and the loss between logits and labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from rnaformer_cli.dataset.records import LabelledRecord
from rnaformer_cli.prediction.batching import to_tensors


@dataclass(frozen=True, slots=True)
class LabelledBatch:
    """A batch with its targets; shapes are in the letters of model/network.py."""

    bases: Tensor  # (B, L) codes
    is_base: Tensor  # (B, L)
    target: Tensor  # (B, L, L) base-pair probabilities, symmetric
    flag: Tensor  # (B,) 1: curated, 0: computed
    folding: Tensor | None = None  # (B, L, L) probabilities of the folding model, if known

    def to(self, device: torch.device) -> LabelledBatch:
        """A copy on a device."""
        tensors = {name: getattr(self, name) for name in self.__slots__}
        moved = {name: one.to(device) for name, one in tensors.items() if one is not None}
        return replace(self, **moved)


def to_batch(records: Sequence[LabelledRecord]) -> LabelledBatch:
    """Records -> a batch, padded to the longest record."""
    bases, is_base = to_tensors([record.sequence for record in records])
    length = bases.shape[1]
    target = torch.zeros(len(records), length, length)
    for row, record in enumerate(records):
        label = record.probabilities
        entries = label if label is not None else [(*pair, 1.0) for pair in record.pairs]
        if entries:
            left, right, value = zip(*entries, strict=True)
            target[row, left, right] = torch.tensor(value, dtype=torch.float32)
            target[row, right, left] = target[row, left, right]
    flag = torch.tensor([float(record.is_curated) for record in records])
    return LabelledBatch(bases, is_base, target, flag)


def sum_loss(logits: Tensor, batch: LabelledBatch, negative_fraction: float, seed: int) -> Tensor:
    """Binary cross-entropy summed over the cells of real bases off the diagonal, a scalar.

    logits (B, L, L). With a `negative_fraction` below 1, a random sample of the cells without a
    pair enters the loss, as in the RNAformer paper, weighted so that the expectation is the same.
    """
    is_cell = batch.is_base[:, :, None] & batch.is_base[:, None, :]
    off_diagonal = ~torch.eye(is_cell.shape[1], dtype=torch.bool, device=is_cell.device)
    weights = (is_cell & off_diagonal).to(logits.dtype)
    if negative_fraction < 1.0:
        uniform = torch.rand(batch.target.shape, generator=torch.Generator().manual_seed(seed))
        symmetric = (uniform + uniform.transpose(1, 2)) % 1.0  # uniform too
        is_kept = (symmetric < negative_fraction).to(is_cell.device)
        weights = weights * torch.where(batch.target > 0, 1.0, is_kept / negative_fraction)
    losses = F.binary_cross_entropy_with_logits(logits, batch.target, reduction="none")
    return (losses * weights).sum()
