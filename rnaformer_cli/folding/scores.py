"""Scores of loops, and what they give for every pair of a sequence.

A structure's score is the sum over its loops, in units of kT (a higher score is a more stable
structure), with the loops and the features of the nearest-neighbour model (Turner 2004) as
CONTRAfold uses them (Do, Woods, Batzoglou 2006). The scores are learned; no energy is built in.

Shapes
    B  sequences      L  bases, padded to the longest      D  spans j - i from 0 to L - 1

Tables of pairs are (B, D, L): the pair of base i with base i + d stands at [d, i].
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

NO_LETTER = 4  # N, padding and what is beyond the ends
PAIRS = ("AU", "CG", "GC", "UA", "GU", "UG")  # 5' to 3'; the numbers of the pair types
TURNED = (3, 2, 1, 0, 5, 4)  # the type of the same pair read from the other strand
MIN_LOOP = 3  # bases in a hairpin loop
MAX_LOOP = 30  # bases in a bulge or an interior loop
FREE = 4  # interior loops with so many bases on a side or fewer have scores of their own
_IMPOSSIBLE = -math.inf

SHAPES: Mapping[str, tuple[int, ...]] = {
    "stack": (6, 6),  # outer pair, inner pair
    "hairpin_mismatch": (6, 5, 5),  # closing pair, the base after its left and before its right
    "hairpin_length": (MAX_LOOP + 1,),
    "tetraloop": (4, 4, 4, 4),
    "bulge_length": (MAX_LOOP + 1,),
    "inner_length": (MAX_LOOP + 1,),  # of interior loops with two bases or more on each side
    "inner_small": (FREE + 1, FREE + 1),
    "asymmetry": (MAX_LOOP + 1,),
    "inner_mismatch": (6, 5, 5),
    "edge_length": (MAX_LOOP + 1,),  # of interior loops with one base on one side only
    "edge_end": (6,),  # pairs that close these and bulges
    "single_mismatch": (6, 5, 5),  # of loops with one base on each side
    "outer_mismatch": (6, 5, 5),  # pairs in multiloops and outside of all pairs
    "multi": (2,),  # for the closing pair, for each pair in the loop
}


@dataclass(frozen=True, slots=True)
class Factors:
    """What each loop adds to the score, by the pair that closes it; -inf: not possible.

    Interior loops are of two kinds, k = 0: bulges of two bases or more and loops with one base on
    a side, k = 1: all larger ones. With l1 bases left and l2 right, the score of such a loop is
    outer[k, closing pair] + size[k, l1, l2] + inner[k, inner pair].
    """

    hairpin: Tensor  # (B, D, L)
    stack: Tensor  # (B, D, L) on the pair just inside
    left_bulge: Tensor  # (B, D, L) one base left of the inner pair
    right_bulge: Tensor  # (B, D, L) one base right of it
    single_outer: Tensor  # (B, D, L) loops with one base on each side
    single_inner: Tensor  # (B, D, L)
    outer: Tensor  # (B, 2, D, L)
    inner: Tensor  # (B, 2, D, L)
    size: Tensor  # (2, MAX_LOOP + 1, MAX_LOOP + 1)
    closing: Tensor  # (B, D, L) the pair that closes a multiloop
    branch: Tensor  # (B, D, L) a pair in a multiloop
    exterior: Tensor  # (B, D, L) a pair that no other encloses


def factors(bases: Tensor, scores: Mapping[str, Tensor]) -> Factors:
    """bases (B, L), scores by name with the shapes of SHAPES -> what loops add to the score."""
    batch, length = bases.shape
    ends = torch.full((batch, 1), NO_LETTER, dtype=bases.dtype, device=bases.device)
    ringed = torch.cat((ends, bases, ends.expand(-1, length + MAX_LOOP + 2)), dim=1)

    def letters(shift: int) -> Tensor:
        """The letter `shift` bases right of i, (B, 1, L)."""
        return ringed[:, None, 1 + shift : 1 + shift + length]

    index = torch.arange(length, device=bases.device)
    ends_at = 1 + index[:, None] + index  # [d, i]: where j stands in `ringed`
    right = ringed[:, ends_at.clamp(max=ringed.shape[1] - 3)]
    before = ringed[:, (ends_at - 1).clamp(max=ringed.shape[1] - 3)]
    after = ringed[:, (ends_at + 1).clamp(max=ringed.shape[1] - 3)]
    left, left_before, left_after = letters(0), letters(-1), letters(1)
    kind = _pair_types(bases.device)[left, right]
    fits = (index[:, None] > MIN_LOOP) & (index[:, None] + index < length)
    paired = (kind >= 0) & fits
    kind = kind.clamp(min=0)
    turned = kind.new_tensor(TURNED)[kind]

    def facing(table: Tensor) -> Tensor:
        """A mismatch inside of the pair."""
        return table[kind, left_after, before]

    def turned_away(table: Tensor) -> Tensor:
        """A mismatch outside of the pair, which is read from its right base on."""
        return table[turned, after, left_before]

    def only(score: Tensor, possible: Tensor = paired) -> Tensor:
        return torch.where(possible, score, _IMPOSSIBLE)

    def within(shift_left: int, shift_right: int) -> tuple[Tensor, Tensor]:
        """Stacking on the pair further inside, and whether both are pairs."""
        inner = _shift(kind, shift_left, shift_left + shift_right)
        both = paired & _shift(paired, shift_left, shift_left + shift_right)
        return stack[kind, inner], both

    stack = scores["stack"]
    stack = (stack + stack[list(TURNED)][:, list(TURNED)].T) / 2  # the same helix from both ends
    bulge = scores["bulge_length"][1]
    stacked, left_bulged, right_bulged = within(1, 1), within(2, 1), within(1, 2)
    closing, branch = scores["multi"]
    end = scores["edge_end"]
    away = turned_away(scores["outer_mismatch"])
    loop = [letters(shift) for shift in range(1, 5)]
    return Factors(
        hairpin=only(facing(scores["hairpin_mismatch"]) + _hairpins(loop, length, scores)),
        stack=only(*stacked),
        left_bulge=only(left_bulged[0] + bulge, left_bulged[1]),
        right_bulge=only(right_bulged[0] + bulge, right_bulged[1]),
        single_outer=only(facing(scores["single_mismatch"])),
        single_inner=only(turned_away(scores["single_mismatch"])),
        outer=torch.stack((only(end[kind]), only(facing(scores["inner_mismatch"]))), dim=1),
        inner=torch.stack((only(end[turned]), only(turned_away(scores["inner_mismatch"]))), dim=1),
        size=_sizes(scores),
        closing=only(facing(scores["outer_mismatch"]) + closing + branch),
        branch=only(away + branch),
        exterior=only(away),
    )


def _pair_types(device: torch.device) -> Tensor:
    """The pair type of two letters, -1 for none."""
    table = torch.full((5, 5), -1, dtype=torch.long, device=device)
    for number, pair in enumerate(PAIRS):
        table["ACGU".index(pair[0]), "ACGU".index(pair[1])] = number
    return table


def _shift(table: Tensor, left: int, total: int) -> Tensor:
    """(B, D, L) -> the same with [d, i] showing what stands at [d - total, i + left]."""
    moved = torch.zeros_like(table)
    moved[:, total:, : table.shape[2] - left] = table[:, : table.shape[1] - total, left:]
    return moved


def _hairpins(loop: list[Tensor], length: int, scores: Mapping[str, Tensor]) -> Tensor:
    """The part of a hairpin's score without its closing pair, (B, D, L).

    `loop` are the four letters after the left base, (B, 1, L) each.
    """
    known = scores["hairpin_length"]
    sizes = torch.arange(length, device=known.device) - 1
    longer = -1.75 * torch.log(sizes.clamp(min=MAX_LOOP) / MAX_LOOP)  # Jacobson-Stockmayer
    by_size = (known[sizes.clamp(0, MAX_LOOP)] + longer)[None, :, None]
    plain = torch.stack(loop).amax(0) < NO_LETTER
    bonus = scores["tetraloop"][tuple(letter.clamp(max=3) for letter in loop)]
    bonus = torch.where(plain, bonus, 0.0)
    is_tetraloop = (sizes == 4)[None, :, None]
    return by_size + torch.where(is_tetraloop, bonus, 0.0)


def _sizes(scores: Mapping[str, Tensor]) -> Tensor:
    """The part of an interior loop's score that its size decides, [kind, l1, l2]."""
    steps = torch.arange(MAX_LOOP + 1, device=scores["stack"].device)
    one, other = steps[:, None], steps[None, :]
    total = one + other
    less, more = torch.minimum(one, other), torch.maximum(one, other)
    fits = (total <= MAX_LOOP) & (more >= 2)
    capped = total.clamp(max=MAX_LOOP)
    edge = torch.where(less == 0, scores["bulge_length"][capped], scores["edge_length"][capped])
    inner = scores["inner_length"][capped] + scores["asymmetry"][more - less]
    small = scores["inner_small"][less.clamp(max=FREE), more.clamp(max=FREE)]
    inner = inner + torch.where(more <= FREE, small, 0.0)
    return torch.stack(
        (
            torch.where(fits & (less < 2), edge, _IMPOSSIBLE),
            torch.where(fits & (less >= 2), inner, _IMPOSSIBLE),
        )
    )
