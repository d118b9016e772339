"""The best nested structure without isolated pairs, and the helices of a structure."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnaformer_cli.structure.structure import BasePair

_MINUS_INFINITY = -(2**62)
_MAX_BULGE = 1  # unpaired bases on each side within a helix


@dataclass(slots=True)
class _Arc:
    """A candidate pair. `left` and `right` are ranks among the bases of all candidates."""

    pair: BasePair
    left: int
    right: int
    gain: int
    may_be_isolated: bool
    inner: _Arc | None = None  # the candidate that stacks on its inner side
    # Largest sum of gains of this pair and those it encloses, if no pair stacks on its outer side,
    # and if one does.
    best_as_outermost: int = _MINUS_INFINITY
    best_if_stacked: int = _MINUS_INFINITY


def best_helices(
    gains: Mapping[BasePair, int], may_be_isolated: Collection[BasePair] = ()
) -> list[BasePair]:
    """The nested pairs with the largest sum of gains.

    Every pair is stacked on another one (i - 1, j + 1 or i + 1, j - 1) or `may_be_isolated`. Gains
    are positive. This is Nussinov's recursion (1978) with a second state for pairs on which another
    pair stacks, as for `--noLP` in RNAfold. With m candidates, n bases among them, and up to w of
    these within a candidate it needs n·w integers of memory and m·w steps.
    """
    opening = _arcs(gains, may_be_isolated)
    return sorted(_traceback(opening, _fill(opening)))


def split_into_helices(pairs: Iterable[BasePair]) -> Iterator[list[BasePair]]:
    """The helices of pairs without multiplets, each from its outermost pair inwards.

    A helix may contain bulges and interior loops of one unpaired base on each side.
    """
    remaining = set(pairs)
    for pair in sorted(remaining):
        if pair in remaining:
            helix = [pair]
            while (inner := _next_inner_pair(helix[-1], remaining)) is not None:
                helix.append(inner)
            remaining.difference_update(helix)
            yield helix


def extend_helices(
    pairs: Mapping[BasePair, float], allowed: Collection[BasePair]
) -> list[BasePair]:
    """Extend helices at both ends by allowed pairs of unpaired bases, the most probable first."""
    longer = set(pairs)
    taken = {base for pair in pairs for base in pair}
    ends = deque(sorted(pairs, key=lambda pair: (-pairs[pair], pair)))
    while ends:
        left, right = ends.popleft()
        for neighbour in ((left - 1, right + 1), (left + 1, right - 1)):
            if neighbour in allowed and taken.isdisjoint(neighbour):
                longer.add(neighbour)
                taken.update(neighbour)
                ends.append(neighbour)
    return sorted(longer)


def _next_inner_pair(pair: BasePair, pairs: Collection[BasePair]) -> BasePair | None:
    """The next pair of the same helix, with up to _MAX_BULGE unpaired bases on each side."""
    for skipped_left in range(_MAX_BULGE + 1):
        for skipped_right in range(_MAX_BULGE + 1):
            inner = (pair[0] + 1 + skipped_left, pair[1] - 1 - skipped_right)
            if inner in pairs:
                return inner
    return None


def _arcs(gains: Mapping[BasePair, int], isolated: Collection[BasePair]) -> list[list[_Arc]]:
    """The candidates for each rank of the left base, shortest first."""
    ends = sorted({end for pair in gains for end in pair})
    rank = {end: index for index, end in enumerate(ends)}
    opening: list[list[_Arc]] = [[] for _ in ends]
    arcs: dict[BasePair, _Arc] = {}
    for pair in sorted(gains, key=lambda pair: (-pair[0], pair[1])):
        left, right = pair
        arc = _Arc(pair, rank[left], rank[right], gains[pair], pair in isolated)
        arc.inner = arcs.get((left + 1, right - 1))
        arcs[pair] = arc
        opening[arc.left].append(arc)
    return opening


@dataclass(frozen=True, slots=True)
class _Best:
    """The largest sum of gains within the ranks from one to another, which it does not include."""

    within: NDArray[np.int64]  # [i, w]: within i to i + w - 1, up to the length of the longest arc
    to_end: NDArray[np.int64]  # [i]: within i and the last rank

    def __call__(self, left: int, stop: int) -> int:
        if stop == len(self.to_end) - 1:
            return int(self.to_end[left])
        return int(self.within[left, stop - left])


def _fill(opening: list[list[_Arc]]) -> _Best:
    """The table of sums, and the sums of each candidate."""
    size = len(opening)
    width = 1 + max((arc.right - arc.left for group in opening for arc in group), default=0)
    within, to_end = np.zeros((size + 1, width), np.int64), np.zeros(size + 1, np.int64)
    for left in range(size - 1, -1, -1):
        row = within[left]
        row[1:] = within[left + 1, :-1]
        to_end[left] = to_end[left + 1]
        for arc in opening[left]:
            free = int(within[left + 1, arc.right - left - 1])
            stacked = arc.inner.best_if_stacked if arc.inner else _MINUS_INFINITY
            arc.best_if_stacked = arc.gain + max(free, stacked)
            arc.best_as_outermost = arc.gain + max(
                stacked, free if arc.may_be_isolated else _MINUS_INFINITY
            )
            if arc.best_as_outermost > 0:
                after = arc.right + 1
                to_end[left] = max(to_end[left], arc.best_as_outermost + to_end[after])
                longer = row[after - left :]
                behind = within[after, : len(longer)]
                np.maximum(longer, arc.best_as_outermost + behind, out=longer)
    return _Best(within, to_end)


def _traceback(opening: list[list[_Arc]], best: _Best) -> list[BasePair]:
    """The pairs of an optimal structure."""
    pairs: list[BasePair] = []
    intervals = [(0, len(opening))]
    while intervals:
        left, stop = intervals.pop()
        while left < stop:
            arc = _first_helix(opening[left], best, left, stop)
            if arc is None:
                left += 1
                continue
            left = arc.right + 1
            helix, innermost = _helix_from(arc, best)
            pairs.extend(helix)
            intervals.append((innermost.left + 1, innermost.right))
    return pairs


def _first_helix(arcs: list[_Arc], best: _Best, left: int, stop: int) -> _Arc | None:
    """The candidate that opens a helix at `left` in an optimum; None if that base is unpaired."""
    if best(left, stop) == best(left + 1, stop):
        return None
    return next(
        arc
        for arc in arcs
        if arc.right < stop
        and arc.best_as_outermost + best(arc.right + 1, stop) == best(left, stop)
    )


def _helix_from(arc: _Arc, best: _Best) -> tuple[list[BasePair], _Arc]:
    """The stacked pairs of a helix from its outermost pair inwards, and the innermost one."""
    pairs = [arc.pair]
    may_end = arc.may_be_isolated
    while arc.inner is not None:
        if may_end and arc.inner.best_if_stacked <= best(arc.left + 1, arc.right):
            break
        arc, may_end = arc.inner, True
        pairs.append(arc.pair)
    return pairs, arc
