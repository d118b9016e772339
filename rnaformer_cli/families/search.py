"""Where in a sequence which profiles are looked for, by the words that they share.

A profile is looked for in windows a little longer than itself, so that an RNA is found in the midst
of a long sequence, and as often as it is there. A sequence that is no longer than such a window is
the only one.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaformer_cli.families.profiles import Library

CANDIDATES = 5  # profiles that the whole of a sequence is aligned with

_STRETCH = 400  # bases, for each of which as many windows are aligned
_ROOM = 1.25  # bases of a window for each column of a profile, at the least
_SMALLEST = 64  # bases of a window; each size is half as large again as the one before
_STEPS = 4  # in which windows go on by their own size; one more on both sides is aligned as well
_STRANGERS = 5  # profiles without a word of a window that its likeness to all others counts as well


@dataclass(frozen=True, slots=True)
class Place:
    """A profile, by its number in the library, and the bases from `start` to before `stop`."""

    number: int
    start: int
    stop: int


class Search:
    """The words of a library, by the size of the windows in which each profile is looked for."""

    def __init__(self, library: Library) -> None:
        self._library = library
        numbers: dict[int, list[int]] = defaultdict(list)
        for number, profile in enumerate(library.profiles):
            numbers[_window(len(profile.letters))].append(number)
        self._numbers = {size: np.array(numbers[size]) for size in sorted(numbers)}
        self._words = {
            size: np.stack([library.profiles[number].words for number in own])
            for size, own in self._numbers.items()
        }

    def places(self, codes: NDArray[np.int64]) -> list[Place]:
        """Where to align a sequence (L,) with which profiles, the likeliest first of each kind."""
        return [*self._wholes(codes), *self._parts(codes)]

    def _wholes(self, codes: NDArray[np.int64]) -> list[Place]:
        """Profiles whose windows are no shorter than the sequence."""
        sizes = [size for size in self._numbers if size >= len(codes)]
        if not sizes:
            return []
        signature = self._library.signature(codes)
        likeness = np.concatenate([self._words[size] @ signature for size in sizes])
        numbers = np.concatenate([self._numbers[size] for size in sizes])
        first = np.lexsort((numbers, -likeness))[:CANDIDATES]
        return [Place(int(numbers[one]), 0, len(codes)) for one in first if likeness[one] > 0]

    def _parts(self, codes: NDArray[np.int64]) -> list[Place]:
        """Windows that are more like a profile than like the others of its size."""
        sizes = [size for size in self._numbers if size < len(codes)]
        if not sizes:
            return []
        likeness, numbers, starts, widths = map(
            np.concatenate, zip(*(self._windows(codes, size) for size in sizes), strict=True)
        )
        most = CANDIDATES * math.ceil(len(codes) / _STRETCH)
        taken: dict[int, list[int]] = defaultdict(list)
        places: list[Place] = []
        for one in np.lexsort((starts, numbers, -likeness)):
            number, start, size = int(numbers[one]), int(starts[one]), int(widths[one])
            if likeness[one] <= 0 or len(places) == most:
                break
            if all(abs(start - other) >= size / 2 for other in taken[number]):
                taken[number].append(start)
                margin = size // _STEPS
                stop = min(start + size + margin, len(codes))
                places.append(Place(number, max(start - margin, 0), stop))
        return places

    def _windows(self, codes: NDArray[np.int64], size: int) -> tuple[NDArray[Any], ...]:
        """Likeness, number, start and size for each profile of a size and each of its windows."""
        last = len(codes) - size
        count = math.ceil(last * _STEPS / size) + 1
        starts = np.linspace(0, last, count).round().astype(np.int64)
        signatures = [self._library.signature(codes[start : start + size]) for start in starts]
        shared = self._words[size] @ np.stack(signatures, axis=1)
        likeness = shared - shared.sum(axis=0) / (len(shared) + _STRANGERS)
        numbers = np.repeat(self._numbers[size], count)
        widths = np.full(len(numbers), size)
        return likeness.ravel(), numbers, np.tile(starts, len(shared)), widths


def _window(columns: int) -> int:
    """The size of the windows in which a profile is looked for."""
    size = _SMALLEST
    while size < _ROOM * columns:
        size = size * 3 // 2
    return size
