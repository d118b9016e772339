"""Alternative structures of one RNA, from a sample of its posterior distribution.

The distribution is that of the folding model with an additional score of each pair: a fraction of
the difference between its logit in the prediction and in the folding model. The sample is drawn by
stochastic traceback.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnaformer_cli.folding.model import FoldingModel
from rnaformer_cli.prediction.constraints import PairConstraints, constrained_probabilities
from rnaformer_cli.prediction.decoding import expected_f1
from rnaformer_cli.structure.structure import BasePair, Structure

N_SAMPLES = 1000
_EPSILON = 1e-3  # probabilities are clipped to [this, 1 - this] before their logits are compared
_PAIR_WEIGHT = 0.2  # of the difference of the logits, which adds up over the pairs of a helix
# Additional scores are multiples of this, in nats: the last digits of probabilities depend on the
# batch, and the sample should not.
_SCORE_UNIT = 0.0625
_MAX_ENTRIES = 2**24  # of an incidence matrix


@dataclass(frozen=True, slots=True)
class Alternative:
    """One of several structures of an RNA."""

    structure: Structure
    probability: float  # fraction of the sampled structures that are closest to it
    confidence: float  # the expected F1


def sample_structures(
    folding: FoldingModel,
    bases: Tensor,
    scores: NDArray[np.float32],
    seed: int,
    constraints: PairConstraints | None = None,
) -> NDArray[np.int32]:
    """Sample structures of one RNA, bases (1, L), scores (L, L) -> partners (N_SAMPLES, L).

    With constraints, the distribution is that of the structures of the folding model that satisfy
    them (see constrained_probabilities), and `scores` already satisfy them.
    """
    hard = None
    if constraints is None:
        known = folding(bases)[0]
    else:
        known, hard = constrained_probabilities(folding, bases, None, constraints)
    difference = _PAIR_WEIGHT * (_logits(scores) - _logits(known.cpu().numpy()))
    pair_scores = np.round(difference / _SCORE_UNIT) * _SCORE_UNIT
    return folding.sample(bases, torch.from_numpy(pair_scores)[None], N_SAMPLES, seed, hard)


def find_alternatives(
    structure: Structure, scores: NDArray[np.float32], sample: NDArray[np.int32], limit: int
) -> tuple[Alternative, ...]:
    """The structure and up to limit - 1 other structures from the sample.

    The choice is greedy. Each step adds the structure that most increases the mean, over the
    sample, of the largest F1 between a sampled structure and an alternative. A sampled structure
    counts for the alternative with the largest F1, in a tie for the first one. The given structure
    comes first; the others follow in order of decreasing probability. With an empty sample, the
    given structure is the only one.
    """
    if not len(sample):
        return (Alternative(structure, 1.0, expected_f1(scores, structure)),)
    distinct, counts = np.unique(sample, axis=0, return_counts=True)
    structures = [structure, *map(_to_structure, distinct)]
    f1 = _f1_matrix(structures)[:, 1:]  # (all, sampled)
    chosen, best = [0], f1[0]
    while len(chosen) < limit:
        gains = np.maximum(f1 - best, 0.0) @ counts
        index = int(gains.argmax())
        if gains[index] <= 0.0:  # all sampled structures are among the alternatives
            break
        chosen.append(index)
        best = np.maximum(best, f1[index])
    nearest = f1[chosen].argmax(0)
    fractions = np.bincount(nearest, counts, len(chosen)) / counts.sum()
    others = sorted(range(1, len(chosen)), key=lambda rank: (-fractions[rank], rank))
    return tuple(
        Alternative(found, float(fractions[rank]), expected_f1(scores, found))
        for rank, found in ((rank, structures[chosen[rank]]) for rank in (0, *others))
    )


def _logits(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    clipped = np.clip(probabilities.astype(np.float64), _EPSILON, 1.0 - _EPSILON)
    logits: NDArray[np.float64] = np.log(clipped / (1.0 - clipped))
    return logits


def _to_structure(partners: NDArray[np.int32]) -> Structure:
    """The structure of a row of partners (L,)."""
    lefts = np.flatnonzero(partners > np.arange(len(partners)))
    pairs = zip(lefts.tolist(), partners[lefts].tolist(), strict=True)
    return Structure(len(partners), frozenset(pairs))


def _f1_matrix(structures: Sequence[Structure]) -> NDArray[np.float32]:
    """The F1 of all structures against each other (N, N); 1 for two structures without pairs."""
    numbers: dict[BasePair, int] = {}
    members = [
        [numbers.setdefault(pair, len(numbers)) for pair in structure.sorted_pairs]
        for structure in structures
    ]
    rows = np.repeat(np.arange(len(structures)), [len(row) for row in members])
    columns = np.array([number for row in members for number in row], np.int64)
    common = np.zeros((len(structures), len(structures)), np.float32)
    width = max(_MAX_ENTRIES // len(structures), 1)
    for first in range(0, len(numbers), width):
        is_in = (columns >= first) & (columns < first + width)
        incidence = np.zeros((len(structures), min(width, len(numbers) - first)), np.float32)
        incidence[rows[is_in], columns[is_in] - first] = 1.0
        common += incidence @ incidence.T
    sizes = np.array([len(row) for row in members], np.float32)
    total = sizes[:, None] + sizes
    f1: NDArray[np.float32] = np.where(total > 0.0, 2.0 * common / total.clip(min=1.0), 1.0)
    return f1
