"""Fit the mixture of network and families to validation records by maximum likelihood (L-BFGS)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields

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
_CEILING_LOGIT = 3.0  # initial value
_STEPS = 60  # iterations of L-BFGS
_WEIGHT_DECAY = 1e-6  # of the slope, which sequences of a single length do not determine
_ABSENT = -1e4  # log-odds of padding among the hits: its posterior is 0


@dataclass(frozen=True, slots=True)
class _Example:
    """The pairs of a region, and which of them are in the reference."""

    pairs: RegionPairs
    log_odds: list[float]  # of each hit
    log_length: float  # of its sequence
    is_pair: NDArray[np.bool_]  # of each pair


def fit_mixture(
    examples: Iterable[tuple[LabelledRecord, Scores, Sequence[Region]]],
) -> FamilyMixture:
    """The mixture of highest likelihood on labelled records, their network scores and regions.

    Records without regions are ignored.

    Raises:
        TrainingError: no record has a region, or too few to determine the parameters.
    """
    regions = [region for example in examples for region in _examples(*example)]
    if not regions:
        raise TrainingError("no validation record matches a family profile")
    sizes = torch.tensor([len(region.is_pair) for region in regions])
    hits = max(len(region.log_odds) for region in regions)
    scores = torch.from_numpy(np.concatenate([region.pairs.scores for region in regions]))
    is_pair = torch.from_numpy(np.concatenate([region.is_pair for region in regions])).float()
    probabilities, coverage = (
        torch.from_numpy(
            np.concatenate([_pad_hits(getattr(region.pairs, name), hits) for region in regions])
        )
        for name in ("probabilities", "coverage")
    )
    padded = [region.log_odds + [_ABSENT] * (hits - len(region.log_odds)) for region in regions]
    log_odds = torch.tensor(padded)
    network = torch.from_numpy(logit(scores.numpy()))
    log_lengths = torch.tensor([region.log_length for region in regions])
    *start, _, slope, _ = astuple(_START)
    values = torch.tensor([*start, _CEILING_LOGIT, slope], requires_grad=True)
    optimiser = torch.optim.LBFGS([values], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        scale, null, by_network, by_family, interaction, intercept, ceiling, slope = values
        nulls = (scale * (null + slope * log_lengths))[:, None]
        by_region = torch.softmax(torch.cat([scale * log_odds, nulls], 1), 1)[:, :-1]
        posteriors = by_region.repeat_interleave(sizes, 0)  # of each pair, (P, H)
        weight = (posteriors * coverage).sum(1)
        by_families = (posteriors * probabilities).sum(1) / weight.clamp(min=1e-6)
        family = torch.logit(by_families, MIN_PROBABILITY)
        logits = by_network * network + by_family * family
        logits = logits + interaction * network * family + intercept
        mixed = (1 - weight) * scores + weight * torch.sigmoid(ceiling) * torch.sigmoid(logits)
        loss: Tensor = torch.nn.functional.binary_cross_entropy(mixed, is_pair)
        loss = loss + _WEIGHT_DECAY * slope.square()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    *rest, ceiling, slope = values.detach()
    scale, _, _, by_family, interaction, _ = rest
    family_effect = by_family + interaction * network.median()  # at the median score
    is_plausible = bool(torch.isfinite(values).all()) and min(scale, family_effect) >= 0
    if not is_plausible or is_pair.all() or not is_pair.any():
        message = "too few validation records match a family profile to fit the mixture"
        raise TrainingError(message)
    fitted = (*rest, torch.sigmoid(ceiling), slope)
    names = [field.name for field in fields(FamilyMixture)]
    found = {name: round(float(value), 4) for name, value in zip(names, fitted, strict=False)}
    return FamilyMixture.from_dict(found)


def _examples(
    record: LabelledRecord, scores: Scores, regions: Sequence[Region]
) -> Iterator[_Example]:
    """Yield one example for each region of a record."""
    reference = np.zeros(scores.shape, dtype=np.bool_)
    for pair in record.pairs:
        reference[pair] = True
    for region in regions:
        pairs = region_pairs(region, scores)
        log_odds = [hit.log_odds for hit in region.hits]
        is_pair = reference[pairs.left, pairs.right]
        yield _Example(pairs, log_odds, region.log_length, is_pair)


def _pad_hits(values: Floats, hits: int) -> Floats:
    """Values (P, H), padded with zeros to (P, hits)."""
    return np.pad(values, ((0, 0), (0, hits - values.shape[1])))
