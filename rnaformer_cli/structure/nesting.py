"""Maximum-weight nested subsets of arcs, for bracket layers and for nested decoding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaformer_cli.errors import StructureError
from rnaformer_cli.structure.crossing import conflict_groups
from rnaformer_cli.structure.structure import BasePair

# A table of 0.3 GB (counts) or 0.6 GB (scores); pseudoknots of real RNAs have hundreds of ends.
MAX_ENDS = 12_000
_LARGEST = np.iinfo(np.int32).max

# Each row is one entry shorter than the row before.
Table = list[NDArray[np.float64]] | list[NDArray[np.int32]]


def heaviest_nested(
    arcs: Sequence[BasePair], weights: Sequence[float], max_ends: int | None = None
) -> list[int]:
    """Indices of arcs that neither cross nor have a common end, with the largest sum of weights.

    Arcs are (left, right) with left < right; weights are positive. Of several optima the one that
    starts furthest 5' is chosen, if their sums are exact. Each group of arcs in conflict is solved
    separately; with m arcs and n distinct ends this takes memory for n² / 2 numbers, and m·n steps.

    Raises:
        StructureError: a group with more than `max_ends` (default MAX_ENDS) ends.
    """
    limit = MAX_ENDS if max_ends is None else max_ends
    chosen: list[int] = []
    for group in conflict_groups(arcs):
        if len({end for index in group for end in arcs[index]}) > limit:
            message = f"more than {limit:,} ends of crossing helices (the limit)"
            raise StructureError(message)
        best = _heaviest([arcs[index] for index in group], [weights[index] for index in group])
        chosen.extend(group[index] for index in best)
    return sorted(chosen)


def _heaviest(arcs: Sequence[BasePair], weights: Sequence[float]) -> list[int]:
    """The indices of the best nested subset of one group."""
    if len(arcs) == 1:
        return [0]
    ends = sorted({end for arc in arcs for end in arc})
    rank = {end: index for index, end in enumerate(ends)}
    opening: list[list[tuple[int, int]]] = [[] for _ in ends]  # left -> (right, arc index)
    for index in sorted(range(len(arcs)), key=lambda index: arcs[index]):
        opening[rank[arcs[index][0]]].append((rank[arcs[index][1]], index))
    best = _fill(opening, weights)
    return sorted(_trace(opening, weights, best))


def _fill(opening: list[list[tuple[int, int]]], weights: Sequence[float]) -> Table:
    """best[i][j - i]: the largest sum of weights of arcs within the ends i to j - 1, for i <= j."""
    size = len(opening)
    is_counted = all(isinstance(weight, int) for weight in weights) and sum(weights) < _LARGEST
    best: list[Any] = [np.zeros(1, np.int32 if is_counted else np.float64)] * (size + 1)
    for left in range(size - 1, -1, -1):
        row = np.concatenate([best[size], best[left + 1]])
        for right, index in opening[left]:
            inside = weights[index] + best[left + 1][right - left - 1]
            tail = row[right + 1 - left :]
            np.maximum(tail, inside + best[right + 1], out=tail)
        best[left] = row
    return best


def _trace(
    opening: list[list[tuple[int, int]]], weights: Sequence[float], best: Table
) -> list[int]:
    """The indices of the arcs of the optimum that starts furthest 5'."""
    chosen: list[int] = []
    todo = [(0, len(opening))]
    while todo:
        left, stop = todo.pop()
        while left < stop:
            for right, index in opening[left]:
                if right >= stop:
                    continue
                inside = weights[index] + best[left + 1][right - left - 1]
                if inside + best[right + 1][stop - right - 1] == best[left][stop - left]:
                    chosen.append(index)
                    todo.append((left + 1, right))
                    left = right
                    break
            left += 1
    return chosen
