"""The folding model as a module of a network: bases in, base-pair probabilities out."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from rnaformer_cli.folding.evidence import add_unpaired_scores
from rnaformer_cli.folding.partition import (
    BoltzmannFactors,
    Inside,
    boltzmann_factors,
    inside,
    outside,
    to_matrix,
)
from rnaformer_cli.folding.scores import TABLE_SHAPES, LoopScores, loop_scores

_LOG_SCALE = 0.3  # score per base of an ordinary RNA under learned scores
_MAX_LOG_SCALE = 10.0  # score per base that no RNA reaches
_MAX_BISECTIONS = 12
MIN_PROBABILITY = 1e-4  # probability below which a pair is as good as impossible


class Folding(nn.Module):
    """Loop scores as buffers: they are not trained with the network around them."""

    def __init__(self) -> None:
        super().__init__()
        for name, shape in TABLE_SHAPES.items():
            self.register_buffer(name, torch.zeros(shape))

    @property
    def scores(self) -> Mapping[str, Tensor]:
        """The loop scores by name."""
        return {name: getattr(self, name) for name in TABLE_SHAPES}

    @torch.no_grad()
    def forward(self, bases: Tensor, unpaired_scores: Tensor | None = None) -> Tensor:
        """bases (B, L) -> the probability of each pair (B, L, L), symmetric.

        `unpaired_scores` (B, L) are soft constraints in nats: the logarithm of the factor by which
        a structure is more likely if the base is unpaired.

        Padding at the end changes nothing. Computed in float64; on the processor, where the
        device has none.
        """
        device = bases.device
        if device.type == "mps":
            bases = bases.cpu()
        with torch.autocast(device.type, enabled=False):
            scores = {name: score.to(bases.device) for name, score in self.scores.items()}
            loops = loop_scores(bases, scores)
            if unpaired_scores is not None:
                loops = add_unpaired_scores(loops, unpaired_scores.to(bases.device))
            weights, sums = scaled_inside(loops)
            around = outside(weights, sums)
            upper = to_matrix(around.pair * sums.qb / sums.total[:, None, None])
        both = (upper + upper.transpose(1, 2)).nan_to_num().clamp(0.0, 1.0)
        return both.to(device, torch.float32)


def scaled_inside(found: LoopScores) -> tuple[BoltzmannFactors, Inside]:
    """The Boltzmann factors at a scale that keeps all sums finite, and the inside sums.

    Any scale works for some hundreds of bases; for thousands it is found by bisection.
    """
    scale, low, high = _LOG_SCALE, 0.0, _MAX_LOG_SCALE
    for _ in range(_MAX_BISECTIONS):
        weights = boltzmann_factors(found, scale)
        sums = inside(weights)
        if not torch.isfinite(sums.total).all():
            low = scale
        elif not sums.total.all():
            high = scale
        else:
            break
        scale = (low + high) / 2
    return weights, sums


def probabilities_to_features(probabilities: Tensor) -> Tensor:
    """Probabilities (B, L, L) -> features (B, L, L, 2): p and scaled log p, both in [0, 1]."""
    logs = 1.0 - torch.log10(probabilities.clamp(min=MIN_PROBABILITY)) / torch.log10(
        probabilities.new_tensor(MIN_PROBABILITY)
    )
    return torch.stack((probabilities, logs), dim=-1)
