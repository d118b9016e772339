"""Scores of the network and the folding model, weighted by the evidence for a known family.

A network is most accurate for RNAs that resemble its training data, and a folding model for all
others. The log-odds of the best family profile indicate which case applies to a sequence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from rnaformer_cli.errors import ConfigError, shorten_repr
from rnaformer_cli.families.alignment import Floats
from rnaformer_cli.families.recognition import Region

MIN_FOLDING_PROBABILITY = 1e-4  # folding probabilities are clipped to [this, 1 - this]
_MIN_SCORE = 1e-7  # likewise the scores
_MAX_LOGIT = 50.0  # beyond it a sigmoid is constant in float32


@dataclass(frozen=True, slots=True)
class EvidenceGate:
    """A logistic gate between two weightings of the network and the folding model.

    The evidence e of a base is the largest log-odds of the profiles aligned with a window that
    contains it; that of a pair is the smaller one of its two bases. The gate is
    sigmoid((e - midpoint) / width), and 0 for bases outside of all windows. With the logit n of the
    score, which is calibrated for sequences without evidence, and the logit f of the folding model,
    the new logit is n + gate · ((scale - 1) · n + folding_weight · f + intercept).
    `rnaformer release` fits the parameters by maximum likelihood.

    Raises:
        ConfigError: a value that is not a number from -1000 to 1000, or a width of 0 or less.
    """

    midpoint: float  # nats
    width: float  # nats
    scale: float
    folding_weight: float
    intercept: float

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise ConfigError(
                    f"{name} of by_evidence must be a number, not {shorten_repr(value)}"
                )
            if not -1000.0 <= value <= 1000.0:
                raise ConfigError(
                    f"{name} of by_evidence must be from -1000 to 1000, not {shorten_repr(value)}"
                )
        if self.width <= 0.0:
            raise ConfigError(f"width of by_evidence must be above 0, not {self.width}")

    @classmethod
    def from_dict(cls, values: object) -> EvidenceGate:
        """Check the names, then build.

        Raises:
            ConfigError: no table, an unknown or missing key, or a value that EvidenceGate refuses.
        """
        names = [field.name for field in fields(cls)]
        if not isinstance(values, Mapping) or sorted(values) != sorted(names):
            raise ConfigError(
                f"by_evidence must have the numbers {', '.join(names)}, not {shorten_repr(values)}"
            )
        checked: dict[str, Any] = dict(values)
        return cls(**checked)

    def apply(self, scores: Floats, folding: Floats, regions: Sequence[Region]) -> Floats:
        """Combine scores (L, L) with those of the folding model where there is evidence."""
        evidence = base_evidence(regions, len(scores))
        bases = np.flatnonzero(np.isfinite(evidence))
        if not len(bases):
            return scores
        block = np.ix_(bases, bases)
        gates = self.gates(np.minimum.outer(evidence[bases], evidence[bases]))
        known = log_odds(scores[block], _MIN_SCORE)
        change = (self.scale - 1.0) * known + self.intercept
        change += self.folding_weight * log_odds(folding[block], MIN_FOLDING_PROBABILITY)
        logits = np.clip(known + gates * change, -_MAX_LOGIT, _MAX_LOGIT)
        weighted = scores.copy()
        weighted[block] = 1.0 / (1.0 + np.exp(-logits))
        upper: Floats = np.triu(weighted, k=1)  # vector units may round both triangles differently
        upper += upper.T
        return upper

    def gates(self, evidence: Floats) -> Floats:
        """The gate, from 0 to 1, for evidence in nats."""
        logits = np.clip((evidence - self.midpoint) / self.width, -_MAX_LOGIT, _MAX_LOGIT)
        gates: Floats = (1.0 / (1.0 + np.exp(-logits))).astype(np.float32)
        return gates


def base_evidence(regions: Sequence[Region], length: int) -> Floats:
    """The largest log-odds (L,) of the hits whose windows contain a base; -inf without any."""
    evidence = np.full(length, -np.inf, np.float32)
    for region in regions:
        for hit in region.hits:
            window = slice(hit.start, hit.stop)
            evidence[window] = np.maximum(evidence[window], hit.log_odds)
    return evidence


def log_odds(probabilities: Floats, minimum: float) -> Floats:
    """The logits of probabilities, clipped to `minimum` from both ends."""
    clipped = np.clip(probabilities, minimum, 1.0 - minimum)
    logits: Floats = np.log(clipped / (1.0 - clipped))
    return logits
