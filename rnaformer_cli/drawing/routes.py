"""Curves of pairs that the layout leaves out, around its helices and loops."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rnaformer_cli.drawing.layout import Coordinates
from rnaformer_cli.structure.structure import BasePair

MAX_ROUTES = 200  # more curves are straight lines
MAX_CELLS = 40_000  # of the grid
_STEP = 0.5  # of the grid, bases
_MARGIN = 5.0  # of the grid around the layout, bases
_CLEARANCE = 0.9  # from other bases and pairs
# Costs of a step: through a base or a helix, on another curve, next to it, elsewhere. Steps next to
# a curve are cheaper, so that the curves of one pseudoknot are parallel.
_OCCUPIED, _ON_CURVE, _NEXT_TO_CURVE, _FREE = 60.0, 3.0, 0.7, 1.0
_NEIGHBOURS = [(1, 0, 1.0), (-1, 0, 1.0), (0, 1, 1.0), (0, -1, 1.0)] + [
    (across, up, 2**0.5) for across in (-1, 1) for up in (-1, 1)
]
Cell = tuple[int, int]


def route_pairs(
    coordinates: Coordinates, pairs: Sequence[BasePair], drawn: Sequence[BasePair]
) -> list[Coordinates]:
    """A curve (n, 2) for each pair, from base to base; `drawn` are the pairs of the layout.

    Each curve is the cheapest path on a grid where bases, pairs and other curves cost more.
    """
    if not pairs:
        return []
    if len(pairs) > MAX_ROUTES:
        return [coordinates[list(pair)] for pair in pairs]
    grid = _Grid(coordinates, drawn)
    return [grid.route(left, right) for left, right in pairs]


class _Grid:
    def __init__(self, coordinates: Coordinates, drawn: Sequence[BasePair]) -> None:
        self._bases = coordinates
        low, high = coordinates.min(0) - _MARGIN, coordinates.max(0) + _MARGIN
        area = float(np.prod(high - low))
        self._step = max(_STEP, (area / MAX_CELLS) ** 0.5)
        self._low = low
        shape = np.ceil((high - low) / self._step).astype(int) + 1
        self._costs = np.full((int(shape[0]), int(shape[1])), _FREE)
        self._owner = np.full(self._costs.shape, -1)  # the base that occupies a cell, or -1
        for base, place in enumerate(coordinates):
            self._occupy(place, base)
        for left, right in drawn:
            for part in np.linspace(0.0, 1.0, 6)[1:-1]:
                place = (1 - part) * coordinates[left] + part * coordinates[right]
                self._occupy(place, left if part < 0.5 else right)

    def route(self, left: int, right: int) -> Coordinates:
        """The curve between two bases, which becomes an obstacle of later ones."""
        ends = self._cell(self._bases[left]), self._cell(self._bases[right])
        cells = self._cheapest(*ends, left, right)
        for across, up in cells:
            nearby = self._costs[max(across - 2, 0) : across + 3, max(up - 2, 0) : up + 3]
            nearby[nearby == _FREE] = _NEXT_TO_CURVE
        for across, up in cells:
            near = self._costs[max(across - 1, 0) : across + 2, max(up - 1, 0) : up + 2]
            near[near <= _FREE] = _ON_CURVE
        places = self._low + self._step * np.array(cells, dtype=float)
        places[0], places[-1] = self._bases[left], self._bases[right]
        return _smooth(places)

    def _cell(self, place: NDArray[np.float64]) -> Cell:
        across, up = np.rint((place - self._low) / self._step).astype(int)
        return int(across), int(up)

    def _occupy(self, place: NDArray[np.float64], base: int) -> None:
        across, up = self._cell(place)
        reach = int(np.ceil(_CLEARANCE / self._step))
        block = np.mgrid[
            max(across - reach, 0) : across + reach + 1, max(up - reach, 0) : up + reach + 1
        ].reshape(2, -1)
        near = np.linalg.norm(self._low + self._step * block.T - place, axis=1) < _CLEARANCE
        cells = tuple(block[:, near])
        self._costs[cells] = _OCCUPIED
        self._owner[cells] = base

    def _cheapest(self, start: Cell, goal: Cell, left: int, right: int) -> list[Cell]:
        """The cheapest path (A*); cells of the two bases themselves cost little."""
        wide, high = self._costs.shape
        costs, owners = self._costs, self._owner
        best, before = {start: 0.0}, {start: start}
        queue = [(0.0, start)]
        done = set()
        while queue:
            _, cell = heapq.heappop(queue)
            if cell == goal:
                break
            if cell in done:
                continue
            done.add(cell)
            for across, up, length in _NEIGHBOURS:
                other = cell[0] + across, cell[1] + up
                if not (0 <= other[0] < wide and 0 <= other[1] < high) or other in done:
                    continue
                cost = costs[other] if owners[other] not in (left, right) else 3.0
                total = best[cell] + length * float(cost)
                if total < best.get(other, np.inf):
                    best[other], before[other] = total, cell
                    rest = _NEXT_TO_CURVE * float(np.hypot(other[0] - goal[0], other[1] - goal[1]))
                    heapq.heappush(queue, (total + rest, other))
        path = [goal]
        while path[-1] != start:
            path.append(before[path[-1]])
        return path[::-1]


def _smooth(places: Coordinates) -> Coordinates:
    """The path without the corners of the grid; both ends stay."""
    for _ in range(4):
        inner = (places[:-2] + 2 * places[1:-1] + places[2:]) / 4
        places = np.concatenate([places[:1], inner, places[-1:]])
    return places if len(places) < 5 else np.concatenate([places[:-1:2], places[-1:]])
