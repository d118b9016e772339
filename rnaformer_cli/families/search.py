"""The heuristic filter of the profile search: windows of a sequence and candidate profiles.

Candidates are ranked by the cosine similarity of tf-idf vectors of k-mers. Windows are slightly
longer than the profile, so that several copies in a long sequence are found. A sequence that is
not longer than the window of a profile is a single window.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaformer_cli.families.alignment import Floats
from rnaformer_cli.families.profiles import Library

MAX_CANDIDATES = 5  # profiles that a whole sequence is aligned with

_BASES_PER_WINDOW = 400  # up to MAX_CANDIDATES windows are aligned for this many bases
_WINDOW_PER_COLUMN = 1.25  # minimum bases of a window for each column of a profile
_MIN_WINDOW = 64  # bases; window sizes grow by factors of 1.5
_STEPS_PER_WINDOW = 4  # windows overlap; alignment adds one step on both sides
_PSEUDO_PROFILES = 5  # profiles of similarity 0 that are added to the background of a window


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a sequence, and a profile that it may match."""

    profile_index: int  # in the library
    start: int  # first base, 0-based
    stop: int  # one past the last base


class WindowSearch:
    """The k-mer vectors of a library, grouped by window size.

    Vectors are stored by k-mer, (N_KMERS, profiles of the size): a cosine reads only the rows of
    the k-mers that a sequence has, which are few.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        by_size: dict[int, list[int]] = defaultdict(list)
        for index, profile in enumerate(library.profiles):
            by_size[_window_size(len(profile.emissions))].append(index)
        self._profiles = {size: np.array(by_size[size]) for size in sorted(by_size)}
        self._vectors = {
            size: np.stack([library.profiles[index].kmer_vector for index in indices], axis=1)
            for size, indices in self._profiles.items()
        }

    def windows(self, codes: NDArray[np.int64]) -> list[Window]:
        """The windows of a sequence (L,) that are to be aligned, by falling similarity."""
        return [*self._whole_sequence(codes), *self._within_sequence(codes)]

    def _whole_sequence(self, codes: NDArray[np.int64]) -> list[Window]:
        """The whole sequence, for profiles whose windows are not shorter than it."""
        sizes = [size for size in self._profiles if size >= len(codes)]
        if not sizes:
            return []
        vector = self._library.vectorise(codes)[None]
        similarity = np.concatenate([self._cosines(vector, size)[:, 0] for size in sizes])
        profiles = np.concatenate([self._profiles[size] for size in sizes])
        best = np.lexsort((profiles, -similarity))[:MAX_CANDIDATES]
        return [Window(int(profiles[i]), 0, len(codes)) for i in best if similarity[i] > 0]

    def _within_sequence(self, codes: NDArray[np.int64]) -> list[Window]:
        """Windows that are more similar to a profile than to the mean profile of its size."""
        sizes = [size for size in self._profiles if size < len(codes)]
        if not sizes:
            return []
        similarity, profiles, starts, widths = map(
            np.concatenate, zip(*(self._similarities(codes, size) for size in sizes), strict=True)
        )
        max_windows = MAX_CANDIDATES * math.ceil(len(codes) / _BASES_PER_WINDOW)
        taken: dict[int, list[int]] = defaultdict(list)
        windows: list[Window] = []
        for i in np.lexsort((starts, profiles, -similarity)):
            profile, start, size = int(profiles[i]), int(starts[i]), int(widths[i])
            if similarity[i] <= 0 or len(windows) == max_windows:
                break
            if all(abs(start - other) >= size / 2 for other in taken[profile]):
                taken[profile].append(start)
                margin = size // _STEPS_PER_WINDOW
                stop = min(start + size + margin, len(codes))
                windows.append(Window(profile, max(start - margin, 0), stop))
        return windows

    def _similarities(self, codes: NDArray[np.int64], size: int) -> tuple[NDArray[Any], ...]:
        """Similarity, profile index, start and size for each profile of a size and each window."""
        last = len(codes) - size
        count = math.ceil(last * _STEPS_PER_WINDOW / size) + 1
        starts = np.linspace(0, last, count).round().astype(np.int64)
        vectors = [self._library.vectorise(codes[start : start + size]) for start in starts]
        cosines = self._cosines(np.stack(vectors), size)
        similarity = cosines - cosines.sum(axis=0) / (len(cosines) + _PSEUDO_PROFILES)
        profiles = np.repeat(self._profiles[size], count)
        widths = np.full(len(profiles), size)
        return similarity.ravel(), profiles, np.tile(starts, len(cosines)), widths

    def _cosines(self, vectors: Floats, size: int) -> Floats:
        """The cosines (P, W) of the profiles of a size with vectors (W, N_KMERS)."""
        kmers = np.flatnonzero(vectors.any(axis=0))
        cosines: Floats = (vectors[:, kmers] @ self._vectors[size][kmers]).T
        return cosines


def _window_size(columns: int) -> int:
    """The bases of a window for a profile with `columns` columns."""
    size = _MIN_WINDOW
    while size < _WINDOW_PER_COLUMN * columns:
        size = size * 3 // 2
    return size
