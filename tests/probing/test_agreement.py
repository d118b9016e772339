"""The agreement of data and structure, against values worked out by hand."""

import numpy as np
import pytest

from rnaformer_cli.probing.agreement import Agreement, measure_agreement
from rnaformer_cli.sequence.reactivities import Reactivities

PAIRED = [True, True, False, False]


def measure(values, is_paired=PAIRED, unpaired=(0.1, 0.2, 0.8, 0.9), reagent=None, letters="ACGU"):
    data = Reactivities(tuple(values), reagent)
    return measure_agreement(letters, data, is_paired, np.array(unpaired, np.float32))


def test_data_in_the_order_of_the_prediction_agree_fully():
    assert measure([0.0, 0.3, 1.0, 2.0]) == Agreement(4, 1.0, 1.0)


def test_data_in_the_opposite_order_disagree_fully():
    assert measure([2.0, 1.0, 0.3, 0.0]) == Agreement(4, 0.0, -1.0)


def test_equal_values_count_one_half():
    # Pairs of an unpaired and a paired base: 1 > 0, 1 = 1, 2 > 0, 2 > 1. Ranks: 1, 2.5, 2.5, 4.
    found = measure([0.0, 1.0, 1.0, 2.0])
    assert found.auc == 3.5 / 4
    assert found.spearman == pytest.approx(4.5 / np.sqrt(4.5 * 5.0))


def test_missing_values_and_other_letters_are_left_out():
    found = measure([0.0, None, 1.0, 2.0], reagent="DMS")  # of A and C, the A is left
    assert found == Agreement(1, None, None)


@pytest.mark.parametrize(
    ("values", "is_paired", "unpaired", "expected"),
    [
        ([None] * 4, PAIRED, [0.1, 0.2, 0.8, 0.9], Agreement(0, None, None)),
        ([0.0, 0.3, 1.0, 2.0], [False] * 4, [0.1, 0.2, 0.8, 0.9], Agreement(4, None, 1.0)),
        ([1.0] * 4, PAIRED, [0.1, 0.2, 0.8, 0.9], Agreement(4, 0.5, None)),
        ([0.0, 0.3, 1.0, 2.0], PAIRED, [0.0] * 4, Agreement(4, 1.0, None)),
    ],
)
def test_a_measure_without_contrast_is_none(values, is_paired, unpaired, expected):
    assert measure(values, is_paired, unpaired) == expected
