"""From trained weights to weights worth keeping: scores that are probabilities, a threshold.

Platt 1999: the logits of a half-trained network are stretched and shifted so that the labels of
validation records become most likely. Both numbers go into the read-out, so that nothing else
has to know of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from rnaformer_cli.dataset.records import LabelledRecord
from rnaformer_cli.errors import TrainingError
from rnaformer_cli.model.network import RNAformer
from rnaformer_cli.prediction.batching import batches
from rnaformer_cli.prediction.predictor import Options, Predictor
from rnaformer_cli.training.validation import Validation, validate

THRESHOLDS = tuple(round(0.02 * step, 2) for step in range(5, 31))  # 0.10 to 0.60
LEAST = 1e-3  # pairs scored below say little and are nearly all pairs
_STEPS = 50
_CLOSE = 1e-9


@dataclass(frozen=True, slots=True)
class Released:
    """A network with calibrated logits, and what was chosen."""

    network: RNAformer
    scale: float
    shift: float
    validation: Validation


def release(
    network: RNAformer,
    sets: Mapping[str, Sequence[LabelledRecord]],
    cycles: int | None = None,
    flag: float | None = None,
) -> Released:
    """Calibrate on the pooled records of all sets, then choose the threshold that is best.

    The network is changed: read-out, threshold and, if given, cycles and flag.

    Raises:
        TrainingError: a set without records, labels that are all the same, a read-out that
            has no bias to shift.
        ConfigError: a flag for a network that has none.
    """
    if cycles is not None:
        network.config = replace(network.config, cycles=cycles)
    if flag is not None:
        network.config = replace(network.config, flag=flag)
    records = [record for part in sets.values() for record in part]
    if not all(sets.values()):
        raise TrainingError("no record to calibrate with")
    logits, truth = scored_pairs(network, records)
    scale, shift = fit_logits(logits, truth)
    with torch.no_grad():
        network.read_out.weight.mul_(scale)
        if network.read_out.bias is None:
            raise TrainingError("a read-out without a bias cannot be calibrated")
        network.read_out.bias.mul_(scale).add_(shift)
    found = validate(network, sets, THRESHOLDS)
    network.config = replace(network.config, threshold=found.threshold)
    return Released(network, scale, shift, found)


def scored_pairs(
    network: RNAformer, records: Sequence[LabelledRecord]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The logits of all pairs scored at least LEAST, and whether each pair is there."""
    device = next(network.parameters()).device
    predictor = Predictor(network, "release", Options(), device)
    logits, truth = [], []
    for batch in batches([len(record) for record in records], predictor.options.max_cells):
        chosen = [records[index] for index in batch]
        scored = predictor.score([record.sequence for record in chosen])
        for record, scores in zip(chosen, scored, strict=True):
            there = np.zeros(scores.shape, dtype=np.bool_)
            for left, right in record.pairs:
                there[left, right] = True
            upper = np.triu(scores, k=1) >= LEAST
            found = np.clip(scores[upper].astype(np.float64), 1e-7, 1 - 1e-7)
            logits.append(np.log(found / (1.0 - found)))
            truth.append(there[upper])
    return np.concatenate(logits), np.concatenate(truth)


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
        likely = 1.0 / (1.0 + np.exp(-design @ values))
        gradient = design.T @ (likely - truth)
        curvature = (design * (likely * (1.0 - likely))[:, None]).T @ design
        change = np.linalg.solve(curvature + 1e-9 * np.eye(2), gradient)
        values = values - change
        if np.abs(change).max() < _CLOSE:
            break
    return float(values[0]), float(values[1])
