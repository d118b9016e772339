"""The best nested structure without isolated pairs, and the helices of a structure."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaformer_cli.structure.structure import BasePair

_MINUS_INFINITY = -(2**62)
_MAX_BULGE = 1  # unpaired bases on each side within a helix


@dataclass(slots=True)
class _Arc:
    """A candidate pair; `left` and `right` are ranks among the ends of all candidates."""

    pair: BasePair
    left: int
    right: int
    gain: int
    may_be_isolated: bool
    inner: _Arc | None = None  # the candidate stacked inside of it
    best_as_outermost: int = (
        _MINUS_INFINITY  # largest sum inside of and with this pair, if nothing is stacked outside
    )
    best_if_stacked: int = _MINUS_INFINITY  # the same if a pair is stacked outside


def best_helices(
    gains: Mapping[BasePair, int], may_be_isolated: Collection[BasePair] = ()
) -> list[BasePair]:
    """The nested pairs with the largest sum of gains.

    Every pair is stacked on another one (i - 1, j + 1 or i + 1, j - 1) or `may_be_isolated`.
    Gains are positive. Nussinov's recursion (1978) with one more state for a pair that something is
    stacked on, as for `--noLP` in RNAfold. With n distinct ends and m candidates it needs n²
    integers of memory and m·n steps.
    """
    opening = _arcs(gains, may_be_isolated)
    return sorted(_traceback(opening, _fill(opening)))


def helices(pairs: Iterable[BasePair]) -> Iterator[list[BasePair]]:
    """The helices of pairs without multiplets, each from its outermost pair inwards.

    A helix may contain bulges and interior loops of one unpaired base on each side.
    """
    left = set(pairs)
    for pair in sorted(left):
        if pair in left:
            helix = [pair]
            while (following := _next_inner_pair(helix[-1], left)) is not None:
                helix.append(following)
            left.difference_update(helix)
            yield helix


def extended(pairs: Mapping[BasePair, float], allowed: Collection[BasePair]) -> list[BasePair]:
    """Extend helices at both ends by allowed pairs of unpaired bases, the most probable first."""
    found = set(pairs)
    taken = {base for pair in pairs for base in pair}
    ends = deque(sorted(pairs, key=lambda pair: (-pairs[pair], pair)))
    while ends:
        left, right = ends.popleft()
        for following in ((left - 1, right + 1), (left + 1, right - 1)):
            if following in allowed and taken.isdisjoint(following):
                found.add(following)
                taken.update(following)
                ends.append(following)
    return sorted(found)


def _next_inner_pair(pair: BasePair, pairs: Collection[BasePair]) -> BasePair | None:
    for skipped in range(_MAX_BULGE + 1):
        for other in range(_MAX_BULGE + 1):
            inner = (pair[0] + 1 + skipped, pair[1] - 1 - other)
            if inner in pairs:
                return inner
    return None


def _arcs(gains: Mapping[BasePair, int], isolated: Collection[BasePair]) -> list[list[_Arc]]:
    """Candidates by the rank of their left end, shortest first."""
    ends = sorted({end for pair in gains for end in pair})
    rank = {end: index for index, end in enumerate(ends)}
    opening: list[list[_Arc]] = [[] for _ in ends]
    found: dict[BasePair, _Arc] = {}
    for pair in sorted(gains, key=lambda pair: (-pair[0], pair[1])):
        left, right = pair
        arc = _Arc(pair, rank[left], rank[right], gains[pair], pair in isolated)
        arc.inner = found.get((left + 1, right - 1))
        found[pair] = arc
        opening[arc.left].append(arc)
    return opening


def _fill(opening: list[list[_Arc]]) -> NDArray[np.int64]:
    """best[i, j]: the largest sum from candidates within the ends i to j - 1."""
    size = len(opening)
    best = np.zeros((size + 2, size + 1), np.int64)
    for left in range(size - 1, -1, -1):
        row = best[left]
        row[:] = best[left + 1]
        for arc in opening[left]:
            free = int(best[left + 1, arc.right])
            stacked = arc.inner.best_if_stacked if arc.inner else _MINUS_INFINITY
            arc.best_if_stacked = arc.gain + max(free, stacked)
            arc.best_as_outermost = arc.gain + max(
                stacked, free if arc.may_be_isolated else _MINUS_INFINITY
            )
            if arc.best_as_outermost > 0:
                behind = arc.right + 1
                np.maximum(
                    row[behind:], arc.best_as_outermost + best[behind, behind:], out=row[behind:]
                )
    return best


def _traceback(opening: list[list[_Arc]], best: NDArray[np.int64]) -> list[BasePair]:
    chosen: list[BasePair] = []
    todo = [(0, len(opening))]
    while todo:
        left, stop = todo.pop()
        while left < stop:
            arc = _first(opening[left], best, left, stop)
            if arc is None:
                left += 1
                continue
            left = arc.right + 1
            helix, innermost = _helix_from(arc, best)
            chosen.extend(helix)
            todo.append((innermost.left + 1, innermost.right))
    return chosen


def _first(arcs: list[_Arc], best: NDArray[Any], left: int, stop: int) -> _Arc | None:
    """The candidate that opens a helix at this end in the optimum; None if the end is unpaired."""
    if best[left, stop] == best[left + 1, stop]:
        return None
    return next(
        arc
        for arc in arcs
        if arc.right < stop
        and arc.best_as_outermost + best[arc.right + 1, stop] == best[left, stop]
    )


def _helix_from(arc: _Arc, best: NDArray[Any]) -> tuple[list[BasePair], _Arc]:
    """The stacked pairs of a helix from its outermost pair inwards, and the innermost one."""
    chosen = [arc.pair]
    may_end = arc.may_be_isolated
    while arc.inner is not None:
        if may_end and arc.inner.best_if_stacked <= best[arc.left + 1, arc.right]:
            break
        arc, may_end = arc.inner, True
        chosen.append(arc.pair)
    return chosen, arc
