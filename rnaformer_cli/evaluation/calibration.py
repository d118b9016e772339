"""Calibration of base-pair probabilities: 70 % of the pairs with probability 0.7 should be true."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

BINS = 20
MIN_SCORE = 0.01  # less probable pairs are ignored; they are numerous, and nearly all false


@dataclass(slots=True)
class Calibration:
    """Counts of pairs in bins of equal width in probability, summed over records."""

    counts: NDArray[np.float64] = field(default_factory=lambda: np.zeros(BINS))  # pairs
    scores: NDArray[np.float64] = field(default_factory=lambda: np.zeros(BINS))  # sums
    n_true: NDArray[np.float64] = field(default_factory=lambda: np.zeros(BINS))  # reference pairs

    def add(self, scores: NDArray[np.float32], is_pair: NDArray[np.bool_]) -> None:
        """Add a record: symmetric probabilities and the pairs of the reference, both (L, L)."""
        upper = np.triu_indices(len(scores), k=1)
        probabilities, is_true = scores[upper].astype(np.float64), is_pair[upper]
        is_candidate = probabilities >= MIN_SCORE
        candidates = probabilities[is_candidate]
        bins = np.minimum((candidates * BINS).astype(np.int64), BINS - 1)
        self.counts += np.bincount(bins, minlength=BINS)
        self.scores += np.bincount(bins, weights=candidates, minlength=BINS)
        self.n_true += np.bincount(bins, weights=is_true[is_candidate], minlength=BINS)

    @property
    def error(self) -> float:
        """Expected calibration error (Naeini 2015): mean |probability - frequency| over pairs."""
        total = self.counts.sum()
        return float(np.abs(self.scores - self.n_true).sum() / total) if total else 0.0

    def curve(self) -> list[tuple[float, float, int]]:
        """Mean probability, fraction of true pairs, and count of each bin that is not empty."""
        return [
            (
                float(self.scores[index] / self.counts[index]),
                float(self.n_true[index] / self.counts[index]),
                int(self.counts[index]),
            )
            for index in np.nonzero(self.counts)[0]
        ]


def spearman_correlation(first: list[float], second: list[float]) -> float:
    """Spearman's rho; ties get their mean rank. 0 if one of the lists is constant."""
    ranks = np.array([_ranks(first), _ranks(second)])
    if (ranks.std(axis=1) == 0).any():
        return 0.0
    return float(np.corrcoef(ranks)[0, 1])


def _ranks(values: list[float]) -> NDArray[np.float64]:
    data = np.asarray(values, dtype=np.float64)
    _, inverse, counts = np.unique(data, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    means: NDArray[np.float64] = (last - (counts - 1) / 2.0)[inverse]
    return means
