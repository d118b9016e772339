"""Fit how the weights of network and folding model depend on the evidence for a family.

The fit maximises the likelihood of labelled pairs (L-BFGS).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnaformer_cli.dataset.records import LabelledRecord
from rnaformer_cli.errors import TrainingError
from rnaformer_cli.families.evidence import (
    MIN_FOLDING_PROBABILITY,
    EvidenceGate,
    base_evidence,
    log_odds,
)
from rnaformer_cli.families.recognition import Region
from rnaformer_cli.prediction.predictor import Scores

MIN_PAIR_LOGIT = -7.0  # pairs below it in both models are left out
_NO_EVIDENCE = -1e4  # nats; its gate is 0
# Scale, folding weight and intercept without evidence, the same with evidence; midpoint and log
# width of the gate.
_START = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 14.0, 1.0)
_PENALTY = 1e-7  # of the squared distance from the start; for undetermined parameters
_STEPS = 80  # iterations of L-BFGS
_MAX_LOG_WIDTH = 3.0  # nats


@dataclass(frozen=True, slots=True)
class Calibration:
    """The fitted linear combination of the logits n of the scores and f of the folding model.

    Without evidence for a family the logit becomes scale · n + folding_weight · f + shift. The gate
    changes these coefficients where there is evidence.
    """

    scale: float
    shift: float
    folding_weight: float = 0.0
    gate: EvidenceGate | None = None


Example = tuple[LabelledRecord, NDArray[np.float32], Scores | None, Sequence[Region]]


def fit_by_evidence(examples: Iterable[Example]) -> Calibration:
    """The calibration of highest likelihood.

    An example has a record, its logits (L, L), the folding model's probabilities (L, L) and the
    regions that match family profiles.

    Raises:
        TrainingError: too few records to determine the parameters.
    """
    pairs = torch.from_numpy(np.concatenate([_pairs(*example) for example in examples], axis=1))
    known, folding, evidence, is_pair = pairs
    start = torch.tensor(_START)
    values = start.clone().requires_grad_()
    optimiser = torch.optim.LBFGS([values], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        midpoint, log_width = values[6:]
        gate = torch.sigmoid((evidence - midpoint) * torch.exp(-log_width))
        scale, weight, intercept = (
            without + gate * (with_evidence - without)
            for without, with_evidence in zip(values[:3], values[3:6], strict=True)
        )
        logits = scale * known + weight * folding + intercept
        loss: Tensor = torch.nn.functional.binary_cross_entropy_with_logits(logits, is_pair)
        loss = loss + _PENALTY * (values - start).square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    scale, weight, shift, scale_1, weight_1, shift_1, midpoint, log_width = values.tolist()
    is_plausible = bool(torch.isfinite(values).all()) and min(scale, scale_1) > 0
    if not is_plausible or is_pair.all() or not is_pair.any():
        raise TrainingError("too few validation records to fit the weights by family evidence")
    ratio = scale_1 / scale
    gate = EvidenceGate(
        midpoint=round(midpoint, 4),
        width=round(float(np.exp(min(log_width, _MAX_LOG_WIDTH))), 4),
        scale=round(ratio, 4),
        folding_weight=round(weight_1 - ratio * weight, 4),
        intercept=round(shift_1 - ratio * shift, 4),
    )
    return Calibration(scale, shift, weight, gate)


def _pairs(
    record: LabelledRecord,
    matrix: NDArray[np.float32],
    folding: Scores | None,
    regions: Sequence[Region],
) -> NDArray[np.float32]:
    """Logit, folding logit, evidence and label (4, P) of the pairs that a model may predict."""
    assert folding is not None
    by_folding = log_odds(folding, MIN_FOLDING_PROBABILITY)
    left, right = np.nonzero(np.triu(np.maximum(matrix, by_folding) >= MIN_PAIR_LOGIT, k=1))
    evidence = np.maximum(base_evidence(regions, len(matrix)), _NO_EVIDENCE)
    reference = set(record.pairs)
    is_pair = [pair in reference for pair in zip(left.tolist(), right.tolist(), strict=True)]
    of_pair = np.minimum(evidence[left], evidence[right])
    rows = (matrix[left, right], by_folding[left, right], of_pair, is_pair)
    return np.stack([np.asarray(row, np.float32) for row in rows])
