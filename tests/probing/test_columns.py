"""Two, three or four columns: positions, values and, where they are there, bases."""

import pytest
from factories.probing_data import (
    measured_sequences,
    to_columns,
    to_columns_with_bases,
    to_map,
    values_of,
)
from hypothesis import given

from rnaformer_cli.errors import ProbingError
from rnaformer_cli.probing import columns
from rnaformer_cli.probing.columns import read_columns

EXPECTED = "position and value, position, base and value, or the four columns of .map"


@given(measured_sequences())
def test_what_is_written_in_columns_is_read_again(made):
    sequence, values = made
    for write in (to_columns, to_columns_with_bases, to_map):
        [profile] = read_columns(write(sequence, values).splitlines())
        assert list(values_of(profile).values()) == values
        assert list(profile.positions) == list(range(1, len(sequence) + 1))
        assert profile.letters == ("" if write is to_columns else sequence)
        assert (profile.id, profile.reagent, profile.sequence, profile.n_bases) == (None,) * 4


@pytest.mark.parametrize("text", ["-999", "-999.0", "-999.000", "NA", "na", "NaN", "nan", "N/A"])
def test_these_are_missing_values(text):
    [profile] = read_columns([f"3 {text}"])
    assert values_of(profile) == {3: None}


def test_the_base_may_stand_before_or_after_the_value_or_alone():
    [profile] = read_columns(["1 A 0.5", "2 0.5 t", "3 R", "4 0.5"])
    assert values_of(profile) == {1: 0.5, 2: 0.5, 3: None, 4: 0.5}
    assert profile.letters == "AUNN"


def test_lines_are_counted_with_comments_and_blank_ones():
    [profile] = read_columns(["# made by hand", "", " 7\t0.5 ", "", "2 1e-3"])
    assert (list(profile.positions), list(profile.lines), profile.line) == ([7, 2], [3, 5], 3)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["1"], f"line:1: expected {EXPECTED}"),
        (["1 2 3 A 5"], f"line:1: expected {EXPECTED}"),
        (["1 0.5", "2 0.5 0.1"], f"line:2: '0.5' is not a base; expected {EXPECTED}"),
        (["1 0.5", "2 0.5 0.1 0.2"], f"line:2: '0.2' is not a base; expected {EXPECTED}"),
        (["1 0.5 X"], "line:1: 'X' is not an RNA base"),
        (["1 ß 0.5"], "line:1: 'ß' is not an RNA base"),
        (["0 0.5"], "line:1: '0' is not a position; expected a whole number above 0"),
        (["1.5 0.5"], "line:1: '1.5' is not a position; expected a whole number above 0"),
        (["1 0.5", "٣ 0.5"], "line:2: '٣' is not a position; expected a whole number above 0"),
        (
            ["99999999 1"],
            "line:1: '99999999' is not a position; expected a whole number above 0",
        ),
        (["1 high"], "line:1: the value at position 1 is 'high'; expected a number or NA"),
        (["1 0,5"], "line:1: the value at position 1 is '0,5'; expected a number or NA"),
        (["1 1_0"], "line:1: the value at position 1 is '1_0'; expected a number or NA"),
        (["1 inf"], "line:1: the value at position 1 is 'inf'; expected a number or NA"),
        (["1 1e999"], "line:1: the value at position 1 is '1e999'; expected a number or NA"),
        (["2 1", "1 1", "2 NA"], "line:3: duplicate value for position 2; the first is on line 1"),
        (["# nothing"], "no reactivities"),
    ],
)
def test_other_lines_are_refused(lines, message):
    with pytest.raises(ProbingError) as caught:
        list(read_columns(lines))
    assert str(caught.value) == message


def test_a_file_beyond_the_limit_is_refused(monkeypatch):
    monkeypatch.setattr(columns, "MAX_REACTIVITIES", 2)
    with pytest.raises(ProbingError) as caught:
        list(read_columns(["1 1", "2 1", "3 1"]))
    assert str(caught.value) == "line:3: more than 2 values (the limit)"


def test_values_below_500_are_missing_as_in_rnastructure():
    [profile] = read_columns(["1 -1000", "2 -999.0", "3 -500"])
    assert [None if value != value else value for value in profile.values] == [None, None, -500.0]
