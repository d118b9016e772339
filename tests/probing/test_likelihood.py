"""Reactivities become log-likelihood ratios of unpaired bases."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnaformer_cli.probing.likelihood import (
    BIN_EDGES,
    WEIGHT,
    log_likelihood_ratios,
    relative_reactivities,
)

VALUES = [0.1, 2.0, 0.0, 1.0, 0.5, 0.05, 1.5, 0.2, 0.9, 0.3]
SEQUENCE = "ACGUACGUAC"


def test_a_reactive_base_is_likelier_unpaired_and_an_unreactive_one_paired():
    ratios = log_likelihood_ratios("AAAAAAAAAA", VALUES)
    assert ratios[1] > 1
    assert ratios[2] < -1
    assert ratios[2] == WEIGHT * -3.46


def test_the_scale_of_the_values_does_not_matter():
    ratios = log_likelihood_ratios(SEQUENCE, VALUES)
    scaled = log_likelihood_ratios(SEQUENCE, [0.03 * value for value in VALUES])
    np.testing.assert_array_equal(ratios, scaled)


def test_missing_values_and_unknown_letters_have_a_ratio_of_zero():
    ratios = log_likelihood_ratios("ANGUACGUAC", [None, *VALUES[1:]])
    assert ratios[0] == ratios[1] == 0.0
    assert (ratios[2:] != 0.0).all()


@pytest.mark.parametrize(("reagent", "letters"), [("DMS", "AC"), ("CMCT", "GU")])
def test_some_reagents_modify_two_bases_only(reagent, letters):
    ratios = log_likelihood_ratios(SEQUENCE, VALUES, reagent)
    used = [letter for letter, ratio in zip(SEQUENCE, ratios, strict=True) if ratio]
    assert used == [letter for letter in SEQUENCE if letter in letters]


def test_negative_values_count_as_zero():
    changed = [-1.0 if value == 0.0 else value for value in VALUES]
    np.testing.assert_array_equal(
        log_likelihood_ratios(SEQUENCE, changed), log_likelihood_ratios(SEQUENCE, VALUES)
    )


@pytest.mark.parametrize("values", [[None] * 4, [0.0] * 4, [-1.0, None, -2.0, 0.0]])
def test_without_a_value_above_zero_all_ratios_are_zero(values):
    assert log_likelihood_ratios("ACGU", values).tolist() == [0.0] * 4


@given(st.lists(st.none() | st.floats(-1e6, 1e6), min_size=1, max_size=30), st.data())
def test_ratios_are_finite_and_bounded(values, data):
    sequence = data.draw(st.text("ACGUN", min_size=len(values), max_size=len(values)))
    ratios = log_likelihood_ratios(sequence, values)
    assert ratios.shape == (len(values),)
    assert (np.abs(ratios) <= 5 * WEIGHT).all()


def test_bins_grow():
    assert list(BIN_EDGES) == sorted(set(BIN_EDGES))


def test_a_value_far_beyond_the_others_is_in_the_last_bin():
    ratios = log_likelihood_ratios("A" * 20, [*[0.001] * 19, 1e308])
    assert ratios[-1] == WEIGHT * 3.49


def test_relative_reactivities_are_from_zero_to_the_90th_percentile():
    values = [-0.5, None, *[0.1 * step for step in range(11)], 2.0]
    found = relative_reactivities("A" * len(values), values)
    assert found[:3] == [0.0, None, 0.0]
    assert found[-1] == 1.0
    unit = np.quantile(np.clip([v for v in values if v is not None], 0.0, None), 0.9)
    assert found[7] == pytest.approx(0.5 / unit)


def test_bases_that_the_reagent_does_not_modify_have_no_relative_reactivity():
    assert relative_reactivities("ACGU", [1.0] * 4, "DMS") == [1.0, 1.0, None, None]
    assert relative_reactivities("AC", [0.0, 0.0]) == [0.0, 0.0]
