"""The constraints of a long RNA, whose pairs are within windows."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from rnaformer_cli.prediction.banded import BandedScores, PairScores
from rnaformer_cli.prediction.constraints import (
    IS_CANONICAL,
    Booleans,
    PairConstraints,
)
from rnaformer_cli.sequence.constraints import MIN_LOOP, Constraints
from rnaformer_cli.sequence.encode import ALPHABET, UNKNOWN, encode
from rnaformer_cli.structure.structure import BasePair

UNKNOWN_CODE = ALPHABET.index(UNKNOWN)


class BandedConstraints(PairConstraints):
    """Constraints whose `may_pair` and `is_partner` are (L, D), as in BandedScores."""

    @classmethod
    def of_band(cls, sequence: str, constraints: Constraints, width: int) -> BandedConstraints:
        """The constraints of an RNA whose pairs are at most `width` bases long."""
        may_pair = _distances(len(sequence), width, 1)
        for base in constraints.downstream:
            _exclude_upstream(may_pair, base)
        for base in constraints.upstream:
            may_pair[base] = False
        for left, right in constraints.forbidden:
            if right - left < width:
                may_pair[left, right - left] = False
        forced = {base for pair in constraints.pairs for base in pair}
        for base in constraints.unpaired | forced:
            may_pair[base] = False
            _exclude_upstream(may_pair, base)
        for left, right in constraints.pairs:
            may_pair[left, right - left] = True
        codes = encode(sequence)
        padded = np.pad(codes, (0, width - 1), constant_values=UNKNOWN_CODE)
        partners = np.lib.stride_tricks.sliding_window_view(padded, width)  # (L, D)
        canonical = IS_CANONICAL[codes[:, None], partners]
        is_partner = may_pair & canonical & _distances(len(sequence), width, MIN_LOOP + 1)
        return cls(constraints.pairs, constraints.required, may_pair, is_partner)

    def apply(self, scores: PairScores) -> PairScores:
        """Scores in which forced pairs have 1 and excluded pairs have 0."""
        assert isinstance(scores, BandedScores)
        band = np.where(self.may_pair, scores.band, np.float32(0.0))
        for left, right in self.forced:
            band[left, right - left] = 1.0
        return BandedScores(band)

    def partner_pairs(self, bases: Collection[int], scores: PairScores) -> dict[BasePair, float]:
        """All canonical pairs of the bases that are not excluded, with their scores."""
        return {
            pair: scores[pair]
            for pair in sorted({pair for base in bases for pair in self._partners(base)})
        }

    def best_partners(self, bases: Collection[int], scores: PairScores) -> list[BasePair]:
        """The most probable of these pairs for each base that has one."""
        found = ((sorted(self._partners(base))) for base in sorted(bases))
        return [max(pairs, key=lambda pair: scores[pair]) for pairs in found if pairs]

    def _partners(self, base: int) -> list[BasePair]:
        """The canonical pairs of a base that are not excluded."""
        after = (base + np.flatnonzero(self.is_partner[base])).tolist()
        distances = np.arange(1, min(self.is_partner.shape[1], base + 1))
        before = (base - distances[self.is_partner[base - distances, distances]]).tolist()
        return [*((base, other) for other in after), *((other, base) for other in before)]


def _distances(length: int, width: int, least: int) -> Booleans:
    """Whether a pair is at least this long and within the RNA, (L, D)."""
    distance = np.arange(width)
    within: Booleans = (np.arange(length)[:, None] + distance < length) & (distance >= least)
    return within


def _exclude_upstream(may_pair: Booleans, base: int) -> None:
    """Exclude the pairs of a base with all before it."""
    distances = np.arange(1, min(may_pair.shape[1], base + 1))
    may_pair[base - distances, distances] = False
