"""One failure is one line with its location."""

import pytest

from rnaformer_cli import errors
from rnaformer_cli.errors import RnaformerError, SequenceError


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ({}, "no good"),
        ({"path": "a.fa"}, "a.fa: no good"),
        ({"line": 3}, "line:3: no good"),
        ({"line": 3, "column": 7}, "line:3:7: no good"),
        ({"path": "a.fa", "line": 3, "column": 7}, "a.fa:3:7: no good"),
        ({"record": "tRNA"}, "record 'tRNA': no good"),
        ({"path": "a.fa", "line": 3, "record": "tRNA"}, "a.fa:3: record 'tRNA': no good"),
    ],
)
def test_the_message_begins_with_the_known_location(place, text):
    assert str(RnaformerError("no good", **place)) == text


def test_a_file_is_added_without_losing_type_or_location():
    expected = SequenceError("no good", line=3, column=7, record="x").at("a.fa")
    assert type(expected) is SequenceError
    assert str(expected) == "a.fa:3:7: record 'x': no good"


def test_the_location_can_be_read_as_fields(tmp_path):
    location = RnaformerError("no good", path=tmp_path, line=3, column=7, record="x").location
    assert (location.path, location.line, location.column, location.record) == (
        str(tmp_path),
        3,
        7,
        "x",
    )


@pytest.mark.parametrize(
    "name",
    ["Sequence", "Structure", "Score", "Config", "Weights", "Device", "Input", "Output"],
)
def test_every_kind_of_failure_can_be_caught_as_one(name):
    assert issubclass(getattr(errors, f"{name}Error"), RnaformerError)


def test_the_tree_in_the_docstring_names_every_kind():
    kinds = {kind.__name__ for kind in RnaformerError.__subclasses__()}
    drawn = {line.split()[1] for line in errors.__doc__.splitlines() if line[:1] in "├└" and line}
    assert drawn == kinds
