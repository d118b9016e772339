"""Fit the folding model's scores to reactivities by maximum likelihood.

The likelihood of a profile is the sum over all structures of the structure's probability times the
densities of the values of its paired and unpaired bases (Cordero 2012, Eddy 2014; the objective is
that of EternaFold, Wayment-Steele 2022). Its logarithm is the difference of two log partition
functions, with the reactivities as soft constraints and without; its gradient is the difference of
the expected loop counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from rnaformer_cli.dataset.reactivities import ReactivityProfile, designed_bases
from rnaformer_cli.errors import DatasetError
from rnaformer_cli.folding.model import scaled_inside
from rnaformer_cli.folding.pairs import NO_LETTER
from rnaformer_cli.folding.partition import Inside, Outside, outside, to_matrix
from rnaformer_cli.folding.scores import LoopScores, score_loops
from rnaformer_cli.folding.soft_constraints import add_unpaired_scores
from rnaformer_cli.prediction.batching import to_tensors
from rnaformer_cli.probing.likelihood import BIN_EDGES, UNIT_QUANTILE
from rnaformer_cli.training.folding_model.expected_loops import expected_loop_counts

NO_VALUE = -1  # bin of a base without a value
_DECAY = 0.98  # factor of the counts, for each batch
_PSEUDOCOUNT = 2.0  # added to the count of each bin


class Densities:
    """Densities of the reactivities of paired and unpaired bases: histograms for each letter.

    They are fitted with the scores (online EM): each value counts as paired and as unpaired by the
    posterior probabilities of its base. Values are in units of the 90th percentile of their
    profile.
    """

    def __init__(self) -> None:
        self.counts = torch.zeros(2, NO_LETTER, len(BIN_EDGES) + 1, dtype=torch.float64)

    def log_ratio(self, bases: Tensor, bins: Tensor) -> Tensor:
        """log(density if unpaired / density if paired), 0 without a value, (B, L)."""
        counts = self.counts + _PSEUDOCOUNT
        logs = (counts / counts.sum(2, keepdim=True)).log()
        ratios = (logs[1] - logs[0])[bases.clamp(max=NO_LETTER - 1), bins.clamp(min=0)]
        return torch.where(_has_value(bases, bins), ratios, 0.0)

    def add(self, bases: Tensor, bins: Tensor, p_unpaired: Tensor) -> None:
        """Count the values of a batch, weighted by the probabilities (B, L) of unpaired bases."""
        has_value = _has_value(bases, bins)
        indices = (bases[has_value].long(), bins[has_value])
        self.counts *= _DECAY
        self.counts[1].index_put_(indices, p_unpaired[has_value], accumulate=True)
        self.counts[0].index_put_(indices, 1.0 - p_unpaired[has_value], accumulate=True)


class ProfileStream:
    """An endless, reproducible stream of batches of profiles; clusters are sampled uniformly.

    Raises:
        DatasetError: no profile of at most `max_length` bases.
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
        """The batch of profiles of a step."""
        random = np.random.default_rng((self._seed, step))
        batch: list[ReactivityProfile] = []
        longest = 0
        while True:
            cluster = self._clusters[random.integers(len(self._clusters))]
            profile = cluster[random.integers(len(cluster))]
            longest = max(longest, len(profile))
            if batch and (len(batch) + 1) * longest**2 > self._max_cells:
                return batch
            batch.append(profile)


def bin_reactivities(profiles: Sequence[ReactivityProfile]) -> Tensor:
    """The bin of each value (B, L); NO_VALUE for missing values and constant ends of designs."""
    longest = max(map(len, profiles))
    bins = torch.full((len(profiles), longest), NO_VALUE, dtype=torch.int64)
    edges = torch.tensor(BIN_EDGES, dtype=torch.float64)
    for row, profile in enumerate(profiles):
        values = np.array(profile.reactivities, dtype=np.float64)  # None becomes NaN
        measured = values[~np.isnan(values)].clip(min=0.0)
        unit = float(np.quantile(measured, UNIT_QUANTILE)) or float(measured.max())
        for index in designed_bases(profile.sequence):
            if not np.isnan(values[index]):
                bins[row, index] = torch.bucketize(float(values[index]) / unit, edges)
    return bins


def backward_reactivities(
    scores: Mapping[str, Tensor],
    profiles: Sequence[ReactivityProfile],
    densities: Densities,
    weight: float,
) -> float:
    """Add the gradients of the weighted loss per value to the scores, and return the loss.

    The loss is -log(likelihood of the values) without the terms that do not depend on the scores;
    it is 0 if paired and unpaired bases have the same densities. The densities are updated with the
    batch.
    """
    bases, _ = to_tensors([profile.sequence for profile in profiles])
    bins = bin_reactivities(profiles)
    loop_scores = score_loops(bases, scores)
    log_ratio = densities.log_ratio(bases, bins)
    with torch.no_grad():
        unconstrained, log_z, _ = _ensemble_counts(loop_scores)
        constrained, constrained_log_z, p_unpaired = _ensemble_counts(
            add_unpaired_scores(loop_scores, log_ratio)
        )
    densities.add(bases, bins, p_unpaired)
    n_values = max(int(_has_value(bases, bins).sum()), 1)
    loss = log_ratio.new_zeros(())  # has the gradient of the loss
    for name, counts in unconstrained.items():
        table = getattr(loop_scores, name)
        change = (counts - constrained[name]).to(table)
        loss = loss + (table.masked_fill(table.isinf(), 0.0) * change).sum()
    (weight * loss / n_values).backward()  # type: ignore[no-untyped-call]
    return float(log_z - constrained_log_z - log_ratio.sum()) / n_values


def _ensemble_counts(loop_scores: LoopScores) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """Expected loop counts, the log partition function (), and p(unpaired) (B, L)."""
    weights, sums = scaled_inside(loop_scores)
    outside_sums = outside(weights, sums)
    log_z = sums.total.log().sum() + sums.scale * sums.qb.shape[2] * len(sums.qb)
    counts = expected_loop_counts(weights, sums, outside_sums)
    return counts, log_z, unpaired_probabilities(sums, outside_sums)


def unpaired_probabilities(sums: Inside, outside_sums: Outside) -> Tensor:
    """The probability that each base is unpaired, (B, L)."""
    pairs = to_matrix(outside_sums.qb * sums.qb / sums.total[:, None, None])
    return (1.0 - pairs.sum(1) - pairs.sum(2)).clamp(0.0, 1.0)


def _has_value(bases: Tensor, bins: Tensor) -> Tensor:
    """Whether each base (B, L) has a known letter and a value."""
    return (bins != NO_VALUE) & (bases < NO_LETTER)
