"""Sums over all splits of the parts of multiloops, for all pairs of a span at once.

The terms of a sum are products along rows of two tables. In long sequences most of them are
products of square tiles: a matrix product computes them for all pairs of two tiles, once the tables
are complete up to the spans that it needs. The sums then need only the terms near the ends.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

_PAD_ROWS = 2  # rows of zeros before and after a table by base
_TILE = 32  # bases
_MIN_TILES = 8  # shorter sequences are computed without tiles


class MultiloopTable:
    """A table of sums (i, j), stored by rows and by columns.

    The terms of a split are contiguous in a row of one of the two copies and begin one base later
    for the next pair of the span, so that one strided view holds all of them. At the end of a
    shorter row, the view continues into zeros of the next row.
    """

    def __init__(self, like: Tensor) -> None:
        batch, self.length, _ = like.shape
        self.n_tiles = -(-self.length // _TILE) if self.length >= _MIN_TILES * _TILE else 0
        self._width = self.n_tiles * _TILE or self.length
        shape = (batch, self._width + 2 * _PAD_ROWS, self._width)
        self.by_left, self.by_right = like.new_zeros(shape), like.new_zeros(shape)

    def set_span(self, span: int, sums: Tensor) -> None:
        """Set the sums of a span, (B, L - span)."""
        rows, columns = slice(_PAD_ROWS, _PAD_ROWS + self.length), slice(self.length)
        self.by_left[:, rows, columns].diagonal(span, 1, 2).copy_(sums)
        self.by_right[:, rows, columns].diagonal(-span, 1, 2).copy_(sums)

    def matrix(self) -> Tensor:
        """The sums by left and right base, (B, L, L)."""
        return self.by_left[:, _PAD_ROWS : _PAD_ROWS + self.length, : self.length]

    def left_rows(self, base: int, column: int, count: int, n: int) -> Tensor:
        """n sums of each of `count` left bases from a base on, (B, count, n).

        Those of the first begin at a column, those of the next one column later.
        """
        return self._rows(self.by_left, base, column, count, n)

    def right_rows(self, base: int, column: int, count: int, n: int) -> Tensor:
        """The same for right bases; columns are left bases."""
        return self._rows(self.by_right, base, column, count, n)

    def left_tiles(self, base: int, column: int, count: int, n: int) -> Tensor:
        """Blocks (B, count, _TILE, n) by left base, each one tile below and right of the last."""
        return self._blocks(self.by_left, base, column, (count, _TILE, n))

    def right_tiles(self, base: int, column: int, count: int, n: int) -> Tensor:
        """The same by right base; columns are left bases."""
        return self._blocks(self.by_right, base, column, (count, _TILE, n))

    def _rows(self, table: Tensor, base: int, column: int, count: int, n: int) -> Tensor:
        strides = (table.stride(0), self._width + 1, 1)
        return table.as_strided((len(table), count, n), strides, self._offset(base, column))

    def _blocks(self, table: Tensor, base: int, column: int, shape: tuple[int, int, int]) -> Tensor:
        strides = (table.stride(0), _TILE * (self._width + 1), self._width, 1)
        return table.as_strided((len(table), *shape), strides, self._offset(base, column))

    def _offset(self, base: int, column: int) -> int:
        """The place of a column, which may be negative, in the row of a base."""
        return (_PAD_ROWS + base) * self._width + column


class SplitSums(ABC):
    """Sums over splits of all pairs of a span, (B, L - span).

    With tiles, the pair of a base of tile I and one of tile J has the distance J - I in tiles. A
    distance is computed before the first span that has such pairs.
    """

    def __init__(self, first: MultiloopTable, second: MultiloopTable) -> None:
        self.first, self.second = first, second
        self.length, self.n_tiles = first.length, first.n_tiles
        batch = len(first.by_left)
        self._far = first.by_left.new_zeros(
            batch, self.length + _TILE, self.length * bool(self.n_tiles)
        )
        base = torch.arange(self.length, device=self._far.device)[:, None]
        self._tile_start = base // _TILE * _TILE
        self._bands: list[Tensor] = []

    @abstractmethod
    def sums(self, span: int) -> Tensor:
        """The sums of a span; spans are computed in order."""

    def _far_sums(self, span: int) -> Tensor:
        """Those of the terms in tiles that are not near."""
        return self._far[:, span, : self.length - span]

    def _multiply_tiles(self, left: Tensor, right: Tensor, distance: int, tile: int) -> None:
        """Set the products of blocks (B, count, _TILE, n) and (B, count, n, _TILE).

        They are those of the tiles (tile, tile + distance), (tile + 1, tile + distance + 1), ...
        """
        count, length = left.shape[1], self.length
        first = (distance * _TILE - _TILE + 1) * length + (tile + 1) * _TILE - 1
        for row, (one, other) in enumerate(zip(left, right, strict=True)):
            cells = self._far[row].as_strided(
                (count, _TILE, _TILE),
                (_TILE, length - 1, length),
                self._far[row].storage_offset() + first,
            )
            cells.copy_((one @ other).flip(1))  # with falling left bases, strides are positive


class InsideSplits(SplitSums):
    """For (i, j): the sum over k of first(i, k) · second(k + 1, j); spans rise."""

    _next_distance = 4

    def sums(self, span: int) -> Tensor:
        """The sums of a span."""
        count = self.length - span
        if not self.n_tiles or span < 4 * _TILE:
            left = self.first.left_rows(0, 0, count, span)
            return (left * self.second.right_rows(span, 1, count, span)).sum(2)
        while self._next_distance <= min((span - 1) // _TILE + 1, self.n_tiles - 1):
            self._add_distance(self._next_distance)
            self._next_distance += 1
        n = 2 * _TILE
        self._bands = self._bands or self._make_bands()
        left = self._bands[0][:, :count] * self.second.right_rows(span, 1, count, n)
        right = self._bands[1][:, span:] * self.first.left_rows(0, span - n, count, n)
        return (left + right).sum(2) + self._far_sums(span)

    def _add_distance(self, distance: int) -> None:
        count, n = self.n_tiles - distance, (distance - 3) * _TILE
        left = self.first.left_tiles(0, 2 * _TILE, count, n)
        shape = (len(left), count, n, _TILE)
        strides = (left.stride(0), left.stride(1), left.stride(2), 1)
        begin = self.second.left_tiles(2 * _TILE + 1, distance * _TILE, count, _TILE)
        right = begin.as_strided(shape, strides, begin.storage_offset())
        self._multiply_tiles(left, right, distance, 0)

    def _make_bands(self) -> list[Tensor]:
        """The terms in the tile of each left base and the next, and likewise of each right base."""
        n = 2 * _TILE
        base, steps = torch.arange(self.length, device=self._far.device)[:, None], torch.arange(n)
        left = self.first.left_rows(0, 0, self.length, n)
        right = self.second.right_rows(0, 1 - n, self.length, n)
        steps = steps.to(base.device)
        is_left = base + steps < self._tile_start + n
        is_right = base - n + steps >= self._tile_start - _TILE
        return [left.where(is_left, 0.0), right.where(is_right, 0.0)]


class OutsideSplits(SplitSums):
    """Sums over the bases right of (i, k), or left of (k, j), for falling spans."""

    def __init__(self, first: MultiloopTable, second: MultiloopTable, *, rightwards: bool) -> None:
        """Rightwards the sum over j of first(i, j) · second(k + 1, j).

        Otherwise that over i < k of first(i, j) · second(i, k - 1).
        """
        super().__init__(first, second)
        self._rightwards = rightwards
        self._next_distance = self.n_tiles - 3
        if self.n_tiles:
            self._bands = [self._make_band()]

    def sums(self, span: int) -> Tensor:
        """The sums of a span."""
        count = self.length - span
        has_tiles = self.n_tiles and span >= _TILE
        while has_tiles and span < (self._next_distance + 1) * _TILE and self._next_distance:
            self._add_distance(self._next_distance)
            self._next_distance -= 1
        n = 2 * _TILE if has_tiles else count - 1
        if self._rightwards:
            rows = self.first.left_rows(0, span + 1, count, n)
            others = self.second.left_rows(span + 1, span + 1, count, n)
            band = slice(span, None)
        else:
            rows = self.first.right_rows(span, -n, count, n)
            others = self.second.right_rows(-1, -n, count, n)
            band = slice(count)
        if not has_tiles:
            return (rows * others).sum(2)
        return (rows * self._bands[0][:, band]).sum(2) + self._far_sums(span)

    def _add_distance(self, distance: int) -> None:
        count = self.n_tiles - 2 - distance
        n = count * _TILE
        if self._rightwards:
            column = (distance + 2) * _TILE
            left = self.first.left_tiles(0, column, count, n)
            right = self.second.left_tiles(distance * _TILE + 1, column, count, n)
            self._multiply_tiles(left, right.transpose(2, 3), distance, 0)
        else:
            column = _TILE - n
            left = self.second.right_tiles(2 * _TILE - 1, column, count, n)
            right = self.first.right_tiles((2 + distance) * _TILE, column, count, n)
            self._multiply_tiles(left, right.transpose(2, 3), distance, 2)

    def _make_band(self) -> Tensor:
        """The terms in the tile of each k and the next one in the direction of the sum."""
        n = 2 * _TILE
        steps = torch.arange(n, device=self._far.device)
        base = torch.arange(self.length, device=self._far.device)[:, None]
        if self._rightwards:
            is_near = base + 1 + steps < self._tile_start + n
            return self.second.left_rows(1, 1, self.length, n).where(is_near, 0.0)
        is_near = base - n + steps >= (self._tile_start - _TILE).clamp(min=0)
        return self.second.right_rows(-1, -n, self.length, n).where(is_near, 0.0)
