"""Sequences -> the family profiles that they match, and the base pairs of these.

Shared words select profiles and windows, alignments give the log-odds of each, and hits that
overlap form a region: at most one of them is right.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rnaformer_cli.families.alignment import Floats, align, log_odds
from rnaformer_cli.families.profiles import Library, Profile
from rnaformer_cli.families.search import Window, WindowSearch
from rnaformer_cli.sequence.encode import encode

_MAX_GAP_TO_BEST = 16.0  # nats; hits further below an overlapping one are dropped
_MIN_LOG_ODDS = 8.0  # nats; weaker hits are dropped
_EPSILON = 1e-6  # avoids a division by zero
_HALF_WINDOW = 6  # bases on each side over which alignment is averaged for homology
_SHARPNESS = 4  # exponent of the odds of being aligned
_MAX_OVERLAP = 0.5  # fraction of the shorter hit; hits with more belong to one region


@dataclass(frozen=True)
class Hit:
    """A profile aligned with a window of R bases."""

    profile: Profile
    log_odds: float  # against a random sequence, nats
    start: int  # first base of the window, 0-based
    aligned: Floats  # (R, C) posterior probability that a base is in a column

    @property
    def stop(self) -> int:
        """One past the last base of the window."""
        return self.start + len(self.aligned)

    @cached_property
    def pairs(self) -> Floats:
        """Base-pair probabilities (R, R), symmetric, given the profile."""
        return pair_probabilities(self.aligned, self.profile)

    @cached_property
    def homology(self) -> Floats:
        """The probability (R,) that a base corresponds to a part of the profile.

        It is high where most bases around it are aligned with columns. Single unaligned bases are
        variation within the family; a longer stretch is an insertion of this RNA.
        """
        aligned, within = (_windowed_sums(one) for one in (self.aligned.sum(axis=1), self.within))
        share = np.clip(aligned / np.maximum(within, _EPSILON), 0.0, 1.0)
        most = share**_SHARPNESS / (share**_SHARPNESS + (1.0 - share) ** _SHARPNESS)
        found: Floats = (most * self.within).astype(np.float32)
        return found

    @cached_property
    def within(self) -> Floats:
        """The probability (R,) that a base lies between the ends of the alignment.

        Unaligned bases are within if aligned ones are on both sides.
        """
        there = self.aligned.sum(axis=1)
        found: Floats = np.minimum(np.minimum(there.cumsum(), there[::-1].cumsum()[::-1]), 1.0)
        return found

    @property
    def span(self) -> tuple[int, int]:
        """First base of the alignment and one past its last, 0-based in the sequence."""
        there = np.flatnonzero(self.within > 0.5)
        if not len(there):
            return self.start, self.stop
        return self.start + int(there[0]), self.start + int(there[-1]) + 1


@dataclass(frozen=True, slots=True)
class Region:
    """Overlapping hits, of which at most one is right."""

    hits: tuple[Hit, ...]  # by falling log-odds
    length: int  # of the whole sequence

    @property
    def log_length(self) -> float:
        """log(L / 100) of the sequence."""
        return math.log(self.length / 100)

    @property
    def start(self) -> int:
        """The first base of all windows, 0-based."""
        return min(hit.start for hit in self.hits)

    @property
    def stop(self) -> int:
        """One past the last base of all windows."""
        return max(hit.stop for hit in self.hits)


class ProfileSearch:
    """Searches sequences for the profiles of a library."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._search = WindowSearch(library)

    def recognise(self, sequences: Sequence[str]) -> list[list[Region]]:
        """The regions of each sequence, by falling log-odds of their best hits; often none."""
        codes = [encode(sequence) for sequence in sequences]
        windows = [
            (number, window)
            for number, own in enumerate(map(self._search.windows, codes))
            for window in own
        ]
        jobs = [
            (codes[number][window.start : window.stop], self._library.profiles[window.number].odds)
            for number, window in windows
        ]
        scored: list[list[_ScoredWindow]] = [[] for _ in codes]
        for job, ((number, window), value) in enumerate(zip(windows, log_odds(jobs), strict=True)):
            scored[number].append(_ScoredWindow(value, window, job))
        best = [(number, one) for number, own in enumerate(scored) for one in _filter_hits(own)]
        aligned = align([jobs[one.job] for _, one in best])
        hits: list[list[Hit]] = [[] for _ in codes]
        for (number, one), decode_posteriors in zip(best, aligned, strict=True):
            profile = self._library.profiles[one.window.number]
            hits[number].append(Hit(profile, one.log_odds, one.window.start, decode_posteriors))
        return [_regions(own, len(code)) for own, code in zip(hits, codes, strict=True)]


@dataclass(frozen=True, slots=True)
class _ScoredWindow:
    """The log-odds of a profile in a window."""

    log_odds: float
    window: Window
    job: int  # number of its alignment


def _filter_hits(found: list[_ScoredWindow]) -> list[_ScoredWindow]:
    """Windows that are close enough to the best overlapping one, by falling log-odds."""
    kept: list[_ScoredWindow] = []
    for one in sorted(found, key=lambda one: -one.log_odds):
        if one.log_odds < _MIN_LOG_ODDS:
            break
        rivals = (other for other in kept if _overlaps(one.window, other.window))
        if all(one.log_odds >= rival.log_odds - _MAX_GAP_TO_BEST for rival in rivals):
            kept.append(one)
    return kept


def _windowed_sums(values: Floats) -> NDArray[np.float64]:
    """Moving sums of values (R,) over _HALF_WINDOW bases on each side."""
    sums = np.concatenate([[0.0], values.cumsum(dtype=np.float64)])
    index = np.arange(len(values))
    start = np.maximum(index - _HALF_WINDOW, 0)
    stop = np.minimum(index + _HALF_WINDOW + 1, len(values))
    moving: NDArray[np.float64] = sums[stop] - sums[start]
    return moving


def _overlaps(one: Window, other: Window) -> bool:
    return one.start < other.stop and other.start < one.stop


def _regions(hits: list[Hit], length: int) -> list[Region]:
    """Group hits, sorted by falling log-odds, by the best hit that they overlap."""
    regions: list[list[Hit]] = []
    for hit in hits:
        same = next((region for region in regions if _compete(region[0].span, hit.span)), None)
        if same is None:
            regions.append([hit])
        else:
            same.append(hit)
    return [Region(tuple(region), length) for region in regions]


def _compete(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two spans overlap by more than _MAX_OVERLAP of the shorter one."""
    shared = min(one[1], other[1]) - max(one[0], other[0])
    return shared > _MAX_OVERLAP * min(one[1] - one[0], other[1] - other[0])


def pair_probabilities(aligned: Floats, profile: Profile) -> Floats:
    """Base-pair probabilities (L, L) of a sequence aligned (L, C) with a profile."""
    upper = (aligned[:, profile.left] * profile.pair_frequency) @ aligned[:, profile.right].T
    both: Floats = np.minimum(upper + upper.T, 1.0)
    np.fill_diagonal(both, 0.0)
    return both
