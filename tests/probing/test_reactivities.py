"""Reactivities of one RNA, checked when they are made."""

import math

import pytest

from rnaformer_cli.errors import SequenceError
from rnaformer_cli.probing.reactivities import Reactivities
from rnaformer_cli.sequence.record import RnaRecord


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_values_are_finite(value):
    with pytest.raises(SequenceError) as caught:
        Reactivities((0.5, None, value))
    message = f"the reactivity of base 3 is {value}, expected a finite number"
    assert str(caught.value) == message


def test_a_record_has_one_value_for_each_base():
    data = Reactivities((0.5, None, 0.1))
    assert RnaRecord("x", "ACG", reactivities=data).reactivities == data
    with pytest.raises(SequenceError) as caught:
        RnaRecord("x", "ACGU", reactivities=data)
    assert str(caught.value) == "record 'x': 3 reactivities for 4 bases"
