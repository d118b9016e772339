"""The choice of thresholds and ratios for hand-made scores."""

import numpy as np
import pytest
from factories.datasets import make_record

from rnaformer_cli.training.network.validation import choose_ratio, choose_threshold


def make_scored(right=(0.9, 0.9), wrong=()):
    """A record of two pairs with scores for these, and for others that cross none."""
    pairs = [(place, 29 - place) for place in range(len(right) + len(wrong))]
    scores = np.zeros((30, 30), dtype=np.float32)
    for (left, at), score in zip(pairs, (*right, *wrong), strict=True):
        scores[left, at] = scores[at, left] = score
    return make_record("r", "A" * 30, pairs[: len(right)]), scores


def test_the_threshold_with_the_best_mean_is_chosen():
    found = choose_threshold({"a": [make_scored(wrong=[0.2])]}, (0.1, 0.35, 0.5, 0.95))
    assert (found.threshold, found.f1) == (0.35, {"a": 1.0})


def test_each_set_counts_once():
    """Three records have a better F1 at the low threshold, one at the high threshold."""
    sets = {"many": [make_scored(right=(0.9, 0.5))] * 3, "one": [make_scored(wrong=[0.5] * 4)]}
    found = choose_threshold(sets, (0.1, 0.8))
    assert found.threshold == 0.8
    assert found.f1 == pytest.approx({"many": 2 / 3, "one": 1.0})
    assert found.mean == pytest.approx(5 / 6)


@pytest.mark.parametrize(("tolerance", "expected"), [(0.0, 0.35), (0.19, 0.35), (0.21, 0.1)])
def test_the_first_within_the_tolerance_is_chosen(tolerance, expected):
    found = choose_threshold({"a": [make_scored(wrong=[0.2])]}, (0.1, 0.35, 0.5), tolerance)
    assert found.threshold == expected
    assert found.f1["a"] == pytest.approx(0.8 if expected == 0.1 else 1.0)


@pytest.mark.parametrize(("tolerance", "expected"), [(0.0, 0.5), (0.21, 0.2)])
def test_ratios_are_chosen_likewise(tolerance, expected):
    """The expected F1 is at most 0.9; half of it exceeds the score of the wrong pair."""
    found = choose_ratio({"a": [make_scored(wrong=[0.2])]}, (0.2, 0.5), tolerance)
    assert found.threshold == expected
