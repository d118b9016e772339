"""All canonical pairs that the bases of sequences can form, and their neighbouring bases.

Shapes
    B  sequences      L  bases, padded to the longest      D  spans j - i from 0 to L - 1

Tables of pairs are (B, D, L): the pair of base i with base i + d stands at [d, i].
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

NO_LETTER = 4  # N, padding and positions outside of the sequence
PAIRS = ("AU", "CG", "GC", "UA", "GU", "UG")  # 5' to 3', in the order of the pair types
REVERSED_TYPE = (3, 2, 1, 0, 5, 4)  # the type of the same pair, read from the other strand
MIN_LOOP = 3  # bases in a hairpin loop
MAX_EXTENSION = 7  # stackable pairs beyond a helix end are counted up to this number
ALL = slice(None)
_MAX_SHIFT = 4  # bases from a pair's ends


class Pairs:
    """The possible pairs of sequences, their types and neighbouring bases.

    Attributes:
        length: L.
        kind: the pair type, 0 where there is no pair (B, D, L).
        possible: whether the two bases can pair (B, D, L).
    """

    def __init__(self, bases: Tensor) -> None:
        self.length = bases.shape[1]
        index = torch.arange(self.length, device=bases.device)
        self._padded_bases = F.pad(bases.int(), (_MAX_SHIFT, _MAX_SHIFT), value=NO_LETTER)
        self._ends = index[:, None] + index  # [d, i]: the right base, or what is beyond
        found = _pair_types(bases.device)[self.left(0), self.right(0)]
        self.possible = (found >= 0) & (index[:, None] > MIN_LOOP) & (self._ends < self.length)
        self.kind = found.clamp(min=0)
        turned = self.kind.new_tensor(REVERSED_TYPE)[self.kind]
        self._inner = (5 * self.kind + self.left(1)) * 5 + self.right(-1)
        self._outer = (5 * turned + self.right(1)) * 5 + self.left(-1)

    def base_at(self, shift: int) -> Tensor:
        """The letter `shift` bases right of each base, (B, L)."""
        return self._padded_bases[:, _MAX_SHIFT + shift : _MAX_SHIFT + shift + self.length]

    def left(self, shift: int) -> Tensor:
        """The letter `shift` bases right of the left base, (B, 1, L)."""
        return self.base_at(shift)[:, None]

    def right(self, shift: int) -> Tensor:
        """The letter `shift` bases right of the right base, (B, D, L)."""
        return gather(self._padded_bases, self._ends + _MAX_SHIFT + shift)

    def inner_mismatch(self, table: Tensor, spans: slice = ALL) -> Tensor:
        """Entries of a table [pair type, letter, letter] for the mismatch inside of each pair."""
        return table.flatten()[self._inner[:, spans]]

    def outer_mismatch(self, table: Tensor) -> Tensor:
        """The same for the mismatch outside of each pair, which is read from its right base."""
        return table.flatten()[self._outer]

    def inside(self, values: Tensor) -> Tensor:
        """The sum of values (B, L) over the bases inside of each pair, (B, D, L)."""
        sums = F.pad(values.cumsum(1), (1, 0))
        return gather(sums, self._ends) - sums[:, None, 1:]

    def whole(self, values: Tensor) -> Tensor:
        """The same including the two bases of the pair, (B, D, L)."""
        sums = F.pad(values.cumsum(1), (1, 0))
        return gather(sums, self._ends + 1) - sums[:, None, :-1]

    def extension(self, step: int) -> Tensor:
        """The number of pairs that could stack inside (step 1) or outside (-1), (B, D, L)."""
        stackable, count = self.possible, torch.zeros_like(self.kind)
        for number in range(1, MAX_EXTENSION + 1):
            stackable = stackable & shifted(self.possible, step * number, step * number)
            count += stackable
        return count


def gather(values: Tensor, index: Tensor) -> Tensor:
    """values (B, N), index (D, L) -> values at the index, clamped to the end, (B, D, L)."""
    return values[:, index.clamp(max=values.shape[1] - 1)]


def shifted(table: Tensor, left: int, right: int) -> Tensor:
    """(B, D, L) -> entries of the pairs (i + left, j - right), zero where there is none."""
    total = left + right
    shape = torch.zeros_like(table)
    spans, bases = table.shape[1:]
    if abs(total) >= spans:
        return shape
    if total >= 0:
        shape[:, total:, : bases - left] = table[:, : spans - total, left:]
    else:
        shape[:, :total, -left:] = table[:, -total:, :left]
    return shape


def _pair_types(device: torch.device) -> Tensor:
    """The pair type of two letters, -1 for none."""
    table = torch.full((5, 5), -1, dtype=torch.int32, device=device)
    for number, pair in enumerate(PAIRS):
        table["ACGU".index(pair[0]), "ACGU".index(pair[1])] = number
    return table
