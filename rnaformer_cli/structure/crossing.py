"""Crossing arcs and arcs with a common end, in O(n log n) time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Arc = tuple[int, int]  # left end, right end
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


def crosses(arcs: Sequence[Arc]) -> Booleans:
    """Whether each arc (left, right) crosses another, with one end inside it and one outside."""
    if not arcs:
        return np.zeros(0, dtype=np.bool_)
    ends, ranks = np.unique(np.asarray(arcs, dtype=np.int64), return_inverse=True)
    left, right = ranks.reshape(-1, 2).T
    size = len(ends)
    furthest, nearest = np.full(size, -1), np.full(size, size)
    np.maximum.at(furthest, left, right)  # right end of the longest arc that begins here
    np.minimum.at(nearest, right, left)  # left end of the longest arc that ends here
    beyond = _range_maximum(furthest, left + 1, right) > right
    before = -_range_maximum(-nearest, left + 1, right) < left
    is_crossing: Booleans = beyond | before
    return is_crossing


def conflict_groups(arcs: Sequence[Arc]) -> list[list[int]]:
    """Group the arcs that cross or share an end: the indices of each connected component.

    The ends are visited from left to right, with a stack of the groups that have open arcs. When an
    arc ends, the groups above its own on the stack began inside it and are still open: they
    cross it and are merged with its group.
    """
    open_arcs = [1] * len(arcs)  # by group
    parent = list(range(len(arcs)))  # of each group in the union-find forest
    stack: list[int] = []
    for _, is_end, _, arc in sorted(_ends(arcs)):
        if not is_end:
            stack.append(arc)
            continue
        group = _find_root(parent, arc)
        while stack[-1] != group:
            merged = stack.pop()
            parent[merged] = group
            open_arcs[group] += open_arcs[merged]
        open_arcs[group] -= 1
        if not open_arcs[group]:
            stack.pop()
    groups: dict[int, list[int]] = {}
    for arc in range(len(arcs)):
        groups.setdefault(_find_root(parent, arc), []).append(arc)
    return list(groups.values())


def _ends(arcs: Sequence[Arc]) -> Iterator[tuple[int, bool, int, int]]:
    """Yield position, is_end, other end, index. In sorted order, arcs with a common end cross."""
    for index, (left, right) in enumerate(arcs):
        yield left, False, right, index
        yield right, True, left, index


def _find_root(parent: list[int], arc: int) -> int:
    """The root of an arc in the union-find forest, with path halving."""
    while parent[arc] != arc:
        parent[arc] = parent[parent[arc]]
        arc = parent[arc]
    return arc


def _range_maximum(values: Integers, start: Integers, stop: Integers) -> Integers:
    """The maximum of values[start:stop] of each range (a sparse table); very low for empty ones."""
    lowest = np.iinfo(np.int64).min // 2
    table = [values]
    while 2 ** len(table) <= len(values):
        width = 2 ** (len(table) - 1)
        table.append(np.maximum(table[-1][:-width], table[-1][width:]))
    maxima = np.full(len(start), lowest, dtype=np.int64)
    level = np.frexp(np.maximum(stop - start, 1).astype(np.float64))[1] - 1
    for row_level, row in enumerate(table):
        has_level = (level == row_level) & (stop > start)
        first, last = start[has_level], stop[has_level] - 2**row_level
        maxima[has_level] = np.maximum(row[first], row[last])
    return maxima
