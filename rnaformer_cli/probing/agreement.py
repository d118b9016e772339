"""The agreement of reactivities with a predicted structure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnaformer_cli.probing.likelihood import is_used_base
from rnaformer_cli.sequence.reactivities import Reactivities

_DECIMALS = 4  # of probabilities in output; further digits depend on the batch


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well the reactivities of the used bases agree with a prediction."""

    n_used: int  # bases that have a value and that the reagent modifies
    # The probability that an unpaired base has a higher reactivity than a paired one, where equal
    # values count one half (area under the ROC curve); None unless there are bases of both kinds.
    auc: float | None
    # Spearman's correlation of the reactivity with the probability of being unpaired; None if all
    # values of one of them are equal.
    spearman: float | None


def measure_agreement(
    sequence: str,
    data: Reactivities,
    is_paired: Sequence[bool],
    p_unpaired: NDArray[np.float32],
) -> Agreement:
    """Measure how well the reactivities of an RNA agree with a predicted structure.

    `is_paired` and `p_unpaired`, the probability of being unpaired, have one entry per base (L,).
    """
    is_used = is_used_base(sequence, data.values, data.reagent)
    values = np.array(data.values, dtype=np.float64)[is_used]  # None becomes NaN
    ranks = _ranks(values)
    is_unpaired = ~np.array(is_paired, dtype=np.bool_)[is_used]
    expected = _ranks(np.round(p_unpaired.astype(np.float64)[is_used], _DECIMALS))
    return Agreement(len(values), _auc(ranks, is_unpaired), _correlation(ranks, expected))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The ranks of the values from 1, with the mean rank for equal ones."""
    _, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: NDArray[np.float64] = (last - (counts - 1) / 2)[index]
    return ranks


def _auc(ranks: NDArray[np.float64], is_unpaired: NDArray[np.bool_]) -> float | None:
    """The Mann-Whitney U statistic over the number of pairs of an unpaired and a paired base."""
    n_unpaired = int(is_unpaired.sum())
    n_paired = len(ranks) - n_unpaired
    if not n_unpaired or not n_paired:
        return None
    u = float(ranks[is_unpaired].sum()) - n_unpaired * (n_unpaired + 1) / 2
    return u / (n_unpaired * n_paired)


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float | None:
    """Pearson's correlation; None if all values of one argument are equal."""
    if not len(one):
        return None
    first, second = one - one.mean(), other - other.mean()
    norm = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / norm if norm > 0.0 else None
