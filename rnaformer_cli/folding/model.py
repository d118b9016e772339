"""The folding model as a module of a network: bases in, base-pair probabilities out."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from rnaformer_cli.folding.hard_constraints import HardConstraints, exclude_structures
from rnaformer_cli.folding.partition import (
    BoltzmannFactors,
    Inside,
    boltzmann_factors,
    inside,
    outside,
    to_matrix,
)
from rnaformer_cli.folding.scores import TABLE_SHAPES, LoopScores, score_loops
from rnaformer_cli.folding.soft_constraints import add_unpaired_scores

_LOG_SCALE = 0.3  # typical score per base of an RNA under learned scores
_MAX_LOG_SCALE = 10.0  # above the score per base of every RNA
_MAX_BISECTIONS = 12
MIN_PROBABILITY = 1e-4  # probabilities below it count as zero


class FoldingModel(nn.Module):
    """The folding model. Its loop scores are buffers: they are not trained with the network."""

    def __init__(self) -> None:
        super().__init__()
        for name, shape in TABLE_SHAPES.items():
            self.register_buffer(name, torch.zeros(shape))

    @property
    def scores(self) -> Mapping[str, Tensor]:
        """The loop scores by name."""
        return {name: getattr(self, name) for name in TABLE_SHAPES}

    @torch.no_grad()
    def forward(
        self,
        bases: Tensor,
        unpaired_scores: Tensor | None = None,
        constraints: HardConstraints | None = None,
    ) -> Tensor:
        """bases (B, L) -> base-pair probabilities (B, L, L), symmetric, float32.

        `unpaired_scores` (B, L) are soft constraints in nats: the logarithm of the factor by which
        a structure is more likely if the base is unpaired. With hard `constraints` the sums are
        over the structures that satisfy them; all probabilities are zero if there is none.

        Padding at the end changes nothing. The sums are computed in float64, on the CPU if the
        device has no float64.
        """
        device = bases.device
        if device.type == "mps":
            bases = bases.cpu()
        with torch.autocast(device.type, enabled=False):
            scores = {name: score.to(bases.device) for name, score in self.scores.items()}
            if constraints is not None:
                constraints = constraints.to(bases.device)
            extra_pairs = None if constraints is None else constraints.extra_pairs
            loops = score_loops(bases, scores, extra_pairs)
            if unpaired_scores is not None:
                loops = add_unpaired_scores(loops, unpaired_scores.to(bases.device))
            if constraints is not None:
                loops = exclude_structures(loops, constraints)
            weights, sums = scaled_inside(loops, 0.0 if constraints is None else -_MAX_LOG_SCALE)
            outside_sums = outside(weights, sums)
            upper = to_matrix(outside_sums.qb * sums.qb / sums.total[:, None, None])
        probabilities = (upper + upper.transpose(1, 2)).nan_to_num().clamp(0.0, 1.0)
        return probabilities.to(device, torch.float32)


def scaled_inside(
    loop_scores: LoopScores, min_scale: float = 0.0
) -> tuple[BoltzmannFactors, Inside]:
    """The Boltzmann factors at a scale that keeps all sums finite, and the inside sums.

    The initial scale suffices for some hundreds of bases; for thousands, bisection adjusts it. A
    scale below zero is needed if constraints leave only improbable structures.
    """
    scale, low, high = _LOG_SCALE, min_scale, _MAX_LOG_SCALE
    for _ in range(_MAX_BISECTIONS):
        weights = boltzmann_factors(loop_scores, scale)
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
