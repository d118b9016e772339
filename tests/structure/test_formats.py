"""Which reader a text gets, and what a file or a folder gives."""

import gzip
import io
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import any_structure_records
from factories.predictions import make_prediction_line
from hypothesis import given, settings
from hypothesis import strategies as st

from rnaformer_cli.errors import InputError, OutputError, StructureError
from rnaformer_cli.files import list_files
from rnaformer_cli.structure.brackets import parse_dot_bracket
from rnaformer_cli.structure.ct import format_ct, read_ct
from rnaformer_cli.structure.dbn import format_dbn, read_dbn
from rnaformer_cli.structure.formats import (
    READ_FORMATS,
    SUFFIXES,
    WRITE_FORMATS,
    WRITERS,
    base_name,
    detect_format,
    format_structure,
    parse_structures,
    read_prediction_files,
    read_structures,
    write_structures,
)
from rnaformer_cli.structure.structure import StructureRecord

RECORD = StructureRecord("x", "GAC", parse_dot_bracket("(.)"))
STOCKHOLM = "# STOCKHOLM 1.0\nx GAC\n#=GC SS_cons (.)\n//\n"


def parse(text, source_format=None):
    return list(parse_structures(text.split("\n"), source_format, "file"))


@pytest.mark.parametrize("name", WRITE_FORMATS)
@settings(max_examples=30, deadline=None)
@given(record=any_structure_records())
def test_every_written_format_is_recognised_and_read_back(name, record):
    [again] = parse(WRITERS[name](record))
    assert (again.sequence, again.structure) == (record.sequence, record.structure)


def test_every_format_has_a_reader():
    texts = {**{name: write(RECORD) for name, write in WRITERS.items()}, "stockholm": STOCKHOLM}
    assert set(texts) == set(READ_FORMATS)
    for name, text in texts.items():
        [record] = parse(text, name)
        assert record.structure == RECORD.structure


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("", "dbn"),
        ("# only a comment\n", "dbn"),
        (">x\nGAC\n(.)\n", "dbn"),
        ("GAC\n(.) (0.00)\n", "dbn"),
        ("#Name: x\n#Length: 3\nGAC\n(.)\n", "dbn"),
        (">x\nGAC\n", None),
        (">x a b\nGAC\n>y\n\nACGU\nAC\n", None),
        ("3 x\n1 G 0 2 3 1\n", "ct"),
        ("# by hand\n\n3 ENERGY = -1 x\n\n1\tG\t0\t2\t3\t1\n", "ct"),
        ("3 dG = -1 x\n1 G 0 2 3 1 0 2\n", "ct"),
        (">seq length: 3\t seq name: x\n1\tG\t0\t2\t3\t1\n", "ct"),
        ("1 G 3\n", "bpseq"),
        ("# by hand\n1\tG\t3\n", "bpseq"),
        ("Filename: a\nOrganism: b\nAccession: c\nCitation d\n1 G 3\n", "bpseq"),
        ('\n{"id": "x"}\n', "jsonl"),
        ("\n" + STOCKHOLM, "stockholm"),
    ],
)
def test_the_format_is_recognised_from_the_text(text, name):
    if name is not None:
        assert detect_format(text.split("\n")) == name
        return
    with pytest.raises(StructureError) as caught:
        detect_format(text.split("\n"))
    assert (
        str(caught.value)
        == "line:1: this looks like FASTA; expected structures, as `rnaformer predict` writes them"
    )


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("id\ti\tj\tscore\nx\t1\t9\t0.9\n", "a table of base-pair probabilities"),
        ("id\tlength\tpairs\tconfidence\nx\t9\t2\t0.9\n", "a table"),
        ("name,sequence,structure\nx,GAC,(.)\n", "a table"),
    ],
)
def test_a_table_is_refused_by_name(text, what):
    with pytest.raises(StructureError) as caught:
        detect_format(text.split("\n"))
    expected = "expected structures, as `rnaformer predict` writes them"
    assert str(caught.value) == f"line:1: this looks like {what}; {expected}"


def test_a_long_wrapped_sequence_does_not_look_like_fasta():
    lines = 80  # of 60 letters
    text = ">x\n" + f"{'A' * 60}\n" * lines + f"{'.' * 60}\n" * lines
    assert [len(record.sequence) for record in parse(text)] == [4800]


def test_a_format_that_is_given_is_not_guessed():
    with pytest.raises(StructureError) as caught:
        parse("1 G 3\n", "ct")
    assert str(caught.value) == "line:1: expected 1 bases, found 0"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/tRNA.ct", "tRNA"),
        ("tRNA.CT", "tRNA"),
        ("tRNA.bpseq.gz", "tRNA"),
        ("NM_1.2", "NM_1.2"),
        ("NM_1.2.ct", "NM_1.2"),
        ("NM_1.2.CT.GZ", "NM_1.2"),
        ("-", "sequence_1"),
    ],
)
def test_a_record_without_a_name_is_called_after_its_file(path, name):
    assert base_name(path) == base_name(Path(path)) == name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.ct", True),
        ("a.CT", True),
        ("a.dbn.gz", True),
        ("a.Dbn.GZ", True),
        ("a.txt", False),
        ("ct", False),
        (".a.ct", False),
    ],
)
def test_files_of_a_folder_are_chosen_by_their_suffix(tmp_path, name, expected):
    (tmp_path / name).touch()
    assert bool(list_files(tmp_path, SUFFIXES)) is expected


def test_a_folder_with_a_suffix_is_no_file(tmp_path):
    (tmp_path / "a.ct").mkdir()
    assert list_files(tmp_path, SUFFIXES) == []


def test_a_file_is_read_compressed_and_with_other_line_ends(tmp_path):
    file = tmp_path / "tRNA.bpseq.gz"
    file.write_bytes(gzip.compress(b"\xef\xbb\xbf1 G 3\r\n2 A 0\r\n3 C 1\r\n"))
    [record] = read_structures(file)
    assert (record.id, record.structure) == ("tRNA", RECORD.structure)


def test_a_folder_gives_the_records_of_its_structure_files_by_name(tmp_path):
    (tmp_path / "b.dbn").write_text(">b\nGC\n()\n>b2\nGC\n()\n")
    (tmp_path / "a.bpseq").write_text("1 G 0\n")
    (tmp_path / "notes.txt").write_text("not read")
    assert [record.id for record in read_structures(tmp_path)] == ["a", "b", "b2"]


def test_standard_input_is_read(monkeypatch):
    stdin = SimpleNamespace(buffer=io.BufferedReader(io.BytesIO(b"1 G 0\n")))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert [record.id for record in read_structures("-")] == ["sequence_1"]


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"", "stdin: no structure in this file"), (b"1 G 0\n3 G 0\n", "stdin:2: record ")],
)
def test_errors_of_standard_input_name_it(monkeypatch, data, message):
    stdin = SimpleNamespace(buffer=io.BufferedReader(io.BytesIO(data)))
    monkeypatch.setattr(sys, "stdin", stdin)
    with pytest.raises((InputError, StructureError)) as caught:
        list(read_structures("-"))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("", InputError, ": no structure in this file"),
        ("# STOCKHOLM 1.0\n//\n", InputError, ": no structure in this file"),
        (
            ">x\nGAC\n",
            StructureError,
            ":1: this looks like FASTA; expected structures, as `rnaformer predict` writes them",
        ),
        (">x\nGAC\n(..\n", StructureError, ":3: record 'x': '(' at base 1 is never closed"),
    ],
)
def test_errors_of_a_file_name_it(tmp_path, text, kind, message):
    file = tmp_path / "a.dbn"
    file.write_text(text)
    with pytest.raises(kind) as caught:
        list(read_structures(file))
    assert str(caught.value) == f"{file}{message}"


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(InputError) as caught:
        list(read_structures(tmp_path / "a.ct"))
    assert str(caught.value) == f"{tmp_path / 'a.ct'}: no such file or directory"


def test_a_folder_without_structures_is_reported(tmp_path):
    with pytest.raises(InputError) as caught:
        list(read_structures(tmp_path))
    assert str(caught.value) == f"{tmp_path}: no structure file in this folder"


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60) | st.text(st.sampled_from("012 GA(.)>#{}\n\t"), max_size=60))
def test_any_text_is_read_or_refused(text):
    try:
        assert all(record.sequence for record in parse(text))
    except StructureError as error:
        assert error.message


def test_a_folder_gives_the_predictions_of_its_json_lines_files(tmp_path):
    (tmp_path / "b.jsonl").write_text(make_prediction_line("b"))
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(make_prediction_line("a").encode()))
    (tmp_path / "a.dbn").write_text(">c\nGC\n()\n")
    (tmp_path / ".rnaformer-run.jsonl").write_text("{}\n")
    found = [one.structure_record.id for one in read_prediction_files(tmp_path)]
    assert found == ["a", "b"]


def test_a_folder_without_predictions_is_reported(tmp_path):
    (tmp_path / "a.dbn").write_text(">c\nGC\n()\n")
    with pytest.raises(InputError) as caught:
        list(read_prediction_files(tmp_path))
    assert str(caught.value) == f"{tmp_path}: no prediction file in this folder"


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("\n", InputError, ": no prediction in this file"),
        ('{"id": "x"}\n', StructureError, ":1: record 'x': no field 'sequence'"),
    ],
)
def test_errors_of_a_file_of_predictions_name_it(tmp_path, text, kind, message):
    file = tmp_path / "a.jsonl"
    file.write_text(text)
    with pytest.raises(kind) as caught:
        list(read_prediction_files(file))
    assert str(caught.value) == f"{file}{message}"


def test_a_broken_link_in_a_folder_is_reported(tmp_path):
    (tmp_path / "a.dbn").write_text(">a\nGGGAAACCC\n(((...)))\n")
    (tmp_path / "b.dbn").symlink_to("absent.dbn")
    with pytest.raises(InputError, match=r"b\.dbn: no such file or directory$"):
        list(read_structures(tmp_path))


def test_a_pipe_in_a_folder_is_refused(tmp_path):
    os.mkfifo(tmp_path / "a.dbn")
    with pytest.raises(InputError) as caught:
        list(read_structures(tmp_path))
    message = "is not a regular file; only regular files of a folder are read"
    assert str(caught.value) == f"{tmp_path / 'a.dbn'}: {message}"


IDS = ["dG=x1", "dG=-3.2", "ENERGY=-3.2", "energy=", "[initially-1]", "dG", "seq"]


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize(("write", "read"), [(format_dbn, read_dbn), (format_ct, read_ct)])
def test_an_id_that_looks_like_an_energy_is_an_id(name, write, read):
    record = StructureRecord(name, "GGAAACC", parse_dot_bracket("((...))"))
    assert list(read(write(record).splitlines())) == [record]


@pytest.mark.parametrize("name", IDS)
def test_an_id_that_looks_like_an_energy_is_one_before_a_note(name):
    record = StructureRecord(name, "GGAAACC", parse_dot_bracket("((...))"))
    [found] = read_dbn(format_dbn(record, "confidence=0.83").splitlines())
    assert (found.id, found.description) == (name, "confidence=0.83")


@pytest.mark.parametrize("name", WRITE_FORMATS)
def test_a_file_is_written_in_the_format_of_its_suffix_or_the_given_one(tmp_path, name):
    write_structures([RECORD], tmp_path / f"x.{name}")
    write_structures(iter([RECORD]), str(tmp_path / "y.txt"), name)
    for path in (tmp_path / f"x.{name}", tmp_path / "y.txt"):
        assert path.read_text() == format_structure(RECORD, name) == WRITERS[name](RECORD)


def test_several_records_go_into_one_file_if_its_format_holds_them(tmp_path):
    for name in ("x.txt", "x.ct"):
        write_structures([RECORD, RECORD], tmp_path / name)
        assert list(read_structures(tmp_path / name)) == [RECORD, RECORD]
    with pytest.raises(OutputError) as caught:
        write_structures([RECORD, RECORD], tmp_path / "x.bpseq")
    assert caught.value.message == "a bpseq file holds one record; write a file for each"
    assert not (tmp_path / "x.bpseq").exists()


@pytest.mark.parametrize("target", ["dbn", "ct", "jsonl", "wuss"])
def test_white_space_in_an_id_does_not_end_it_or_start_a_record(tmp_path, target):
    record = StructureRecord("a\n>b c", RECORD.sequence, RECORD.structure)
    write_structures([record], tmp_path / "x", target)
    [found] = read_structures(tmp_path / "x")
    assert (found.id, found.structure) == ("a_>b_c", RECORD.structure)
