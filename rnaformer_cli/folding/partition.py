"""The partition function over nested structures: inside and outside recursions (McCaskill 1990).

The names of the sums are those of the ViennaRNA package: qb, qm, qm1, qm2. Sums are not stored as
logarithms; each is divided by exp(scale) for every base in it, which keeps it within the range of
a float64. Spans are processed from short to long (inside) and from long to short (outside), all
pairs of a span and all sequences at once.

Shapes are those of pairs.py. Tables by span are (B, D, L), like LoopScores. Sums over all splits of
a span use tables by base, (B, L, L), padded with rows of zeros, from which strided views take the
terms of all splits.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rnaformer_cli.folding.pairs import MIN_LOOP
from rnaformer_cli.folding.scores import FIXED_SIZE_LOOPS, MAX_LOOP, LoopScores
from rnaformer_cli.folding.splits import InsideSplits, MultiloopTable, OutsideSplits

_N_SIDE_LENGTHS = MAX_LOOP + 1
PAD = _N_SIDE_LENGTHS + 1  # spans and bases of zeros around a table by span
_MIN_SPAN = MIN_LOOP + 1  # span of a pair


@dataclass(slots=True)
class BoltzmannFactors:
    """exp(score) of all loops, divided by exp(scale) for each base; fields as in LoopScores."""

    hairpin: Tensor
    stack: Tensor
    left_bulge: Tensor
    right_bulge: Tensor
    interior_1x1: Tensor
    interior_closing: Tensor
    interior_inner: Tensor
    interior_size: Tensor
    multi_closing: Tensor
    multi_branch: Tensor
    exterior_branch: Tensor
    multi_unpaired: Tensor  # (B, L)
    exterior_unpaired: Tensor  # (B, L)
    scale: float
    unpaired_runs: Tensor | None = None  # as in LoopScores; not a factor


@dataclass(slots=True)
class Inside:
    """Inside sums, scaled."""

    qb: Tensor  # (B, D, L) structures closed by the pair
    qb_interior: Tensor  # (B, 2, D + 2 PAD, L + 2 PAD) qb · interior_inner, padded with zeros
    interior_sums: Tensor  # (B, 2, D, L) interior loops, without the factor of the closing pair
    qm2: Tensor  # (B, D, L) parts of a multiloop with at least two branches
    qm: MultiloopTable  # parts with at least one branch
    qm1: MultiloopTable  # parts with one branch, which begins at the left base
    prefix: Tensor  # (B, L + 1) structures of the first i bases
    suffix: Tensor  # (B, L + 1) structures of the bases from i on
    scale: float  # logarithm of the scaling factor of each base

    @property
    def total(self) -> Tensor:
        """The partition function (B,), scaled."""
        return self.prefix[:, -1]


@dataclass(slots=True)
class Outside:
    """Outside sums, scaled."""

    qb: Tensor  # (B, D, L) outside of each pair
    qb_interior: Tensor  # (B, 2, D + 2 PAD, L + 2 PAD) qb · interior_closing, padded with zeros
    multi_branch: Tensor  # (B, D, L) outside of pairs that are branches of a multiloop
    interior_sums: Tensor  # (B, 2, D, L) interior loops, without the factor of the inner pair


def boltzmann_factors(
    loop_scores: LoopScores, scale: float, dtype: torch.dtype = torch.float64
) -> BoltzmannFactors:
    """exp(score) of each loop, divided by exp(scale) for every base of the loop."""
    device = loop_scores.hairpin.device
    spans = torch.arange(loop_scores.hairpin.shape[1], device=device, dtype=dtype)
    steps = torch.arange(_N_SIDE_LENGTHS, device=device, dtype=dtype)
    sizes = 2 + steps[:, None] + steps[None, :]

    def exp(score: Tensor, bases: Tensor | float = 0.0) -> Tensor:
        return torch.exp(score.to(dtype) - scale * bases)

    return BoltzmannFactors(
        hairpin=exp(loop_scores.hairpin, (spans + 1)[:, None]),
        **{
            name: exp(getattr(loop_scores, name), sum(sides))
            for name, sides in FIXED_SIZE_LOOPS.items()
        },
        interior_closing=exp(loop_scores.interior_closing),
        interior_inner=exp(loop_scores.interior_inner),
        interior_size=exp(loop_scores.interior_size, sizes),
        multi_closing=exp(loop_scores.multi_closing, 2.0),
        multi_branch=exp(loop_scores.multi_branch),
        exterior_branch=exp(loop_scores.exterior_branch),
        multi_unpaired=exp(loop_scores.multi_unpaired, 1.0),
        exterior_unpaired=exp(loop_scores.exterior_unpaired, 1.0),
        scale=scale,
        unpaired_runs=loop_scores.unpaired_runs,
    )


def inside(weights: BoltzmannFactors) -> Inside:
    """The inside sums, from short spans to long ones."""
    like = weights.hairpin
    batch, length, _ = like.shape
    qb, qm2 = torch.zeros_like(like), torch.zeros_like(like)
    qb_interior, interior_sums = _zeros_padded(like), torch.zeros_like(weights.interior_closing)
    qm, qm1 = MultiloopTable(like), MultiloopTable(like)
    splits = InsideSplits(qm, qm1)
    by_total = _sizes_by_total(weights.interior_size)
    qm1_span = one_branch = like.new_zeros(batch, length)  # of the last span, (B, L - span)
    for span in range(_MIN_SPAN, length):
        count = length - span
        at = (slice(None), span, slice(count))
        at_both = (slice(None), slice(None), span, slice(count))  # both kinds of interior loops
        # Interior loops: first the sum over all sizes with l1 bases left, then over l1.
        rows = slice(PAD + span - 2 - MAX_LOOP, PAD + span - 1)
        if weights.unpaired_runs is None:
            columns = slice(PAD + 1, PAD + 1 + count + MAX_LOOP)
            products = by_total @ qb_interior[:, :, rows, columns]
            interior_sums[at_both] = _diagonal_view(products, count, 0, 1).sum(2)
        else:
            before, after = weights.unpaired_runs
            limits = after[:, :count], before[:, span:]
            interior_sums[at_both] = _limited_inside_sums(by_total, qb_interior[:, :, rows], limits)
        interior = (weights.interior_closing[at_both] * interior_sums[at_both]).sum(1)
        qb_span = weights.hairpin[at] + interior
        for name, (left, right) in FIXED_SIZE_LOOPS.items():
            inner = qb[:, span - left - right, left : count + left]
            qb_span.addcmul_(getattr(weights, name)[at], inner)
        qb_span.addcmul_(weights.multi_closing[at], qm2[:, span - 2, 1 : count + 1])
        qb[at] = qb_span
        inner_factors = weights.interior_inner[at_both]
        qb_interior[:, :, PAD + span, PAD : PAD + count] = inner_factors * qb_span[:, None]
        qm2[at] = splits.sums(span)
        unpaired_right = weights.multi_unpaired[:, span:] * qm1_span[:, :count]
        qm1_span = weights.multi_branch[at] * qb_span + unpaired_right
        unpaired_left = weights.multi_unpaired[:, :count] * one_branch[:, 1 : count + 1]
        one_branch = qm1_span + unpaired_left
        qm1.set_span(span, qm1_span)
        qm.set_span(span, one_branch + qm2[at])
    prefix, suffix = _exterior_sums(weights, qb)
    return Inside(qb, qb_interior, interior_sums, qm2, qm, qm1, prefix, suffix, weights.scale)


def outside(weights: BoltzmannFactors, sums: Inside) -> Outside:
    """The outside sums, from long spans to short ones."""
    like = weights.hairpin
    batch, length, _ = like.shape
    qb, branches = torch.zeros_like(like), torch.zeros_like(like)
    qb_interior, interior_sums = _zeros_padded(like), torch.zeros_like(weights.interior_closing)
    qm2 = MultiloopTable(like)
    right_splits = OutsideSplits(qm2, sums.qm1, rightwards=True)
    left_splits = OutsideSplits(qm2, sums.qm, rightwards=False)
    by_total = _sizes_by_total(weights.interior_size).flip(3)
    branch_span = one_branch = like.new_zeros(batch, 0)  # of the last span, (B, L - span)
    for span in range(length - 1, MIN_LOOP, -1):
        count = length - span
        at = (slice(None), span, slice(count))
        at_both = (slice(None), slice(None), span, slice(count))  # both kinds of interior loops
        rows = slice(PAD + span + 2, PAD + span + 3 + MAX_LOOP)
        if weights.unpaired_runs is None:
            columns = slice(PAD - 1 - MAX_LOOP, PAD - 1 + count)
            products = by_total @ qb_interior[:, :, rows, columns]
            interior_sums[at_both] = _diagonal_view(products, count, MAX_LOOP, -1).sum(2)
        else:
            before, after = weights.unpaired_runs
            limits = before[:, :count], after[:, span:]
            interior_sums[at_both] = _limited_outside_sums(
                by_total, qb_interior[:, :, rows], limits
            )
        qb_span = qb[at]  # loops of fixed size inside of longer spans are already in it
        exterior = weights.exterior_branch[at] * sums.prefix[:, :count]
        qb_span.addcmul_(exterior, sums.suffix[:, span + 1 :])
        qb_span += (weights.interior_inner[at_both] * interior_sums[at_both]).sum(1)
        over_right = right_splits.sums(span)
        branch_sums = over_right.clone()
        branch_sums[:, 1:].addcmul_(weights.multi_unpaired[:, : count - 1], one_branch)
        one_branch = branch_sums
        branch_sums = left_splits.sums(span) + one_branch
        branch_sums[:, :-1].addcmul_(weights.multi_unpaired[:, span + 1 :], branch_span)
        branches[at] = branch_span = branch_sums
        qb_span.addcmul_(weights.multi_branch[at], branch_span)
        for name, (left, right) in FIXED_SIZE_LOOPS.items():
            if span > left + right:
                inner = qb[:, span - left - right, left : count + left]
                inner.addcmul_(getattr(weights, name)[at], qb_span)
        closing_factors = weights.interior_closing[at_both]
        qb_interior[:, :, PAD + span, PAD : PAD + count] = closing_factors * qb_span[:, None]
        if count > 2:
            closing = (slice(None), span + 2, slice(count - 2))
            over_right[:, 1:-1].addcmul_(weights.multi_closing[closing], qb[closing])
        qm2.set_span(span, over_right)
    return Outside(qb, qb_interior, branches, interior_sums)


def _limited_inside_sums(by_total: Tensor, rows: Tensor, limits: tuple[Tensor, Tensor]) -> Tensor:
    """Interior loops of all closing pairs of a span, (B, 2, count), with limits of unpaired bases.

    `rows` (B, 2, MAX_LOOP + 1, W) are those of the inner pairs, for falling l1 + l2. `limits` are
    (B, count), the largest l1 and l2 of each closing pair.
    """
    left, right = limits
    count = left.shape[1]
    sums = rows.new_zeros(*rows.shape[:2], count)
    for size in range(int(left.max()) + 1):  # l1
        n_sizes = _N_SIDE_LENGTHS - size  # l2 falls from n_sizes - 1 to 0
        other = torch.arange(n_sizes - 1, -1, -1, device=rows.device)
        fits = (other[:, None] <= right[:, None]) & (size <= left[:, None])
        factors = by_total[:, :, size, :n_sizes, None] * fits[:, None]
        first = PAD + 1 + size
        sums += (factors * rows[:, :, :n_sizes, first : first + count]).sum(2)
    return sums


def _limited_outside_sums(by_total: Tensor, rows: Tensor, limits: tuple[Tensor, Tensor]) -> Tensor:
    """The same for all inner pairs of a span; `rows` are those of the closing pairs, by l1 + l2."""
    left, right = limits
    count = left.shape[1]
    sums = rows.new_zeros(*rows.shape[:2], count)
    for size in range(int(left.max()) + 1):  # l1
        other = torch.arange(_N_SIDE_LENGTHS - size, device=rows.device)
        fits = (other[:, None] <= right[:, None]) & (size <= left[:, None])
        factors = by_total[:, :, size, size:, None] * fits[:, None]
        first = PAD - 1 - size
        sums += (factors * rows[:, :, size:, first : first + count]).sum(2)
    return sums


def _zeros_padded(like: Tensor) -> Tensor:
    """Zeros (B, 2, D + 2 PAD, L + 2 PAD) for a table (B, D, L)."""
    batch, length, _ = like.shape
    return like.new_zeros(batch, 2, length + 2 * PAD, length + 2 * PAD)


def _sizes_by_total(size: Tensor) -> Tensor:
    """Factors of loop sizes (B, kind, l1, l2) -> (B, kind, l1, MAX_LOOP - l1 - l2)."""
    steps = torch.arange(_N_SIDE_LENGTHS, device=size.device)
    right = MAX_LOOP - steps[None, :] - steps[:, None]
    by_total = size[:, :, steps[:, None], right.clamp(min=0)]
    return torch.where(right >= 0, by_total, 0.0)


def _diagonal_view(products: Tensor, count: int, start: int, step: int) -> Tensor:
    """(B, 2, l1, W) -> a view (B, 2, l1, count) of the columns start + i + step · l1."""
    products = products.contiguous()
    batch, kinds, rows, columns = products.stride()
    shape = (*products.shape[:3], count)
    return products.as_strided(shape, (batch, kinds, rows + step, columns), start)


def _exterior_sums(weights: BoltzmannFactors, qb: Tensor) -> tuple[Tensor, Tensor]:
    """The prefix and suffix sums of the exterior loop, (B, L + 1) each, from qb (B, D, L).

    prefix[j + 1] = exterior_unpaired[j] · prefix[j] + the sum of prefix[i] · exterior_branch · qb
    over the pairs (i, j): a triangular system, solved from both ends.
    """
    batch, length, _ = qb.shape
    system = torch.eye(length + 1, dtype=qb.dtype, device=qb.device).repeat(batch, 1, 1)
    system[:, 1:, :-1] -= to_matrix(weights.exterior_branch * qb).transpose(1, 2)
    system.diagonal(-1, 1, 2).sub_(weights.exterior_unpaired)
    ends = qb.new_zeros(batch, length + 1, 2)
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
    matrix = table[:, spans.clamp(min=0), index[:, None]]
    return torch.where(spans >= 0, matrix, 0.0)


def to_spans(matrix: Tensor) -> Tensor:
    """The upper triangle of a matrix (B, L, L) by left and right base -> a table (B, D, L)."""
    index = torch.arange(matrix.shape[2], device=matrix.device)
    right = index[:, None] + index  # [d, i] -> i + d
    table = matrix[:, index, right.clamp(max=len(index) - 1)]
    return table.masked_fill(right >= len(index), 0)
