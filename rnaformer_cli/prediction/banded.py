"""Base-pair probabilities of pairs up to a maximum distance, for RNAs of any length.

Shapes
    L  bases      W  bases of a window      D  distances j - i from 0 to W - 1
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnaformer_cli.structure.structure import BasePair


@dataclass(frozen=True, slots=True)
class BandedScores:
    """Base-pair probabilities; the entry [i, d] is that of the bases i and i + d."""

    band: NDArray[np.float32]  # (L, D), 0 for d = 0 and beyond the last base

    def __len__(self) -> int:
        return len(self.band)

    def __getitem__(self, pair: BasePair) -> float:
        left, right = pair
        return float(self.band[left, right - left]) if right - left < self.width else 0.0

    @property
    def width(self) -> int:
        """W, the bases from the first to the last one of the longest pair."""
        return int(self.band.shape[1])

    def total(self) -> float:
        """The sum over all pairs."""
        return float(self.band.sum(dtype=np.float64))

    def above(self, threshold: float, min_loop: int) -> dict[BasePair, float]:
        """The pairs above the threshold, with at least `min_loop` bases between, and their scores.

        They are sorted; the threshold is at least 0.
        """
        first = min_loop + 1
        left, distance = np.nonzero(self.band[:, first:] > threshold)
        right, scores = left + distance + first, self.band[left, distance + first]
        pairs = zip(left.tolist(), right.tolist(), scores.tolist(), strict=True)
        return {(i, j): score for i, j, score in pairs}

    def sums_by_base(self) -> NDArray[np.float64]:
        """The sum over the pairs of each base (L,)."""
        sums: NDArray[np.float64] = self.band.sum(1, dtype=np.float64)
        for distance in range(1, min(self.width, len(self))):
            sums[distance:] += self.band[: len(self) - distance, distance]
        return sums


PairScores: TypeAlias = NDArray[np.float32] | BandedScores  # a symmetric matrix (L, L), or banded
