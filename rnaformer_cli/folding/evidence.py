"""Soft constraints: scores of unpaired bases, such as reactivities give, in the folding model."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from rnaformer_cli.folding.pairs import gather
from rnaformer_cli.folding.scores import SMALL, LoopScores

_CLOSING_FIELDS = (*SMALL, "hairpin", "closing")  # and `outer`: the loop that a pair closes


def add_unpaired_scores(loop_scores: LoopScores, scores: Tensor) -> LoopScores:
    """Loop scores with additional scores (B, L) of unpaired bases, less the sum of all of these.

    The unpaired bases of a structure have the sum of all scores less those of the paired bases.
    So each pair loses the scores of its two bases, in the one loop that it closes.
    """
    index = torch.arange(scores.shape[1], device=scores.device)
    ends = index[:, None] + index  # [d, i]: the right base, or what is beyond
    of_pairs = scores[:, None, :] + gather(F.pad(scores, (0, 1)), ends)  # (B, D, L)
    changed = {name: getattr(loop_scores, name) - of_pairs for name in _CLOSING_FIELDS}
    return replace(loop_scores, **changed, outer=loop_scores.outer - of_pairs[:, None])
