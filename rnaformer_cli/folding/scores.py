"""Loop scores, and their values for every pair of a sequence.

A structure's score is the sum over its loops, in units of kT (a higher score is a more stable
structure), with the loops and the features of the nearest-neighbour model (Turner 2004) as
CONTRAfold uses them (Do, Woods, Batzoglou 2006). Two kinds of features look further than a loop:
the letters around each unpaired base, and how many pairs could go on a helix. The scores are
learned; no energy is built in.

Shapes are those of pairs.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from rnaformer_cli.folding.pairs import MAX_EXTENSION, NO_LETTER, REVERSED_TYPE, Pairs, shifted

MAX_LOOP = 30  # bases in a bulge or an interior loop
MAX_SMALL_LOOP = 4  # interior loops with so many bases on a side or fewer have scores of their own
CONTEXT = 4  # letters on each side of an unpaired base that its score depends on
SMALL = {  # loops between a pair and the one so many bases further inside, each with its own factor
    "stack": (1, 1),
    "left_bulge": (2, 1),
    "right_bulge": (1, 2),
    "single": (2, 2),
}
HELIX_ENDS = ("hairpin", "bulge", "single", "edge", "inner", "closing", "branch", "exterior")
_IMPOSSIBLE = -math.inf

TABLE_SHAPES: Mapping[str, tuple[int, ...]] = {
    "stack": (6, 6),  # outer pair, inner pair
    "stack_room": (
        MAX_EXTENSION + 1,
        MAX_EXTENSION + 1,
    ),  # pairs that could go on outside of both, inside of both
    "helix_end": (
        len(HELIX_ENDS),
        MAX_EXTENSION + 1,
    ),  # a loop; pairs that could go on away from it
    "hairpin_mismatch": (6, 5, 5),  # closing pair, the base after its left and before its right
    "hairpin_small": (2, 6, 5, 5),  # the same for three and four bases, in addition
    "hairpin_length": (MAX_LOOP + 1,),
    "triloop": (4, 4, 4),
    "tetraloop": (4, 4, 4, 4),
    "bulge_length": (MAX_LOOP + 1,),
    "bulge_stack": (6, 6),  # pairs around a bulge of one base, in addition to `stack`
    "inner_length": (MAX_LOOP + 1,),  # of interior loops with two bases or more on each side
    "inner_small": (MAX_SMALL_LOOP + 1, MAX_SMALL_LOOP + 1),
    "asymmetry": (MAX_LOOP + 1,),
    "inner_mismatch": (6, 5, 5),
    "edge_length": (MAX_LOOP + 1,),  # of interior loops with one base on one side only
    "edge_end": (6,),  # pairs that close these and bulges
    "edge_mismatch": (6, 5, 5),
    "single_mismatch": (6, 5, 5),  # of loops with one base on each side
    "closing_mismatch": (6, 5, 5),  # of the pair that closes a multiloop
    "branch_mismatch": (6, 5, 5),  # of the others in it
    "exterior_mismatch": (6, 5, 5),  # of pairs that no other encloses
    "multi": (2,),  # for the closing pair, for each pair in the loop
    # An unpaired base: the letters from 4 before it to 4 after it.
    "unpaired_hairpin": (2 * CONTEXT + 1, 5),
    "unpaired_interior": (2 * CONTEXT + 1, 5),
    "unpaired_multi": (2 * CONTEXT + 1, 5),
    "unpaired_exterior": (2 * CONTEXT + 1, 5),
}


@dataclass(frozen=True, slots=True)
class LoopScores:
    """The score of each loop by the pair that closes it; -inf: not possible.

    Interior loops are of two kinds, k = 0: bulges of two bases or more and loops with one base on
    a side, k = 1: all larger ones. With l1 bases left and l2 right, the score of such a loop is
    outer[k, closing pair] + size[k, l1, l2] + inner[k, inner pair].
    """

    hairpin: Tensor  # (B, D, L)
    stack: Tensor  # (B, D, L) on the pair just inside
    left_bulge: Tensor  # (B, D, L) one base left of the inner pair
    right_bulge: Tensor  # (B, D, L) one base right of it
    single: Tensor  # (B, D, L) one base on each side of it
    outer: Tensor  # (B, 2, D, L)
    inner: Tensor  # (B, 2, D, L)
    size: Tensor  # (B, 2, MAX_LOOP + 1, MAX_LOOP + 1)
    closing: Tensor  # (B, D, L) the pair that closes a multiloop
    branch: Tensor  # (B, D, L) a pair in a multiloop
    exterior: Tensor  # (B, D, L) a pair that no other encloses
    multi_unpaired: Tensor  # (B, L) an unpaired base of a multiloop
    exterior_unpaired: Tensor  # (B, L) a base that no pair encloses


def loop_scores(bases: Tensor, scores: Mapping[str, Tensor]) -> LoopScores:
    """bases (B, L), scores by name with the shapes of TABLE_SHAPES -> the score of each loop."""
    pairs = Pairs(bases)
    inner_mismatch, outer_mismatch = pairs.inner_mismatch, pairs.outer_mismatch
    out, within = pairs.extension(-1), pairs.extension(1)
    ends = dict(zip(HELIX_ENDS, scores["helix_end"], strict=True))
    interior = _InteriorBases(pairs, scores["unpaired_interior"])

    def only(score: Tensor) -> Tensor:
        return torch.where(pairs.possible, score, _IMPOSSIBLE)

    def both(score: Tensor, left: int, right: int) -> Tensor:
        """A score where the inner pair (i + left, j - right) is possible too."""
        return torch.where(shifted(pairs.possible, left, right), only(score), _IMPOSSIBLE)

    def stacked(table: Tensor, left: int, right: int) -> Tensor:
        table = (table + _turned(table)) / 2  # the same helix from both ends
        return table[pairs.kind, shifted(pairs.kind, left, right)]

    def bulge(left: int, right: int) -> Tensor:
        score = stacked(scores["stack"] + scores["bulge_stack"], left, right)
        score = score + scores["bulge_length"][1] + interior.between(left, right)
        score = score + ends["bulge"][out] + ends["bulge"][shifted(within, left, right)]
        return both(score, left, right)

    room = (scores["stack_room"] + scores["stack_room"].T) / 2
    stack = stacked(scores["stack"], 1, 1) + room[out, shifted(within, 1, 1)]
    closing, branch = scores["multi"]
    single, edge, inner = (scores[f"{name}_mismatch"] for name in ("single", "edge", "inner"))
    single_out = outer_mismatch(single) + ends["single"][within]
    single = inner_mismatch(single) + ends["single"][out] + shifted(single_out, 2, 2)
    edge = edge + scores["edge_end"][:, None, None]
    edge_in, edge_out = (
        inner_mismatch(edge) + ends["edge"][out],
        outer_mismatch(edge) + ends["edge"][within],
    )
    inner_in = inner_mismatch(inner) + ends["inner"][out]
    inner_out = outer_mismatch(inner) + ends["inner"][within]
    return LoopScores(
        hairpin=only(_hairpin_scores(pairs, scores) + ends["hairpin"][out]),
        stack=both(stack, 1, 1),
        left_bulge=bulge(2, 1),
        right_bulge=bulge(1, 2),
        single=both(single + interior.between(2, 2), 2, 2),
        outer=torch.stack(
            (only(edge_in + interior.inside), only(inner_in + interior.inside)), dim=1
        ),
        inner=torch.stack(
            (only(edge_out - interior.whole), only(inner_out - interior.whole)), dim=1
        ),
        size=_sizes(scores) + interior.by_size,
        closing=only(
            inner_mismatch(scores["closing_mismatch"]) + closing + branch + ends["closing"][out]
        ),
        branch=only(outer_mismatch(scores["branch_mismatch"]) + branch + ends["branch"][within]),
        exterior=only(outer_mismatch(scores["exterior_mismatch"]) + ends["exterior"][within]),
        multi_unpaired=_unpaired_scores(pairs, scores["unpaired_multi"]),
        exterior_unpaired=_unpaired_scores(pairs, scores["unpaired_exterior"]),
    )


def _turned(table: Tensor) -> Tensor:
    """A table [outer pair, inner pair], (6, 6), read from the other strand."""
    return table[list(REVERSED_TYPE)][:, list(REVERSED_TYPE)].T


def _unpaired_scores(pairs: Pairs, table: Tensor) -> Tensor:
    """The score of each base if it is unpaired, (B, L); 0 for unknown letters."""
    around = [table[CONTEXT + step][pairs.base_at(step)] for step in range(-CONTEXT, CONTEXT + 1)]
    return torch.where(pairs.base_at(0) < NO_LETTER, torch.stack(around).sum(0), 0.0)


class _InteriorBases:
    """Scores of the unpaired bases of interior loops, as differences of cumulative sums.

    The bases of a loop are those inside of the outer pair less those of the inner pair. Their mean
    is subtracted, and added again by the size of the loop, to keep sums small in long sequences.
    """

    def __init__(self, pairs: Pairs, table: Tensor) -> None:
        each = _unpaired_scores(pairs, table)
        known = (pairs.base_at(0) < NO_LETTER).sum(1, keepdim=True)
        mean = each.sum(1, keepdim=True) / known.clamp(min=1)
        self.mean = mean[..., None]  # (B, 1, 1)
        self.inside = pairs.inside(each - mean)  # (B, D, L)
        self.whole = pairs.whole(each - mean)  # (B, D, L)
        steps = torch.arange(MAX_LOOP + 1, device=table.device)
        self.by_size = self.mean[..., None] * (steps[:, None] + steps)  # (B, 1, l1, l2)

    def between(self, left: int, right: int) -> Tensor:
        """The bases between a pair and the inner pair (i + left, j - right), (B, D, L)."""
        return self.inside - shifted(self.whole, left, right) + self.mean * (left + right - 2)


def _hairpin_scores(pairs: Pairs, scores: Mapping[str, Tensor]) -> Tensor:
    """The score of the hairpin loop that each pair would close, (B, D, L)."""
    known = scores["hairpin_length"]
    sizes = torch.arange(pairs.length, device=known.device) - 1
    longer = -1.75 * torch.log(sizes.clamp(min=MAX_LOOP) / MAX_LOOP)  # Jacobson-Stockmayer
    by_size = known[sizes.clamp(0, MAX_LOOP)] + longer
    score = pairs.inner_mismatch(scores["hairpin_mismatch"]) + by_size[:, None]
    interior = pairs.inside(_unpaired_scores(pairs, scores["unpaired_hairpin"]))
    score = score + interior * (MAX_LOOP / sizes.clamp(min=MAX_LOOP))[:, None]
    for size, mismatch in zip((3, 4), scores["hairpin_small"], strict=True):
        loop = torch.stack([pairs.base_at(step) for step in range(1, size + 1)])
        table = scores["triloop" if size == 3 else "tetraloop"]
        letters = torch.where(loop.amax(0) < NO_LETTER, table[tuple(loop.clamp(max=3))], 0.0)
        span = slice(size + 1, size + 2)  # nothing in shorter sequences
        special = pairs.inner_mismatch(mismatch, span) + letters[:, None, :]
        score = torch.cat((score[:, : size + 1], score[:, span] + special, score[:, size + 2 :]), 1)
    return score


def _sizes(scores: Mapping[str, Tensor]) -> Tensor:
    """The part of an interior loop's score that depends on its size, [kind, l1, l2]."""
    steps = torch.arange(MAX_LOOP + 1, device=scores["stack"].device)
    one, other = steps[:, None], steps[None, :]
    total = one + other
    less, more = torch.minimum(one, other), torch.maximum(one, other)
    fits = (total <= MAX_LOOP) & (more >= 2)
    capped = total.clamp(max=MAX_LOOP)
    edge = torch.where(less == 0, scores["bulge_length"][capped], scores["edge_length"][capped])
    inner = scores["inner_length"][capped] + scores["asymmetry"][more - less]
    small = scores["inner_small"][less.clamp(max=MAX_SMALL_LOOP), more.clamp(max=MAX_SMALL_LOOP)]
    inner = inner + torch.where(more <= MAX_SMALL_LOOP, small, 0.0)
    return torch.stack(
        (
            torch.where(fits & (less < 2), edge, _IMPOSSIBLE),
            torch.where(fits & (less >= 2), inner, _IMPOSSIBLE),
        )
    )
