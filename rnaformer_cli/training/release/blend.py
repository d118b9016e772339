"""How far families are to be believed: what makes the labels of validation records likeliest."""

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
from rnaformer_cli.families.blending import CLIPPED, Blend, ToldPairs, logit, told_pairs
from rnaformer_cli.families.recognition import Site
from rnaformer_cli.prediction.predictor import Scores

_START = Blend()
_MOST = 3.0  # logit of the most that a score may be, at the start
_STEPS = 60
_PULL = 1e-6  # of the length to 0, which sequences of one length say nothing of
_ABSENT = -1e4  # evidence of no hit, far below all others


@dataclass(frozen=True, slots=True)
class _Example:
    """The pairs of a site, and which of them are there."""

    pairs: ToldPairs
    evidence: list[float]  # of each hit
    log_length: float  # of its sequence
    truth: NDArray[np.bool_]  # of each pair


def fit_blend(examples: Iterable[tuple[LabelledRecord, Scores, Sequence[Site]]]) -> Blend:
    """The blend that is likeliest on these records.

    Records without sites say nothing and are left out.

    Raises:
        TrainingError: no record has a site, or too few have one for a best blend.
    """
    found = [one for example in examples for one in _examples(*example)]
    if not found:
        raise TrainingError("no validation record is like any family of the library")
    sizes = torch.tensor([len(one.truth) for one in found])
    hits = max(len(one.evidence) for one in found)
    scores = torch.from_numpy(np.concatenate([one.pairs.scores for one in found]))
    truth = torch.from_numpy(np.concatenate([one.truth for one in found])).float()
    chances, known = (
        torch.from_numpy(np.concatenate([_filled(getattr(one.pairs, name), hits) for one in found]))
        for name in ("chances", "known")
    )
    absent = [one.evidence + [_ABSENT] * (hits - len(one.evidence)) for one in found]
    evidence = torch.tensor(absent)
    network = torch.from_numpy(logit(scores.numpy()))
    lengths = torch.tensor([one.log_length for one in found])
    *start, _, length = astuple(_START)
    values = torch.tensor([*start, _MOST, length], requires_grad=True)
    optimiser = torch.optim.LBFGS([values], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        trust, needed, by_network, by_families, together, shift, most, length = values
        none = (trust * (needed + length * lengths))[:, None]
        beliefs = torch.softmax(torch.cat([trust * evidence, none], 1), 1)[:, :-1]
        each = beliefs.repeat_interleave(sizes, 0)
        weight = (each * known).sum(1)
        mean = (each * chances).sum(1) / weight.clamp(min=1e-6)
        families = torch.logit(mean, CLIPPED)
        told = by_network * network + by_families * families + together * network * families + shift
        mixed = (1 - weight) * scores + weight * torch.sigmoid(most) * torch.sigmoid(told)
        now: Tensor = torch.nn.functional.binary_cross_entropy(mixed, truth)
        now = now + _PULL * length.square()
        now.backward()  # type: ignore[no-untyped-call]
        return now

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    *rest, most, length = values.detach()
    trust, _, _, by_families, together, _ = rest
    slope = by_families + together * network.median()  # of families, where the network is as usual
    is_usual = bool(torch.isfinite(values).all()) and min(trust, slope) >= 0
    if not is_usual or truth.all() or not truth.any():
        message = "too few validation records are like a family of the library to learn from"
        raise TrainingError(message)
    return Blend(*(round(float(value), 4) for value in (*rest, torch.sigmoid(most), length)))


def _examples(record: LabelledRecord, scores: Scores, sites: Sequence[Site]) -> Iterator[_Example]:
    there = np.zeros(scores.shape, dtype=np.bool_)
    for pair in record.pairs:
        there[pair] = True
    for site in sites:
        pairs = told_pairs(site, scores)
        evidence = [hit.evidence for hit in site.hits]
        yield _Example(pairs, evidence, site.log_length, there[pairs.left, pairs.right])


def _filled(columns: Floats, count: int) -> Floats:
    """The columns (P, H) and zeros behind them, (P, count)."""
    return np.pad(columns, ((0, 0), (0, count - columns.shape[1])))
