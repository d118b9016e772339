"""Summary statistics of a set of scored records: means, intervals, a paired test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnaformer_cli.errors import ScoreError
from rnaformer_cli.scoring.compare import RecordScore, pool_counts
from rnaformer_cli.scoring.counts import PairCounts

RESAMPLES = 10_000
_CHUNK = 500  # resamples drawn at once, to bound memory


@dataclass(frozen=True, slots=True)
class Summary:
    """The metrics of a set of records; precision, recall, f1 and mcc are means over records."""

    records: int
    missing: int
    precision: float
    recall: float
    f1: float
    f1_interval: tuple[float, float] | None  # 95 % bootstrap interval; None for one record
    mcc: float
    pooled: PairCounts
    tolerant_f1: float | None
    pseudoknot: PairCounts  # pooled over the references with crossing pairs
    pseudoknot_records: int  # references with at least one crossing pair


def summarise(scores: Sequence[RecordScore], seed: int = 0) -> Summary:
    """The metrics of a set of scored records.

    Raises:
        ScoreError: no record.
    """
    if not scores:
        raise ScoreError("nothing to score")
    f1 = [score.f1 for score in scores]
    tolerant = [score.tolerant_f1 for score in scores if score.tolerant_f1 is not None]
    with_pseudoknots = [score.pseudoknot for score in scores if score.pseudoknot.reference]
    return Summary(
        records=len(scores),
        missing=sum(score.is_missing for score in scores),
        precision=float(np.mean([score.precision for score in scores])),
        recall=float(np.mean([score.recall for score in scores])),
        f1=float(np.mean(f1)),
        f1_interval=bootstrap_interval(f1, seed) if len(f1) > 1 else None,
        mcc=float(np.mean([score.mcc for score in scores])),
        pooled=pool_counts(score.exact for score in scores),
        tolerant_f1=float(np.mean(tolerant)) if tolerant else None,
        pseudoknot=pool_counts(with_pseudoknots),
        pseudoknot_records=len(with_pseudoknots),
    )


def bootstrap_interval(values: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """The 95 % percentile interval of the mean (Efron 1979); reproducible for a seed."""
    data = np.asarray(values, dtype=np.float64)
    random = np.random.default_rng(seed)
    means = np.concatenate(
        [
            data[random.integers(0, len(data), (_CHUNK, len(data)))].mean(axis=1)
            for _ in range(RESAMPLES // _CHUNK)
        ]
    )
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def difference_interval(
    ours: Sequence[float], theirs: Sequence[float], seed: int = 0
) -> tuple[float, float]:
    """The 95 % bootstrap interval of the mean of the paired differences, ours - theirs.

    Raises:
        ScoreError: lists of different lengths, or empty lists.
    """
    if len(ours) != len(theirs) or not ours:
        raise ScoreError(f"cannot pair {len(ours)} with {len(theirs)} records")
    return bootstrap_interval([one - other for one, other in zip(ours, theirs, strict=True)], seed)


def sign_flip_test(ours: Sequence[float], theirs: Sequence[float], seed: int = 0) -> float:
    """Two-sided p-value of a paired permutation test of equal means (Fisher 1935).

    Under the null hypothesis the sign of each difference is random.

    Raises:
        ScoreError: lists of different lengths, or empty lists.
    """
    if len(ours) != len(theirs) or not ours:
        raise ScoreError(f"cannot pair {len(ours)} with {len(theirs)} records")
    differences: NDArray[np.float64] = np.subtract(ours, theirs)
    observed = abs(differences.sum()) - 1e-12  # less rounding errors
    random = np.random.default_rng(seed)
    at_least_as_large = 0
    for _ in range(RESAMPLES // _CHUNK):
        signs = random.integers(0, 2, (_CHUNK, len(differences))) * 2 - 1
        at_least_as_large += int((np.abs(signs @ differences) >= observed).sum())
    return (at_least_as_large + 1) / (RESAMPLES + 1)
