"""Release trained weights: calibrate their logits and choose the decoding threshold.

Platt scaling (1999): a scale and a shift of the logits maximise the likelihood of the labels of
validation records. Both are folded into the read-out layer, so that predicting does not need them.
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
RATIOS = tuple(round(0.04 * step, 2) for step in range(5, 16))  # 0.20 to 0.60
TOLERANCE = 0.001  # of F1; within it, the smallest threshold is chosen
MIN_SCORE = 1e-3  # pairs below it are left out of the calibration
_STEPS = 50
_CONVERGED = 1e-9
_MAX_LOGIT = 50.0  # a sigmoid does not change beyond it


@dataclass(frozen=True, slots=True)
class Released:
    """A network with calibrated logits, and the values that were fitted."""

    network: RNAformer
    scale: float
    shift: float
    validation: Validation  # with one threshold for all records
    by_ratio: Validation  # with a threshold for each record
    mixture: FamilyMixture | None = None  # of network and families

    @property
    def best(self) -> Validation:
        """The validation under the thresholds in the network's config."""
        return self.by_ratio if self.network.config.threshold_ratio else self.validation


def release(
    network: RNAformer,
    sets: Mapping[str, Sequence[LabelledRecord]],
    cycles: int | None = None,
    flag: float | None = None,
    folding_logit_weight: float | None = None,
    library: Library | None = None,
) -> Released:
    """Calibrate on the pooled records of all sets, then choose the thresholds of best F1.

    With a profile library, the mixture of network and families is fitted to the same records before
    the thresholds are chosen.

    The network is changed in place: read-out, threshold, threshold_ratio if it is better, and, if
    given, cycles, flag and the weight of the folding model's logits, which is scaled like the rest.

    Raises:
        TrainingError: a set without records, labels that are all the same, a read-out that
            has no bias to shift.
        ConfigError: a flag or a weight of a folding model for a network that has none.
    """
    settings: dict[str, Any] = {
        "cycles": cycles,
        "flag": flag,
        "folding_logit_weight": folding_logit_weight,
    }
    given = {name: value for name, value in settings.items() if value is not None}
    network.config = replace(network.config, **given)
    if not all(sets.values()):
        raise TrainingError("no record to calibrate with")
    if network.read_out.bias is None:
        raise TrainingError("a read-out without a bias cannot be calibrated")
    pairs = {name: collect_scored_pairs(network, records) for name, records in sets.items()}
    pooled = [one for found in pairs.values() for one in found]
    logits = np.concatenate([one.logits for one in pooled])
    truth = np.concatenate([one.truth for one in pooled])
    scale, shift = fit_platt_scaling(logits, truth)
    with torch.no_grad():
        network.read_out.weight.mul_(scale)
        network.read_out.bias.mul_(scale).add_(shift)

    mixture, regions = _fitted_mixture(pairs, library, scale, shift)

    def score(one: ScoredPairs, own: list[Region]) -> tuple[LabelledRecord, Scores]:
        scores = one.scores(scale, shift)
        return one.record, scores if mixture is None else mixture.apply(scores, own)

    def calibrated() -> dict[str, Iterator[tuple[LabelledRecord, Scores]]]:
        return {name: map(score, found, regions[name]) for name, found in pairs.items()}

    common = choose_threshold(calibrated(), THRESHOLDS, TOLERANCE)
    own = choose_ratio(calibrated(), RATIOS, TOLERANCE)
    network.config = replace(
        network.config,
        threshold=common.threshold,
        threshold_ratio=own.threshold if own.mean > common.mean else 0.0,
        folding_logit_weight=network.config.folding_logit_weight * scale,
    )
    return Released(network, scale, shift, common, own, mixture)


@dataclass(frozen=True, slots=True)
class ScoredPairs:
    """The logits of a record, and those of pairs that are scored at least MIN_SCORE."""

    record: LabelledRecord
    matrix: NDArray[np.float32]  # of logits, (L, L)
    logits: NDArray[np.float64]
    truth: NDArray[np.bool_]  # of these

    def scores(self, scale: float, shift: float) -> Scores:
        """The calibrated score matrix."""
        matrix: Scores = _sigmoid(scale * self.matrix.astype(np.float64) + shift).astype(np.float32)
        np.fill_diagonal(matrix, 0.0)
        return matrix


def collect_scored_pairs(
    network: RNAformer, records: Sequence[LabelledRecord]
) -> list[ScoredPairs]:
    """The logits of each record, and the labels of the pairs scored at least MIN_SCORE."""
    found = []
    for record, scores in scored(network, records):
        reference = np.zeros(scores.shape, dtype=np.bool_)
        for pair in record.pairs:
            reference[pair] = True
        left, right = np.nonzero(np.triu(scores, k=1) >= MIN_SCORE)
        likely = np.clip(scores.astype(np.float64), 1e-7, 1 - 1e-7)
        logits = np.log(likely / (1.0 - likely))
        matrix = logits.astype(np.float32)
        found.append(ScoredPairs(record, matrix, logits[left, right], reference[left, right]))
    return found


def _fitted_mixture(
    pairs: Mapping[str, list[ScoredPairs]], library: Library | None, scale: float, shift: float
) -> tuple[FamilyMixture | None, dict[str, list[list[Region]]]]:
    """The fitted mixture and the regions of each record; none without a library."""
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


def fit_platt_scaling(logits: NDArray[np.float64], truth: NDArray[np.bool_]) -> tuple[float, float]:
    """The scale and shift of the logits that maximise the likelihood (Newton's method).

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
        if np.abs(change).max() < _CONVERGED:
            break
    return float(values[0]), float(values[1])


def _sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-np.clip(logits, -_MAX_LOGIT, _MAX_LOGIT)))
    return found
