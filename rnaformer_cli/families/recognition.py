"""Sequences -> which families they may be of, and the pairs that these tell.

Words choose some profiles and where to look for them, alignments with all of these give the
evidence for each, and those of the same part of a sequence are the answers to choose from there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rnaformer_cli.families.alignment import Floats, align, evidence
from rnaformer_cli.families.profiles import Library, Profile
from rnaformer_cli.families.search import Place, Search
from rnaformer_cli.sequence.encode import encode

_BEHIND = 16.0  # evidence below the best one of the same bases with which a family does not count
_LEAST = 8.0  # evidence below which nothing counts
_NOTHING = 1e-6  # instead of a sum of zero
_AROUND = 6  # bases on each side that tell whether one has a counterpart in a profile
_DECIDED = 4  # power to which the odds of these being aligned are raised
_SHARED = 0.5  # part of the shorter of two hits from which they exclude each other


@dataclass(frozen=True)
class Hit:
    """A profile that a part of a sequence, of R bases, may be of."""

    profile: Profile
    evidence: float  # logarithm of the odds against a random sequence
    start: int  # first base of the part, 0-based
    aligned: Floats  # (R, C): how likely each base belongs to each column

    @property
    def stop(self) -> int:
        """The base behind the part."""
        return self.start + len(self.aligned)

    @cached_property
    def pairs(self) -> Floats:
        """The chance of each pair (R, R), symmetric, if the part is of this profile."""
        return pair_chances(self.aligned, self.profile)

    @cached_property
    def has_counterpart(self) -> Floats:
        """How likely each base (R,) lies where most bases around it are aligned with columns.

        Single bases without a column are variants of the family; a longer stretch of them is
        something that this RNA brings along.
        """
        aligned, within = (_sum_around(one) for one in (self.aligned.sum(axis=1), self.within))
        share = np.clip(aligned / np.maximum(within, _NOTHING), 0.0, 1.0)
        most = share**_DECIDED / (share**_DECIDED + (1.0 - share) ** _DECIDED)
        found: Floats = (most * self.within).astype(np.float32)
        return found

    @cached_property
    def within(self) -> Floats:
        """The chance (R,) that a base is not outside the RNA, on either side of it.

        Bases without a column are within if there are some with one on both sides.
        """
        there = self.aligned.sum(axis=1)
        found: Floats = np.minimum(np.minimum(there.cumsum(), there[::-1].cumsum()[::-1]), 1.0)
        return found

    @property
    def span(self) -> tuple[int, int]:
        """The first base of the RNA and the one behind its last, 0-based in the sequence."""
        there = np.flatnonzero(self.within > 0.5)
        if not len(there):
            return self.start, self.stop
        return self.start + int(there[0]), self.start + int(there[-1]) + 1


@dataclass(frozen=True, slots=True)
class Site:
    """A part of a sequence that is of one of these profiles, or of none."""

    hits: tuple[Hit, ...]  # the one with the most evidence first
    length: int  # of the whole sequence

    @property
    def log_length(self) -> float:
        """The logarithm of the sequence's length in hundreds of bases."""
        return math.log(self.length / 100)

    @property
    def start(self) -> int:
        """The first base that any of them is aligned with, 0-based."""
        return min(hit.start for hit in self.hits)

    @property
    def stop(self) -> int:
        """The base behind the last."""
        return max(hit.stop for hit in self.hits)


class Recogniser:
    """Compares sequences with a library."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._search = Search(library)

    def recognise(self, sequences: Sequence[str]) -> list[list[Site]]:
        """The sites of each sequence, those with the most evidence first; often none."""
        codes = [encode(sequence) for sequence in sequences]
        places = map(self._search.places, codes)
        asked = [(one, place) for one, own in enumerate(places) for place in own]
        jobs = [
            (codes[one][place.start : place.stop], self._library.profiles[place.number].odds)
            for one, place in asked
        ]
        by_sequence: list[list[_Found]] = [[] for _ in codes]
        for job, ((one, place), value) in enumerate(zip(asked, evidence(jobs), strict=True)):
            by_sequence[one].append(_Found(value, place, job))
        best = [(one, found) for one, own in enumerate(by_sequence) for found in _best(own)]
        aligned = align([jobs[found.job] for _, found in best])
        hits: list[list[Hit]] = [[] for _ in codes]
        for (one, found), where in zip(best, aligned, strict=True):
            profile = self._library.profiles[found.place.number]
            hits[one].append(Hit(profile, found.evidence, found.place.start, where))
        return [_sites(own, len(code)) for own, code in zip(hits, codes, strict=True)]


@dataclass(frozen=True, slots=True)
class _Found:
    """The evidence for a profile at a place."""

    evidence: float
    place: Place
    job: int  # its alignment


def _best(found: list[_Found]) -> list[_Found]:
    """Those whose evidence may count beside all that share bases with them, the largest first."""
    kept: list[_Found] = []
    for one in sorted(found, key=lambda one: -one.evidence):
        if one.evidence < _LEAST:
            break
        rivals = (other for other in kept if _overlap(one.place, other.place))
        if all(one.evidence >= rival.evidence - _BEHIND for rival in rivals):
            kept.append(one)
    return kept


def _sum_around(values: Floats) -> NDArray[np.float64]:
    """The sum of values (R,) over each base and those around it."""
    sums = np.concatenate([[0.0], values.cumsum(dtype=np.float64)])
    place = np.arange(len(values))
    begin, stop = np.maximum(place - _AROUND, 0), np.minimum(place + _AROUND + 1, len(values))
    found: NDArray[np.float64] = sums[stop] - sums[begin]
    return found


def _overlap(one: Place, other: Place) -> bool:
    return one.start < other.stop and other.start < one.stop


def _sites(hits: list[Hit], length: int) -> list[Site]:
    """Hits, the one with the most evidence first, with those that lie where a better one does."""
    sites: list[list[Hit]] = []
    for hit in hits:
        same = next((site for site in sites if _exclude(site[0].span, hit.span)), None)
        if same is None:
            sites.append([hit])
        else:
            same.append(hit)
    return [Site(tuple(site), length) for site in sites]


def _exclude(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two spans share a good part of the shorter one."""
    shared = min(one[1], other[1]) - max(one[0], other[0])
    return shared > _SHARED * min(one[1] - one[0], other[1] - other[0])


def pair_chances(aligned: Floats, profile: Profile) -> Floats:
    """The chance of each pair (L, L) if a sequence is aligned so (L, C) with a profile."""
    upper = (aligned[:, profile.left] * profile.chance) @ aligned[:, profile.right].T
    both: Floats = np.minimum(upper + upper.T, 1.0)
    np.fill_diagonal(both, 0.0)
    return both
