"""From trained weights to weights worth keeping: scores that are probabilities, thresholds.

Platt 1999: the logits of a half-trained network are stretched and shifted so that the labels of
validation records become most likely. Both numbers go into the read-out, so that nothing else
has to know of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rnaformer_cli.dataset.records import LabelledRecord
from rnaformer_cli.errors import TrainingError
from rnaformer_cli.families.mixture import FamilyMixture
from rnaformer_cli.families.profiles import Library
from rnaformer_cli.families.recognition import ProfileSearch, Region
from rnaformer_cli.model.network import RNAformer
from rnaformer_cli.prediction.predictor import Scores
from rnaformer_cli.training.network.validation import (
    Validation,
    choose_ratio,
    choose_threshold,
    scored,
)
from rnaformer_cli.training.release.mixture import fit_mixture

THRESHOLDS = tuple(round(0.02 * step, 2) for step in range(5, 26))  # 0.10 to 0.50
SHARES = tuple(round(0.04 * step, 2) for step in range(5, 16))  # 0.20 to 0.60
WITHIN = 0.001  # of F1, less than validation can tell apart: of equals, what predicts more pairs
LEAST = 1e-3  # pairs scored below say little and are nearly all pairs
_STEPS = 50
_CLOSE = 1e-9
_MAX_LOGIT = 50.0  # logit beyond which nothing changes


@dataclass(frozen=True, slots=True)
class Released:
    """A network with calibrated logits, and what was chosen."""

    network: RNAformer
    scale: float
    shift: float
    validation: Validation  # with the threshold that is the same for all records
    by_share: Validation  # with each record's own
    mixture: FamilyMixture | None = None  # how far the families are believed

    @property
    def best(self) -> Validation:
        """What the network's config now says."""
        return self.by_share if self.network.config.threshold_ratio else self.validation


def release(
    network: RNAformer,
    sets: Mapping[str, Sequence[LabelledRecord]],
    cycles: int | None = None,
    flag: float | None = None,
    folding_logit_weight: float | None = None,
    library: Library | None = None,
) -> Released:
    """Calibrate on the pooled records of all sets, then choose the thresholds that are best.

    With a library of families, how far it is believed is learned from the same records before the
    thresholds are chosen.

    The network is changed: read-out, threshold, threshold_ratio if this is better, and, if given,
    cycles, flag and the weight of the folding model, which is stretched with the other logits.

    Raises:
        TrainingError: a set without records, labels that are all the same, a read-out that
            has no bias to shift.
        ConfigError: a flag or a weight of a folding model for a network that has none.
    """
    asked: dict[str, Any] = {
        "cycles": cycles,
        "flag": flag,
        "folding_logit_weight": folding_logit_weight,
    }
    given = {name: value for name, value in asked.items() if value is not None}
    network.config = replace(network.config, **given)
    if not all(sets.values()):
        raise TrainingError("no record to calibrate with")
    if network.read_out.bias is None:
        raise TrainingError("a read-out without a bias cannot be calibrated")
    pairs = {name: scored_pairs(network, records) for name, records in sets.items()}
    everything = [one for found in pairs.values() for one in found]
    logits = np.concatenate([one.logits for one in everything])
    truth = np.concatenate([one.truth for one in everything])
    scale, shift = fit_logits(logits, truth)
    with torch.no_grad():
        network.read_out.weight.mul_(scale)
        network.read_out.bias.mul_(scale).add_(shift)

    mixture, regions = _blended(pairs, library, scale, shift)

    def read(one: ScoredPairs, own: list[Region]) -> tuple[LabelledRecord, Scores]:
        scores = one.scores(scale, shift)
        return one.record, scores if mixture is None else mixture.apply(scores, own)

    def calibrated() -> dict[str, Iterator[tuple[LabelledRecord, Scores]]]:
        return {name: map(read, found, regions[name]) for name, found in pairs.items()}

    common = choose_threshold(calibrated(), THRESHOLDS, WITHIN)
    own = choose_ratio(calibrated(), SHARES, WITHIN)
    network.config = replace(
        network.config,
        threshold=common.threshold,
        threshold_ratio=own.threshold if own.mean > common.mean else 0.0,
        folding_logit_weight=network.config.folding_logit_weight * scale,
    )
    return Released(network, scale, shift, common, own, mixture)


@dataclass(frozen=True, slots=True)
class ScoredPairs:
    """The logits of a record, and those of pairs that are scored at least LEAST."""

    record: LabelledRecord
    matrix: NDArray[np.float32]  # of logits, (L, L)
    logits: NDArray[np.float64]
    truth: NDArray[np.bool_]  # of these

    def scores(self, scale: float, shift: float) -> Scores:
        """The score matrix after stretching and shifting."""
        matrix: Scores = _sigmoid(scale * self.matrix.astype(np.float64) + shift).astype(np.float32)
        np.fill_diagonal(matrix, 0.0)
        return matrix


def scored_pairs(network: RNAformer, records: Sequence[LabelledRecord]) -> list[ScoredPairs]:
    """The logits of each record, and whether the pairs are there that are scored at least LEAST."""
    found = []
    for record, scores in scored(network, records):
        there = np.zeros(scores.shape, dtype=np.bool_)
        for pair in record.pairs:
            there[pair] = True
        left, right = np.nonzero(np.triu(scores, k=1) >= LEAST)
        likely = np.clip(scores.astype(np.float64), 1e-7, 1 - 1e-7)
        logits = np.log(likely / (1.0 - likely))
        matrix = logits.astype(np.float32)
        found.append(ScoredPairs(record, matrix, logits[left, right], there[left, right]))
    return found


def _blended(
    pairs: Mapping[str, list[ScoredPairs]], library: Library | None, scale: float, shift: float
) -> tuple[FamilyMixture | None, dict[str, list[list[Region]]]]:
    """How far the library is believed, and the regions of each record; none without a library."""
    if library is None:
        return None, {name: [[]] * len(found) for name, found in pairs.items()}
    search = ProfileSearch(library)
    regions = {
        name: [search.recognise([one.record.sequence])[0] for one in found]
        for name, found in pairs.items()
    }
    examples = (
        (one.record, one.scores(scale, shift), own)
        for name, found in pairs.items()
        for one, own in zip(found, regions[name], strict=True)
    )
    return fit_mixture(examples), regions


def fit_logits(logits: NDArray[np.float64], truth: NDArray[np.bool_]) -> tuple[float, float]:
    """Scale and shift of the logits under which the labels are most likely (Newton's method).

    Raises:
        TrainingError: labels that are all the same.
    """
    if not truth.any() or truth.all():
        raise TrainingError("validation needs pairs that are there and pairs that are not")
    design = np.stack([logits, np.ones_like(logits)], axis=1)
    values = np.array([1.0, 0.0])
    for _ in range(_STEPS):
        likely = _sigmoid(design @ values)
        gradient = design.T @ (likely - truth)
        curvature = (design * (likely * (1.0 - likely))[:, None]).T @ design
        change = np.linalg.solve(curvature + 1e-9 * np.eye(2), gradient)
        values = values - change
        if np.abs(change).max() < _CLOSE:
            break
    return float(values[0]), float(values[1])


def _sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-np.clip(logits, -_MAX_LOGIT, _MAX_LOGIT)))
    return found
