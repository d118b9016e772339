"""Fit the mixture of network and families to validation records by maximum likelihood (L-BFGS)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnaformer_cli.dataset.records import LabelledRecord
from rnaformer_cli.errors import TrainingError
from rnaformer_cli.families.alignment import Floats
from rnaformer_cli.families.mixture import (
    MIN_PROBABILITY,
    FamilyMixture,
    RegionPairs,
    logit,
    region_pairs,
)
from rnaformer_cli.families.recognition import Region
from rnaformer_cli.prediction.predictor import Scores

_START = FamilyMixture()
_CEILING_LOGIT = 3.0  # where the optimisation starts
_STEPS = 60
_WEIGHT_DECAY = 1e-6  # of the slope: sequences of one length do not determine it
_ABSENT = -1e4  # log-odds of a hit that does not exist, far below all others


@dataclass(frozen=True, slots=True)
class _Example:
    """The pairs of a region, and which of them are in the reference."""

    pairs: RegionPairs
    log_odds: list[float]  # of each hit
    log_length: float  # of its sequence
    truth: NDArray[np.bool_]  # of each pair


def fit_mixture(
    examples: Iterable[tuple[LabelledRecord, Scores, Sequence[Region]]],
) -> FamilyMixture:
    """The mixture of highest likelihood on labelled records, their network scores and regions.

    Records without regions do not enter.

    Raises:
        TrainingError: no record has a region, or too few to determine the parameters.
    """
    found = [one for example in examples for one in _examples(*example)]
    if not found:
        raise TrainingError("no validation record is like any family of the library")
    sizes = torch.tensor([len(one.truth) for one in found])
    hits = max(len(one.log_odds) for one in found)
    scores = torch.from_numpy(np.concatenate([one.pairs.scores for one in found]))
    truth = torch.from_numpy(np.concatenate([one.truth for one in found])).float()
    probabilities, coverage = (
        torch.from_numpy(np.concatenate([_padded(getattr(one.pairs, name), hits) for one in found]))
        for name in ("probabilities", "coverage")
    )
    padded = [one.log_odds + [_ABSENT] * (hits - len(one.log_odds)) for one in found]
    log_odds = torch.tensor(padded)
    network = torch.from_numpy(logit(scores.numpy()))
    log_lengths = torch.tensor([one.log_length for one in found])
    *start, _, slope = astuple(_START)
    values = torch.tensor([*start, _CEILING_LOGIT, slope], requires_grad=True)
    optimiser = torch.optim.LBFGS([values], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        scale, null, by_network, by_family, interaction, intercept, ceiling, slope = values
        nulls = (scale * (null + slope * log_lengths))[:, None]
        decode_posteriors = torch.softmax(torch.cat([scale * log_odds, nulls], 1), 1)[:, :-1]
        each = decode_posteriors.repeat_interleave(sizes, 0)
        weight = (each * coverage).sum(1)
        family = torch.logit(
            (each * probabilities).sum(1) / weight.clamp(min=1e-6), MIN_PROBABILITY
        )
        logits = by_network * network + by_family * family
        logits = logits + interaction * network * family + intercept
        mixed = (1 - weight) * scores + weight * torch.sigmoid(ceiling) * torch.sigmoid(logits)
        loss: Tensor = torch.nn.functional.binary_cross_entropy(mixed, truth)
        loss = loss + _WEIGHT_DECAY * slope.square()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    *rest, ceiling, slope = values.detach()
    scale, _, _, by_family, interaction, _ = rest
    effect = by_family + interaction * network.median()  # of the family, at a usual network score
    is_usual = bool(torch.isfinite(values).all()) and min(scale, effect) >= 0
    if not is_usual or truth.all() or not truth.any():
        message = "too few validation records are like a family of the library to learn from"
        raise TrainingError(message)
    return FamilyMixture(
        *(round(float(value), 4) for value in (*rest, torch.sigmoid(ceiling), slope))
    )


def _examples(
    record: LabelledRecord, scores: Scores, regions: Sequence[Region]
) -> Iterator[_Example]:
    reference = np.zeros(scores.shape, dtype=np.bool_)
    for pair in record.pairs:
        reference[pair] = True
    for region in regions:
        pairs = region_pairs(region, scores)
        log_odds = [hit.log_odds for hit in region.hits]
        truth = reference[pairs.left, pairs.right]
        yield _Example(pairs, log_odds, region.log_length, truth)


def _padded(columns: Floats, count: int) -> Floats:
    """Columns (P, H), padded with zeros to (P, count)."""
    return np.pad(columns, ((0, 0), (0, count - columns.shape[1])))
