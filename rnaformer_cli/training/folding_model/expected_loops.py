"""The expected number of each loop in the Boltzmann ensemble of a sequence."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from rnaformer_cli.folding.pairs import shifted
from rnaformer_cli.folding.partition import PAD, BoltzmannFactors, Inside, Outside, to_matrix
from rnaformer_cli.folding.scores import FIXED_SIZE_LOOPS, MAX_LOOP


def expected_loop_counts(
    weights: BoltzmannFactors, sums: Inside, outside_sums: Outside
) -> dict[str, Tensor]:
    """The expected count of each loop, with the names and shapes of LoopScores.

    The counts are the derivatives of log Z, the log partition function, with respect to the scores.
    """
    z = sums.total[:, None, None]
    outer_ratio = outside_sums.qb / z
    counts = {
        "hairpin": weights.hairpin * outer_ratio,
        "multi_closing": weights.multi_closing * outer_ratio * shifted(sums.qm2, 1, 1),
    }
    for name, sides in FIXED_SIZE_LOOPS.items():
        counts[name] = getattr(weights, name) * outer_ratio * shifted(sums.qb, *sides)
    counts["multi_branch"] = weights.multi_branch * outside_sums.multi_branch * sums.qb / z
    index = torch.arange(sums.qb.shape[2], device=outer_ratio.device)
    ends = (index[:, None] + index + 1).clamp(max=len(index))
    outer = sums.prefix[:, None, :-1] * sums.suffix[:, ends]
    counts["exterior_branch"] = weights.exterior_branch * outer * sums.qb / z
    counts["multi_unpaired"] = _expected_multi_unpaired(
        counts["multi_closing"], counts["multi_branch"]
    )
    unpaired = sums.prefix[:, :-1] * sums.suffix[:, 1:] / sums.total[:, None]
    counts["exterior_unpaired"] = weights.exterior_unpaired * unpaired
    counts["interior_closing"] = (
        weights.interior_closing * outer_ratio[:, None] * sums.interior_sums
    )
    inner = (sums.qb / z)[:, None]
    counts["interior_inner"] = weights.interior_inner * outside_sums.interior_sums * inner
    counts["interior_size"] = weights.interior_size * _expected_sizes(sums, outside_sums)
    return counts


def _expected_multi_unpaired(closing: Tensor, branch: Tensor) -> Tensor:
    """The probability that each base is unpaired in a multiloop, (B, L).

    `closing` and `branch` (B, D, L) are the expected counts of closing pairs and of branches. The
    unpaired bases of a multiloop are those inside its closing pair and outside its branches.
    """
    closings, branches = to_matrix(closing), to_matrix(branch)
    # A strand of the loop begins after the left base of the closing pair or the right base of a
    # branch, and ends before the left base of a branch or the right base of the closing pair.
    begins = F.pad(closings.sum(2) + branches.sum(1), (1, 0))
    ends = F.pad(closings.sum(1) + branches.sum(2), (0, 1))
    return (begins - ends).cumsum(1)[:, :-1]


def _expected_sizes(sums: Inside, outside_sums: Outside) -> Tensor:
    """Expected counts of interior loops by size, (B, kind, l1, l2), without the size factor."""
    sizes = sums.qb.new_zeros(len(sums.qb), 2, MAX_LOOP + 1, MAX_LOOP + 1)
    spans, bases = sums.qb.shape[1:]
    scaled = outside_sums.qb_interior / sums.total[:, None, None, None]
    outer = scaled[:, :, PAD : PAD + spans, PAD : PAD + bases]
    for left in range(MAX_LOOP + 1):
        columns = slice(PAD + 1 + left, PAD + 1 + left + bases)
        inner = sums.qb_interior[:, :, PAD : PAD + spans, columns]
        by_spans = torch.einsum("bkdi,bkei->bkde", outer, inner)
        for right in range(MAX_LOOP + 1 - left):
            of_size = by_spans.diagonal(-(2 + left + right), 2, 3)
            sizes[:, :, left, right] = of_size.sum(2)
    return sizes
