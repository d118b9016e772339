"""Learning the folding model's scores from reactivities: measured values are to be likely ones.

A profile's likelihood is the sum over all structures of the structure's probability times the
densities of the values of its paired and unpaired bases (Cordero 2012, Eddy 2014; the objective is
that of EternaFold, Wayment-Steele 2022). The logarithm of it is the difference of two sums over
all structures, with and without the evidence, and its gradient is the difference of what loops
are to be expected.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from rnaformer_cli.dataset.reactivities import ReactivityProfile, designed_bases
from rnaformer_cli.errors import DatasetError
from rnaformer_cli.folding.evidence import add_unpaired_scores
from rnaformer_cli.folding.model import scaled_inside
from rnaformer_cli.folding.pairs import NO_LETTER
from rnaformer_cli.folding.partition import Inside, Outside, outside, to_matrix
from rnaformer_cli.folding.scores import LoopScores, loop_scores
from rnaformer_cli.prediction.batching import to_tensors
from rnaformer_cli.training.folding_model.expected_loops import expected

BIN_EDGES = (0.0, 0.03, 0.07, 0.12, 0.18, 0.25, 0.33, 0.43, 0.55, 0.7, 0.85, 1.0, 1.25, 1.6, 2.2)
NO_VALUE = -1  # in place of a bin
_UNIT_QUANTILE = 0.9  # the quantile of a profile's values that is 1, whatever their scale
_DECAY = 0.98  # of the counts, for each batch
_PSEUDOCOUNT = 2.0  # counts of each bin in addition


class Densities:
    """How reactivities of paired and of unpaired bases are distributed: histograms by letter.

    They are learned with the scores (online EM): each value counts as paired and as unpaired by
    the posterior of its base. Values are in units of the 90th percentile of their profile.
    """

    def __init__(self) -> None:
        self.counts = torch.zeros(2, NO_LETTER, len(BIN_EDGES) + 1, dtype=torch.float64)

    def log_ratio(self, bases: Tensor, bins: Tensor) -> Tensor:
        """log(density if unpaired / density if paired), 0 without a value, (B, L)."""
        counts = self.counts + _PSEUDOCOUNT
        logs = (counts / counts.sum(2, keepdim=True)).log()
        found = (logs[1] - logs[0])[bases.clamp(max=NO_LETTER - 1), bins.clamp(min=0)]
        return torch.where(_has_value(bases, bins), found, 0.0)

    def add(self, bases: Tensor, bins: Tensor, unpaired: Tensor) -> None:
        """Count the values of a batch by the probabilities that their bases are unpaired."""
        there = _has_value(bases, bins)
        places = (bases[there].long(), bins[there])
        self.counts *= _DECAY
        self.counts[1].index_put_(places, unpaired[there], accumulate=True)
        self.counts[0].index_put_(places, 1.0 - unpaired[there], accumulate=True)


class ProfileStream:
    """An endless, repeatable stream of batches, in which clusters are drawn evenly.

    Raises:
        DatasetError: no profile that is short enough.
    """

    def __init__(
        self, profiles: Sequence[ReactivityProfile], max_length: int, max_cells: int, seed: int
    ) -> None:
        clusters: dict[object, list[ReactivityProfile]] = defaultdict(list)
        for profile in profiles:
            if len(profile) <= max_length:
                alone = ("alone", profile.id)
                clusters[alone if profile.cluster is None else profile.cluster].append(profile)
        if not clusters:
            raise DatasetError(f"no reactivity profile of at most {max_length} bases")
        self._clusters = list(clusters.values())
        self._max_cells = max_cells
        self._seed = seed

    def batch(self, step: int) -> list[ReactivityProfile]:
        """The profiles of a step."""
        random = np.random.default_rng((self._seed, step))
        chosen: list[ReactivityProfile] = []
        longest = 0
        while True:
            cluster = self._clusters[random.integers(len(self._clusters))]
            profile = cluster[random.integers(len(cluster))]
            longest = max(longest, len(profile))
            if chosen and (len(chosen) + 1) * longest**2 > self._max_cells:
                return chosen
            chosen.append(profile)


def bin_reactivities(profiles: Sequence[ReactivityProfile]) -> Tensor:
    """The bin of each value that counts, NO_VALUE elsewhere, (B, L)."""
    longest = max(map(len, profiles))
    bins = torch.full((len(profiles), longest), NO_VALUE, dtype=torch.int64)
    edges = torch.tensor(BIN_EDGES, dtype=torch.float64)
    for row, profile in enumerate(profiles):
        values = np.array(profile.reactivities, dtype=np.float64)  # None is not a number
        known = values[~np.isnan(values)].clip(min=0.0)
        unit = float(np.quantile(known, _UNIT_QUANTILE)) or float(known.max())
        for place in designed_bases(profile.sequence):
            if not np.isnan(values[place]):
                bins[row, place] = torch.bucketize(float(values[place]) / unit, edges)
    return bins


def backward_reactivities(
    scores: Mapping[str, Tensor],
    profiles: Sequence[ReactivityProfile],
    densities: Densities,
    weight: float,
) -> float:
    """Add the gradients of the weighted loss per value to the scores; the loss.

    The loss is -log(likelihood of the values), less what does not depend on the scores: where
    nothing is known of the structure it is 0. The densities learn of the batch.
    """
    bases, _ = to_tensors([profile.sequence for profile in profiles])
    bins = bin_reactivities(profiles)
    found = loop_scores(bases, scores)
    evidence = densities.log_ratio(bases, bins)
    with torch.no_grad():
        free, free_total, _before = _ensemble_counts(found)
        guided, guided_total, after = _ensemble_counts(add_unpaired_scores(found, evidence))
    densities.add(bases, bins, after)
    known = _has_value(bases, bins)
    size = max(int(known.sum()), 1)
    likely = evidence.new_zeros(())
    for name, counts in free.items():
        factor = getattr(found, name)
        change = (counts - guided[name]).to(factor)
        likely = likely + (factor.masked_fill(factor.isinf(), 0.0) * change).sum()
    (weight * likely / size).backward()  # type: ignore[no-untyped-call]
    return float(free_total - guided_total - evidence.sum()) / size


def _ensemble_counts(found: LoopScores) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """What loops are to be expected, log(sum over all structures), p(unpaired) (B, L)."""
    weights, sums = scaled_inside(found)
    around = outside(weights, sums)
    total = sums.total.log().sum() + sums.scale * sums.qb.shape[2] * len(sums.qb)
    return expected(weights, sums, around), total, unpaired(sums, around)


def unpaired(sums: Inside, around: Outside) -> Tensor:
    """The probability of each base to be unpaired, (B, L)."""
    pairs = to_matrix(around.pair * sums.qb / sums.total[:, None, None])
    return (1.0 - pairs.sum(1) - pairs.sum(2)).clamp(0.0, 1.0)


def _has_value(bases: Tensor, bins: Tensor) -> Tensor:
    return (bins != NO_VALUE) & (bases < NO_LETTER)
