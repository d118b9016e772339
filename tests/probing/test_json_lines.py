"""JSON Lines: an object for each RNA with a value for each base."""

import pytest
from factories.probing_data import measured_sequences, to_json_lines, values_of
from hypothesis import given

from rnaformer_cli.errors import ProbingError
from rnaformer_cli.probing import json_lines
from rnaformer_cli.probing.json_lines import read_json_lines

EXPECTED = "expected a JSON object with id and reactivity"


@given(measured_sequences())
def test_what_is_written_as_json_is_read_again(made):
    sequence, values = made
    [profile] = read_json_lines(to_json_lines(sequence, values).splitlines())
    assert (profile.id, profile.sequence, profile.n_bases) == ("x", sequence, len(sequence))
    assert list(values_of(profile).values()) == values


def test_other_spellings_of_a_profile_are_read():
    lines = ['{"id": 7, "reactivity": [1, NaN, -999], "sequence": "acT", "modifier": "nai"}', " "]
    [profile] = read_json_lines(lines)
    assert (profile.id, profile.sequence, profile.reagent) == ("7", "ACU", "nai")
    assert (values_of(profile), list(profile.lines)) == ({1: 1.0, 2: None, 3: None}, [1, 1, 1])


def test_a_sequence_that_is_null_does_not_hide_the_other():
    line = '{"id": "x", "reactivity": [1], "sequence": null, "seq": "C"}'
    [profile] = read_json_lines([line])
    assert profile.sequence == "C"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("", "no field 'reactivity'"),
        (', "reactivity": "1"', "reactivity is '1'; expected a list of numbers and nulls"),
        (', "reactivity": []', "no reactivities"),
        (', "reactivity": [1, true]', "the value at position 2 is True; expected a number or NA"),
        (', "reactivity": ["1"]', "the value at position 1 is '1'; expected a number or NA"),
        (', "reactivity": [1e999]', "the value at position 1 is inf; expected a number or NA"),
        (', "reactivity": [1], "seq": "AC"', "1 reactivities for 2 bases"),
        (', "reactivity": [1], "seq": "?"', "'?' is not an RNA base"),
        (', "reactivity": [1], "seq": 1', "seq is 1; expected text"),
        (
            ', "reactivity": [1], "seq": "A", "sequence": "C"',
            "sequence and seq differ",
        ),
        (', "reactivity": [1], "modifier": []', "modifier is []; expected text"),
    ],
)
def test_an_error_affects_its_own_profile_only(fields, message):
    lines = ["", f'{{"id": "x"{fields}}}', '{"id": "y", "reactivity": [1]}']
    error, good = read_json_lines(lines)
    assert str(error) == f"line:2: record 'x': {message}"
    assert good.id == "y"


def test_a_number_beyond_all_floats_is_refused():
    [error] = read_json_lines(['{"id": "x", "reactivity": [1' + "0" * 400 + "]}"])
    assert "the value at position 1 is 1000" in str(error)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x", EXPECTED),
        ("[]", EXPECTED),
        ("{}", EXPECTED),
        ('{"id": null}', EXPECTED),
        ('{"id": " "}', EXPECTED),
        ("[" * 100_000, EXPECTED),
        ('{"id": "x", "id": "y"}', "duplicate key 'id'"),
    ],
)
def test_what_is_no_object_with_an_id_is_refused(line, message):
    with pytest.raises(ProbingError) as caught:
        list(read_json_lines([line]))
    assert str(caught.value) == f"line:1: {message}"


def test_profiles_beyond_the_limits_are_refused(monkeypatch):
    lines = ['{"id": "x", "reactivity": [1, 2]}', '{"id": "y", "reactivity": [1, 2]}']
    monkeypatch.setattr(json_lines, "MAX_REACTIVITIES", 3)
    with pytest.raises(ProbingError) as caught:
        list(read_json_lines(lines))
    assert str(caught.value) == "line:2: more than 3 values (the limit)"
    monkeypatch.setattr(json_lines, "MAX_BASES", 1)
    error, _ = read_json_lines(lines)
    message = "more than 1 values (the limit per record)"
    assert str(error) == f"line:1: record 'x': {message}"
