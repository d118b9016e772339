"""Bases as integers, in the order of the published weights."""

import numpy as np
import pytest

from rnaformer_cli.sequence.encode import ALPHABET, AMBIGUOUS, UNKNOWN, encode


def test_each_base_has_the_code_of_the_published_weights():
    assert encode("ACGUN").tolist() == [0, 1, 2, 3, 4]


def test_codes_are_integers_in_the_order_of_the_sequence():
    codes = encode("GGAN")
    assert codes.dtype == np.int64
    assert codes.tolist() == [2, 2, 0, 4]


@pytest.mark.parametrize("letter", AMBIGUOUS)
def test_a_letter_for_several_bases_is_encoded_as_unknown(letter):
    assert ALPHABET[encode(letter)[0]] == UNKNOWN


def test_no_bases_have_no_codes():
    assert encode("").shape == (0,)
