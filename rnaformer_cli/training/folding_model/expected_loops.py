"""How often each loop is to be expected in the ensemble of structures of a sequence."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from rnaformer_cli.folding.pairs import shifted
from rnaformer_cli.folding.partition import PAD, BoltzmannFactors, Inside, Outside, to_matrix
from rnaformer_cli.folding.scores import MAX_LOOP, SMALL


def expected(weights: BoltzmannFactors, sums: Inside, around: Outside) -> dict[str, Tensor]:
    """How often each loop is to be expected, with names and shapes of LoopScores.

    Added up over all, times what each adds to the score, it has the gradient of the logarithm of
    the sum over all structures.
    """
    likely = around.pair / sums.total[:, None, None]
    found = {
        "hairpin": weights.hairpin * likely,
        "closing": weights.closing * likely * shifted(sums.qm2, 1, 1),
    }
    each = sums.total[:, None, None]
    for name, sides in SMALL.items():
        found[name] = getattr(weights, name) * likely * shifted(sums.qb, *sides)
    found["branch"] = weights.branch * around.branch * sums.qb / each
    index = torch.arange(sums.qb.shape[2], device=likely.device)
    ends = (index[:, None] + index + 1).clamp(max=len(index))
    outer = sums.prefix[:, None, :-1] * sums.suffix[:, ends]
    found["exterior"] = weights.exterior * outer * sums.qb / each
    found["multi_unpaired"] = _expected_multi_unpaired(found["closing"], found["branch"])
    unpaired = sums.prefix[:, :-1] * sums.suffix[:, 1:] / sums.total[:, None]
    found["exterior_unpaired"] = weights.exterior_unpaired * unpaired
    found["outer"] = weights.outer * likely[:, None] * sums.interior_sums
    found["inner"] = weights.inner * around.interior_sums * (sums.qb / each)[:, None]
    found["size"] = weights.size * _sizes(sums, around)
    return found


def _expected_multi_unpaired(closing: Tensor, branch: Tensor) -> Tensor:
    """How often each base is an unpaired one of a multiloop, (B, L), from its pairs (B, D, L).

    Every closing pair has the bases inside of it in its loop, but for those of its branches.
    """
    around, branches = to_matrix(closing), to_matrix(branch)
    begins = F.pad(around.sum(2) + branches.sum(1), (1, 0))  # after these bases
    ends = F.pad(around.sum(1) + branches.sum(2), (0, 1))  # at these
    return (begins - ends).cumsum(1)[:, :-1]


def _sizes(sums: Inside, around: Outside) -> Tensor:
    """The sums over outer and inner pairs of an interior loop by its size (B, kind, l1, l2)."""
    sizes = sums.qb.new_zeros(len(sums.qb), 2, MAX_LOOP + 1, MAX_LOOP + 1)
    spans, bases = sums.qb.shape[1:]
    scaled = around.loops / sums.total[:, None, None, None]
    outer = scaled[:, :, PAD : PAD + spans, PAD : PAD + bases]
    for left in range(MAX_LOOP + 1):
        columns = slice(PAD + 1 + left, PAD + 1 + left + bases)
        inner = sums.loops[:, :, PAD : PAD + spans, columns]
        by_spans = torch.einsum("bkdi,bkei->bkde", outer, inner)
        for right in range(MAX_LOOP + 1 - left):
            between = by_spans.diagonal(-(2 + left + right), 2, 3)
            sizes[:, :, left, right] = between.sum(2)
    return sizes
