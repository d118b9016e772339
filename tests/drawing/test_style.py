"""Choices of a picture, and the values that colour its bases."""

import numpy as np
import pytest

from rnaformer_cli.drawing.style import (
    Style,
    numbering_interval,
    probability_values,
    reactivity_values,
)
from rnaformer_cli.errors import ConfigError
from rnaformer_cli.structure.brackets import parse_dot_bracket

HAIRPIN = parse_dot_bracket("(...)")


@pytest.mark.parametrize(
    ("length", "interval"), [(76, 10), (200, 10), (201, 20), (1500, 50), (3000, 100), (30_000, 500)]
)
def test_long_rnas_have_fewer_numbers(length, interval):
    assert numbering_interval(length) == interval


def test_numbers_are_multiples_of_the_interval():
    assert list(Style(number_every=7).numbered(21)) == [7, 14, 21]
    assert list(Style().numbered(9)) == []


def test_paired_bases_have_the_probability_of_their_pair_and_others_none():
    values = probability_values(HAIRPIN, {(0, 4): 0.75}).values
    assert values[[0, 4]].tolist() == [0.75, 0.75]
    assert np.isnan(values[1:4]).all()


def test_a_matrix_gives_unpaired_bases_the_probability_not_to_pair():
    matrix = np.zeros((5, 5), np.float32)
    matrix[0, 4] = matrix[4, 0] = 0.75
    matrix[1, 4] = matrix[4, 1] = 0.25
    values = probability_values(HAIRPIN, {(0, 4): 0.75}, matrix).values
    assert values.tolist() == [0.75, 0.75, 1.0, 1.0, 0.75]


def test_bases_without_reactivity_have_no_value():
    values = reactivity_values([0.25, None, 1.0])
    assert values.values[[0, 2]].tolist() == [0.25, 1.0]
    assert np.isnan(values.values[1])
    assert (values.low, values.high) == (0.0, 1.0)


@pytest.mark.parametrize("title", ["a\x07b", "\udcff", "\uffff", "x" * 501])
def test_a_title_that_cannot_be_drawn_is_refused(title):
    with pytest.raises(ConfigError, match="title"):
        Style(title)
    assert Style("two\nlines é").title == "two\nlines é"
