"""Holding reactivities means that they are finite numbers of a known reagent."""

import pytest

from rnaformer_cli.errors import ProbingError
from rnaformer_cli.sequence.reactivities import REAGENTS, Reactivities, find_reagent
from rnaformer_cli.sequence.record import RnaRecord

CHOICES = "expected one of 1M7, 1M6, NMIA, NAI, FAI, 2A3, 5NIA, BzCN, DMS, CMCT"


def test_values_may_be_missing_or_negative():
    data = Reactivities((0.5, None, -0.1, None), "1M7")
    assert (len(data), data.n_missing) == (4, 2)


@pytest.mark.parametrize(
    ("values", "reagent", "message"),
    [
        ((), None, "no reactivities"),
        ((1.0, float("nan")), None, "the reactivity of base 2 is nan; expected a finite number"),
        ((float("inf"),), None, "the reactivity of base 1 is inf; expected a finite number"),
        ((1.0,), "1m7", f"'1m7' is not a known reagent; {CHOICES}"),
    ],
)
def test_what_are_no_reactivities_is_refused(values, reagent, message):
    with pytest.raises(ProbingError) as caught:
        Reactivities(values, reagent)
    assert str(caught.value) == message


@pytest.mark.parametrize("reagent", REAGENTS)
def test_reagents_are_found_in_upper_and_lower_case(reagent):
    assert find_reagent(f" {reagent.lower()}") == find_reagent(reagent.upper()) == reagent


def test_the_error_for_an_unknown_reagent_lists_the_choices():
    with pytest.raises(ProbingError) as caught:
        find_reagent("soap")
    assert str(caught.value) == f"'soap' is not a known reagent; {CHOICES}"


def test_a_record_has_a_reactivity_for_each_base():
    data = Reactivities((0.5, None, 0.1))
    assert RnaRecord("x", "ACG", reactivities=data).reactivities is data
    assert RnaRecord("x", "ACG").reactivities is None
    with pytest.raises(ProbingError) as caught:
        RnaRecord("x", "ACGU", reactivities=data)
    assert str(caught.value) == "record 'x': 3 reactivities for 4 bases"
