"""The heuristic filter of the profile search: windows of a sequence and candidate profiles.

Candidates are ranked by shared words, as in BLAST. A profile is searched for in windows slightly
longer than itself, so that several copies in a long sequence are found. A sequence that is not
longer than such a window is a single window.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaformer_cli.families.profiles import Library

MAX_CANDIDATES = 5  # profiles that a whole sequence is aligned with

_BASES_PER_WINDOW = 400  # up to MAX_CANDIDATES windows are aligned for this many bases
_WINDOW_PER_COLUMN = 1.25  # least bases of a window for each column of a profile
_MIN_WINDOW = 64  # bases; window sizes grow by factors of 1.5
_STEPS_PER_WINDOW = 4  # windows overlap; one step more on both sides is aligned
_PSEUDO_PROFILES = (
    5  # profiles without a word of a window that its similarity to all others counts as well
)


@dataclass(frozen=True, slots=True)
class Window:
    """Bases `start` to `stop` - 1 of a sequence, and the number of a profile in the library."""

    number: int
    start: int
    stop: int


class WindowSearch:
    """The word vectors of a library, grouped by window size."""

    def __init__(self, library: Library) -> None:
        self._library = library
        numbers: dict[int, list[int]] = defaultdict(list)
        for number, profile in enumerate(library.profiles):
            numbers[_window_size(len(profile.letters))].append(number)
        self._numbers = {size: np.array(numbers[size]) for size in sorted(numbers)}
        self._words = {
            size: np.stack([library.profiles[number].words for number in own])
            for size, own in self._numbers.items()
        }

    def windows(self, codes: NDArray[np.int64]) -> list[Window]:
        """The windows of a sequence (L,) that are worth an alignment, by falling similarity."""
        return [*self._whole_sequence(codes), *self._within_sequence(codes)]

    def _whole_sequence(self, codes: NDArray[np.int64]) -> list[Window]:
        """Profiles whose windows are not shorter than the sequence."""
        sizes = [size for size in self._numbers if size >= len(codes)]
        if not sizes:
            return []
        signature = self._library.signature(codes)
        similarity = np.concatenate([self._words[size] @ signature for size in sizes])
        numbers = np.concatenate([self._numbers[size] for size in sizes])
        first = np.lexsort((numbers, -similarity))[:MAX_CANDIDATES]
        return [Window(int(numbers[one]), 0, len(codes)) for one in first if similarity[one] > 0]

    def _within_sequence(self, codes: NDArray[np.int64]) -> list[Window]:
        """Windows that are more similar to a profile than to the mean profile of its size."""
        sizes = [size for size in self._numbers if size < len(codes)]
        if not sizes:
            return []
        similarity, numbers, starts, widths = map(
            np.concatenate, zip(*(self._similarities(codes, size) for size in sizes), strict=True)
        )
        most = MAX_CANDIDATES * math.ceil(len(codes) / _BASES_PER_WINDOW)
        taken: dict[int, list[int]] = defaultdict(list)
        windows: list[Window] = []
        for one in np.lexsort((starts, numbers, -similarity)):
            number, start, size = int(numbers[one]), int(starts[one]), int(widths[one])
            if similarity[one] <= 0 or len(windows) == most:
                break
            if all(abs(start - other) >= size / 2 for other in taken[number]):
                taken[number].append(start)
                margin = size // _STEPS_PER_WINDOW
                stop = min(start + size + margin, len(codes))
                windows.append(Window(number, max(start - margin, 0), stop))
        return windows

    def _similarities(self, codes: NDArray[np.int64], size: int) -> tuple[NDArray[Any], ...]:
        """Similarity, number, start and size for each profile of a size and each window."""
        last = len(codes) - size
        count = math.ceil(last * _STEPS_PER_WINDOW / size) + 1
        starts = np.linspace(0, last, count).round().astype(np.int64)
        signatures = [self._library.signature(codes[start : start + size]) for start in starts]
        shared = self._words[size] @ np.stack(signatures, axis=1)
        similarity = shared - shared.sum(axis=0) / (len(shared) + _PSEUDO_PROFILES)
        numbers = np.repeat(self._numbers[size], count)
        widths = np.full(len(numbers), size)
        return similarity.ravel(), numbers, np.tile(starts, len(shared)), widths


def _window_size(columns: int) -> int:
    """The size of the windows for a profile of so many columns."""
    size = _MIN_WINDOW
    while size < _WINDOW_PER_COLUMN * columns:
        size = size * 3 // 2
    return size
