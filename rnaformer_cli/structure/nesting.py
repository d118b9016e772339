"""The best crossing-free choice among arcs: for bracket layers and for nested decoding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from rnaformer_cli.errors import StructureError
from rnaformer_cli.structure.crossing import crosses, shares_end
from rnaformer_cli.structure.structure import BasePair

MAX_ENDS = 12_000  # 1.2 GB; of the pairs of real RNAs hundreds cross


def heaviest_nested(arcs: Sequence[BasePair], weights: Sequence[float]) -> list[int]:
    """Indices of arcs that neither cross nor share an end, with the largest sum of weights.

    Arcs are (left, right) with left < right; weights are positive. Of equally good choices
    it is the one that begins furthest 5'. Arcs that neither cross another nor share an end with
    one are always chosen; each group of overlapping others, of m arcs with n distinct ends, takes
    n² numbers of memory and m·n steps.

    Raises:
        StructureError: a group of more than MAX_ENDS ends.
    """
    is_free = ~(crosses(arcs) | shares_end(arcs))
    chosen = np.flatnonzero(is_free).tolist()
    for group in _groups(arcs, np.flatnonzero(~is_free).tolist()):
        own = _heaviest([arcs[index] for index in group], [weights[index] for index in group])
        chosen.extend(group[index] for index in own)
    return sorted(chosen)


def _groups(arcs: Sequence[BasePair], indices: list[int]) -> Iterator[list[int]]:
    """The arcs of these indices in groups that lie side by side."""
    group: list[int] = []
    last = -1
    for index in sorted(indices, key=lambda index: arcs[index]):
        left, right = arcs[index]
        if group and left > last:
            yield group
            group = []
        group.append(index)
        last = max(last, right)
    if group:
        yield group


def _heaviest(arcs: Sequence[BasePair], weights: Sequence[float]) -> list[int]:
    """The best choice among arcs that overlap."""
    ends = sorted({end for arc in arcs for end in arc})
    if len(ends) > MAX_ENDS:
        message = f"pairs that cross at more than {MAX_ENDS:,} places, which is the limit"
        raise StructureError(message)
    rank = {end: index for index, end in enumerate(ends)}
    opening: list[list[tuple[int, int]]] = [[] for _ in ends]  # left -> (right, arc index)
    for index in sorted(range(len(arcs)), key=lambda index: arcs[index]):
        opening[rank[arcs[index][0]]].append((rank[arcs[index][1]], index))
    best = _fill(opening, weights)
    return sorted(_trace(opening, weights, best))


def _fill(opening: list[list[tuple[int, int]]], weights: Sequence[float]) -> NDArray[np.float64]:
    """best[i, j]: the largest sum from arcs within the ends i to j - 1."""
    size = len(opening)
    best = np.zeros((size + 2, size + 1))
    for left in range(size - 1, -1, -1):
        row = best[left]
        row[:] = best[left + 1]
        for right, index in opening[left]:
            inside = weights[index] + best[left + 1, right]
            np.maximum(
                row[right + 1 :], inside + best[right + 1, right + 1 :], out=row[right + 1 :]
            )
    return best


def _trace(
    opening: list[list[tuple[int, int]]], weights: Sequence[float], best: NDArray[np.float64]
) -> list[int]:
    chosen: list[int] = []
    todo = [(0, len(opening))]
    while todo:
        left, stop = todo.pop()
        while left < stop:
            for right, index in opening[left]:
                inside = weights[index] + best[left + 1, right]
                if right < stop and inside + best[right + 1, stop] == best[left, stop]:
                    chosen.append(index)
                    todo.append((left + 1, right))
                    left = right
                    break
            left += 1
    return chosen
