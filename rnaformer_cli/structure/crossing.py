"""Which arcs cross others or share ends, in little more time than it takes to sort them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
    beyond = _range_maximum(furthest, left + 1, right) > right
    before = -_range_maximum(-nearest, left + 1, right) < left
    found: Booleans = beyond | before
    return found


def conflict_groups(arcs: Sequence[Arc]) -> list[list[int]]:
    """Indices of the arcs in sets: those that cross or share an end are in one, as are theirs.

    The ends are walked from left to right over a stack of sets that have arcs open. Those above
    the set of an arc that ends began within it and are still open, so they cross it.
    """
    open_arcs = [1] * len(arcs)  # of the set with that number
    number = list(range(len(arcs)))  # of the set that an arc began with or was merged into
    stack: list[int] = []
    for _, is_end, _, arc in sorted(_ends(arcs)):
        if not is_end:
            stack.append(arc)
            continue
        own = _find_root(number, arc)
        while stack[-1] != own:
            other = stack.pop()
            number[other] = own
            open_arcs[own] += open_arcs[other]
        open_arcs[own] -= 1
        if not open_arcs[own]:
            stack.pop()
    sets: dict[int, list[int]] = {}
    for arc in range(len(arcs)):
        sets.setdefault(_find_root(number, arc), []).append(arc)
    return list(sets.values())


def _ends(arcs: Sequence[Arc]) -> Iterator[tuple[int, bool, int, int]]:
    """The ends in an order in which arcs that share one cross: place, kind, other end, index."""
    for index, (left, right) in enumerate(arcs):
        yield left, False, right, index
        yield right, True, left, index


def _find_root(number: list[int], arc: int) -> int:
    """The set of an arc; the way there is halved for the next time."""
    while number[arc] != arc:
        number[arc] = number[number[arc]]
        arc = number[arc]
    return arc


def _range_maximum(values: Integers, start: Integers, stop: Integers) -> Integers:
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
