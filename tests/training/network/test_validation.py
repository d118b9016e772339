"""Thresholds and shares by hand-made scores: the best, or the first that is as good."""

import numpy as np
import pytest
from dataset_makers import record

from rnaformer_cli.training.network.validation import choose_ratio, choose_threshold


def scored(right=(0.9, 0.9), wrong=()):
    """A record of two pairs with scores for these, and for others that cross none."""
    pairs = [(place, 29 - place) for place in range(len(right) + len(wrong))]
    scores = np.zeros((30, 30), dtype=np.float32)
    for (left, at), score in zip(pairs, (*right, *wrong), strict=True):
        scores[left, at] = scores[at, left] = score
    return record("r", "A" * 30, pairs[: len(right)]), scores


def test_the_threshold_with_the_best_mean_is_chosen():
    found = choose_threshold({"a": [scored(wrong=[0.2])]}, (0.1, 0.35, 0.5, 0.95))
    assert (found.threshold, found.f1) == (0.35, {"a": 1.0})


def test_each_set_counts_once():
    """Three records would rather keep a pair of theirs; one would leave out four that are wrong."""
    sets = {"many": [scored(right=(0.9, 0.5))] * 3, "one": [scored(wrong=[0.5] * 4)]}
    found = choose_threshold(sets, (0.1, 0.8))
    assert found.threshold == 0.8
    assert found.f1 == pytest.approx({"many": 2 / 3, "one": 1.0})
    assert found.mean == pytest.approx(5 / 6)


@pytest.mark.parametrize(("within", "chosen"), [(0.0, 0.35), (0.19, 0.35), (0.21, 0.1)])
def test_the_first_of_those_as_good_is_chosen(within, chosen):
    found = choose_threshold({"a": [scored(wrong=[0.2])]}, (0.1, 0.35, 0.5), within)
    assert found.threshold == chosen
    assert found.f1["a"] == pytest.approx(0.8 if chosen == 0.1 else 1.0)


@pytest.mark.parametrize(("within", "chosen"), [(0.0, 0.5), (0.21, 0.2)])
def test_shares_are_chosen_likewise(within, chosen):
    """The F1 to expect is 0.9 or less; half of it is more than the wrong pair's score."""
    found = choose_ratio({"a": [scored(wrong=[0.2])]}, (0.2, 0.5), within)
    assert found.threshold == chosen
