"""Soft constraints: additional scores of unpaired bases or pairs, for example from reactivities."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from rnaformer_cli.folding.pairs import gather
from rnaformer_cli.folding.scores import FIXED_SIZE_LOOPS, LoopScores

# Fields with a score for the closing pair of a loop, (B, D, L); interior_closing is (B, 2, D, L).
_CLOSING_FIELDS = (*FIXED_SIZE_LOOPS, "hairpin", "multi_closing")


def add_unpaired_scores(loop_scores: LoopScores, scores: Tensor) -> LoopScores:
    """Loop scores with additional scores (B, L) of unpaired bases, up to a constant.

    The scores of the unpaired bases of a structure are the sum over all bases minus that of the
    paired bases. The sum over all bases is the same for every structure and is omitted. The scores
    of both bases of a pair are subtracted once, in the loop that the pair closes.
    """
    index = torch.arange(scores.shape[1], device=scores.device)
    right = index[:, None] + index  # [d, i] -> i + d, which may lie beyond the sequence
    of_pairs = scores[:, None, :] + gather(F.pad(scores, (0, 1)), right)  # (B, D, L)
    return add_pair_scores(loop_scores, -of_pairs)


def add_pair_scores(loop_scores: LoopScores, scores: Tensor) -> LoopScores:
    """Loop scores with an additional score of each pair, (B, D, L), in the loop that it closes."""
    changed = {name: getattr(loop_scores, name) + scores for name in _CLOSING_FIELDS}
    interior_closing = loop_scores.interior_closing + scores[:, None]
    return replace(loop_scores, **changed, interior_closing=interior_closing)
