"""JSON Lines: what a line holds, and what is refused."""

import json

import pytest
from conftest import any_structure_records
from factories.predictions import make_prediction_line
from hypothesis import given, settings
from hypothesis import strategies as st

from rnaformer_cli.errors import StructureError
from rnaformer_cli.structure.brackets import parse_dot_bracket
from rnaformer_cli.structure.jsonl import (
    FamilySpan,
    PredictedRecord,
    PredictionSettings,
    format_json,
    read_json,
    read_predictions,
)
from rnaformer_cli.structure.structure import Structure, StructureRecord

RECORD = StructureRecord("x", "GAC", parse_dot_bracket("(.)"), "of yeast")
PREDICTED = {
    "id": "x",
    "description": "of yeast",
    "sequence": "GAC",
    "pairs": [[1, 3, 0.9]],
    "confidence": 0.8,
    "model": "small",
    "cycles": 2,
    "threshold": 0.5,
    "decoding": "matching",
    "warnings": ["1 ambiguous letter read as N"],
}
PART = {"family": "tRNA", "first": 1, "last": 3, "recognised": 0.9}
PREDICTION = "expected a prediction as `rnaformer predict -f jsonl` writes it"
OBJECT = "expected a JSON object with id, sequence, and pairs or structure"


def read(text):
    return list(read_json(text.splitlines()))


def test_a_record_is_one_line_with_pairs_from_one():
    assert format_json(RECORD) == (
        '{"schema_version": 1, "id": "x", "description": "of yeast", "length": 3, '
        '"sequence": "GAC", "structure": "(.)", "pairs": [[1, 3]], "multiplets": []}\n'
    )


def test_pairs_may_carry_their_scores():
    values = json.loads(format_json(RECORD, {(0, 2): 0.98765}))
    assert values["pairs"] == [[1, 3, 0.9877]]


def test_details_follow_the_structure():
    values = json.loads(format_json(RECORD, details={"model": "small"}))
    assert list(values)[-1] == "model"


def test_several_partners_are_kept_and_listed():
    record = StructureRecord("x", "GGG", Structure(3, frozenset({(0, 1), (1, 2)})))
    values = json.loads(format_json(record))
    assert (values["structure"], values["multiplets"]) == (None, [2])
    assert read(format_json(record)) == [record]


def test_letters_beyond_ascii_stay_readable():
    record = StructureRecord("µ", "G", Structure(1))
    assert '"id": "µ"' in format_json(record)


@settings(max_examples=60, deadline=None)
@given(st.lists(any_structure_records(), max_size=3))
def test_writing_then_reading_gives_the_same_records(records):
    assert read("".join(format_json(record) for record in records)) == records


@pytest.mark.parametrize(
    "values",
    [
        {"id": "x", "sequence": "GAC", "structure": "(.)"},
        {"id": "x", "sequence": "gac", "pairs": [[1, 3]]},
        {"id": "x", "sequence": "GAC", "pairs": [[3, 1], [1, 3, 0.5]]},
        {"id": "x", "sequence": "GAC", "pairs": None, "structure": "(.)"},
        {"id": "x", "sequence": "GAC", "pairs": [[1, 3]], "structure": None, "description": None},
    ],
)
def test_ways_to_write_the_same_record(values):
    assert read("\n" + json.dumps(values) + "\n\n") == [
        StructureRecord("x", "GAC", parse_dot_bracket("(.)"))
    ]


def test_dna_is_read_as_rna():
    assert read('{"id": "x", "sequence": "T", "pairs": []}')[0].sequence == "U"


def test_a_number_may_be_an_id():
    assert read('{"id": 7, "sequence": "G", "pairs": []}')[0].id == "7"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("GAC", f"line:1: {OBJECT}"),
        ("\n[]", f"line:2: {OBJECT}"),
        ('"id"', f"line:1: {OBJECT}"),
        ("[" * 100_000, f"line:1: {OBJECT}"),
        ("1" * 5000, f"line:1: {OBJECT}"),
        ("{}", "line:1: no field 'id'"),
        ('{"id": "x"}', "line:1: record 'x': no field 'sequence'"),
        ('{"id": "x", "sequence": "GAC"}', "line:1: record 'x': no field 'structure'"),
        ('{"id": "x", "sequence": null, "pairs": []}', f"line:1: record 'x': {OBJECT}"),
        ('{"id": "x", "sequence": "", "pairs": []}', "line:1: record 'x': no sequence"),
        ('{"id": "x", "sequence": "G", "pairs": 1}', f"line:1: record 'x': {OBJECT}"),
        ('{"id": "x", "sequence": "GAC", "pairs": [[1]]}', f"line:1: record 'x': {OBJECT}"),
        ('{"id": "x", "sequence": "GAC", "pairs": ["13"]}', f"line:1: record 'x': {OBJECT}"),
        ('{"id": "x", "sequence": "GAC", "pairs": [[1, 2.5]]}', f"line:1: record 'x': {OBJECT}"),
        ('{"id": "x", "sequence": "G", "structure": 1}', f"line:1: record 'x': {OBJECT}"),
        (
            '{"id": "x", "sequence": "GAC", "pairs": [[0, 3]]}',
            "line:1: record 'x': pair (0, 3) does not fit an RNA of 3 bases",
        ),
        (
            '{"id": "x", "sequence": "GAC", "pairs": [[1, 4]]}',
            "line:1: record 'x': pair (1, 4) does not fit an RNA of 3 bases",
        ),
        (
            '{"id": "x", "sequence": "GAC", "structure": "()"}',
            "line:1: record 'x': 3 bases, but a structure of 2",
        ),
        (
            '{"id": "x", "sequence": "GAC", "structure": "(.."}',
            "line:1: record 'x': '(' at base 1 is never closed",
        ),
    ],
)
def test_broken_lines_are_reported_with_line_and_name(text, message):
    with pytest.raises(StructureError) as caught:
        read(text)
    assert str(caught.value) == message


def test_the_name_of_the_previous_line_is_not_reported():
    with pytest.raises(StructureError) as caught:
        read('{"id": "x", "sequence": "G", "pairs": []}\nGAC\n')
    assert str(caught.value) == f"line:2: {OBJECT}"


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 4) | st.floats() | st.text("(.)GC", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(["id", "sequence", "pairs"], ANYTHING)))
def test_any_object_is_read_or_refused_with_a_line(values):
    try:
        assert all(record.sequence for record in read_json([json.dumps(values)]))
    except StructureError as error:
        assert error.location.line == 1


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_read_or_refused_with_a_line(text):
    try:
        assert list(read_json(text.split("\n"))) == []
    except StructureError as error:
        assert error.location.line


@pytest.mark.parametrize(
    ("name", "read"), [("x\n>evil", "x_>evil"), ("a b", "a_b"), ("", "sequence_1")]
)
def test_ids_are_read_as_one_word(name, read):
    line = json.dumps({"id": name, "sequence": "ACGU", "structure": "...."})
    [record] = read_json([line])
    assert record.id == read


def test_true_is_no_base():
    line = '{"id": "a", "sequence": "ACGU", "pairs": [[true, 4]]}'
    with pytest.raises(StructureError, match=r"expected a JSON object with id, sequence"):
        list(read_json([line]))


def test_a_prediction_is_read_with_its_scores_and_how_it_was_made():
    assert list(read_predictions(["", json.dumps(PREDICTED)])) == [
        PredictedRecord(
            RECORD,
            {(0, 2): 0.9},
            0.8,
            PredictionSettings("small", 2, 0.5, "matching"),
            ("1 ambiguous letter read as N",),
        )
    ]


def test_the_families_of_a_prediction_are_read():
    lines = [json.dumps({**PREDICTED, "families": found}) for found in ([PART], [])]
    found = [one.families for one in read_predictions(lines)]
    assert found == [(FamilySpan("tRNA", 1, 3),), ()]


@pytest.mark.parametrize("name", sorted(PREDICTED.keys() - {"id", "description"}))
def test_a_field_that_a_prediction_lacks_is_named(name):
    values = {key: value for key, value in PREDICTED.items() if key != name}
    with pytest.raises(StructureError) as caught:
        list(read_predictions([json.dumps(values)]))
    lacking = "structure" if name == "pairs" else name  # either would do for a structure
    assert str(caught.value) == f"line:1: record 'x': no field {lacking!r}"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"confidence": 1.5}, "confidence is 1.5; expected a number from 0 to 1"),
        ({"confidence": float("nan")}, "confidence is nan; expected a number from 0 to 1"),
        ({"confidence": True}, "confidence is True; expected a number from 0 to 1"),
        ({"threshold": "high"}, "threshold is 'high'; expected a number from 0 to 1"),
        ({"cycles": 1.5}, "cycles is 1.5; expected a whole number"),
        ({"model": None}, "model is None; expected text"),
        ({"decoding": 1}, "decoding is 1; expected text"),
        ({"families": [{"family": 5}]}, "family is 5; expected text"),
        ({"families": [{**PART, "last": "3"}]}, "last is '3'; expected a whole number"),
        ({"families": [{"family": "x", "first": 1}]}, "no field 'last'"),
        ({"families": [{**PART, "name": 5}]}, "name is 5; expected text"),
        ({"families": [1]}, PREDICTION),
        ({"families": 1}, PREDICTION),
        ({"families": {}}, PREDICTION),
        ({"families": [{**PART, "first": 0}]}, "a family from base 0 to 3 of 3 bases"),
        ({"families": [{**PART, "first": 3, "last": 1}]}, "a family from base 3 to 1 of 3 bases"),
        ({"families": [{**PART, "last": 4}]}, "a family from base 1 to 4 of 3 bases"),
        ({"pairs": [[1, 3, 0.9], [3, 1, 0.1]]}, "the pair [3, 1] is listed twice"),
        ({"warnings": "none"}, "warnings is 'none'; expected a list"),
        ({"pairs": [[1, 3, -1]]}, "the score of a pair is -1; expected a number from 0 to 1"),
        ({"pairs": [[1, 3]]}, PREDICTION),
        ({"pairs": None, "structure": "(.)"}, PREDICTION),
        ({"pairs": [[1, 4, 0.9]]}, "pair (1, 4) does not fit an RNA of 3 bases"),
    ],
)
def test_values_that_no_prediction_has_are_refused(change, message):
    with pytest.raises(StructureError) as caught:
        list(read_predictions([json.dumps({**PREDICTED, **change})]))
    assert str(caught.value) == f"line:1: record 'x': {message}"


def test_what_is_no_json_is_no_prediction():
    with pytest.raises(StructureError) as caught:
        list(read_predictions([">x"]))
    assert str(caught.value) == f"line:1: {PREDICTION}"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('"structure": "((...))", "pairs": []', "structure and pairs differ"),
        ('"structure": ".......", "pairs": [[1, 7]]', "structure and pairs differ"),
        ('"structure": "(.....)", "pairs": {}', OBJECT),
        ('"structure": "(.....)", "pairs": ""', OBJECT),
        ('"pairs": [[1, 7]], "length": 8', "length is 8, but the sequence has 7 bases"),
        ('"pairs": [[1, 7]], "length": "7"', "length is '7', but the sequence has 7 bases"),
        ('"pairs": [[1, 7]], "schema_version": 99', "schema_version is 99; expected 1"),
        ('"pairs": [[1, 7]], "schema_version": true', "schema_version is True; expected 1"),
    ],
)
def test_objects_that_contradict_themselves_are_refused(more, message):
    line = f'{{"id": "x", "sequence": "GGAAACC", {more}}}'
    with pytest.raises(StructureError) as caught:
        list(read_json([line]))
    assert str(caught.value) == f"line:1: record 'x': {message}"


def test_a_key_that_is_there_twice_is_refused():
    """Of two lists of pairs the last was taken without a word."""
    line = '{"id": "x", "sequence": "GAC", "pairs": [[1, 3]], "pairs": []}'
    with pytest.raises(StructureError) as caught:
        list(read_json([line]))
    assert str(caught.value) == "line:1: duplicate key 'pairs'"


@pytest.mark.parametrize("name", [None, ["a"], 1.5, True, {}])
def test_an_id_is_text_or_a_whole_number(name):
    values = {"id": name, "sequence": "GAC", "pairs": []}
    with pytest.raises(StructureError, match=r"^line:1: expected a JSON object with id"):
        list(read_json([json.dumps(values)]))


def test_numbers_of_many_digits_are_cut_in_messages():
    values = {"id": "x", "sequence": "GAC", "pairs": [[1, 10**4000]]}
    with pytest.raises(StructureError) as caught:
        list(read_json([json.dumps(values)]))
    assert str(caught.value).startswith("line:1: record 'x': pair (1, 1000")
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"reagent": 7, "used": 1}, "reagent is 7; expected text"),
        ({"reagent": None, "used": 1.5}, "used is 1.5; expected a whole number"),
        ({"reagent": None, "used": 1, "auc": 2}, "auc is 2; expected a number from 0 to 1"),
        (
            {"reagent": None, "used": 1, "spearman": -2},
            "spearman is -2; expected a number from -1 to 1",
        ),
        (
            {"reagent": None, "used": 1, "relative": [0.5]},
            "relative is not a list of 8 reactivities",
        ),
        (
            {"reagent": None, "used": 1, "relative": [*(7 * [None]), 1.5]},
            "a relative reactivity is 1.5; expected a number from 0 to 1",
        ),
    ],
)
def test_a_wrong_agreement_with_data_is_refused(data, message):
    with pytest.raises(StructureError) as caught:
        list(read_predictions([make_prediction_line(reactivities=data)]))
    assert caught.value.message == message
