"""How many base pairs of two structures agree, and the ratios made of these counts."""

from __future__ import annotations

import math
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from rnaformer_cli.errors import ScoreError
from rnaformer_cli.structure.structure import BasePair, Structure


@dataclass(frozen=True, slots=True)
class PairCounts:
    """How many base pairs agree. Each pair counts once, not twice as in an LxL matrix.

    Predicted and reference pairs have their own numbers of matches, because with a tolerance
    one pair can match two. A ratio with nothing to count is 1.0: predicting no pairs for an
    RNA that has none is a perfect prediction.
    """

    predicted: int
    predicted_matched: int
    reference: int
    reference_matched: int
    possible: int  # all pairs that an RNA of this length could have, L (L - 1) / 2

    @property
    def precision(self) -> float:
        """Share of the predicted pairs that the reference has."""
        return _ratio(self.predicted_matched, self.predicted, empty=not self.reference)

    @property
    def recall(self) -> float:
        """Share of the reference's pairs that were predicted."""
        return _ratio(self.reference_matched, self.reference, empty=not self.predicted)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0

    @property
    def mcc(self) -> float:
        """Matthews correlation over all possible pairs (Matthews 1975)."""
        hits, missed = self.reference_matched, self.reference - self.reference_matched
        false = self.predicted - self.predicted_matched
        rest = self.possible - hits - missed - false
        if not self.predicted and not self.reference:
            return 1.0
        margins = (hits + false) * (hits + missed) * (rest + false) * (rest + missed)
        return (hits * rest - false * missed) / math.sqrt(margins) if margins > 0 else 0.0

    def __add__(self, other: PairCounts) -> PairCounts:
        """The counts of both, as if they were one structure."""
        return PairCounts(
            self.predicted + other.predicted,
            self.predicted_matched + other.predicted_matched,
            self.reference + other.reference,
            self.reference_matched + other.reference_matched,
            self.possible + other.possible,
        )


NO_COUNTS = PairCounts(0, 0, 0, 0, 0)


def count_pairs(predicted: Structure, reference: Structure, tolerance: int = 0) -> PairCounts:
    """Compare two structures of one RNA.

    With a tolerance n, (i, j) matches (i ± n, j) and (i, j ± n), one end at a time: the rule
    of RNAstructure's scorer (Mathews 2004) for n = 1.

    Raises:
        ScoreError: the structures differ in length.
    """
    if predicted.length != reference.length:
        raise ScoreError(
            f"the prediction has {predicted.length} bases, the reference {reference.length}"
        )
    return count_pair_sets(predicted.pairs, reference.pairs, predicted.length, tolerance)


def count_pair_sets(
    predicted: AbstractSet[BasePair],
    reference: AbstractSet[BasePair],
    length: int,
    tolerance: int = 0,
) -> PairCounts:
    """The same for bare sets of pairs."""
    return PairCounts(
        len(predicted),
        sum(not reference.isdisjoint(_within_tolerance(pair, tolerance)) for pair in predicted),
        len(reference),
        sum(not predicted.isdisjoint(_within_tolerance(pair, tolerance)) for pair in reference),
        length * (length - 1) // 2,
    )


def _within_tolerance(pair: BasePair, tolerance: int) -> set[BasePair]:
    left, right = pair
    shifts = range(-tolerance, tolerance + 1)
    return {(left + shift, right) for shift in shifts} | {(left, right + shift) for shift in shifts}


def _ratio(part: int, whole: int, empty: bool) -> float:
    """part / whole; without a whole 1.0 if the other side is empty too, else 0.0."""
    if whole:
        return part / whole
    return 1.0 if empty else 0.0
