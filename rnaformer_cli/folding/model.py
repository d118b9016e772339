"""The folding model as a part of a network: bases in, pair probabilities out."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from rnaformer_cli.folding.partition import Inside, Weights, by_bases, inside, outside, weigh
from rnaformer_cli.folding.scores import SHAPES, Factors, factors

_SCALE = 0.3  # score per base of an ordinary RNA under learned scores
_HIGHEST = 10.0  # score per base that no RNA reaches
_TRIES = 12
LEAST = 1e-4  # probability below which a pair is as good as impossible


class Folding(nn.Module):
    """Scores that were learned once and do not change with the network around them."""

    def __init__(self) -> None:
        super().__init__()
        for name, shape in SHAPES.items():
            self.register_buffer(name, torch.zeros(shape))

    @property
    def scores(self) -> Mapping[str, Tensor]:
        """The scores by name."""
        return {name: getattr(self, name) for name in SHAPES}

    @torch.no_grad()
    def forward(self, bases: Tensor) -> Tensor:
        """bases (B, L) -> the probability of each pair (B, L, L), symmetric.

        Padding at the end changes nothing. Computed in float64; on the processor, where the
        device has none.
        """
        device = bases.device
        if device.type == "mps":
            bases = bases.cpu()
        with torch.autocast(device.type, enabled=False):
            scores = {name: score.to(bases.device) for name, score in self.scores.items()}
            weights, sums = sum_inside(factors(bases, scores))
            around = outside(weights, sums)
            upper = by_bases(around.pair * sums.pair / sums.total[:, None, None])
        both = (upper + upper.transpose(1, 2)).nan_to_num().clamp(0.0, 1.0)
        return both.to(device, torch.float32)


def sum_inside(found: Factors) -> tuple[Weights, Inside]:
    """Weights at a scale at which all sums stay finite, and the sums inside of all spans.

    Any scale does for some hundreds of bases; for thousands it is looked for by bisection.
    """
    scale, low, high = _SCALE, 0.0, _HIGHEST
    for _ in range(_TRIES):
        weights = weigh(found, scale)
        sums = inside(weights)
        if not torch.isfinite(sums.total).all():
            low = scale
        elif not sums.total.all():
            high = scale
        else:
            break
        scale = (low + high) / 2
    return weights, sums


def as_features(probabilities: Tensor) -> Tensor:
    """Probabilities (B, L, L) -> what a network takes in, (B, L, L, 2), from 0 to 1."""
    logs = 1.0 - torch.log10(probabilities.clamp(min=LEAST)) / torch.log10(
        probabilities.new_tensor(LEAST)
    )
    return torch.stack((probabilities, logs), dim=-1)
