"""The best crossing-free choice among arcs: for bracket layers and for nested decoding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rnaformer_cli.structure.structure import BasePair


def heaviest_nested(arcs: Sequence[BasePair], weights: Sequence[float]) -> list[int]:
    """Indices of arcs that neither cross nor share an end, with the largest sum of weights.

    Arcs are (left, right) with left < right; weights are positive. Of equally good choices
    it is the one that begins furthest 5'. With n distinct ends and m arcs: n² numbers of
    memory, m·n steps.
    """
    ends = sorted({end for arc in arcs for end in arc})
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
