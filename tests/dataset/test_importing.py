"""Structure files and tables become labelled records, or are refused with the reason."""

import io
import sys

import pytest

from rnaformer_cli.dataset.importing import import_files
from rnaformer_cli.dataset.records import LabelledRecord
from rnaformer_cli.errors import DatasetError, InputError

DBN = ">a\nGGGAAACCC\n(((...)))\n>b\nGGRAACC\n((...))\n"
STOCKHOLM = """# STOCKHOLM 1.0
#=GF AC   RF00001
one          GGG-AAACCC
two          GCGAAAACGC
#=GC SS_cons <<<....>>>
//
# STOCKHOLM 1.0
#=GF AC   RF00002
three        GGAAACC
#=GC SS_cons ((...))
//
"""


def records_of(path, **options):
    return list(import_files(path, "lab", **options))


def test_dot_bracket_is_imported_with_ambiguous_letters_as_n(tmp_path):
    (tmp_path / "a.dbn").write_text(DBN)
    assert records_of(tmp_path / "a.dbn", family="F") == [
        LabelledRecord("a", "GGGAAACCC", ((0, 8), (1, 7), (2, 6)), "lab", "F"),
        LabelledRecord("b", "GGNAACC", ((0, 6), (1, 5)), "lab", "F"),
    ]


def test_members_of_an_alignment_get_their_own_pairs_and_its_accession(tmp_path):
    (tmp_path / "seed.sto").write_text(STOCKHOLM)
    one, two, three = records_of(tmp_path / "seed.sto")
    assert (one.sequence, one.pairs, one.family) == (
        "GGGAAACCC",
        ((0, 8), (1, 7), (2, 6)),
        "RF00001",
    )
    assert two.pairs == ((0, 9), (1, 8), (2, 7))
    assert (three.id, three.family) == ("three", "RF00002")


def test_a_folder_is_read_file_by_file(tmp_path):
    (tmp_path / "b.bpseq").write_text("1 G 3\n2 A 0\n3 C 1\n")
    (tmp_path / "a.ct").write_text("1 named\n1 G 0 0 0 1\n")
    (tmp_path / "notes.txt").write_text("not a structure")
    assert [record.id for record in records_of(tmp_path)] == ["named", "b"]


def test_tables_name_their_columns_in_any_case(tmp_path):
    (tmp_path / "t.csv").write_text("Name,Seq,Family,Dot_Bracket\nx,ggaaacc,RF9,((...))\n")
    assert records_of(tmp_path / "t.csv") == [
        LabelledRecord("x", "GGAAACC", ((0, 6), (1, 5)), "lab", "RF9")
    ]


def test_rows_without_a_name_are_numbered(tmp_path):
    (tmp_path / "t.csv").write_text("sequence,structure\nGGAAACC,((...))\nA,.\n")
    assert [record.id for record in records_of(tmp_path / "t.csv")] == ["t_1", "t_2"]


def test_white_space_in_a_name_of_a_table_becomes_one_word(tmp_path):
    """A quoted newline would begin another record elsewhere."""
    (tmp_path / "t.csv").write_text('id,sequence,structure\n"a\nb  c",GGAAACC,((...))\n')
    assert [record.id for record in records_of(tmp_path / "t.csv")] == ["a_b_c"]


def test_a_bad_row_is_reported_and_the_others_are_kept(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("id,sequence,structure\nx,GGAAACC,((...)\ny,A,.\nz,A*,..\n")
    bad, good, worse = records_of(path)
    assert str(bad) == f"{path}:2: record 'x': '(' at base 1 is never closed"
    assert good.id == "y"
    assert str(worse) == f"{path}: record 'z': '*' is not one of A C G U N"


def test_a_table_without_its_columns_is_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("id,seq\nx,A\n")
    with pytest.raises(DatasetError) as caught:
        records_of(path)
    names = "structure, dot_bracket, dotbracket, secondary_structure"
    assert str(caught.value) == f"{path}: no column for the structure; expected one of {names}"


def test_a_broken_file_in_a_folder_does_not_hide_the_next(tmp_path):
    (tmp_path / "a.dbn").write_text(">a\nGG\n((\n")
    (tmp_path / "b.dbn").write_text(">b\nA\n.\n")
    error, record = records_of(tmp_path)
    assert str(error) == f"{tmp_path / 'a.dbn'}:3: record 'a': '(' at base 2 is never closed"
    assert record.id == "b"


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError):
        records_of(tmp_path / "absent.dbn")


def test_an_empty_file_or_a_table_without_columns_does_not_hide_the_next(tmp_path):
    (tmp_path / "a.ct").write_text("")
    (tmp_path / "b.csv").write_text("x\n1\n")
    (tmp_path / "c.dbn").write_text(">c\nA\n.\n")
    empty, table, record = records_of(tmp_path)
    assert str(empty) == f"{tmp_path / 'a.ct'}: no structure in this file"
    assert str(table).startswith(f"{tmp_path / 'b.csv'}: no column for the sequence")
    assert record.id == "c"


def test_a_folder_without_structures_is_refused(tmp_path):
    with pytest.raises(InputError) as caught:
        records_of(tmp_path)
    assert str(caught.value) == f"{tmp_path}: no structure file or table in this folder"


def test_a_long_sequence_may_be_wrapped(tmp_path):
    path = tmp_path / "long.dbn"
    path.write_text(">long\n" + "GGGAAACCC\n" * 30 + "(((...)))" * 30 + "\n")
    [record] = records_of(path)
    assert (len(record), len(record.pairs)) == (270, 90)


def test_structures_are_imported_from_a_pipe(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(DBN.encode()))))
    assert [record.id for record in records_of("-")] == ["a", "b"]


def test_a_long_field_of_a_table_is_read(tmp_path):
    (tmp_path / "t.csv").write_text(f"id,sequence,structure\nx,{'A' * 200_000},{'.' * 200_000}\n")
    [record] = records_of(tmp_path / "t.csv")
    assert len(record.sequence) == 200_000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "id,seq,structure,Structure\nx,GAC,(.),...\n",
            "several columns for the structure: 'structure', 'Structure'",
        ),
        ("seq,id,name,structure\n", "several columns for the id: 'id', 'name'"),
    ],
)
def test_columns_that_may_contradict_each_other_are_refused(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DatasetError) as caught:
        list(import_files(tmp_path / "t.csv", "s"))
    assert str(caught.value) == f"{tmp_path / 't.csv'}: {message}"


def test_a_table_without_rows_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("id,seq,structure\n\n")
    with pytest.raises(InputError) as caught:
        list(import_files(tmp_path / "t.csv", "s"))
    assert str(caught.value) == f"{tmp_path / 't.csv'}: no structure in this file"


def test_a_row_of_too_many_cells_is_reported_and_an_empty_id_is_a_number(tmp_path):
    (tmp_path / "t.csv").write_text("id,seq,structure\nx,GAC,(.),y\n,GAC,(.),\n")
    wrong, record = import_files(tmp_path / "t.csv", "s")
    assert str(wrong) == f"{tmp_path / 't.csv'}:2: record 'x': more cells than the 3 columns"
    assert record.id == "t_2"


def test_a_quotation_mark_that_is_not_closed_does_not_swallow_rows(tmp_path):
    path = tmp_path / "t.csv"
    row = "GGAAACC,((...)),"
    path.write_text(f'id,sequence,structure,family\nx,{row}F\ny,{row}"F\nz,{row}F\n')
    table = import_files(path, "lab")
    assert next(table).id == "x"
    with pytest.raises(DatasetError) as caught:
        next(table)
    assert str(caught.value) == f"{path}:3: not CSV: unexpected end of data"
    path.write_text(f'id,sequence,structure,family\nx,{row}"F\ny,{row}"\nz,{row}F\n')
    error, last = records_of(path)
    message = "a line break in the family; check for an unclosed quotation mark"
    assert str(error) == f"{path}:3: record 'x': {message}"
    assert last.id == "z"
    path.write_text('id,"sequence')
    with pytest.raises(DatasetError) as caught:
        records_of(path)
    assert str(caught.value) == f"{path}:1: not CSV: unexpected end of data"


def test_an_alignment_with_an_empty_accession_has_no_family(tmp_path):
    (tmp_path / "x.sto").write_text(STOCKHOLM.replace("RF00001", "", 1))
    assert [found.family for found in records_of(tmp_path / "x.sto")] == [None, None, "RF00002"]


def test_a_table_is_known_by_its_suffix_in_any_case(tmp_path):
    table = tmp_path / "T.CSV"
    table.write_text("sequence,structure\nGGGAAACCC,(((...)))\n")
    [alone], [of_folder] = import_files(table, "x"), import_files(tmp_path, "x")
    assert alone == of_folder
    assert (alone.id, alone.pairs) == ("T_1", ((0, 8), (1, 7), (2, 6)))
