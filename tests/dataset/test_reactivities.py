"""Reactivity profiles: read in order, refused with file and line; which bases are the design's."""

import json

import pytest

from rnaformer_cli.dataset.reactivities import designed_bases, read_reactivities
from rnaformer_cli.errors import DatasetError, InputError

GOOD = '{"id": "a", "seq": "GGAC", "reactivity": [1, null, -0.5, 0.25], "cluster": 3}\n'
TAIL = "AAAGAAACAACAACAACAAC"


def line(**changed):
    return json.dumps({"id": "b", "seq": "ACGU", "reactivity": [1, 1, 1, 1], **changed})


def test_profiles_are_read_in_order(tmp_path):
    path = tmp_path / "profiles.jsonl"
    path.write_text(GOOD + "\n" + line() + "\n")
    first, second = read_reactivities(path)
    assert (first.id, first.sequence, first.cluster) == ("a", "GGAC", 3)
    assert first.reactivities == (1.0, None, -0.5, 0.25)
    assert (second.id, second.cluster) == ("b", None)


BAD = {
    "[]": "no field 'id'",
    "{": "expected a JSON object with id, seq and reactivity",
    "7": "expected a JSON object with id, seq and reactivity",
    "[[1, 2, 3]]": "expected a JSON object with id, seq and reactivity",
    '{"id": "b", "seq": "ACGU"}': "no field 'reactivity'",
    line(seq=7): "record 'b': seq must be text, not 7",
    line(seq="ACGT"): "record 'b': 'T' is not one of A C G U N",
    line(seq="", reactivity=[]): "record 'b': no sequence",
    line(reactivity=[1, 2, 3]): "record 'b': 3 reactivities for 4 bases",
    line(reactivity="1 1 1 1"): "record 'b': reactivity must be a list, not '1 1 1 1'",
    line(reactivity=[1, "x", 1, 1]): (
        "record 'b': the reactivity of base 2 is 'x'; expected a number"
    ),
    line(reactivity=[1, True, 1, 1]): (
        "record 'b': the reactivity of base 2 is True; expected a number"
    ),
    line(reactivity=[1, 1, float("nan"), 1]): (
        "record 'b': the reactivity of base 3 is nan; expected a finite number"
    ),
    line(reactivity=[1, 1, 1, -float("inf")]): (
        "record 'b': the reactivity of base 4 is -inf; expected a finite number"
    ),
    line(reactivity=[1, 1, 1, 10**400]): "record 'b': a reactivity is too large",
    line(reactivity=[0, None, -1, 0]): "record 'b': no reactivity above 0",
    line(cluster="3"): "record 'b': cluster must be a whole number, not '3'",
}


@pytest.mark.parametrize(("text", "message"), BAD.items())
def test_a_bad_line_is_named(tmp_path, text, message):
    path = tmp_path / "profiles.jsonl"
    path.write_text(GOOD + text + "\n")
    with pytest.raises(DatasetError) as caught:
        list(read_reactivities(path))
    assert str(caught.value) == f"{path}:2: {message}"


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError):
        list(read_reactivities(tmp_path / "none.jsonl"))


@pytest.mark.parametrize(
    ("sequence", "design"),
    [
        ("GGAAA" + "CAGUC" + "CCAUU" + "UUCG" + "AAUGG" + TAIL, "CAGUC"),
        ("GGAAA" + "CAGUC" + "CCAUU" + "UUCG" + "AAUGG" + "U" + TAIL, "CAGUC"),
        ("GGAAA" + "CAGUC" + TAIL, "CAGUC"),
        ("GGAAA" + TAIL, ""),
        ("GGA" + TAIL, ""),
        ("CAGUCCAUUUUCGAAUGG", "CAGUCCAUUUUCGAAUGG"),
        ("GGACAGUC", "GUC"),
    ],
)
def test_common_ends_of_designs_are_left_out(sequence, design):
    bases = designed_bases(sequence)
    assert "".join(sequence[base] for base in bases) == design


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            '{"id": "x", "seq": "A", "reactivity": [1], "seq": "C"}',
            "1: duplicate key 'seq'",
        ),
        (
            '{"id": null, "seq": "A", "reactivity": [1]}',
            "1: id must be text or a whole number, not None",
        ),
    ],
)
def test_lines_that_contradict_themselves_are_refused(tmp_path, line, message):
    path = tmp_path / "profiles.jsonl"
    path.write_text(line)
    with pytest.raises(DatasetError) as caught:
        list(read_reactivities(path))
    assert str(caught.value) == f"{path}:{message}"


def test_values_without_data_are_missing(tmp_path):
    """-999 was learned from as a reactivity."""
    path = tmp_path / "set.jsonl"
    path.write_text('{"id": "x", "seq": "GAC", "reactivity": [-999, 0.5, -500]}\n')
    [profile] = read_reactivities(path)
    assert profile.reactivities == (None, 0.5, -500.0)
