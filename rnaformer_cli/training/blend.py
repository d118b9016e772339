"""How far families are to be believed: what makes the labels of validation records likeliest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnaformer_cli.dataset.records import LabelledRecord
from rnaformer_cli.errors import TrainingError
from rnaformer_cli.families.blending import CLIPPED, Blend, logit
from rnaformer_cli.families.recognition import CANDIDATES, Hit
from rnaformer_cli.prediction.predictor import Scores

_START = Blend()
_MOST = 3.0  # logit of the most that a score may be, at the start
_STEPS = 60


@dataclass(frozen=True, slots=True)
class _Cells:
    """Pairs of one record that the network or a hit deems possible, P of them."""

    scores: NDArray[np.float32]  # (P,) of the network
    chances: NDArray[np.float32]  # (P, CANDIDATES) of each hit
    evidence: NDArray[np.float32]  # (CANDIDATES,); far below all others where there is no hit
    truth: NDArray[np.bool_]  # (P,)


def fit_blend(examples: Iterable[tuple[LabelledRecord, Scores, Sequence[Hit]]]) -> Blend:
    """The blend that is likeliest on these records.

    Records without hits say nothing and are left out.

    Raises:
        TrainingError: no record has a hit, or too few have one for a best blend.
    """
    found = [_cells(*example) for example in examples if example[2]]
    if not found:
        raise TrainingError("no validation record is like any family of the library")
    sizes = torch.tensor([len(one.truth) for one in found])
    scores, chances, truth = (
        torch.from_numpy(np.concatenate([getattr(one, name) for one in found]))
        for name in ("scores", "chances", "truth")
    )
    evidence = torch.from_numpy(np.stack([one.evidence for one in found]))
    network = torch.from_numpy(logit(scores.numpy()))
    values = torch.tensor([*astuple(_START)[:-1], _MOST], requires_grad=True)
    optimiser = torch.optim.LBFGS([values], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        trust, needed, by_network, by_families, shift, most = values
        none = (trust * needed).expand(len(evidence), 1)
        beliefs = torch.softmax(torch.cat([trust * evidence, none], 1), 1)[:, :-1]
        each = beliefs.repeat_interleave(sizes, 0)
        belief = each.sum(1)
        mean = (each * chances).sum(1) / belief.clamp(min=1e-6)
        told = by_network * network + by_families * _logit(mean) + shift
        mixed = (1 - belief) * scores + belief * torch.sigmoid(most) * torch.sigmoid(told)
        now = torch.nn.functional.binary_cross_entropy(mixed, truth.float())
        now.backward()  # type: ignore[no-untyped-call]
        return now

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    *rest, most = values.detach()
    trust, _, _, by_families, _ = rest
    if not torch.isfinite(values).all() or min(trust, by_families) < 0:
        message = "too few validation records are like a family of the library to learn from"
        raise TrainingError(message)
    return Blend(*(round(float(value), 4) for value in (*rest, torch.sigmoid(most))))


def _logit(chances: Tensor) -> Tensor:
    return torch.logit(chances, CLIPPED)


def _cells(record: LabelledRecord, scores: Scores, hits: Sequence[Hit]) -> _Cells:
    pairs = np.zeros((CANDIDATES, *scores.shape), np.float32)
    evidence = np.full(CANDIDATES, -1e4, np.float32)
    for place, hit in enumerate(hits):
        pairs[place], evidence[place] = hit.pairs, hit.evidence
    there = np.zeros(scores.shape, dtype=np.bool_)
    for pair in record.pairs:
        there[pair] = True
    likely = np.maximum(scores, pairs.max(axis=0)) >= CLIPPED
    left, right = np.nonzero(np.triu(likely, k=1))
    return _Cells(scores[left, right], pairs[:, left, right].T, evidence, there[left, right])
