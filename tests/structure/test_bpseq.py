"""BPSEQ files, with and without the text above them."""

import pytest
from conftest import any_structure_records
from hypothesis import given, settings
from hypothesis import strategies as st

from rnaformer_cli.errors import StructureError
from rnaformer_cli.structure.bpseq import format_bpseq, read_bpseq
from rnaformer_cli.structure.brackets import parse_dot_bracket
from rnaformer_cli.structure.structure import Structure, StructureRecord

RECORD = StructureRecord("x", "GAC", parse_dot_bracket("(.)"))
COLUMNS = "expected three columns: index, base, partner"


def read(text):
    return list(read_bpseq(text.splitlines(), "x"))


def test_a_record_is_written_without_a_header():
    assert format_bpseq(RECORD) == "1 G 3\n2 A 0\n3 C 1\n"


def test_a_base_with_several_partners_is_refused():
    record = StructureRecord("x", "GGG", Structure(3, frozenset({(0, 1), (1, 2)})))
    with pytest.raises(StructureError) as caught:
        format_bpseq(record)
    assert str(caught.value) == (
        "base 2 has several partners, which this format cannot hold; write JSON Lines or TSV"
    )


@settings(max_examples=60, deadline=None)
@given(any_structure_records())
def test_writing_then_reading_gives_the_same_pairs(record):
    [again] = read(format_bpseq(record))
    assert (again.sequence, again.structure) == (record.sequence, record.structure)


@pytest.mark.parametrize(
    "text",
    [
        "1 G 3\n2 A 0\n3 C 1\n",
        "1\tg\t3\n2\ta\t0\n3\tc\t1\n",
        "# made by hand\n\n1 G 3\n2 A 0\n# more\n3 C 1\n\n",
        "Filename: d.5.bpseq\nOrganism: Homo sapiens\nAccession Number: K03432\n"
        "Citation and related information available at http://www.rna.ccbb.utexas.edu\n"
        "1 G 3\n2 A 0\n3 C 1\n",
    ],
    ids=["plain", "tabs", "comments", "four lines of the Comparative RNA Web Locus"],
)
def test_ways_to_write_the_same_record(text):
    assert read(text) == [RECORD]


def test_dna_is_read_as_rna():
    assert read("1 t 0\n")[0].sequence == "U"


def test_no_text_holds_no_record():
    assert read("\n# only a comment\nFilename: empty\n") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("GAC\n(.)\n", f"line:1: record 'x': {COLUMNS}"),
        ("1 G 0 0\n", f"line:1: record 'x': {COLUMNS}"),
        ("\n1 G -1\n", f"line:2: record 'x': {COLUMNS}"),
        ("1 GC 0\n", f"line:1: record 'x': {COLUMNS}"),
        ("1 ß 0\n", f"line:1: record 'x': {COLUMNS}"),
        ("a G 0\n", f"line:1: record 'x': {COLUMNS}"),
        (f"1 G {'9' * 5000}\n", f"line:1: record 'x': {COLUMNS}"),
        ("1 G 0\n3 G 0\n", "line:2: record 'x': expected base 2, found 3"),
        ("1 G 0\n1 G 0\n", "line:2: record 'x': expected base 2, found 1"),
        ("1 G 5\n", "line:1: record 'x': base 1 cannot pair with 5"),
        ("1 G 0\n\n2 G 2\n", "line:3: record 'x': base 2 cannot pair with 2"),
        ("1 G 2\n2 C 0\n", "line:1: record 'x': base 1 pairs with 2, but 2 is unpaired"),
        (
            "1 G 3\n2 G 3\n3 C 1\n",
            "line:2: record 'x': base 2 pairs with 3, but 3 pairs with 1",
        ),
    ],
)
def test_broken_files_are_reported_with_line_and_name(text, message):
    with pytest.raises(StructureError) as caught:
        read(text)
    assert str(caught.value) == message


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("012 3G\n\t#"), max_size=60) | st.text(max_size=40))
def test_any_text_is_read_or_refused_with_a_line(text):
    try:
        assert all(record.sequence for record in read_bpseq(text.split("\n")))
    except StructureError as error:
        assert error.location.line
