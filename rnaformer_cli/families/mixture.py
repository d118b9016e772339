"""A logistic mixture of experts: the network's pair scores and the pairs of matching families.

The gate is a softmax over the log-odds of the hits and of a null model (no family); the experts are
combined in logit space (a logarithmic opinion pool, Genest and Zidek 1986, with an interaction).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnaformer_cli.errors import ConfigError, shorten_repr
from rnaformer_cli.families.alignment import Floats
from rnaformer_cli.families.evidence import EvidenceGate
from rnaformer_cli.families.recognition import ProfileSearch, Region

MIN_PROBABILITY = 0.001  # probabilities are clipped to [this, 1 - this], so that logits are finite
_MAX_LOGIT = 50.0  # beyond it a sigmoid is constant in float32
_NAMED_FROM = 0.5  # posterior above which a family is named
_MIN_POSTERIOR = 0.01  # regions below it keep the scores of the network
_EPSILON = 1e-6  # avoids a division by zero


@dataclass(frozen=True, slots=True)
class FamilyMixture:
    """The parameters of the mixture, which `rnaformer release` fits by maximum likelihood.

    Gate: the posterior of a hit is proportional to exp(evidence_scale · log_odds), that of the
    null model to exp(evidence_scale · null), where null = null_log_odds + null_log_odds_slope ·
    log(L / 100): longer sequences match some profile by chance more often.

    Experts: with the logit n of the network's score and the logit f of the family's pair
    probability, the score of a pair given the family is ceiling · sigmoid(network_coefficient · n +
    family_coefficient · f + interaction · n · f + intercept). The ceiling is below 1 since known
    structures lack some pairs of their families; the interaction is below zero if both experts
    repeat the same evidence. Pairs for which both are below MIN_PROBABILITY keep their score.

    A family supports its own pairs, contradicts other partners of paired bases, and contradicts
    pairs between two bases that its members leave unpaired. A base without a counterpart in the
    family (outside of it or in an insertion) keeps the scores of the network.

    Raises:
        ConfigError: a value that is not a number from -1000 to 1000, or a ceiling outside 0 to 1.
    """

    evidence_scale: float = 0.5  # inverse temperature of the gate
    null_log_odds: float = 14.0  # nats
    network_coefficient: float = 0.5
    family_coefficient: float = 0.5
    interaction: float = 0.0
    intercept: float = 0.0
    ceiling: float = 1.0
    null_log_odds_slope: float = 0.0
    by_evidence: EvidenceGate | None = None  # applied to the scores of the network first

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if name == "by_evidence":
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise ConfigError(f"{name} of families must be a number, not {shorten_repr(value)}")
            if not -1000.0 <= value <= 1000.0:
                raise ConfigError(
                    f"{name} of families must be from -1000 to 1000, not {shorten_repr(value)}"
                )
        if not 0.0 <= self.ceiling <= 1.0:
            raise ConfigError(
                f"ceiling of families must be from 0 to 1, not {shorten_repr(self.ceiling)}"
            )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> FamilyMixture:
        """Check names and types, then build.

        Raises:
            ConfigError: an unknown key, or a value that FamilyMixture refuses.
        """
        known = [field.name for field in fields(cls)]
        unknown = [name for name in values if name not in known]
        if unknown:
            raise ConfigError(
                f"unknown setting of families {shorten_repr(unknown[0])}; known: {', '.join(known)}"
            )
        checked = dict(values)
        if checked.get("by_evidence") is not None:
            checked["by_evidence"] = EvidenceGate.from_dict(checked["by_evidence"])
        return cls(**checked)

    def to_dict(self) -> dict[str, Any]:
        """The parameters by name, without `by_evidence` if there is none."""
        values = asdict(self)
        if self.by_evidence is None:
            del values["by_evidence"]
        return values

    def posteriors(self, region: Region) -> Floats:
        """The posterior probability of each hit (H,); the rest to 1 is that of the null model."""
        null = self.null_log_odds + self.null_log_odds_slope * region.log_length
        logits = self.evidence_scale * np.array([*(hit.log_odds for hit in region.hits), null])
        weights = np.exp(logits - logits.max())
        posteriors: Floats = (weights / weights.sum())[:-1].astype(np.float32)
        return posteriors

    def matches(self, regions: Sequence[Region]) -> tuple[FamilyMatch, ...]:
        """The best family of each region, by falling posterior."""
        matches = map(self._match, regions)
        return tuple(sorted(matches, key=lambda match: -match.recognised))

    def _match(self, region: Region) -> FamilyMatch:
        by_name: dict[str, float] = {}
        for hit, posterior in zip(region.hits, self.posteriors(region).tolist(), strict=True):
            name = hit.profile.name
            by_name[name] = by_name.get(name, 0.0) + posterior
        best = max(by_name, key=lambda name: by_name[name])
        envelope = next(hit.envelope for hit in region.hits if hit.profile.name == best)
        named = best if best and by_name[best] > _NAMED_FROM else None
        return FamilyMatch(named, *envelope, min(sum(by_name.values()), 1.0))

    def apply(
        self, scores: Floats, regions: Sequence[Region], folding: Floats | None = None
    ) -> Floats:
        """Combine symmetric network scores (L, L) with the pairs of the regions' families.

        `folding` (L, L) are the probabilities of the folding model, which `by_evidence` needs.
        """
        if self.by_evidence is not None and folding is not None:
            scores = self.by_evidence.apply(scores, folding, regions)
        mixed = scores
        for region in regions:
            posteriors = self.posteriors(region)
            if posteriors.sum() < _MIN_POSTERIOR:
                continue
            pairs = region_pairs(region, mixed)
            weight = np.minimum((pairs.coverage * posteriors).sum(axis=1), 1.0)
            by_family = (pairs.probabilities * posteriors).sum(axis=1)
            by_family /= np.maximum(weight, _EPSILON)
            combined = self._combine(logit(pairs.scores), logit(by_family))
            mixed = mixed.copy() if mixed is scores else mixed
            mixed[pairs.left, pairs.right] = (1.0 - weight) * pairs.scores + weight * combined
            mixed[pairs.right, pairs.left] = mixed[pairs.left, pairs.right]
        return mixed

    def _combine(self, network: Floats, family: Floats) -> Floats:
        """Scores (P,) given that the region belongs to the family, from the logits of both."""
        logits = self.network_coefficient * network + self.family_coefficient * family
        logits += self.interaction * network * family + self.intercept
        logits = np.clip(logits, -_MAX_LOGIT, _MAX_LOGIT)
        scores: Floats = self.ceiling / (1.0 + np.exp(-logits))
        return scores


@dataclass(frozen=True, slots=True)
class FamilyMatch:
    """The family that a part of a sequence matches best."""

    family: str | None  # its name, if its posterior is above 0.5
    start: int  # first base, 0-based
    stop: int  # one past the last base
    recognised: float  # posterior probability that the part belongs to a family, from 0 to 1


@dataclass(frozen=True, slots=True)
class RegionPairs:
    """The P pairs of a region that the network or a family finds possible, for its H hits."""

    left: NDArray[np.int64]  # (P,), left < right
    right: NDArray[np.int64]
    scores: Floats  # (P,) of the network
    probabilities: Floats  # (P, H) of the pair, given the profile
    coverage: Floats  # (P, H) probability that the profile has information on the pair


def region_pairs(region: Region, scores: Floats) -> RegionPairs:
    """The pairs with at least one base in a region and the network's scores (L, L) of them."""
    rows = slice(region.start, region.stop)
    by_hit = np.zeros((len(region.hits), region.stop - region.start, len(scores)), np.float32)
    bases = np.zeros((2, len(scores), len(region.hits)), np.float32)  # paired at all, homology
    for index, hit in enumerate(region.hits):
        window, pairs = slice(hit.start, hit.stop), hit.pair_probabilities
        by_hit[index, hit.start - region.start : hit.stop - region.start, window] = pairs
        bases[:, window, index] = pairs.sum(axis=1), hit.homology
    possible = np.maximum(scores[rows], by_hit.max(axis=0)) >= MIN_PROBABILITY
    possible[:, rows] &= np.triu(np.ones_like(possible[:, rows]), k=1)  # each pair once
    row, second = np.nonzero(possible)
    first = row + region.start
    probabilities = by_hit[:, row, second].T
    coverage = _coverage(probabilities, bases[:, first], bases[:, second])
    left, right = np.minimum(first, second), np.maximum(first, second)
    return RegionPairs(left, right, scores[first, second], probabilities, coverage)


def _coverage(probabilities: Floats, first: Floats, second: Floats) -> Floats:
    """The probability that a profile has information on each pair, (P, H).

    `probabilities` (P, H) are those of the pairs. `first` and `second` (2, P, H) hold, for the two
    bases of each pair, the probability to be paired at all and the homology. A profile has
    information on pairs of a base that has another partner in it, and on pairs of two bases with
    counterparts.
    """
    other_partner = [np.clip(base[0] - probabilities, 0.0, 1.0) for base in (first, second)]
    uncovered = (1.0 - other_partner[0]) * (1.0 - other_partner[1]) * (1.0 - first[1] * second[1])
    coverage: Floats = np.maximum(1.0 - uncovered, probabilities)
    return coverage


@dataclass(frozen=True, slots=True)
class FamilyModel:
    """A profile library that can be searched, and the parameters of its mixture."""

    search: ProfileSearch
    mixture: FamilyMixture
    checksum: str = ""  # of the library's file, if it came from one


def logit(probabilities: Floats) -> Floats:
    """The log-odds of probabilities, clipped to MIN_PROBABILITY from both ends."""
    clipped = np.clip(probabilities, MIN_PROBABILITY, 1.0 - MIN_PROBABILITY)
    logits: Floats = np.log(clipped / (1.0 - clipped))
    return logits
