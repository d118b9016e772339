"""Decompose a structure into loops, and compute its score."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import torch
from torch import Tensor

from rnaformer_cli.folding.pairs import MIN_LOOP, PAIR_TYPES
from rnaformer_cli.folding.scores import FIXED_SIZE_LOOPS, MAX_LOOP, LoopScores
from rnaformer_cli.structure.nesting import heaviest_nested
from rnaformer_cli.structure.structure import BasePair

LoopIndex = tuple[int, ...]  # of an entry in a field of LoopScores, without the batch dimension


def keep_foldable(
    sequence: str, pairs: Iterable[BasePair], extra_pairs: Collection[BasePair] = ()
) -> list[BasePair]:
    """The pairs that the model can represent, sorted.

    These are canonical or `extra_pairs`, and nested, with at most one partner for each base. Pairs
    that close a bulge or an interior loop of more than MAX_LOOP bases are dropped.
    """
    canonical = [
        (left, right)
        for left, right in sorted(pairs)
        if right - left > MIN_LOOP
        and (sequence[left] + sequence[right] in PAIR_TYPES or (left, right) in extra_pairs)
    ]
    kept = [canonical[index] for index in heaviest_nested(canonical, [1] * len(canonical))]
    while True:
        long = {pair for pair, inner in _enclosed_pairs(kept).items() if _is_long(pair, inner)}
        if not long:
            return sorted(kept)
        kept = [pair for pair in kept if pair not in long]


def decompose_loops(pairs: Iterable[BasePair], length: int) -> list[tuple[str, LoopIndex]]:
    """The loops of a nested structure: the field of LoopScores and the index of each score."""
    loops: list[tuple[str, LoopIndex]] = []
    enclosed = _enclosed_pairs(pairs)
    inner_pairs = {inner for group in enclosed.values() for inner in group}
    outermost = [pair for pair in enclosed if pair not in inner_pairs]
    loops.extend(("exterior_branch", _table_index(pair)) for pair in outermost)
    loops.extend(
        ("exterior_unpaired", (base,)) for base in _unpaired_between(outermost, -1, length)
    )
    for pair, inner in enclosed.items():
        if not inner:
            loops.append(("hairpin", _table_index(pair)))
        elif len(inner) == 1:
            loops.extend(_interior_loops(pair, inner[0]))
        else:
            loops.append(("multi_closing", _table_index(pair)))
            loops.extend(("multi_branch", _table_index(branch)) for branch in inner)
            loops.extend(("multi_unpaired", (base,)) for base in _unpaired_between(inner, *pair))
    return loops


def _table_index(pair: BasePair) -> LoopIndex:
    """The index (span, left base) of a pair in a table (D, L)."""
    left, right = pair
    return (right - left, left)


def _unpaired_between(pairs: Iterable[BasePair], left: int, right: int) -> list[int]:
    """The bases between `left` and `right` that are neither in a pair nor enclosed by one."""
    covered = {base for start, end in pairs for base in range(start, end + 1)}
    return [base for base in range(left + 1, right) if base not in covered]


def _interior_loops(outer: BasePair, inner: BasePair) -> list[tuple[str, LoopIndex]]:
    left, right = inner[0] - outer[0] - 1, outer[1] - inner[1] - 1  # unpaired bases on each side
    for name, distances in FIXED_SIZE_LOOPS.items():
        if distances == (left + 1, right + 1):
            return [(name, _table_index(outer))]
    kind = 0 if min(left, right) < 2 else 1
    return [
        ("interior_closing", (kind, *_table_index(outer))),
        ("interior_inner", (kind, *_table_index(inner))),
        ("interior_size", (kind, left, right)),
    ]


def _enclosed_pairs(pairs: Iterable[BasePair]) -> dict[BasePair, list[BasePair]]:
    """For each pair, the pairs in the loop that it closes."""
    enclosed: dict[BasePair, list[BasePair]] = {}
    enclosing: list[BasePair] = []
    for pair in sorted(pairs):
        while enclosing and enclosing[-1][1] < pair[0]:
            enclosing.pop()
        if enclosing:
            enclosed[enclosing[-1]].append(pair)
        enclosed[pair] = []
        enclosing.append(pair)
    return enclosed


def _is_long(pair: BasePair, inner: list[BasePair]) -> bool:
    """Whether a pair closes a bulge or an interior loop of more than MAX_LOOP bases."""
    if len(inner) != 1:
        return False
    return pair[1] - pair[0] - (inner[0][1] - inner[0][0]) - 2 > MAX_LOOP


def score_structure(loop_scores: LoopScores, row: int, pairs: Iterable[BasePair]) -> Tensor:
    """The score of a structure of the sequence `row` of the batch, a scalar."""
    indices: dict[str, list[LoopIndex]] = {}
    for name, index in decompose_loops(pairs, loop_scores.exterior_unpaired.shape[1]):
        indices.setdefault(name, []).append((row, *index))
    parts = [
        getattr(loop_scores, name)[tuple(zip(*of_field, strict=True))].sum()
        for name, of_field in indices.items()
    ]
    return torch.stack(parts).sum() if parts else loop_scores.interior_size.new_zeros(())
