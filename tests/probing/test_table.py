"""TSV: a row for each id and position, in any order."""

import pytest
from factories.probing_data import measured_sequences, to_table, values_of
from hypothesis import given

from rnaformer_cli.errors import ProbingError
from rnaformer_cli.probing import table
from rnaformer_cli.probing.table import read_table

HEAD = "id\tposition\tvalue"


@given(measured_sequences())
def test_what_is_written_in_a_table_is_read_again(made):
    sequence, values = made
    [profile] = read_table(to_table(sequence, values).splitlines())
    assert (profile.id, profile.letters, list(values_of(profile).values())) == (
        "x",
        sequence,
        values,
    )


def test_columns_and_rows_may_stand_in_any_order():
    lines = ["Value\tnote\tID\tPosition", "0.5\t-\ty\t2", "NA\t-\tx y\t1", "", "0.1\t-\ty\t1"]
    first, second = read_table(lines)
    assert (first.id, values_of(first), list(first.lines)) == ("y", {2: 0.5, 1: 0.1}, [2, 5])
    assert (second.id, values_of(second), first.letters) == ("x_y", {1: None}, "")


def test_an_error_affects_its_own_profile_only():
    lines = [HEAD, "x\t1\tmuch", "y\t1\t0.5", "x\t2\tmore", "z\t1\t1", "z\t1\t2"]
    bad, good, repeated = read_table(lines)
    assert str(bad) == (
        "line:2: record 'x': the value at position 1 is 'much'; expected a number or NA"
    )
    assert (good.id, values_of(good)) == ("y", {1: 0.5})
    assert str(repeated) == (
        "line:6: record 'z': duplicate value for position 1; the first is on line 5"
    )


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("x\t-1\t1\tA", "'-1' is not a position; expected a whole number above 0"),
        ("x\t1\t1\tAC", "'AC' is not a base"),
        ("x\t1\t1\t?", "'?' is not an RNA base"),
    ],
)
def test_a_bad_row_is_located(row, message):
    [error] = read_table([f"{HEAD}\tbase", row])
    assert str(error) == f"line:2: record 'x': {message}"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["id\tposition"], "line:1: no column 'value'"),
        ([f"{HEAD}\tVALUE"], "line:1: duplicate column 'value'"),
        ([HEAD, "x\t1"], "line:2: a row without all columns (id, position, value)"),
        ([HEAD, " \t1\t0.5"], "line:2: '' is not an id"),
    ],
)
def test_what_is_no_table_is_refused(lines, message):
    with pytest.raises(ProbingError) as caught:
        list(read_table(lines))
    assert str(caught.value) == message


def test_a_table_beyond_the_limit_is_refused(monkeypatch):
    monkeypatch.setattr(table, "MAX_REACTIVITIES", 1)
    with pytest.raises(ProbingError) as caught:
        list(read_table([HEAD, "x\t1\t1", "y\t1\t1"]))
    assert str(caught.value) == "line:3: more than 1 values (the limit)"
