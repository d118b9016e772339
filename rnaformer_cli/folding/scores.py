"""Loop scores, and their values for every pair of a sequence.

The score of a structure is the sum over its loops. It is the logarithm of the Boltzmann factor, so
more stable structures have higher scores. Loops and features are those of the nearest-neighbour
model (Turner 2004) as CONTRAfold uses them (Do, Woods, Batzoglou 2006). Two kinds of features
extend beyond a loop: the letters around each unpaired base, and the number of pairs by which a
helix could be extended. The scores are learned; no energies are built in.

Shapes are those of pairs.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from rnaformer_cli.folding.pairs import MAX_EXTENSION, NO_LETTER, REVERSED_TYPE, PairTables, shifted

MAX_LOOP = 30  # bases in a bulge or an interior loop
MAX_SMALL_LOOP = 4  # interior loops with up to this many bases on each side have explicit scores
CONTEXT = 4  # the score of an unpaired base depends on this many letters on each side
FIXED_SIZE_LOOPS = {  # name -> steps from the closing pair to the inner pair, left and right
    "stack": (1, 1),
    "left_bulge": (2, 1),
    "right_bulge": (1, 2),
    "interior_1x1": (2, 2),
}
HELIX_ENDS = (
    "hairpin",
    "bulge",
    "interior_1x1",
    "interior_1xn",
    "interior",
    "multi_closing",
    "multi_branch",
    "exterior_branch",
)
_IMPOSSIBLE = -math.inf

TABLE_SHAPES: Mapping[str, tuple[int, ...]] = {
    "stack": (6, 6),  # outer pair, inner pair
    # By how many pairs the helix could be extended: outside of both pairs, inside of both.
    "stack_room": (MAX_EXTENSION + 1, MAX_EXTENSION + 1),
    # The loop at the end of a helix; by how many pairs the helix could be extended away from it.
    "helix_end": (len(HELIX_ENDS), MAX_EXTENSION + 1),
    "hairpin_mismatch": (6, 5, 5),  # closing pair, the base after its left and before its right
    "hairpin_small": (2, 6, 5, 5),  # added to hairpin_mismatch for loops of three and four bases
    "hairpin_length": (MAX_LOOP + 1,),
    "triloop": (4, 4, 4),
    "tetraloop": (4, 4, 4, 4),
    "bulge_length": (MAX_LOOP + 1,),
    "bulge_stack": (6, 6),  # added to `stack` for the pairs around a bulge of one base
    "inner_length": (MAX_LOOP + 1,),  # interior loops with at least two bases on each side
    "inner_small": (MAX_SMALL_LOOP + 1, MAX_SMALL_LOOP + 1),
    "asymmetry": (MAX_LOOP + 1,),
    "inner_mismatch": (6, 5, 5),
    "edge_length": (MAX_LOOP + 1,),  # 1xn interior loops: one base on one side only
    "edge_end": (6,),  # pairs that close 1xn loops and bulges
    "edge_mismatch": (6, 5, 5),  # of 1xn loops
    "single_mismatch": (6, 5, 5),  # of 1x1 loops
    "closing_mismatch": (6, 5, 5),  # of the pair that closes a multiloop
    "branch_mismatch": (6, 5, 5),  # of the other pairs of a multiloop
    "exterior_mismatch": (6, 5, 5),  # of pairs in the exterior loop
    "multi": (2,),  # for the closing pair, for each pair of the loop including it
    # Of an unpaired base: offset from -CONTEXT to CONTEXT, letter at that offset.
    "unpaired_hairpin": (2 * CONTEXT + 1, 5),
    "unpaired_interior": (2 * CONTEXT + 1, 5),
    "unpaired_multi": (2 * CONTEXT + 1, 5),
    "unpaired_exterior": (2 * CONTEXT + 1, 5),
}


@dataclass(frozen=True, slots=True)
class LoopScores:
    """The score of each loop, indexed by its closing pair; -inf for impossible loops.

    Interior loops of variable size are of two kinds: bulges of at least two bases and 1xn loops
    (k = 0), and loops with at least two bases on each side (k = 1). With l1 bases on the left and
    l2 on the right, the score of such a loop is interior_closing[k, closing pair] +
    interior_size[k, l1, l2] + interior_inner[k, inner pair].
    """

    hairpin: Tensor  # (B, D, L)
    stack: Tensor  # (B, D, L)
    left_bulge: Tensor  # (B, D, L) one base, left of the inner pair
    right_bulge: Tensor  # (B, D, L) one base, right of the inner pair
    interior_1x1: Tensor  # (B, D, L) one base on each side
    interior_closing: Tensor  # (B, 2, D, L)
    interior_inner: Tensor  # (B, 2, D, L)
    interior_size: Tensor  # (B, 2, MAX_LOOP + 1, MAX_LOOP + 1)
    multi_closing: Tensor  # (B, D, L) the pair that closes a multiloop
    multi_branch: Tensor  # (B, D, L) a branch of a multiloop
    exterior_branch: Tensor  # (B, D, L) a pair of the exterior loop
    multi_unpaired: Tensor  # (B, L) an unpaired base of a multiloop
    exterior_unpaired: Tensor  # (B, L) an unpaired base of the exterior loop
    # (2, B, L) how many bases next to each base may be unpaired in an interior loop of variable
    # size, before it and after it; None: any number.
    unpaired_runs: Tensor | None = None


def score_loops(
    bases: Tensor, scores: Mapping[str, Tensor], extra_pairs: Tensor | None = None
) -> LoopScores:
    """bases (B, L), scores by name with the shapes of TABLE_SHAPES -> the score of each loop.

    `extra_pairs` (B, D, L) are possible although they are not canonical. They have the scores of an
    A-U pair, and do not count as pairs by which a helix could be extended.
    """
    pairs = PairTables(bases)
    can_pair = pairs.can_pair if extra_pairs is None else pairs.can_pair | extra_pairs
    inner_mismatch, outer_mismatch = pairs.inner_mismatch, pairs.outer_mismatch
    outwards, inwards = pairs.extension(-1), pairs.extension(1)
    ends = dict(zip(HELIX_ENDS, scores["helix_end"], strict=True))
    interior = _InteriorUnpaired(pairs, scores["unpaired_interior"])

    def where_possible(score: Tensor) -> Tensor:
        return torch.where(can_pair, score, _IMPOSSIBLE)

    def where_both_possible(score: Tensor, left: int, right: int) -> Tensor:
        """The score if the inner pair (i + left, j - right) is possible too."""
        inner_can_pair = shifted(can_pair, left, right)
        return torch.where(inner_can_pair, where_possible(score), _IMPOSSIBLE)

    def stacked(table: Tensor, left: int, right: int) -> Tensor:
        table = (table + _reversed(table)) / 2  # the same helix from both ends
        return table[pairs.pair_type, shifted(pairs.pair_type, left, right)]

    def bulge(left: int, right: int) -> Tensor:
        score = stacked(scores["stack"] + scores["bulge_stack"], left, right)
        score = score + scores["bulge_length"][1] + interior.between(left, right)
        score = score + ends["bulge"][outwards] + ends["bulge"][shifted(inwards, left, right)]
        return where_both_possible(score, left, right)

    extension = (scores["stack_room"] + scores["stack_room"].T) / 2
    stack = stacked(scores["stack"], 1, 1) + extension[outwards, shifted(inwards, 1, 1)]
    closing, branch = scores["multi"]
    mismatch_1x1, mismatch_1xn, mismatch = (
        scores[f"{name}_mismatch"] for name in ("single", "edge", "inner")
    )
    inner_1x1 = outer_mismatch(mismatch_1x1) + ends["interior_1x1"][inwards]
    score_1x1 = inner_mismatch(mismatch_1x1) + ends["interior_1x1"][outwards]
    score_1x1 = score_1x1 + shifted(inner_1x1, 2, 2)
    mismatch_1xn = mismatch_1xn + scores["edge_end"][:, None, None]
    closing_1xn = inner_mismatch(mismatch_1xn) + ends["interior_1xn"][outwards]
    inner_1xn = outer_mismatch(mismatch_1xn) + ends["interior_1xn"][inwards]
    closing_other = inner_mismatch(mismatch) + ends["interior"][outwards]
    inner_other = outer_mismatch(mismatch) + ends["interior"][inwards]
    multi_closing = inner_mismatch(scores["closing_mismatch"]) + closing + branch
    multi_branch = outer_mismatch(scores["branch_mismatch"]) + branch
    exterior_branch = outer_mismatch(scores["exterior_mismatch"])
    enclosed, whole = interior.enclosed, interior.whole
    return LoopScores(
        hairpin=where_possible(_hairpin_scores(pairs, scores) + ends["hairpin"][outwards]),
        stack=where_both_possible(stack, 1, 1),
        left_bulge=bulge(2, 1),
        right_bulge=bulge(1, 2),
        interior_1x1=where_both_possible(score_1x1 + interior.between(2, 2), 2, 2),
        interior_closing=torch.stack(
            [where_possible(score + enclosed) for score in (closing_1xn, closing_other)], dim=1
        ),
        interior_inner=torch.stack(
            [where_possible(score - whole) for score in (inner_1xn, inner_other)], dim=1
        ),
        interior_size=_interior_size_scores(scores) + interior.by_size,
        multi_closing=where_possible(multi_closing + ends["multi_closing"][outwards]),
        multi_branch=where_possible(multi_branch + ends["multi_branch"][inwards]),
        exterior_branch=where_possible(exterior_branch + ends["exterior_branch"][inwards]),
        multi_unpaired=_unpaired_scores(pairs, scores["unpaired_multi"]),
        exterior_unpaired=_unpaired_scores(pairs, scores["unpaired_exterior"]),
    )


def _reversed(table: Tensor) -> Tensor:
    """A table (6, 6) of [outer pair, inner pair], as seen from the other strand."""
    return table[list(REVERSED_TYPE)][:, list(REVERSED_TYPE)].T


def _unpaired_scores(pairs: PairTables, table: Tensor) -> Tensor:
    """The score of each base if it is unpaired, (B, L); 0 for unknown letters."""
    terms = [table[CONTEXT + step][pairs.letters_at(step)] for step in range(-CONTEXT, CONTEXT + 1)]
    return torch.where(pairs.letters_at(0) < NO_LETTER, torch.stack(terms).sum(0), 0.0)


class _InteriorUnpaired:
    """Scores of the unpaired bases of interior loops, as differences of cumulative sums.

    The unpaired bases of a loop are those inside the closing pair, except those from the left to
    the right base of the inner pair. Cumulative sums are of scores minus their mean, which keeps
    them small in long sequences. The mean is added again for each base of the loop.
    """

    def __init__(self, pairs: PairTables, table: Tensor) -> None:
        scores = _unpaired_scores(pairs, table)
        n_letters = (pairs.letters_at(0) < NO_LETTER).sum(1, keepdim=True)
        mean = scores.sum(1, keepdim=True) / n_letters.clamp(min=1)
        self.mean = mean[..., None]  # (B, 1, 1)
        self.enclosed = pairs.sum_between(scores - mean)  # (B, D, L)
        self.whole = pairs.sum_from_to(scores - mean)  # (B, D, L)
        steps = torch.arange(MAX_LOOP + 1, device=table.device)
        self.by_size = self.mean[..., None] * (steps[:, None] + steps)  # (B, 1, l1, l2)

    def between(self, left: int, right: int) -> Tensor:
        """The bases between a pair and the inner pair (i + left, j - right), (B, D, L)."""
        unpaired = self.enclosed - shifted(self.whole, left, right)
        return unpaired + self.mean * (left + right - 2)


def _hairpin_scores(pairs: PairTables, scores: Mapping[str, Tensor]) -> Tensor:
    """The score of the hairpin loop that each pair would close, (B, D, L).

    Beyond MAX_LOOP bases the score of the length falls with the logarithm of the length (Jacobson
    and Stockmayer 1950), and the unpaired bases count as MAX_LOOP bases of their mean score.
    """
    lengths = scores["hairpin_length"]
    sizes = torch.arange(pairs.length, device=lengths.device) - 1
    longer = -1.75 * torch.log(sizes.clamp(min=MAX_LOOP) / MAX_LOOP)
    by_size = lengths[sizes.clamp(0, MAX_LOOP)] + longer
    score = pairs.inner_mismatch(scores["hairpin_mismatch"]) + by_size[:, None]
    unpaired = pairs.sum_between(_unpaired_scores(pairs, scores["unpaired_hairpin"]))
    score = score + unpaired * (MAX_LOOP / sizes.clamp(min=MAX_LOOP))[:, None]
    for size, mismatch in zip((3, 4), scores["hairpin_small"], strict=True):
        loop = torch.stack([pairs.letters_at(step) for step in range(1, size + 1)])
        table = scores["triloop" if size == 3 else "tetraloop"]
        letters = torch.where(loop.amax(0) < NO_LETTER, table[tuple(loop.clamp(max=3))], 0.0)
        span = slice(size + 1, size + 2)  # empty for shorter sequences
        special = pairs.inner_mismatch(mismatch, span) + letters[:, None, :]
        score = torch.cat((score[:, : size + 1], score[:, span] + special, score[:, size + 2 :]), 1)
    return score


def _interior_size_scores(scores: Mapping[str, Tensor]) -> Tensor:
    """The part of an interior loop's score that depends on its size, [kind, l1, l2]."""
    steps = torch.arange(MAX_LOOP + 1, device=scores["stack"].device)
    left, right = steps[:, None], steps[None, :]
    total = left + right
    shorter, longer = torch.minimum(left, right), torch.maximum(left, right)
    fits = (total <= MAX_LOOP) & (longer >= 2)
    capped = total.clamp(max=MAX_LOOP)
    bulge, score_1xn = scores["bulge_length"][capped], scores["edge_length"][capped]
    score_1xn = torch.where(shorter == 0, bulge, score_1xn)
    other = scores["inner_length"][capped] + scores["asymmetry"][longer - shorter]
    explicit = scores["inner_small"][
        shorter.clamp(max=MAX_SMALL_LOOP), longer.clamp(max=MAX_SMALL_LOOP)
    ]
    other = other + torch.where(longer <= MAX_SMALL_LOOP, explicit, 0.0)
    return torch.stack(
        (
            torch.where(fits & (shorter < 2), score_1xn, _IMPOSSIBLE),
            torch.where(fits & (shorter >= 2), other, _IMPOSSIBLE),
        )
    )
