"""Search sequences for family profiles: sequences in, regions with aligned profiles out.

A k-mer filter selects profiles and windows, and alignment gives the log-odds of each window.
Overlapping hits form a region. At most one hit of a region is a true match.
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
_HALF_WINDOW = 6  # bases on each side over which posteriors are averaged for homology
_SHARPNESS = 4  # exponent of the odds of being aligned
_MAX_OVERLAP = 0.5  # fraction of the shorter hit; hits that overlap more form one region


@dataclass(frozen=True)
class Hit:
    """A profile aligned with a window of R bases."""

    profile: Profile
    log_odds: float  # against a random sequence, nats
    start: int  # first base of the window, 0-based
    posteriors: Floats  # (R, C) probability that a base is aligned with a column

    @property
    def stop(self) -> int:
        """One past the last base of the window."""
        return self.start + len(self.posteriors)

    @cached_property
    def pair_probabilities(self) -> Floats:
        """Base-pair probabilities (R, R), symmetric, given that the window matches the profile."""
        return project_pairs(self.posteriors, self.profile)

    @cached_property
    def homology(self) -> Floats:
        """The probability (R,) that a base corresponds to a part of the profile.

        It is high if most neighbouring bases are aligned with columns. Single unaligned bases are
        variation within the family; a longer stretch is an insertion of this RNA.
        """
        aligned = _windowed_sums(self.posteriors.sum(axis=1))
        enclosed = _windowed_sums(self.envelope_probability)
        fraction = np.clip(aligned / np.maximum(enclosed, _EPSILON), 0.0, 1.0)
        power, complement = fraction**_SHARPNESS, (1.0 - fraction) ** _SHARPNESS
        sharpened = power / (power + complement)
        homology: Floats = (sharpened * self.envelope_probability).astype(np.float32)
        return homology

    @cached_property
    def envelope_probability(self) -> Floats:
        """The probability (R,) that a base lies between the ends of the alignment.

        Unaligned bases lie within it if there are aligned bases on both sides.
        """
        aligned = self.posteriors.sum(axis=1)
        from_left, from_right = aligned.cumsum(), aligned[::-1].cumsum()[::-1]
        enclosed: Floats = np.minimum(np.minimum(from_left, from_right), 1.0)
        return enclosed

    @property
    def envelope(self) -> tuple[int, int]:
        """First base of the alignment and one past its last, 0-based in the sequence."""
        enclosed = np.flatnonzero(self.envelope_probability > 0.5)
        if not len(enclosed):
            return self.start, self.stop
        return self.start + int(enclosed[0]), self.start + int(enclosed[-1]) + 1


@dataclass(frozen=True, slots=True)
class Region:
    """Overlapping hits; at most one is a true match."""

    hits: tuple[Hit, ...]  # in descending order of log-odds
    sequence_length: int  # bases of the whole sequence

    @property
    def log_length(self) -> float:
        """log(L / 100) for a sequence of L bases."""
        return math.log(self.sequence_length / 100)

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
        self.library = library
        self._search = WindowSearch(library)

    def find_regions(self, sequences: Sequence[str]) -> list[list[Region]]:
        """The regions of each sequence, in descending order of their best log-odds; often none."""
        codes = [encode(sequence) for sequence in sequences]
        windows = [
            (index, window)
            for index, of_sequence in enumerate(map(self._search.windows, codes))
            for window in of_sequence
        ]
        profiles = self.library.profiles
        jobs = [
            (codes[index][window.start : window.stop], profiles[window.profile_index].odds)
            for index, window in windows
        ]
        scored: list[list[_ScoredWindow]] = [[] for _ in codes]
        for job, ((index, window), score) in enumerate(zip(windows, log_odds(jobs), strict=True)):
            scored[index].append(_ScoredWindow(score, window, job))
        best = [
            (index, candidate)
            for index, of_sequence in enumerate(scored)
            for candidate in _filter_hits(of_sequence)
        ]
        aligned = align([jobs[candidate.job] for _, candidate in best])
        hits: list[list[Hit]] = [[] for _ in codes]
        for (index, candidate), posteriors in zip(best, aligned, strict=True):
            window = candidate.window
            profile = profiles[window.profile_index]
            hits[index].append(Hit(profile, candidate.log_odds, window.start, posteriors))
        return [
            _group_hits(of_sequence, len(sequence))
            for of_sequence, sequence in zip(hits, sequences, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class _ScoredWindow:
    """The log-odds of a profile in a window."""

    log_odds: float
    window: Window
    job: int  # index of the alignment


def _filter_hits(scored: list[_ScoredWindow]) -> list[_ScoredWindow]:
    """The windows within _MAX_GAP_TO_BEST of the best overlapping one, best first."""
    kept: list[_ScoredWindow] = []
    for candidate in sorted(scored, key=lambda candidate: -candidate.log_odds):
        if candidate.log_odds < _MIN_LOG_ODDS:
            break
        overlapping = (other for other in kept if _overlaps(candidate.window, other.window))
        if all(candidate.log_odds >= other.log_odds - _MAX_GAP_TO_BEST for other in overlapping):
            kept.append(candidate)
    return kept


def _windowed_sums(values: Floats) -> NDArray[np.float64]:
    """Moving sums of values (R,) over _HALF_WINDOW bases on each side."""
    sums = np.concatenate([[0.0], values.cumsum(dtype=np.float64)])
    index = np.arange(len(values))
    start = np.maximum(index - _HALF_WINDOW, 0)
    stop = np.minimum(index + _HALF_WINDOW + 1, len(values))
    moving: NDArray[np.float64] = sums[stop] - sums[start]
    return moving


def _overlaps(first: Window, second: Window) -> bool:
    return first.start < second.stop and second.start < first.stop


def _group_hits(hits: list[Hit], sequence_length: int) -> list[Region]:
    """Group hits (sorted, best first) by the best hit that they overlap."""
    groups: list[list[Hit]] = []
    for hit in hits:
        group = next(
            (group for group in groups if _belong_together(group[0].envelope, hit.envelope)), None
        )
        if group is None:
            groups.append([hit])
        else:
            group.append(hit)
    return [Region(tuple(group), sequence_length) for group in groups]


def _belong_together(first: tuple[int, int], second: tuple[int, int]) -> bool:
    """Whether two envelopes overlap by more than _MAX_OVERLAP of the shorter one."""
    overlap = min(first[1], second[1]) - max(first[0], second[0])
    return overlap > _MAX_OVERLAP * min(first[1] - first[0], second[1] - second[0])


def project_pairs(posteriors: Floats, profile: Profile) -> Floats:
    """Base-pair probabilities (L, L) of a sequence that is aligned with a profile.

    The pairs of the profile's columns, weighted by the alignment posteriors (L, C) of both bases.
    """
    upper = (posteriors[:, profile.left] * profile.pair_frequency) @ posteriors[:, profile.right].T
    probabilities: Floats = np.minimum(upper + upper.T, 1.0)
    np.fill_diagonal(probabilities, 0.0)
    return probabilities
