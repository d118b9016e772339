"""All pairs that the bases of sequences could form, and what stands beside them.

Shapes
    B  sequences      L  bases, padded to the longest      D  spans j - i from 0 to L - 1

Tables of pairs are (B, D, L): the pair of base i with base i + d stands at [d, i].
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

NO_LETTER = 4  # N, padding and what is beyond the ends
PAIRS = ("AU", "CG", "GC", "UA", "GU", "UG")  # 5' to 3'; the numbers of the pair types
TURNED = (3, 2, 1, 0, 5, 4)  # the type of the same pair read from the other strand
MIN_LOOP = 3  # bases in a hairpin loop
ROOM = 7  # pairs that could go on a helix are counted up to so many
ALL = slice(None)
_BESIDE = 4  # letters that are looked at beside the ends


class Pairs:
    """The pairs of sequences, their types and the letters beside them.

    Attributes:
        length: L.
        kind: the pair type, 0 where there is no pair (B, D, L).
        possible: whether the two bases can pair (B, D, L).
    """

    def __init__(self, bases: Tensor) -> None:
        self.length = bases.shape[1]
        index = torch.arange(self.length, device=bases.device)
        self._ringed = F.pad(bases.int(), (_BESIDE, _BESIDE), value=NO_LETTER)
        self._ends = index[:, None] + index  # [d, i]: the right base, or what is beyond
        found = _pair_types(bases.device)[self.left(0), self.right(0)]
        self.possible = (found >= 0) & (index[:, None] > MIN_LOOP) & (self._ends < self.length)
        self.kind = found.clamp(min=0)
        turned = self.kind.new_tensor(TURNED)[self.kind]
        self._inner = (5 * self.kind + self.left(1)) * 5 + self.right(-1)
        self._outer = (5 * turned + self.right(1)) * 5 + self.left(-1)

    def beside(self, shift: int) -> Tensor:
        """The letter `shift` bases right of each base, (B, L)."""
        return self._ringed[:, _BESIDE + shift : _BESIDE + shift + self.length]

    def left(self, shift: int) -> Tensor:
        """The letter `shift` bases right of the left base, (B, 1, L)."""
        return self.beside(shift)[:, None]

    def right(self, shift: int) -> Tensor:
        """The letter `shift` bases right of the right base, (B, D, L)."""
        return at(self._ringed, self._ends + _BESIDE + shift)

    def facing(self, table: Tensor, spans: slice = ALL) -> Tensor:
        """What a table of mismatches, [pair type, letter, letter], has for those inside."""
        return table.flatten()[self._inner[:, spans]]

    def turned_away(self, table: Tensor) -> Tensor:
        """The same for those outside; the pair is read from its right base on."""
        return table.flatten()[self._outer]

    def inside(self, values: Tensor) -> Tensor:
        """The sum of values of bases (B, L) over those between the two, (B, D, L)."""
        sums = F.pad(values.cumsum(1), (1, 0))
        return at(sums, self._ends) - sums[:, None, 1:]

    def whole(self, values: Tensor) -> Tensor:
        """The same with the two themselves, (B, D, L)."""
        sums = F.pad(values.cumsum(1), (1, 0))
        return at(sums, self._ends + 1) - sums[:, None, :-1]

    def room(self, step: int) -> Tensor:
        """How many pairs could stack on each, inside (step 1) or outside (-1), (B, D, L)."""
        could, count = self.possible, torch.zeros_like(self.kind)
        for number in range(1, ROOM + 1):
            could = could & moved(self.possible, step * number, step * number)
            count += could
        return count


def at(values: Tensor, places: Tensor) -> Tensor:
    """values (B, N), places (D, L) -> what stands there, or at the end, (B, D, L)."""
    return values[:, places.clamp(max=values.shape[1] - 1)]


def moved(table: Tensor, left: int, right: int) -> Tensor:
    """(B, D, L) -> what stands at the pair so many bases further inside (outside below zero)."""
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
