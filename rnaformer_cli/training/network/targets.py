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
    """A batch with its targets; see model/network.py for the letters of the shapes."""

    bases: Tensor  # (B, L) codes
    is_base: Tensor  # (B, L)
    target: Tensor  # (B, L, L), symmetric, 0 to 1: the probability of each pair
    flag: Tensor  # (B,) 1: curated, 0: computed

    def to(self, device: torch.device) -> LabelledBatch:
        """The same on a device."""
        moved = {name: getattr(self, name).to(device) for name in self.__slots__}
        return replace(self, **moved)


def to_batch(records: Sequence[LabelledRecord]) -> LabelledBatch:
    """Records, padded to the longest."""
    bases, is_base = to_tensors([record.sequence for record in records])
    side = bases.shape[1]
    target = torch.zeros(len(records), side, side)
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
    """Binary cross-entropy summed over the real cells off the diagonal.

    With a negative_fraction below 1, cells without a pair are sampled, as in the paper's loss,
    and weighted so that the expectation stays the same.
    """
    real = batch.is_base[:, :, None] & batch.is_base[:, None, :]
    off_diagonal = ~torch.eye(real.shape[1], dtype=torch.bool, device=real.device)
    weights = (real & off_diagonal).to(logits.dtype)
    if negative_fraction < 1.0:
        draw = torch.rand(batch.target.shape, generator=torch.Generator().manual_seed(seed))
        kept = ((draw + draw.transpose(1, 2)) % 1.0 < negative_fraction).to(real.device)
        weights = weights * torch.where(batch.target > 0, 1.0, kept / negative_fraction)
    losses = F.binary_cross_entropy_with_logits(logits, batch.target, reduction="none")
    return (losses * weights).sum()
