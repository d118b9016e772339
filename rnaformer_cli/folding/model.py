"""The folding model as a module of a network: bases in, base-pair probabilities out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rnaformer_cli.folding.hard_constraints import HardConstraints, exclude_structures
from rnaformer_cli.folding.partition import (
    BoltzmannFactors,
    Inside,
    Outside,
    boltzmann_factors,
    inside,
    outside,
    to_matrix,
    to_spans,
)
from rnaformer_cli.folding.pseudoknots import Candidates, find_candidates
from rnaformer_cli.folding.sampling import sample_partners
from rnaformer_cli.folding.scores import TABLE_SHAPES, LoopScores, score_loops
from rnaformer_cli.folding.soft_constraints import add_pair_scores, add_unpaired_scores

_LOG_SCALE = 0.3  # typical score per base of an RNA under learned scores
_MAX_LOG_SCALE = 10.0  # above the score per base of every RNA
_MAX_BISECTIONS = 12
_MAX_SINGLE_LENGTH = 500  # bases; the sums of longer sequences may exceed the range of a float32
_MIN_SINGLE_TOTAL = 1e-25  # likewise smaller partition functions
_SINGLE_LOG_SCALE = 0.1  # keeps the sums of most RNAs within the range of a float32
MIN_PROBABILITY = 1e-4  # probabilities below it count as zero


@dataclass(frozen=True, slots=True)
class EnsembleSums:
    """A structure of one sequence among all of them. Scores are those above the open chain's."""

    structure_score: float  # logarithm of the structure's Boltzmann factor
    log_z: float  # logarithm of the partition function
    satisfies: bool  # whether the structure is one of the ensemble under hard constraints
    distance: float  # mean base-pair distance of two structures


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
        pair_scores: Tensor | None = None,
        constraints: HardConstraints | None = None,
    ) -> Tensor:
        """bases (B, L) -> base-pair probabilities (B, L, L), symmetric, float32.

        `unpaired_scores` (B, L) are soft constraints in nats: the logarithm of the factor by which
        a structure is more likely if the base is unpaired. `pair_scores` (B, L, L) are those of
        pairs; their upper triangle counts. With hard `constraints` the sums are over the structures
        that satisfy them; all probabilities are zero if there is none.

        Padding at the end changes nothing. The sums are computed in float64, on the CPU if the
        device has no float64; those of short sequences in float32, if they are in its range.
        """
        device = bases.device
        if device.type == "mps":
            bases = bases.cpu()
        with torch.autocast(device.type, enabled=False):
            upper = None
            if unpaired_scores is None and pair_scores is None and constraints is None:
                upper = self._in_single_precision(bases)
            if upper is None:
                weights, sums = self._inside(bases, unpaired_scores, pair_scores, constraints)
                outside_sums = outside(weights, sums, keep_interior_sums=False)
                upper = _upper_probabilities(sums, outside_sums)
        probabilities = (upper + upper.transpose(1, 2)).nan_to_num().clamp(0.0, 1.0)
        return probabilities.to(device, torch.float32)

    @torch.no_grad()
    def sample(
        self,
        bases: Tensor,
        pair_scores: Tensor,
        n_samples: int,
        seed: int,
        constraints: HardConstraints | None = None,
    ) -> NDArray[np.int32]:
        """Draw structures of one sequence, bases (1, L) -> partners (n_samples, L), -1 for none.

        `pair_scores` (1, L, L) and `constraints` are those of `forward`; a structure must satisfy
        the constraints. The sums are computed on the CPU.
        """
        weights, sums = self._inside(bases.cpu(), None, pair_scores, constraints)
        return sample_partners(weights, sums, n_samples, seed)

    @torch.no_grad()
    def pseudoknot_candidates(self, bases: Tensor, lengths: Sequence[int]) -> list[Candidates]:
        """Candidates of pseudoknots of each sequence, bases (B, L) without padding: `lengths`."""
        bases = bases.cpu() if bases.device.type == "mps" else bases
        with torch.autocast(bases.device.type, enabled=False):
            loops = self._loops(bases, None, None, None)
            weights, sums = scaled_inside(loops, keep_interior_sums=False)
            outside_sums = outside(weights, sums, keep_interior_sums=False)
        stack_scores = self.scores["stack"].double().cpu().numpy()
        rows = bases.long().cpu().numpy()
        return [
            find_candidates(rows[row, :length], stack_scores, loops, sums, outside_sums, row)
            for row, length in enumerate(lengths)
        ]

    def _in_single_precision(self, bases: Tensor) -> Tensor | None:
        """Base-pair probabilities (B, L, L), upper triangle; None if float32 is not enough."""
        if bases.shape[1] > _MAX_SINGLE_LENGTH:
            return None
        scores = {name: score.to(bases.device) for name, score in self.scores.items()}
        weights = boltzmann_factors(score_loops(bases, scores), _SINGLE_LOG_SCALE, torch.float32)
        sums = inside(weights, keep_interior_sums=False)
        if not (sums.total > _MIN_SINGLE_TOTAL).all() or not torch.isfinite(sums.total).all():
            return None
        outside_sums = outside(weights, sums, keep_interior_sums=False)
        if not torch.isfinite(outside_sums.qb).all():
            return None
        return _upper_probabilities(sums, outside_sums)

    @torch.no_grad()
    def ensemble(
        self,
        bases: Tensor,
        structure: Sequence[tuple[str, tuple[int, ...]]],
        unpaired_scores: Tensor | None = None,
        constraints: HardConstraints | None = None,
    ) -> EnsembleSums:
        """The sums of one sequence, bases (1, L), and the score of one structure.

        `structure` are its loops, as decompose_loops lists them. `unpaired_scores` and
        `constraints` are those of `forward`.
        """
        bases = bases.cpu() if bases.device.type == "mps" else bases
        loops = self._loops(bases, unpaired_scores, None, constraints)
        open_score = math.fsum(loops.exterior_unpaired[0].tolist())
        score = _sum_loops(loops, structure)
        satisfies = True
        if constraints is not None:
            loops = exclude_structures(loops, constraints.to(bases.device))
            satisfies = math.isfinite(_sum_loops(loops, structure))
        weights, sums = scaled_inside(loops, 0.0 if constraints is None else -_MAX_LOG_SCALE)
        upper = _upper_probabilities(sums, outside(weights, sums)).nan_to_num()
        log_z = float(sums.total[0].log()) + sums.scale * bases.shape[1]
        distance = float((2.0 * upper * (1.0 - upper)).sum())
        return EnsembleSums(score - open_score, log_z - open_score, satisfies, distance)

    def _inside(
        self,
        bases: Tensor,
        unpaired_scores: Tensor | None,
        pair_scores: Tensor | None,
        constraints: HardConstraints | None,
    ) -> tuple[BoltzmannFactors, Inside]:
        """The Boltzmann factors and inside sums, on the device of the bases; see `forward`."""
        loops = self._loops(bases, unpaired_scores, pair_scores, constraints)
        if constraints is None:
            return scaled_inside(loops, keep_interior_sums=False)
        loops = exclude_structures(loops, constraints.to(bases.device))
        return scaled_inside(loops, -_MAX_LOG_SCALE, keep_interior_sums=False)

    def _loops(
        self,
        bases: Tensor,
        unpaired_scores: Tensor | None,
        pair_scores: Tensor | None,
        constraints: HardConstraints | None,
    ) -> LoopScores:
        """The loop scores before structures are excluded, on the device of the bases."""
        device = bases.device
        scores = {name: score.to(device) for name, score in self.scores.items()}
        extra_pairs = None if constraints is None else constraints.to(device).extra_pairs
        loops = score_loops(bases, scores, extra_pairs)
        if unpaired_scores is not None:
            loops = add_unpaired_scores(loops, unpaired_scores.to(device))
        if pair_scores is not None:
            loops = add_pair_scores(loops, to_spans(pair_scores.to(device)))
        return loops


def _upper_probabilities(sums: Inside, outside_sums: Outside) -> Tensor:
    """Base-pair probabilities (B, L, L), upper triangle."""
    return to_matrix(outside_sums.qb * sums.qb / sums.total[:, None, None])


def _sum_loops(loops: LoopScores, indices: Iterable[tuple[str, tuple[int, ...]]]) -> float:
    """The sum of the scores of these loops of the first sequence, in float64."""
    return math.fsum(float(getattr(loops, name)[0][index]) for name, index in indices)


def scaled_inside(
    loop_scores: LoopScores, min_scale: float = 0.0, *, keep_interior_sums: bool = True
) -> tuple[BoltzmannFactors, Inside]:
    """The Boltzmann factors at a scale that keeps all sums finite, and the inside sums.

    The initial scale suffices for some hundreds of bases; for thousands, bisection adjusts it. A
    scale below zero is needed if constraints leave only improbable structures.
    """
    scale, low, high = _LOG_SCALE, min_scale, _MAX_LOG_SCALE
    for _ in range(_MAX_BISECTIONS):
        weights = boltzmann_factors(loop_scores, scale)
        sums = inside(weights, keep_interior_sums=keep_interior_sums)
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
