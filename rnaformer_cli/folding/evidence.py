"""Scores of single bases, such as those that a reactivity gives, in the folding model's sum."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from rnaformer_cli.folding.pairs import at
from rnaformer_cli.folding.scores import SMALL, Factors

_CLOSERS = (*SMALL, "hairpin", "closing")  # and `outer`: the loop that a pair closes


def with_unpaired_scores(factors: Factors, scores: Tensor) -> Factors:
    """The factors with scores (B, L) of unpaired bases in addition, less the sum of all scores.

    The unpaired bases of a structure have the sum of all scores less those of the paired bases.
    So each pair loses the scores of its two bases, in the one loop that it closes.
    """
    index = torch.arange(scores.shape[1], device=scores.device)
    ends = index[:, None] + index  # [d, i]: the right base, or what is beyond
    of_pairs = scores[:, None, :] + at(F.pad(scores, (0, 1)), ends)  # (B, D, L)
    changed = {name: getattr(factors, name) - of_pairs for name in _CLOSERS}
    return replace(factors, **changed, outer=factors.outer - of_pairs[:, None])
