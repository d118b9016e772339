"""CT files: RNAstructure's, mfold's, UNAFold's and those of other networks."""

import pytest
from conftest import any_structure_records
from hypothesis import given, settings
from hypothesis import strategies as st

from rnaformer_cli.errors import StructureError
from rnaformer_cli.structure.brackets import parse_dot_bracket
from rnaformer_cli.structure.ct import format_ct, read_ct
from rnaformer_cli.structure.structure import Structure, StructureRecord

ROWS = "1 G 0 2 3 1\n2 A 1 3 0 2\n3 C 2 0 1 3\n"
COLUMNS = "expected six columns: index, base, previous, next, partner, index"
HEADER = "expected a CT header: the number of bases and a name"


def read(text, name="file"):
    return list(read_ct(text.splitlines(), name))


def test_a_record_is_written_as_rnastructure_writes_it():
    record = StructureRecord("x", "GAC", parse_dot_bracket("(.)"), "not written")
    assert format_ct(record) == (
        "    3  x\n"
        "    1 G     0     2     3     1\n"
        "    2 A     1     3     0     2\n"
        "    3 C     2     0     1     3\n"
    )


def test_a_base_with_several_partners_is_refused():
    record = StructureRecord("x", "GGG", Structure(3, frozenset({(0, 1), (1, 2)})))
    with pytest.raises(StructureError) as caught:
        format_ct(record)
    assert str(caught.value) == (
        "base 2 has several partners, which this format cannot hold; write JSON Lines or TSV"
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(any_structure_records(), max_size=3))
def test_writing_then_reading_gives_the_same_records(records):
    assert read("".join(format_ct(record) for record in records)) == records


@pytest.mark.parametrize(
    ("header", "name", "description"),
    [
        ("3", "file", ""),
        ("    3  tRNA", "tRNA", ""),
        ("3\ttRNA Phe, yeast", "tRNA", "Phe, yeast"),
        ("3 4ABC", "4ABC", ""),
        ("    3  ENERGY = -49.9  tRNA Phe", "tRNA", "Phe"),
        ("3 Energy = -49.9", "file", ""),
        ("3 ENERGY =  tRNA", "tRNA", ""),
        ("3 ENERGY =  5S_rRNA", "5S_rRNA", ""),
        ("3\tdG = -7.9\ttRNA", "tRNA", ""),
        ("3 dG=-7.9 tRNA", "tRNA", ""),
        ("   3 dG =    -7.90 [initially   -8.80] tRNA Phe", "tRNA", "Phe"),
        ("3 nt", "nt", ""),
        (">seq length: 3", "file", ""),
        ("> seq length: 3 nt", "file", ""),
        (">seq length: 3\t seq name: tRNA", "tRNA", ""),
        (">seq length: 3 tRNA", "tRNA", ""),
        ("3\t\ttRNA\t\tSPOT-RNA output\n", "tRNA", "SPOT-RNA output"),
    ],
)
def test_headers_hold_a_length_and_maybe_energy_name_and_description(header, name, description):
    [record] = read(f"{header}\n{ROWS}")
    assert (record.id, record.description) == (name, description)


@pytest.mark.parametrize(
    "text",
    [
        f"3 x\n{ROWS}",
        f"# made by hand\n\n3 x\n# more\n{ROWS}\n\n",
        "3 x\n1\tg\t0\t2\t3\t1\n2\ta\t1\t3\t0\t2\n3\tc\t2\t4\t1\t3\n",
        "3 x\n1 G 0 2 3 1 0 2\n2 A 1 3 0 2 0 0\n3 C 2 0 1 3 2 0\n",
        "3 x\n1 G 0 2 3 71\n2 A 1 3 0 72\n3 C 2 0 1 -3\n",
    ],
    ids=["plain", "comments", "tabs", "eight columns of mfold", "other numbering"],
)
def test_ways_to_write_the_same_record(text):
    assert read(text) == [StructureRecord("x", "GAC", parse_dot_bracket("(.)"))]


def test_several_records_may_follow_each_other():
    assert [record.id for record in read(f"3 x\n{ROWS}3 y\n{ROWS}")] == ["x", "y"]


def test_dna_is_read_as_rna():
    assert read("1 x\n1 t 0 0 0 1\n")[0].sequence == "U"


def test_no_text_holds_no_record():
    assert read("\n# only a comment\n") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\nGAC\n(.)\n", f"line:2: {HEADER}"),
        (f"3 x\n{ROWS}>y\n", f"line:5: {HEADER}"),
        ("3x\n", f"line:1: {HEADER}"),
        ("1234567890 x\n", f"line:1: {HEADER}"),
        ("0 x\n", f"line:1: {HEADER}"),
        (f"4 x\n{ROWS}", "line:1: expected 4 bases, found 3"),
        (f"4 x\n{ROWS}3 y\n{ROWS}", f"line:5: record 'x': {COLUMNS}"),
        ("1 x\n1 G 0 0 0\n", f"line:2: record 'x': {COLUMNS}"),
        ("1 x\n1 G 0 0 -1 1\n", f"line:2: record 'x': {COLUMNS}"),
        ("1 x\n1 ß 0 0 0 1\n", f"line:2: record 'x': {COLUMNS}"),
        ("1 x\n1 GU 0 0 0 1\n", f"line:2: record 'x': {COLUMNS}"),
        (f"1 x\n1 G 0 0 {'9' * 5000} 1\n", f"line:2: record 'x': {COLUMNS}"),
        ("2 x\n1 G 0 2 0 1\n3 G 1 0 0 3\n", "line:3: record 'x': expected base 2, found 3"),
        ("1 x\n1 G 0 0 2 1\n", "line:2: record 'x': base 1 cannot pair with 2"),
        ("1 x\n1 G 0 0 1 1\n", "line:2: record 'x': base 1 cannot pair with 1"),
        (
            "2 x\n1 G 0 2 2 1\n2 C 1 0 0 2\n",
            "line:2: record 'x': base 1 pairs with 2, but 2 is unpaired",
        ),
        (
            "3 x\n1 G 0 2 3 1\n2 C 1 3 3 2\n3 C 2 0 1 3\n",
            "line:3: record 'x': base 2 pairs with 3, but 3 pairs with 1",
        ),
    ],
)
def test_broken_files_are_reported_with_line_and_name(text, message):
    with pytest.raises(StructureError) as caught:
        read(text)
    assert str(caught.value) == message


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("012 3G\n\t#>x"), max_size=60) | st.text(max_size=40))
def test_any_text_is_read_or_refused_with_a_line(text):
    try:
        assert all(record.sequence for record in read_ct(text.split("\n")))
    except StructureError as error:
        assert error.location.line
