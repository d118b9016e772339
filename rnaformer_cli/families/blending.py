"""Scores of a network and pairs of families, together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaformer_cli.errors import ConfigError, shown
from rnaformer_cli.families.alignment import Floats
from rnaformer_cli.families.recognition import Recogniser, Site

CLIPPED = 0.001  # probabilities are taken from here to its other side, so that logits are finite
_CERTAIN = 50.0  # logit beyond which nothing changes
_SURE = 0.5  # belief from which a family is named
_LEAST = 0.01  # belief below which scores stay as they are
_NOTHING = 1e-6  # instead of a weight of zero


@dataclass(frozen=True, slots=True)
class Blend:
    """How far families are believed; `rnaformer release` learns it from validation records.

    A family counts in proportion to exp(trust · evidence), none of them to exp(trust · bar), where
    the bar is `needed` and `length` for each factor of e that a sequence is longer than 100 bases:
    a longer one resembles some family by chance more often. If it is one of them, the score of a
    pair is `most` (known structures lack some pairs of their family) times the sigmoid of
    network · n + families · f + together · n · f + shift, where n is the logit of its score and f
    that of its chance; `together` is below zero if they often say the same for the same reason.
    Pairs for which both say less than CLIPPED, nearly all, are left as the network scores them.

    A family speaks of its own pairs, against other partners of their bases, and against pairs of
    two bases that its members leave unpaired. Of pairs with a base that has no counterpart in the
    family, outside or in an insertion, it knows nothing: those keep the scores of the network.

    Raises:
        ConfigError: a value that is no usual number.
    """

    trust: float = 0.5
    needed: float = 14.0
    network: float = 0.5
    families: float = 0.5
    together: float = 0.0
    shift: float = 0.0
    most: float = 1.0
    length: float = 0.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise ConfigError(f"{name} of families must be a number, not {shown(value)}")
            if not -1000.0 <= value <= 1000.0:
                raise ConfigError(f"{name} of families must be of usual size, not {shown(value)}")
        if not 0.0 <= self.most <= 1.0:
            raise ConfigError(f"most of families must be from 0 to 1, not {shown(self.most)}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Blend:
        """Check names and types, then build.

        Raises:
            ConfigError: an unknown key, or a value that is no usual number.
        """
        known = [field.name for field in fields(cls)]
        unknown = [name for name in values if name not in known]
        if unknown:
            raise ConfigError(
                f"unknown setting of families {shown(unknown[0])}; known: {', '.join(known)}"
            )
        return cls(**values)

    def beliefs(self, site: Site) -> Floats:
        """How far each hit is believed, from 0 to 1 in all; the rest is that it is none."""
        bar = self.needed + self.length * site.log_length
        logs = self.trust * np.array([*(hit.evidence for hit in site.hits), bar])
        weights = np.exp(logs - logs.max())
        found: Floats = (weights / weights.sum())[:-1].astype(np.float32)
        return found

    def verdicts(self, sites: Sequence[Site]) -> tuple[Verdict, ...]:
        """What each site is, the surest first."""
        found = map(self._verdict, sites)
        return tuple(sorted(found, key=lambda verdict: -verdict.recognised))

    def _verdict(self, site: Site) -> Verdict:
        beliefs: dict[str, float] = {}
        for hit, belief in zip(site.hits, self.beliefs(site).tolist(), strict=True):
            name = hit.profile.name
            beliefs[name] = beliefs.get(name, 0.0) + belief
        best = max(beliefs, key=lambda name: beliefs[name])
        span = next(hit.span for hit in site.hits if hit.profile.name == best)
        named = best if best and beliefs[best] > _SURE else None
        return Verdict(named, *span, min(sum(beliefs.values()), 1.0))

    def apply(self, scores: Floats, sites: Sequence[Site]) -> Floats:
        """Scores (L, L), symmetric, with what the sites tell."""
        found = scores
        for site in sites:
            beliefs = self.beliefs(site)
            if beliefs.sum() < _LEAST:
                continue
            pairs = told_pairs(site, found)
            weight = np.minimum((pairs.known * beliefs).sum(axis=1), 1.0)
            chances = (pairs.chances * beliefs).sum(axis=1) / np.maximum(weight, _NOTHING)
            told = self._told(logit(pairs.scores), logit(chances))
            now = (1.0 - weight) * pairs.scores + weight * told
            found = found.copy() if found is scores else found
            found[pairs.left, pairs.right] = found[pairs.right, pairs.left] = now
        return found

    def _told(self, network: Floats, families: Floats) -> Floats:
        """Scores by the logits of both, if it is of a family."""
        likely = self.network * network + self.families * families
        likely += self.together * network * families + self.shift
        found: Floats = self.most / (1.0 + np.exp(-np.clip(likely, -_CERTAIN, _CERTAIN)))
        return found


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a part of a sequence is."""

    family: str | None  # whose name is more likely than not
    start: int  # first base of the RNA, 0-based
    stop: int  # the base behind it
    recognised: float  # how sure it is that it is of a family, from 0 to 1


@dataclass(frozen=True, slots=True)
class ToldPairs:
    """Pairs of a site that the network or a family deems possible, P of them, and its H hits."""

    left: NDArray[np.int64]  # (P,), before `right`
    right: NDArray[np.int64]
    scores: Floats  # (P,)
    chances: Floats  # (P, H): that it is a pair, if the site is of the profile
    known: Floats  # (P, H): that the profile knows whether it is one


def told_pairs(site: Site, scores: Floats) -> ToldPairs:
    """The pairs of a site by scores (L, L), those included that lead out of it."""
    rows = slice(site.start, site.stop)
    chances = np.zeros((len(site.hits), site.stop - site.start, len(scores)), np.float32)
    bases = np.zeros((2, len(scores), len(site.hits)), np.float32)
    for place, hit in enumerate(site.hits):
        there = slice(hit.start, hit.stop)
        chances[place, hit.start - site.start : hit.stop - site.start, there] = hit.pairs
        bases[:, there, place] = hit.pairs.sum(axis=1), hit.has_counterpart
    possible = np.maximum(scores[rows], chances.max(axis=0)) >= CLIPPED
    possible[:, rows] &= np.triu(np.ones_like(possible[:, rows]), k=1)  # each pair once
    one, other = np.nonzero(possible)
    first = one + site.start
    found = chances[:, one, other].T
    known = _known(found, bases[:, first], bases[:, other])
    left, right = np.minimum(first, other), np.maximum(first, other)
    return ToldPairs(left, right, scores[first, other], found, known)


def _known(chances: Floats, one: Floats, other: Floats) -> Floats:
    """How likely a profile knows whether each pair is one, (P, H).

    `chances` is that it is. Of each base (2, P, H) are the chance that it is paired at all, and
    that it has a counterpart in the profile. Known are pairs of a base that has another partner
    there, and those of two bases that have counterparts.
    """
    taken, other_taken = (np.clip(base[0] - chances, 0.0, 1.0) for base in (one, other))
    unknown = (1.0 - taken) * (1.0 - other_taken) * (1.0 - one[1] * other[1])
    found: Floats = np.maximum(1.0 - unknown, chances)
    return found


@dataclass(frozen=True, slots=True)
class Families:
    """A library, ready to be asked, and how far it is believed."""

    recogniser: Recogniser
    blend: Blend


def logit(chances: Floats) -> Floats:
    """The logarithm of the odds, cut off where they hardly change."""
    cut = np.clip(chances, CLIPPED, 1.0 - CLIPPED)
    found: Floats = np.log(cut / (1.0 - cut))
    return found
