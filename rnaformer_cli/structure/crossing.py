"""Which arcs cross others, in a time that hardly grows faster than their number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Arc = tuple[int, int]  # left end, right end
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


def crosses(arcs: Sequence[Arc]) -> Booleans:
    """Whether each arc (left, right) has one end of another inside and its other end outside."""
    if not arcs:
        return np.zeros(0, dtype=np.bool_)
    ends, ranks = np.unique(np.asarray(arcs, dtype=np.int64), return_inverse=True)
    left, right = ranks.reshape(-1, 2).T
    size = len(ends)
    furthest, nearest = np.full(size, -1), np.full(size, size)
    np.maximum.at(furthest, left, right)  # right end of the longest arc that begins here
    np.minimum.at(nearest, right, left)  # left end of the longest arc that ends here
    beyond = _highest(furthest, left + 1, right) > right
    before = -_highest(-nearest, left + 1, right) < left
    found: Booleans = beyond | before
    return found


def shares_end(arcs: Sequence[Arc]) -> Booleans:
    """Whether each arc has an end in common with another."""
    if not arcs:
        return np.zeros(0, dtype=np.bool_)
    _, ranks, counts = np.unique(
        np.asarray(arcs, dtype=np.int64), return_inverse=True, return_counts=True
    )
    found: Booleans = np.any(counts[ranks.reshape(-1, 2)] > 1, axis=1)
    return found


def _highest(values: Integers, start: Integers, stop: Integers) -> Integers:
    """The largest of values[start:stop] for each range, by a sparse table; the least for none."""
    lowest = np.iinfo(np.int64).min // 2
    table = [values]
    while 2 ** len(table) <= len(values):
        width = 2 ** (len(table) - 1)
        table.append(np.maximum(table[-1][:-width], table[-1][width:]))
    found = np.full(len(start), lowest, dtype=np.int64)
    level = np.frexp(np.maximum(stop - start, 1).astype(np.float64))[1] - 1
    for number, row in enumerate(table):
        here = (level == number) & (stop > start)
        first, last = start[here], stop[here] - 2**number
        found[here] = np.maximum(row[first], row[last])
    return found
