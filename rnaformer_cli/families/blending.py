"""Scores of a network and pairs of families, together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from rnaformer_cli.errors import ConfigError, shown
from rnaformer_cli.families.alignment import Floats
from rnaformer_cli.families.recognition import Hit, Recogniser

CLIPPED = 0.001  # probabilities are taken from here to its other side, so that logits are finite
_CERTAIN = 50.0  # logit beyond which nothing changes
_SURE = 0.5  # belief from which a family is named
_LEAST = 0.01  # belief below which scores stay as they are


@dataclass(frozen=True, slots=True)
class Blend:
    """How far families are believed; `rnaformer release` learns it from validation records.

    A family counts in proportion to exp(trust · evidence), none of them to exp(trust · needed).
    If it is one of them, the score of a pair is `most` (known structures lack some pairs of their
    family) times the sigmoid of network · (logit of its score) + families · (logit of its chance) +
    shift. Pairs for which both say less than CLIPPED, nearly all, are left as the network scores
    them.

    Raises:
        ConfigError: a value that is no usual number.
    """

    trust: float = 0.5
    needed: float = 14.0
    network: float = 0.5
    families: float = 0.5
    shift: float = 0.0
    most: float = 1.0

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

    def beliefs(self, hits: Sequence[Hit]) -> Floats:
        """How far each hit is believed, from 0 to 1 in all; the rest is that it is none."""
        logs = self.trust * np.array([*(hit.evidence for hit in hits), self.needed])
        weights = np.exp(logs - logs.max())
        found: Floats = (weights / weights.sum())[:-1].astype(np.float32)
        return found

    def verdict(self, hits: Sequence[Hit]) -> tuple[float, str | None]:
        """The belief that it is any of the hits, and the likeliest name if that is over a half.

        None where no hit has a name.
        """
        beliefs: dict[str, float] = {}
        for hit, belief in zip(hits, self.beliefs(hits).tolist(), strict=True):
            beliefs[hit.profile.name] = beliefs.get(hit.profile.name, 0.0) + belief
        total = min(sum(beliefs.values()), 1.0)
        best = max(beliefs, key=lambda name: beliefs[name], default="")
        return total, best if best and beliefs[best] > _SURE else None

    def apply(self, scores: Floats, hits: Sequence[Hit]) -> Floats:
        """Scores (L, L), symmetric, with what the hits tell."""
        beliefs = self.beliefs(hits)
        belief = float(beliefs.sum())
        if belief < _LEAST:
            return scores
        chances = sum(part * hit.pairs for part, hit in zip(beliefs, hits, strict=True)) / belief
        said = np.maximum(scores, chances) >= CLIPPED
        before = scores[said]
        likely = logit(before) * self.network + logit(chances[said]) * self.families + self.shift
        found: Floats = scores.copy()
        told = self.most / (1.0 + np.exp(-np.clip(likely, -_CERTAIN, _CERTAIN)))
        found[said] = (1.0 - belief) * before + belief * told
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
