"""Counts of the base pairs that two structures have in common, and their ratios."""

from __future__ import annotations

import math
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from rnaformer_cli.errors import ScoreError
from rnaformer_cli.structure.structure import BasePair, Structure


@dataclass(frozen=True, slots=True)
class PairCounts:
    """Counts of matching base pairs. Each pair counts once, not twice as in an LxL matrix.

    Matches are counted separately for predicted and reference pairs, because with a
    tolerance one pair can match two. A ratio over no pairs is 1.0 if both structures have none:
    predicting no pairs for an unpaired RNA is a perfect prediction.
    """

    predicted: int
    predicted_matched: int
    reference: int
    reference_matched: int
    possible: int  # L (L - 1) / 2

    @property
    def precision(self) -> float:
        """Fraction of the predicted pairs that match a reference pair."""
        return _ratio(self.predicted_matched, self.predicted, is_other_empty=not self.reference)

    @property
    def recall(self) -> float:
        """Fraction of the reference pairs that match a predicted pair."""
        return _ratio(self.reference_matched, self.reference, is_other_empty=not self.predicted)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0

    @property
    def mcc(self) -> float:
        """Matthews correlation coefficient over all possible pairs (Matthews 1975)."""
        tp, fn = self.reference_matched, self.reference - self.reference_matched
        fp = self.predicted - self.predicted_matched
        tn = self.possible - tp - fn - fp
        if not self.predicted and not self.reference:
            return 1.0
        margins = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
        return (tp * tn - fp * fn) / math.sqrt(margins) if margins > 0 else 0.0

    def __add__(self, other: PairCounts) -> PairCounts:
        """The sum of the counts, as if both RNAs were one structure."""
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

    With a tolerance n, (i, j) matches (i ± n, j) and (i, j ± n), but not with both ends shifted.
    For n = 1 this is the rule of RNAstructure's scorer (Mathews 2004).

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
    """Compare two sets of pairs of one RNA; see count_pairs."""
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


def _ratio(part: int, whole: int, is_other_empty: bool) -> float:
    """part / whole; if whole is 0, it is 1.0 if the other structure is empty, too, else 0.0."""
    if whole:
        return part / whole
    return 1.0 if is_other_empty else 0.0
