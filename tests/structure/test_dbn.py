"""Dot-bracket files as tools write them."""

import pytest
from conftest import any_structure_records
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rnaformer_cli.errors import StructureError
from rnaformer_cli.structure.brackets import parse_dot_bracket
from rnaformer_cli.structure.dbn import format_dbn, read_dbn
from rnaformer_cli.structure.structure import Structure, StructureRecord

KNOT = StructureRecord("x", "GGAACCAA", parse_dot_bracket("([.).].."))


def read(text):
    return list(read_dbn(text.splitlines()))


def short(record):
    return record.id, record.sequence, sorted(record.structure.pairs)


def test_a_record_is_written_in_three_lines():
    assert format_dbn(KNOT) == ">x\nGGAACCAA\n([.).]..\n"


def test_a_structure_that_brackets_cannot_hold_is_refused():
    record = StructureRecord("x", "GGG", Structure(3, frozenset({(0, 1), (1, 2)})))
    with pytest.raises(StructureError) as caught:
        format_dbn(record)
    assert str(caught.value) == (
        "base 2 has several partners, which this format cannot hold; write JSON Lines or TSV"
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(any_structure_records(), max_size=3))
def test_writing_then_reading_gives_the_same_records(records):
    assert read("".join(format_dbn(record) for record in records)) == records


@pytest.mark.parametrize(
    "text",
    [
        ">x\nGGAAACC\n((...))\n",
        "> x\nggaaacc\n((,-:))\n",
        ">x\nGGAAACC\n((...)) (-1.20)\n",
        ">x\nGGAAACC\n((...)) ( -1.20)\n",
        ">x\n\nGGAAACC\n# comment\n((...))\n\n",
        ">x\nGGA AACC\n((...))\n",
        ">x\nGGAA\nACC\n((..\n.))\n",
        ">x\nGGAA\nACC\n((...))\n",
        ">x\nGGAAACC\nAA...aa\n",
        "> x [100]\nGGAAACC  -1.20   1.00\n((...))  -1.20\n",
        "#Name: x\n#Length:  7 \n#PageNumber: 1\nGGAAACC\n((...))\n",
        ">ENERGY = -1.2  x\nGGAAACC\n((...))\n",
        "> dG = -1.2 x\nGGAAACC\n((...))\n",
    ],
)
def test_ways_to_write_the_same_record(text):
    assert [short(record) for record in read(text)] == [("x", "GGAAACC", [(0, 6), (1, 5)])]


def test_dna_is_read_as_rna():
    assert read(">x\nGTt\n...\n")[0].sequence == "GUU"


def test_a_header_holds_a_name_and_a_description():
    [record] = read(">tRNA  Phe, yeast \nGC\n()\n")
    assert (record.id, record.description) == ("tRNA", "Phe, yeast")


def test_ensemble_output_of_rnafold_is_skipped():
    text = """>x
GGGAAAUCC
(((...))) (  0.00)
{,,...||} [ -0.32]
(((...))) {  0.00 d=2.20}
(((...))) {  0.00 MEA=7.20}
 frequency of mfe structure in ensemble 0.593; ensemble diversity 2.32
>y
GC
..
"""
    assert [short(record) for record in read(text)] == [
        ("x", "GGGAAAUCC", [(0, 8), (1, 7), (2, 6)]),
        ("y", "GC", []),
    ]


def test_terminal_messages_of_rnafold_are_skipped():
    text = "GGGAAAUCC\n(((...)))\n minimum free energy =   0.00 kcal/mol\n\nGC\n..\n"
    assert [record.sequence for record in read(text)] == ["GGGAAAUCC", "GC"]


def test_pairs_of_lines_need_no_headers():
    assert [short(record) for record in read("GC\n()\nAAA\n... (0.00)\n")] == [
        ("sequence_1", "GC", [(0, 1)]),
        ("sequence_2", "AAA", []),
    ]


def test_a_header_without_a_name_is_called_by_its_number():
    assert [record.id for record in read(">x\nGC\n()\n>\nGC\n()\n")] == ["x", "sequence_2"]


def test_a_structure_of_letters_only_is_half_of_the_lines():
    [record] = read(">x\nGGCC\nABab\n")
    assert record.structure.pairs == {(0, 2), (1, 3)}


def test_no_text_holds_no_record():
    assert read("\n# only a comment\n") == []


MISSING = "expected a sequence line and a structure line below this header"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (">x\n", f"line:1: record 'x': {MISSING}"),
        (">x\nGC\n()\n\n>y\nGC\n>z\nGC\n()\n", f"line:5: record 'y': {MISSING}"),
        ("\nACGU\n", f"line:2: record 'sequence_1': {MISSING}"),
        (">x\nGCA\n()\n", "line:3: record 'x': 3 bases, but a structure of 2"),
        (">x\nGC\n(.\n", "line:3: record 'x': '(' at base 1 is never closed"),
        (">x\nGC\n.)\n", "line:3: record 'x': ')' at base 2 closes nothing"),
        (
            ">x\nGC&GC\n((&))\n",
            "line:3: record 'x': '&' at base 3: two strands; a structure of one strand is expected",
        ),
        (
            ">x\nGC\n()\n..\n",
            "line:3: record 'x': expected one structure of this sequence, found 2",
        ),
        (
            "> x [100]\nGCGC  -0.10   1.00\n(..)  -0.10\n()()   0.50\n",
            "line:3: record 'x': expected one structure of this sequence, found 2",
        ),
        (
            ">x\nGCGC\n(..)\n()()\n....\n",
            "line:3: record 'x': expected one structure of this sequence, found 3",
        ),
    ],
)
def test_broken_records_are_reported_with_line_and_name(text, message):
    with pytest.raises(StructureError) as caught:
        read(text)
    assert str(caught.value) == message


def test_records_before_a_broken_one_are_read():
    records = read_dbn([">x", "GC", "()", ">y", "GC", "("])
    assert next(records).id == "x"
    with pytest.raises(StructureError):
        next(records)


@settings(max_examples=200, deadline=None)
@example("\xa0")
@given(st.text(st.sampled_from(">#ACGU(.)[] \n\t{}ab-1"), max_size=50) | st.text(max_size=40))
def test_any_text_is_read_or_refused_with_a_line(text):
    try:
        assert all(record.id for record in read_dbn(text.split("\n")))
    except StructureError as error:
        assert error.location.line
