"""Release trained weights: calibrate their logits and choose the decoding threshold.

Platt scaling (Platt 1999): a scale and a shift of the logits maximise the likelihood of the labels
of validation records. Both are merged into the read-out layer.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rnaformer_cli.dataset.records import LabelledRecord
from rnaformer_cli.errors import TrainingError
from rnaformer_cli.families.evidence import MIN_FOLDING_PROBABILITY, log_odds
from rnaformer_cli.families.mixture import FamilyMixture
from rnaformer_cli.families.profiles import Library
from rnaformer_cli.families.recognition import ProfileSearch, Region
from rnaformer_cli.model.network import RNAformer
from rnaformer_cli.prediction.batching import to_tensors
from rnaformer_cli.prediction.predictor import Scores
from rnaformer_cli.training.network.validation import (
    Validation,
    choose_ratio,
    choose_threshold,
    score_records,
)
from rnaformer_cli.training.release.evidence import Calibration, fit_by_evidence
from rnaformer_cli.training.release.mixture import fit_mixture

THRESHOLDS = tuple(round(0.02 * step, 2) for step in range(5, 26))  # 0.10 to 0.50
RATIOS = tuple(round(0.04 * step, 2) for step in range(5, 16))  # 0.20 to 0.60
TOLERANCE = 0.001  # of F1; within it, the smallest threshold is chosen
MIN_SCORE = 1e-3  # less probable pairs are ignored in the calibration
_STEPS = 50  # of Newton's method
_CONVERGED = 1e-9  # change of a parameter at which Newton's method stops
_MAX_LOGIT = 50.0  # beyond it the sigmoid changes by less than 1e-21


@dataclass(frozen=True, slots=True)
class ReleasedNetwork:
    """A network with calibrated logits, and the values that were fitted."""

    network: RNAformer
    scale: float
    shift: float
    validation: Validation  # with one threshold for all records
    by_ratio: Validation  # with a threshold in proportion to each record's expected F1
    mixture: FamilyMixture | None = None  # of network and families

    @property
    def best(self) -> Validation:
        """The validation with the thresholds of the network's config."""
        return self.by_ratio if self.network.config.threshold_ratio else self.validation


def release(
    network: RNAformer,
    sets: Mapping[str, Sequence[LabelledRecord]],
    cycles: int | None = None,
    flag: float | None = None,
    folding_logit_weight: float | None = None,
    library: Library | None = None,
) -> ReleasedNetwork:
    """Calibrate on the pooled records of all sets, then choose the thresholds of best F1.

    With a profile library, the mixture of network and families is fitted to the same records before
    the thresholds are chosen. If the network has a folding model, the calibration and the gate are
    fitted together, by which the weights of both models depend on the evidence for a family; this
    also chooses folding_logit_weight. With too few records for this fit there is no gate.

    The network is changed in place: its read-out, threshold and (if it gives a better F1)
    threshold_ratio. If given, cycles, flag and folding_logit_weight are set; the last is multiplied
    by the scale of the logits.

    Raises:
        TrainingError: a set without records, labels that are all the same, a read-out without a
            bias.
        ConfigError: a flag, or a weight of a folding model, for a network without it.
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
    pooled = [record for records in pairs.values() for record in records]
    regions = _find_regions(pairs, library)
    pooled_regions = [found for of_set in regions.values() for found in of_set]
    uses_evidence = library is not None and network.folding is not None
    fitted = _calibrate(pooled, pooled_regions if uses_evidence else None)
    with torch.no_grad():
        network.read_out.weight.mul_(fitted.scale)
        network.read_out.bias.mul_(fitted.scale).add_(fitted.shift)

    mixture = None
    if library is not None:
        examples = (
            (scored.record, scored.scores(fitted, found), found)
            for scored, found in zip(pooled, pooled_regions, strict=True)
        )
        mixture = replace(fit_mixture(examples), by_evidence=fitted.gate)

    def score(scored: ScoredPairs, found: list[Region]) -> tuple[LabelledRecord, Scores]:
        scores = scored.scores(fitted, ())
        mixed = scores if mixture is None else mixture.apply(scores, found, scored.folding)
        return scored.record, mixed

    def calibrated() -> dict[str, Iterator[tuple[LabelledRecord, Scores]]]:
        return {name: map(score, records, regions[name]) for name, records in pairs.items()}

    by_threshold = choose_threshold(calibrated(), THRESHOLDS, TOLERANCE)
    by_ratio = choose_ratio(calibrated(), RATIOS, TOLERANCE)
    network.config = replace(
        network.config,
        threshold=by_threshold.threshold,
        threshold_ratio=by_ratio.threshold if by_ratio.mean > by_threshold.mean else 0.0,
        folding_logit_weight=network.config.folding_logit_weight * fitted.scale
        + fitted.folding_weight,
    )
    return ReleasedNetwork(network, fitted.scale, fitted.shift, by_threshold, by_ratio, mixture)


def _calibrate(
    pooled: Sequence[ScoredPairs], regions: Sequence[list[Region]] | None
) -> Calibration:
    """The calibration with a gate by family evidence, if it can be fitted; else Platt scaling."""
    if regions is not None:
        examples = (
            (scored.record, scored.matrix, scored.folding, found)
            for scored, found in zip(pooled, regions, strict=True)
        )
        with contextlib.suppress(TrainingError):  # too few records
            return fit_by_evidence(examples)
    logits = np.concatenate([record.logits for record in pooled])
    is_pair = np.concatenate([record.is_pair for record in pooled])
    return Calibration(*fit_platt_scaling(logits, is_pair))


@dataclass(frozen=True, slots=True)
class ScoredPairs:
    """The logits of a record, and the labels of the P pairs with a score of at least MIN_SCORE."""

    record: LabelledRecord
    matrix: NDArray[np.float32]  # (L, L) logits
    logits: NDArray[np.float64]  # (P,)
    is_pair: NDArray[np.bool_]  # (P,)
    folding: Scores | None = None  # (L, L) probabilities of the folding model

    def scores(self, calibration: Calibration, regions: Sequence[Region]) -> Scores:
        """The calibrated scores (L, L), weighted by the evidence of the regions."""
        logits = calibration.scale * self.matrix.astype(np.float64) + calibration.shift
        if self.folding is not None and calibration.folding_weight:
            folding = log_odds(self.folding, MIN_FOLDING_PROBABILITY)
            logits = logits + calibration.folding_weight * folding
        matrix: Scores = _sigmoid(logits).astype(np.float32)
        np.fill_diagonal(matrix, 0.0)
        if calibration.gate is None or self.folding is None:
            return matrix
        return calibration.gate.apply(matrix, self.folding, regions)


def collect_scored_pairs(
    network: RNAformer, records: Sequence[LabelledRecord]
) -> list[ScoredPairs]:
    """The logits of each record, and the labels of the pairs with a score of at least MIN_SCORE."""
    collected = []
    for record, scores in score_records(network, records):
        reference = np.zeros(scores.shape, dtype=np.bool_)
        for pair in record.pairs:
            reference[pair] = True
        left, right = np.nonzero(np.triu(scores, k=1) >= MIN_SCORE)
        clipped = np.clip(scores.astype(np.float64), 1e-7, 1 - 1e-7)
        logits = np.log(clipped / (1.0 - clipped))
        matrix = logits.astype(np.float32)
        labels = reference[left, right]
        folding = _folding_probabilities(network, record)
        collected.append(ScoredPairs(record, matrix, logits[left, right], labels, folding))
    return collected


def _folding_probabilities(network: RNAformer, record: LabelledRecord) -> Scores | None:
    if network.folding is None:
        return None
    device = next(network.parameters()).device
    bases, _ = to_tensors([record.sequence])
    matrix: Scores = network.folding(bases.to(device))[0].cpu().numpy()
    return matrix


def _find_regions(
    pairs: Mapping[str, list[ScoredPairs]], library: Library | None
) -> dict[str, list[list[Region]]]:
    """The regions of each record that match family profiles; none without a library."""
    if library is None:
        return {name: [[] for _ in records] for name, records in pairs.items()}
    search = ProfileSearch(library)
    return {
        name: [search.find_regions([scored.record.sequence])[0] for scored in records]
        for name, records in pairs.items()
    }


def fit_platt_scaling(
    logits: NDArray[np.float64], is_pair: NDArray[np.bool_]
) -> tuple[float, float]:
    """The scale and shift of the logits that maximise the likelihood (Newton's method).

    Raises:
        TrainingError: labels that are all the same.
    """
    if not is_pair.any() or is_pair.all():
        raise TrainingError("calibration needs both pairs and non-pairs in the validation records")
    design = np.stack([logits, np.ones_like(logits)], axis=1)
    values = np.array([1.0, 0.0])
    for _ in range(_STEPS):
        probability = _sigmoid(design @ values)
        gradient = design.T @ (probability - is_pair)
        hessian = (design * (probability * (1.0 - probability))[:, None]).T @ design
        change = np.linalg.solve(hessian + 1e-9 * np.eye(2), gradient)
        values = values - change
        if np.abs(change).max() < _CONVERGED:
            break
    return float(values[0]), float(values[1])


def _sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    clipped = np.clip(logits, -_MAX_LOGIT, _MAX_LOGIT)
    probabilities: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-clipped))
    return probabilities
