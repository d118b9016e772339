"""Whether scores are probabilities: of the pairs scored 0.7, seven in ten should be there."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

BINS = 20
LEAST = 0.01  # pairs scored below are no candidates: nearly all, and nearly all absent


@dataclass(slots=True)
class Calibration:
    """Counts of candidate pairs in bins of equal width, added up record by record."""

    counts: NDArray[np.float64] = field(default_factory=lambda: np.zeros(BINS))
    scores: NDArray[np.float64] = field(default_factory=lambda: np.zeros(BINS))  # sums
    present: NDArray[np.float64] = field(default_factory=lambda: np.zeros(BINS))

    def add(self, scores: NDArray[np.float32], truth: NDArray[np.bool_]) -> None:
        """Take in a record: symmetric scores and which pairs there are, both (L, L)."""
        upper = np.triu_indices(len(scores), k=1)
        flat, there = scores[upper].astype(np.float64), truth[upper]
        candidates = flat >= LEAST
        place = np.minimum((flat[candidates] * BINS).astype(np.int64), BINS - 1)
        self.counts += np.bincount(place, minlength=BINS)
        self.scores += np.bincount(place, weights=flat[candidates], minlength=BINS)
        self.present += np.bincount(place, weights=there[candidates], minlength=BINS)

    @property
    def error(self) -> float:
        """Expected calibration error (Naeini 2015): mean distance of score and share, by count."""
        total = self.counts.sum()
        return float(np.abs(self.scores - self.present).sum() / total) if total else 0.0

    def curve(self) -> list[tuple[float, float, int]]:
        """Mean score, share of pairs that are there, and count, of each bin with candidates."""
        filled = np.nonzero(self.counts)[0]
        return [
            (
                float(self.scores[place] / self.counts[place]),
                float(self.present[place] / self.counts[place]),
                int(self.counts[place]),
            )
            for place in filled
        ]


def rank_correlation(one: list[float], other: list[float]) -> float:
    """Spearman's rho; ties get their mean rank. 0 where one side is constant."""
    ranks = np.array([_ranks(one), _ranks(other)])
    if (ranks.std(axis=1) == 0).any():
        return 0.0
    return float(np.corrcoef(ranks)[0, 1])


def _ranks(values: list[float]) -> NDArray[np.float64]:
    data = np.asarray(values, dtype=np.float64)
    _, inverse, counts = np.unique(data, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    means: NDArray[np.float64] = (last - (counts - 1) / 2.0)[inverse]
    return means
