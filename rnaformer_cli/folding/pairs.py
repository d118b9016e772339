"""The canonical pairs that the bases of sequences can form, and their neighbouring bases.

Shapes
    B  sequences      L  bases, padded to the longest      D  spans j - i from 0 to L - 1

Tables of pairs are (B, D, L): the entry of the pair of base i with base i + d is at [d, i].
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

NO_LETTER = 4  # N, padding and positions outside of the sequence
PAIR_TYPES = ("AU", "CG", "GC", "UA", "GU", "UG")  # 5' to 3', in the order of the pair types
REVERSED_TYPE = (3, 2, 1, 0, 5, 4)  # the type of the same pair, read from the other strand
MIN_LOOP = 3  # bases in a hairpin loop
MAX_EXTENSION = 7  # stackable pairs beyond a helix end are counted up to this number
ALL_SPANS = slice(None)
_MAX_SHIFT = 4  # maximum distance of a letter from a base of the pair


class PairTables:
    """The possible pairs of sequences, their types and neighbouring bases.

    Attributes:
        length: L.
        pair_type: (B, D, L) index into PAIR_TYPES, 0 if the bases cannot pair.
        can_pair: (B, D, L) whether the two bases can pair.
    """

    def __init__(self, bases: Tensor) -> None:
        self.length = bases.shape[1]
        index = torch.arange(self.length, device=bases.device)
        self._padded_bases = F.pad(bases.int(), (_MAX_SHIFT, _MAX_SHIFT), value=NO_LETTER)
        self._right = index[:, None] + index  # [d, i] -> i + d, which may lie beyond the sequence
        types = _pair_types(bases.device)[self.left_letters(0), self.right_letters(0)]
        self.can_pair = (types >= 0) & (index[:, None] > MIN_LOOP) & (self._right < self.length)
        self.pair_type = types.clamp(min=0)
        reversed_type = self.pair_type.new_tensor(REVERSED_TYPE)[self.pair_type]
        self._inner = (5 * self.pair_type + self.left_letters(1)) * 5 + self.right_letters(-1)
        self._outer = (5 * reversed_type + self.right_letters(1)) * 5 + self.left_letters(-1)

    def letters_at(self, shift: int) -> Tensor:
        """The letter `shift` bases right of each base, (B, L)."""
        return self._padded_bases[:, _MAX_SHIFT + shift : _MAX_SHIFT + shift + self.length]

    def left_letters(self, shift: int) -> Tensor:
        """The letter `shift` bases right of the left base, (B, 1, L)."""
        return self.letters_at(shift)[:, None]

    def right_letters(self, shift: int) -> Tensor:
        """The letter `shift` bases right of the right base, (B, D, L)."""
        return gather(self._padded_bases, self._right + _MAX_SHIFT + shift)

    def inner_mismatch(self, table: Tensor, spans: slice = ALL_SPANS) -> Tensor:
        """Entries of a table (6, 5, 5) for the mismatch inside each pair, (B, D, L)."""
        return table.flatten()[self._inner[:, spans]]

    def outer_mismatch(self, table: Tensor) -> Tensor:
        """Entries of a table (6, 5, 5) for the mismatch outside each pair, from its right base."""
        return table.flatten()[self._outer]

    def sum_between(self, values: Tensor) -> Tensor:
        """The sum of values (B, L) over the bases between the two bases of each pair, (B, D, L)."""
        sums = F.pad(values.cumsum(1), (1, 0))
        return gather(sums, self._right) - sums[:, None, 1:]

    def sum_from_to(self, values: Tensor) -> Tensor:
        """The sum of values (B, L) from the left to the right base of each pair, (B, D, L)."""
        sums = F.pad(values.cumsum(1), (1, 0))
        return gather(sums, self._right + 1) - sums[:, None, :-1]

    def extension(self, step: int) -> Tensor:
        """The number of pairs that can stack inside (step 1) or outside (step -1), (B, D, L)."""
        is_stackable, count = self.can_pair, torch.zeros_like(self.pair_type)
        for distance in range(1, MAX_EXTENSION + 1):
            is_stackable = is_stackable & shifted(self.can_pair, step * distance, step * distance)
            count += is_stackable
        return count


def gather(values: Tensor, index: Tensor) -> Tensor:
    """values (B, N), index (D, L) -> values at the index, clamped to N - 1, (B, D, L)."""
    return values[:, index.clamp(max=values.shape[1] - 1)]


def shifted(table: Tensor, left: int, right: int) -> Tensor:
    """(B, D, L) -> the entries of the pairs (i + left, j - right), zero outside the table."""
    total = left + right
    entries = torch.zeros_like(table)
    spans, bases = table.shape[1:]
    if abs(total) >= spans:
        return entries
    if total >= 0:
        entries[:, total:, : bases - left] = table[:, : spans - total, left:]
    else:
        entries[:, :total, -left:] = table[:, -total:, :left]
    return entries


def _pair_types(device: torch.device) -> Tensor:
    """A table (5, 5) of the pair type of two letters, -1 for letters that cannot pair."""
    table = torch.full((5, 5), -1, dtype=torch.int32, device=device)
    for number, pair in enumerate(PAIR_TYPES):
        table["ACGU".index(pair[0]), "ACGU".index(pair[1])] = number
    return table
