"""The sum over all nested structures, from the inside and from the outside (McCaskill 1990).

Sums are kept as they are, not as logarithms, each divided by exp(scale) for every base in it, so
that they stay within the range of a float64. All spans are walked from short to long, and back;
what is done for one span is done for all its pairs and all sequences at once.

Shapes are those of pairs.py. Tables by span are (B, D, L), like Factors; where a sum runs over
all splits of a span, tables by base are (B, L, L) with a few lines of zeros around, from which
strided views take the terms of all splits.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from rnaformer_cli.folding.pairs import MIN_LOOP
from rnaformer_cli.folding.scores import MAX_LOOP, SMALL, Factors

_SIZES = MAX_LOOP + 1
_EDGE = 2  # lines of zeros before and after a table by base
PAD = _SIZES + 1  # spans and bases of zeros beside a table by span
_SHORTEST = MIN_LOOP + 1  # span of a pair


@dataclass(slots=True)
class Weights:
    """The factors of loops as weights, exp(score), scaled by their bases."""

    hairpin: Tensor
    stack: Tensor
    left_bulge: Tensor
    right_bulge: Tensor
    single: Tensor
    outer: Tensor
    inner: Tensor
    size: Tensor
    closing: Tensor
    branch: Tensor
    exterior: Tensor
    multi_base: Tensor  # (B, L)
    exterior_base: Tensor  # (B, L)
    scale: float


@dataclass(slots=True)
class Inside:
    """Sums over what can stand inside of a span; all scaled."""

    pair: Tensor  # (B, D, L) structures closed by the pair
    loops: Tensor  # (B, 2, D + 2 PAD, L + 2 PAD) pair · inner, with zeros around
    sized: Tensor  # (B, 2, D, L) interior loops under a pair, without its own weight
    two: Tensor  # (B, D, L) two branches of a multiloop or more
    some: Splits  # one branch or more
    first: Splits  # one branch, which begins at the left base
    before: Tensor  # (B, L + 1) structures of the first bases
    after: Tensor  # (B, L + 1) structures of all bases from one on
    scale: float  # by which all are divided for every base, as a logarithm

    @property
    def total(self) -> Tensor:
        """The sum over all structures (B,), scaled."""
        return self.before[:, -1]


@dataclass(slots=True)
class Outside:
    """Sums over what can stand outside of a span; all scaled."""

    pair: Tensor  # (B, D, L)
    loops: Tensor  # (B, 2, D + 2 PAD, L + 2 PAD) pair · outer, with zeros around
    branch: Tensor  # (B, D, L) of pairs as branches of a multiloop
    sized: Tensor  # (B, 2, D, L) of pairs in an interior loop, without their own weight


class Splits:
    """Sums by left and by right base, for sums over all splits of a span.

    A split's terms lie side by side in a line of one of the two tables, which begin one base
    later for the next pair of the span: a strided view holds all. Where lines are shorter than
    others the view runs on into a neighbouring line, and there into its zeros.
    """

    def __init__(self, like: Tensor) -> None:
        batch, length, _ = like.shape
        self.length = length
        self.by_left = like.new_zeros(batch, length + 2 * _EDGE, length)
        self.by_right = like.new_zeros(batch, length + 2 * _EDGE, length)

    def put(self, span: int, sums: Tensor) -> None:
        """Set the sums of a span, (B, L - span)."""
        lines = slice(_EDGE, _EDGE + self.length)
        self.by_left[:, lines].diagonal(span, 1, 2).copy_(sums)
        self.by_right[:, lines].diagonal(-span, 1, 2).copy_(sums)

    def followed_by(self, other: Splits, span: int) -> Tensor:
        """For all (i, j) of a span: the sum over k of self(i, k) · other(k + 1, j)."""
        left, right = self._at(0, 0), self._at(span, 1)
        return self._sum(self.by_left, left, other.by_right, right, span, span)

    def reaching_over(self, other: Splits, span: int) -> Tensor:
        """For all (i, k) of a span: the sum over j of self(i, j) · other(k + 1, j)."""
        left, right = self._at(0, span + 1), self._at(span + 1, span + 1)
        return self._sum(self.by_left, left, other.by_left, right, span, self.length - span - 1)

    def reaching_under(self, other: Splits, span: int) -> Tensor:
        """For all (k, j) of a span: the sum over i of self(i, j) · other(i, k - 1)."""
        terms = self.length - span - 1
        left, right = self._at(span, -terms), self._at(-1, -terms)
        return self._sum(self.by_right, left, other.by_right, right, span, terms)

    def _at(self, line: int, column: int) -> int:
        return (_EDGE + line) * self.length + column

    def _sum(
        self, one: Tensor, first: int, other: Tensor, second: int, span: int, terms: int
    ) -> Tensor:
        """The sums of products along lines that begin at `first` and `second`, (B, L - span)."""
        shape = (len(one), self.length - span, terms)
        strides = (one.stride(0), self.length + 1, 1)
        return (
            one.as_strided(shape, strides, first) * other.as_strided(shape, strides, second)
        ).sum(2)


def weigh(factors: Factors, scale: float) -> Weights:
    """Scores -> weights, divided by exp(scale) for every base that a loop takes up."""
    device = factors.hairpin.device
    spans = torch.arange(factors.hairpin.shape[1], device=device, dtype=torch.float64)
    steps = torch.arange(_SIZES, device=device, dtype=torch.float64)
    sizes = 2 + steps[:, None] + steps[None, :]

    def exp(score: Tensor, bases: Tensor | float = 0.0) -> Tensor:
        return torch.exp(score.double() - scale * bases)

    return Weights(
        hairpin=exp(factors.hairpin, (spans + 1)[:, None]),
        **{name: exp(getattr(factors, name), sum(sides)) for name, sides in SMALL.items()},
        outer=exp(factors.outer),
        inner=exp(factors.inner),
        size=exp(factors.size, sizes),
        closing=exp(factors.closing, 2.0),
        branch=exp(factors.branch),
        exterior=exp(factors.exterior),
        multi_base=exp(factors.multi_base, 1.0),
        exterior_base=exp(factors.exterior_base, 1.0),
        scale=scale,
    )


def inside(weights: Weights) -> Inside:
    """All sums, from short spans to long ones."""
    like = weights.hairpin
    batch, length, _ = like.shape
    pairs, two = torch.zeros_like(like), torch.zeros_like(like)
    loops, sized = _padded(like), torch.zeros_like(weights.outer)
    some, first = Splits(like), Splits(like)
    by_total = _by_total(weights.size)
    begun = runs = like.new_zeros(batch, length)
    for span in range(_SHORTEST, length):
        count = length - span
        here = (slice(None), span, slice(count))
        both = (slice(None), slice(None), span, slice(count))
        # Interior loops: first the sum over all sizes with l1 bases left, then over l1.
        columns = slice(PAD + 1, PAD + 1 + count + MAX_LOOP)
        products = by_total @ loops[:, :, PAD + span - 2 - MAX_LOOP : PAD + span - 1, columns]
        sized[both] = _slanted(products, count, 0, 1).sum(2)
        pair = weights.hairpin[here] + (weights.outer[both] * sized[both]).sum(1)
        for name, (left, right) in SMALL.items():
            inner = pairs[:, span - left - right, left : count + left]
            pair += getattr(weights, name)[here] * inner
        pair += weights.closing[here] * two[:, span - 2, 1 : count + 1]
        pairs[here] = pair
        loops[:, :, PAD + span, PAD : PAD + count] = weights.inner[both] * pair[:, None]
        two[here] = some.followed_by(first, span)
        begun = weights.branch[here] * pair + weights.multi_base[:, span:] * begun[:, :count]
        runs = begun + weights.multi_base[:, :count] * runs[:, 1 : count + 1]
        first.put(span, begun)
        some.put(span, runs + two[here])
    before, after = _exterior(weights, pairs)
    return Inside(pairs, loops, sized, two, some, first, before, after, weights.scale)


def outside(weights: Weights, sums: Inside) -> Outside:
    """All sums, from long spans to short ones."""
    like = weights.hairpin
    batch, length, _ = like.shape
    pairs, branches = torch.zeros_like(like), torch.zeros_like(like)
    loops, sized = _padded(like), torch.zeros_like(weights.outer)
    two = Splits(like)
    by_total = _by_total(weights.size).flip(3)
    begun = runs = like.new_zeros(batch, 0)
    for span in range(length - 1, MIN_LOOP, -1):
        count = length - span
        here = (slice(None), span, slice(count))
        both = (slice(None), slice(None), span, slice(count))
        columns = slice(PAD - 1 - MAX_LOOP, PAD - 1 + count)
        products = by_total @ loops[:, :, PAD + span + 2 : PAD + span + 3 + MAX_LOOP, columns]
        sized[both] = _slanted(products, count, MAX_LOOP, -1).sum(2)
        pair = weights.exterior[here] * sums.before[:, :count] * sums.after[:, span + 1 :]
        pair += (weights.inner[both] * sized[both]).sum(1)
        for name, (left, right) in SMALL.items():
            pair += _around(getattr(weights, name), pairs, span, left, right)
        some = two.reaching_over(sums.first, span)
        runs = some + F.pad(weights.multi_base[:, : count - 1] * runs, (1, 0))
        begun = F.pad(weights.multi_base[:, span + 1 :] * begun, (0, 1))
        begun += two.reaching_under(sums.some, span) + runs
        branches[here] = begun
        pair += weights.branch[here] * begun
        pairs[here] = pair
        loops[:, :, PAD + span, PAD : PAD + count] = weights.outer[both] * pair[:, None]
        two.put(span, some + _around(weights.closing, pairs, span, 1, 1))
    return Outside(pairs, loops, branches, sized)


def _padded(like: Tensor) -> Tensor:
    batch, length, _ = like.shape
    return like.new_zeros(batch, 2, length + 2 * PAD, length + 2 * PAD)


def _by_total(size: Tensor) -> Tensor:
    """Weights of loop sizes (B, kind, l1, l2) -> (B, kind, l1, MAX_LOOP - l1 - l2)."""
    steps = torch.arange(_SIZES, device=size.device)
    right = MAX_LOOP - steps[None, :] - steps[:, None]
    found = size[:, :, steps[:, None], right.clamp(min=0)]
    return torch.where(right >= 0, found, 0.0)


def _slanted(products: Tensor, count: int, start: int, step: int) -> Tensor:
    """(B, 2, l1, W) -> a view (B, 2, l1, count) of the columns start + i + step · l1."""
    products = products.contiguous()
    batch, kinds, steps, line = products.stride()
    shape = (*products.shape[:3], count)
    return products.as_strided(shape, (batch, kinds, steps + step, line), start)


def _around(weight: Tensor, pairs: Tensor, span: int, left: int, right: int) -> Tensor:
    """weight · pairs of the pairs so many bases outside of those of a span, (B, L - span)."""
    more, count = left + right, pairs.shape[2] - span
    if more >= count:
        return pairs.new_zeros(len(pairs), count)
    outer = (slice(None), span + more, slice(count - more))
    return F.pad(weight[outer] * pairs[outer], (left, right))


def _exterior(weights: Weights, pairs: Tensor) -> tuple[Tensor, Tensor]:
    """The sums before and after each base, (B, L + 1) each.

    before[j + 1] is base · before[j] and, for each pair (i, j), before[i] · exterior · pair: a
    triangular system, read from both ends.
    """
    batch, length, _ = pairs.shape
    system = torch.eye(length + 1, dtype=pairs.dtype, device=pairs.device).repeat(batch, 1, 1)
    system[:, 1:, :-1] -= by_bases(weights.exterior * pairs).transpose(1, 2)
    system.diagonal(-1, 1, 2).sub_(weights.exterior_base)
    ends = pairs.new_zeros(batch, length + 1, 2)
    ends[:, 0, 0] = ends[:, -1, 1] = 1.0
    before = torch.linalg.solve_triangular(system, ends[..., :1], upper=False, unitriangular=True)
    transposed = system.transpose(1, 2)
    after = torch.linalg.solve_triangular(transposed, ends[..., 1:], upper=True, unitriangular=True)
    return before[..., 0], after[..., 0]


def by_bases(table: Tensor) -> Tensor:
    """A table by span (B, D, L) -> by left and right base (B, L, L), zero below the diagonal."""
    index = torch.arange(table.shape[2], device=table.device)
    spans = index[None, :] - index[:, None]
    found = table[:, spans.clamp(min=0), index[:, None]]
    return torch.where(spans >= 0, found, 0.0)
