"""The printed structure in the Boltzmann ensemble of the folding model, in units of kT."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from rnaformer_cli.folding.model import FoldingModel
from rnaformer_cli.folding.structure_loops import decompose_loops, keep_foldable
from rnaformer_cli.prediction.constraints import PairConstraints, constrained_probabilities
from rnaformer_cli.structure.structure import Structure


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Learned scores of the folding model, not measured energies. Negative: stable."""

    # The negative logarithm of the structure's Boltzmann factor, relative to the open chain.
    structure_energy_kt: float
    ensemble_energy_kt: float  # the same of the partition function: -log Z
    structure_probability: float  # fraction of the ensemble; 0 if it violates constraints
    diversity: float  # mean base-pair distance of two structures of the ensemble
    left_out_pairs: int  # pairs of the structure that the model lacks, such as pseudoknots


def place_in_ensemble(
    folding: FoldingModel,
    sequence: str,
    bases: Tensor,
    structure: Structure,
    unpaired_scores: Tensor | None = None,
    constraints: PairConstraints | None = None,
) -> Ensemble:
    """Score a structure of one RNA, bases (1, L), in the folding model.

    `unpaired_scores` (1, L) are those of reactivities. With constraints, the ensemble has the
    structures that satisfy them (see constrained_probabilities). Pairs that the model cannot
    represent are left out: pseudoknots, non-canonical pairs, second partners of a base, and the
    closing pairs of loops that are too large.
    """
    hard = None
    if constraints is not None:
        _, hard = constrained_probabilities(folding, bases, unpaired_scores, constraints)
    extra = () if constraints is None else constraints.nested_forced
    pairs = keep_foldable(sequence, structure.pairs, extra)
    loops = decompose_loops(pairs, len(sequence))
    sums = folding.ensemble(bases, loops, unpaired_scores, hard)
    probability = math.exp(sums.structure_score - sums.log_z) if sums.satisfies else 0.0
    return Ensemble(
        -sums.structure_score + 0.0,  # 0.0, not -0.0
        -sums.log_z + 0.0,
        min(probability, 1.0),
        sums.distance,
        len(structure.pairs) - len(pairs),
    )
