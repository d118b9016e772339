"""Sequences -> which families they may be of, and the pairs that these tell.

Words choose some profiles, alignments with all of these give the evidence for each, and pairs are
the sum over the families, each for as much as it is believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnaformer_cli.families.alignment import Floats, align, evidence
from rnaformer_cli.families.profiles import Library, Profile
from rnaformer_cli.sequence.encode import encode

CANDIDATES = 5  # profiles that a sequence is aligned with

_BEHIND = 16.0  # evidence below the best one with which a family does not count
_LEAST = 8.0  # evidence below which nothing counts


@dataclass(frozen=True, slots=True)
class Hit:
    """A profile that a sequence may be of."""

    profile: Profile
    evidence: float  # logarithm of the odds against a random sequence
    aligned: Floats  # (L, C): how likely each base belongs to each column

    @property
    def pairs(self) -> Floats:
        """The chance of each pair (L, L), symmetric, if the sequence is of this profile."""
        return pair_chances(self.aligned, self.profile)


class Recogniser:
    """Compares sequences with a library."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._words = np.stack([profile.words for profile in library.profiles])

    def recognise(self, sequences: Sequence[str]) -> list[list[Hit]]:
        """The hits of each sequence, those with the most evidence first; often none."""
        codes = [encode(sequence) for sequence in sequences]
        near = [(place, number) for place, one in enumerate(codes) for number in self._near(one)]
        found = evidence([(codes[place], self._odds(number)) for place, number in near])
        by_place: list[list[tuple[float, int]]] = [[] for _ in codes]
        for (place, number), one in zip(near, found, strict=True):
            by_place[place].append((one, number))
        chosen = [(place, *best) for place, own in enumerate(by_place) for best in _best(own)]
        aligned = align([(codes[place], self._odds(number)) for place, _, number in chosen])
        hits: list[list[Hit]] = [[] for _ in codes]
        for (place, one, number), where in zip(chosen, aligned, strict=True):
            profile = self._library.profiles[number]
            hits[place].append(Hit(profile, one, where))
        return hits

    def _odds(self, number: int) -> Floats:
        return self._library.profiles[number].odds

    def _near(self, codes: NDArray[np.int64]) -> list[int]:
        """The profiles that share the most words with a sequence."""
        likeness = self._words @ self._library.signature(codes)
        first = np.argsort(-likeness, kind="stable")[:CANDIDATES]
        return [int(number) for number in first if likeness[number] > 0]


def _best(found: list[tuple[float, int]]) -> list[tuple[float, int]]:
    """Those whose evidence may count beside the largest, which comes first."""
    ordered = sorted(found, key=lambda one: -one[0])
    return [one for one in ordered if one[0] >= max(_LEAST, ordered[0][0] - _BEHIND)]


def pair_chances(aligned: Floats, profile: Profile) -> Floats:
    """The chance of each pair (L, L) if a sequence is aligned so (L, C) with a profile."""
    upper = (aligned[:, profile.left] * profile.chance) @ aligned[:, profile.right].T
    both: Floats = np.minimum(upper + upper.T, 1.0)
    np.fill_diagonal(both, 0.0)
    return both
