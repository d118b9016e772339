"""The partition function over nested structures: inside and outside recursions (McCaskill 1990).

The names of the sums are those of the ViennaRNA package: qb, qm, qm1, qm2. Sums are not stored as
logarithms; each is divided by exp(scale) for every base in it, which keeps it within the range of
a float64. Spans are processed from short to long (inside) and from long to short (outside), all
pairs of a span and all sequences at once.

Shapes are those of pairs.py. Tables by span are (B, D, L), like LoopScores. For sums over all
splits of a span, tables by base are (B, L, L) with rows of zeros around, from which strided views
take the terms of all splits.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from rnaformer_cli.folding.pairs import MIN_LOOP
from rnaformer_cli.folding.scores import MAX_LOOP, SMALL, LoopScores

_N_SIDE_LENGTHS = MAX_LOOP + 1
_PAD_ROWS = 2  # rows of zeros before and after a table by base
PAD = _N_SIDE_LENGTHS + 1  # spans and bases of zeros around a table by span
_MIN_SPAN = MIN_LOOP + 1  # span of a pair


@dataclass(slots=True)
class BoltzmannFactors:
    """exp(score) of all loops, scaled by their bases; fields as in LoopScores."""

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
    multi_unpaired: Tensor  # (B, L)
    exterior_unpaired: Tensor  # (B, L)
    scale: float


@dataclass(slots=True)
class Inside:
    """Inside sums, scaled."""

    qb: Tensor  # (B, D, L) structures closed by the pair
    loops: Tensor  # (B, 2, D + 2 PAD, L + 2 PAD) qb · inner, with zeros around
    interior_sums: Tensor  # (B, 2, D, L) interior loops closed by the pair, without its own factor
    qm2: Tensor  # (B, D, L) parts of a multiloop with two branches or more
    qm: MultiloopTable  # with one branch or more
    qm1: MultiloopTable  # with one branch, which begins at the left base
    prefix: Tensor  # (B, L + 1) structures of the first i bases
    suffix: Tensor  # (B, L + 1) structures of the bases from i on
    scale: float  # logarithm of the scaling for each base

    @property
    def total(self) -> Tensor:
        """The partition function (B,), scaled."""
        return self.prefix[:, -1]


@dataclass(slots=True)
class Outside:
    """Outside sums, scaled."""

    pair: Tensor  # (B, D, L)
    loops: Tensor  # (B, 2, D + 2 PAD, L + 2 PAD) pair · outer, with zeros around
    branch: Tensor  # (B, D, L) outside of pairs that are branches of a multiloop
    interior_sums: (
        Tensor  # (B, 2, D, L) outside of inner pairs of interior loops, without their own factor
    )


class MultiloopTable:
    """A table of sums (i, j), stored by rows and by columns, for sums over all splits of a span.

    The terms of a split are contiguous in a row of one of the two copies, and begin one base later
    for the next pair of the span, so one strided view holds all of them. Where rows are shorter,
    the view continues into zeros of the next row.
    """

    def __init__(self, like: Tensor) -> None:
        batch, length, _ = like.shape
        self.length = length
        self.by_left = like.new_zeros(batch, length + 2 * _PAD_ROWS, length)
        self.by_right = like.new_zeros(batch, length + 2 * _PAD_ROWS, length)

    def put(self, span: int, sums: Tensor) -> None:
        """Set the sums of a span, (B, L - span)."""
        lines = slice(_PAD_ROWS, _PAD_ROWS + self.length)
        self.by_left[:, lines].diagonal(span, 1, 2).copy_(sums)
        self.by_right[:, lines].diagonal(-span, 1, 2).copy_(sums)

    def convolve(self, other: MultiloopTable, span: int) -> Tensor:
        """For all (i, j) of a span: the sum over k of self(i, k) · other(k + 1, j)."""
        left, right = self._at(0, 0), self._at(span, 1)
        return self._sum(self.by_left, left, other.by_right, right, span, span)

    def sum_over_right_ends(self, other: MultiloopTable, span: int) -> Tensor:
        """For all (i, k) of a span: the sum over j of self(i, j) · other(k + 1, j)."""
        left, right = self._at(0, span + 1), self._at(span + 1, span + 1)
        return self._sum(self.by_left, left, other.by_left, right, span, self.length - span - 1)

    def sum_over_left_ends(self, other: MultiloopTable, span: int) -> Tensor:
        """For all (k, j) of a span: the sum over i of self(i, j) · other(i, k - 1)."""
        terms = self.length - span - 1
        left, right = self._at(span, -terms), self._at(-1, -terms)
        return self._sum(self.by_right, left, other.by_right, right, span, terms)

    def _at(self, line: int, column: int) -> int:
        return (_PAD_ROWS + line) * self.length + column

    def _sum(
        self, one: Tensor, first: int, other: Tensor, second: int, span: int, terms: int
    ) -> Tensor:
        """Sums of products along rows that begin at offsets `first` and `second`, (B, L - span)."""
        shape = (len(one), self.length - span, terms)
        strides = (one.stride(0), self.length + 1, 1)
        return (
            one.as_strided(shape, strides, first) * other.as_strided(shape, strides, second)
        ).sum(2)


def boltzmann_factors(loop_scores: LoopScores, scale: float) -> BoltzmannFactors:
    """exp(score), divided by exp(scale) for every base of a loop."""
    device = loop_scores.hairpin.device
    spans = torch.arange(loop_scores.hairpin.shape[1], device=device, dtype=torch.float64)
    steps = torch.arange(_N_SIDE_LENGTHS, device=device, dtype=torch.float64)
    sizes = 2 + steps[:, None] + steps[None, :]

    def exp(score: Tensor, bases: Tensor | float = 0.0) -> Tensor:
        return torch.exp(score.double() - scale * bases)

    return BoltzmannFactors(
        hairpin=exp(loop_scores.hairpin, (spans + 1)[:, None]),
        **{name: exp(getattr(loop_scores, name), sum(sides)) for name, sides in SMALL.items()},
        outer=exp(loop_scores.outer),
        inner=exp(loop_scores.inner),
        size=exp(loop_scores.size, sizes),
        closing=exp(loop_scores.closing, 2.0),
        branch=exp(loop_scores.branch),
        exterior=exp(loop_scores.exterior),
        multi_unpaired=exp(loop_scores.multi_unpaired, 1.0),
        exterior_unpaired=exp(loop_scores.exterior_unpaired, 1.0),
        scale=scale,
    )


def inside(weights: BoltzmannFactors) -> Inside:
    """The inside sums, from short spans to long ones."""
    like = weights.hairpin
    batch, length, _ = like.shape
    qb, qm2 = torch.zeros_like(like), torch.zeros_like(like)
    loops, interior_sums = _padded(like), torch.zeros_like(weights.outer)
    qm, qm1 = MultiloopTable(like), MultiloopTable(like)
    by_total = _sizes_by_total(weights.size)
    begun = runs = like.new_zeros(batch, length)
    for span in range(_MIN_SPAN, length):
        count = length - span
        here = (slice(None), span, slice(count))
        both = (slice(None), slice(None), span, slice(count))
        # Interior loops: first the sum over all sizes with l1 bases left, then over l1.
        columns = slice(PAD + 1, PAD + 1 + count + MAX_LOOP)
        products = by_total @ loops[:, :, PAD + span - 2 - MAX_LOOP : PAD + span - 1, columns]
        interior_sums[both] = _diagonal_view(products, count, 0, 1).sum(2)
        pair = weights.hairpin[here] + (weights.outer[both] * interior_sums[both]).sum(1)
        for name, (left, right) in SMALL.items():
            inner = qb[:, span - left - right, left : count + left]
            pair += getattr(weights, name)[here] * inner
        pair += weights.closing[here] * qm2[:, span - 2, 1 : count + 1]
        qb[here] = pair
        loops[:, :, PAD + span, PAD : PAD + count] = weights.inner[both] * pair[:, None]
        qm2[here] = qm.convolve(qm1, span)
        begun = weights.branch[here] * pair + weights.multi_unpaired[:, span:] * begun[:, :count]
        runs = begun + weights.multi_unpaired[:, :count] * runs[:, 1 : count + 1]
        qm1.put(span, begun)
        qm.put(span, runs + qm2[here])
    prefix, suffix = _exterior_sums(weights, qb)
    return Inside(qb, loops, interior_sums, qm2, qm, qm1, prefix, suffix, weights.scale)


def outside(weights: BoltzmannFactors, sums: Inside) -> Outside:
    """The outside sums, from long spans to short ones."""
    like = weights.hairpin
    batch, length, _ = like.shape
    pairs, branches = torch.zeros_like(like), torch.zeros_like(like)
    loops, interior_sums = _padded(like), torch.zeros_like(weights.outer)
    qm2 = MultiloopTable(like)
    by_total = _sizes_by_total(weights.size).flip(3)
    begun = runs = like.new_zeros(batch, 0)
    for span in range(length - 1, MIN_LOOP, -1):
        count = length - span
        here = (slice(None), span, slice(count))
        both = (slice(None), slice(None), span, slice(count))
        columns = slice(PAD - 1 - MAX_LOOP, PAD - 1 + count)
        products = by_total @ loops[:, :, PAD + span + 2 : PAD + span + 3 + MAX_LOOP, columns]
        interior_sums[both] = _diagonal_view(products, count, MAX_LOOP, -1).sum(2)
        pair = weights.exterior[here] * sums.prefix[:, :count] * sums.suffix[:, span + 1 :]
        pair += (weights.inner[both] * interior_sums[both]).sum(1)
        for name, (left, right) in SMALL.items():
            pair += _enclosing(getattr(weights, name), pairs, span, left, right)
        over_right = qm2.sum_over_right_ends(sums.qm1, span)
        runs = over_right + F.pad(weights.multi_unpaired[:, : count - 1] * runs, (1, 0))
        begun = F.pad(weights.multi_unpaired[:, span + 1 :] * begun, (0, 1))
        begun += qm2.sum_over_left_ends(sums.qm, span) + runs
        branches[here] = begun
        pair += weights.branch[here] * begun
        pairs[here] = pair
        loops[:, :, PAD + span, PAD : PAD + count] = weights.outer[both] * pair[:, None]
        qm2.put(span, over_right + _enclosing(weights.closing, pairs, span, 1, 1))
    return Outside(pairs, loops, branches, interior_sums)


def _padded(like: Tensor) -> Tensor:
    batch, length, _ = like.shape
    return like.new_zeros(batch, 2, length + 2 * PAD, length + 2 * PAD)


def _sizes_by_total(size: Tensor) -> Tensor:
    """Factors of loop sizes (B, kind, l1, l2) -> (B, kind, l1, MAX_LOOP - l1 - l2)."""
    steps = torch.arange(_N_SIDE_LENGTHS, device=size.device)
    right = MAX_LOOP - steps[None, :] - steps[:, None]
    found = size[:, :, steps[:, None], right.clamp(min=0)]
    return torch.where(right >= 0, found, 0.0)


def _diagonal_view(products: Tensor, count: int, start: int, step: int) -> Tensor:
    """(B, 2, l1, W) -> a view (B, 2, l1, count) of the columns start + i + step · l1."""
    products = products.contiguous()
    batch, kinds, steps, line = products.stride()
    shape = (*products.shape[:3], count)
    return products.as_strided(shape, (batch, kinds, steps + step, line), start)


def _enclosing(weight: Tensor, pairs: Tensor, span: int, left: int, right: int) -> Tensor:
    """weight · pairs at the pairs (i - left, j + right) around those of a span, (B, L - span)."""
    more, count = left + right, pairs.shape[2] - span
    if more >= count:
        return pairs.new_zeros(len(pairs), count)
    outer = (slice(None), span + more, slice(count - more))
    return F.pad(weight[outer] * pairs[outer], (left, right))


def _exterior_sums(weights: BoltzmannFactors, pairs: Tensor) -> tuple[Tensor, Tensor]:
    """The prefix and suffix sums of the exterior loop, (B, L + 1) each.

    prefix[j + 1] is base · prefix[j] plus prefix[i] · exterior · qb for each pair (i, j): a
    triangular system, solved from both ends.
    """
    batch, length, _ = pairs.shape
    system = torch.eye(length + 1, dtype=pairs.dtype, device=pairs.device).repeat(batch, 1, 1)
    system[:, 1:, :-1] -= to_matrix(weights.exterior * pairs).transpose(1, 2)
    system.diagonal(-1, 1, 2).sub_(weights.exterior_unpaired)
    ends = pairs.new_zeros(batch, length + 1, 2)
    ends[:, 0, 0] = ends[:, -1, 1] = 1.0
    prefix = torch.linalg.solve_triangular(system, ends[..., :1], upper=False, unitriangular=True)
    transposed = system.transpose(1, 2)
    suffix = torch.linalg.solve_triangular(
        transposed, ends[..., 1:], upper=True, unitriangular=True
    )
    return prefix[..., 0], suffix[..., 0]


def to_matrix(table: Tensor) -> Tensor:
    """A table by span (B, D, L) -> a matrix (B, L, L) by left and right base, upper triangle."""
    index = torch.arange(table.shape[2], device=table.device)
    spans = index[None, :] - index[:, None]
    found = table[:, spans.clamp(min=0), index[:, None]]
    return torch.where(spans >= 0, found, 0.0)
