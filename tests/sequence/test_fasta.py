"""FASTA as people have it: what is read, what is refused, and by which words."""

import gzip
import io
import sys
from types import SimpleNamespace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rnaformer_cli.errors import InputError, SequenceError
from rnaformer_cli.sequence.encode import ALPHABET
from rnaformer_cli.sequence.fasta import fasta_files, read_fasta, read_fasta_file, scan_fasta
from rnaformer_cli.sequence.record import RnaRecord

STRANDS = "'&' separates two strands; write each strand as a separate record"
EXPECTED = "expected the bases A C G U (T)"


def read(text, strict=False):
    return list(read_fasta(text.splitlines(), strict))


def scan(text, strict=False):
    return list(scan_fasta(text.splitlines(), strict))


@pytest.fixture
def read_back(tmp_path):
    """Write a FASTA file and read it back."""

    def read_back(data):
        file = tmp_path / "reads.fa"
        file.write_bytes(data if isinstance(data, bytes) else data.encode())
        return list(read_fasta_file(file))

    return read_back


def test_a_record_has_an_id_a_description_and_its_joined_lines():
    assert read(">tRNA Phe, yeast \nACGU\nGG\n") == [RnaRecord("tRNA", "ACGUGG", "Phe, yeast")]


def test_records_come_in_file_order_and_ids_may_repeat():
    assert [(r.id, r.sequence) for r in read(">b\nA\n>a\nC\n>b\nG\n")] == [
        ("b", "A"),
        ("a", "C"),
        ("b", "G"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        ">x\nacgu\n",
        ">x\nACGT\n",
        ">x\nacgt\n",
        ">x\nAC GU\n",
        ">x\nAC\tGU  \n",
        ">x\n  A\n\n  C\n \t\nGU",
        "\n\n>x\nACGU\n\n",
        "; a comment\n# another\n>x\nACGU\n",
        ">x\n; a comment\nAC\n;GGG\nGU\n",
        "> x\nACGU\n",
        ">\tx\nACGU\n",
    ],
)
def test_ways_to_write_the_same_record(text):
    assert read(text) == [RnaRecord("x", "ACGU")]


@pytest.mark.parametrize(
    "data",
    [
        b">x\nAC\nGU",
        b">x\r\nAC\r\nGU\r\n",
        b">x\rAC\rGU\r",
        b"\xef\xbb\xbf>x\nACGU\n",
        gzip.compress(b">x\nACGU\n"),
        gzip.compress(b">x\r\nACGU\r\n"),
    ],
    ids=["LF", "CRLF", "CR", "byte order mark", "gzip", "gzip with CRLF"],
)
def test_files_are_read_however_they_are_stored(read_back, data):
    assert read_back(data) == [RnaRecord("x", "ACGU")]


def test_standard_input_is_a_file_called_dash(monkeypatch):
    stdin = SimpleNamespace(buffer=io.BufferedReader(io.BytesIO(b">x\nACGU\n>y\nA-\n")))
    monkeypatch.setattr(sys, "stdin", stdin)
    [good, bad] = read_fasta_file("-")
    assert good == RnaRecord("x", "ACGU")
    assert str(bad).startswith("stdin:4:2: record 'y': '-' is a gap;")


def test_letters_for_several_bases_become_n_and_are_counted():
    [record] = read(">x\nACGURYSWKMBDHVryN\n")
    assert (record.sequence, record.n_ambiguous) == ("ACGU" + "N" * 13, 12)


def test_an_n_is_not_counted_as_ambiguous_even_when_strict():
    [record] = read(">x\nACGNn\n", strict=True)
    assert (record.sequence, record.n_ambiguous) == ("ACGNN", 0)


def test_strict_takes_spaces_and_dna():
    assert read(">x\nac gt\n", strict=True) == [RnaRecord("x", "ACGU")]


def test_a_header_without_a_name_is_called_by_its_number():
    assert [record.id for record in read(">x\nA\n>\nC\n>  \nG\n")] == [
        "x",
        "sequence_2",
        "sequence_3",
    ]


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        ("AC-GU", 3, f"'-' is a gap; {EXPECTED} without gaps: remove the gaps first"),
        ("AC.GU", 3, f"'.' is a gap; {EXPECTED} without gaps: remove the gaps first"),
        ("~ACGU", 1, f"'~' is a gap; {EXPECTED} without gaps: remove the gaps first"),
        ("((...))", 1, f"'(': this looks like dot-bracket; {EXPECTED}"),
        ("..((..))", 1, f"'.': this looks like dot-bracket; {EXPECTED}"),
        ("AC]", 3, f"']': this looks like dot-bracket; {EXPECTED}"),
        (" >y", 2, f"'>': this looks like dot-bracket; {EXPECTED}"),
        ("10 ACGU", 1, f"'1' is a digit; {EXPECTED}"),
        ("MKLV", 3, f"'L' is an amino acid letter; {EXPECTED}, not protein"),
        ("ACGU*", 5, f"'*' is an amino acid letter; {EXPECTED}, not protein"),
        ("ACXU", 3, f"'X' is not an RNA base; {EXPECTED}, N or another IUPAC code"),
        ("AC\u017fU", 3, f"'\u017f' is not an RNA base; {EXPECTED}, N or another IUPAC code"),
        ("A\xa0C", 2, f"'\\xa0' is not an RNA base; {EXPECTED}, N or another IUPAC code"),
        ("GG&CC", 3, STRANDS),
        ("# note", 1, f"'#' is not an RNA base; {EXPECTED}, N or another IUPAC code"),
    ],
)
def test_a_letter_that_is_no_base_is_reported_with_its_position(line, column, message):
    [error] = scan(f">x\nACGU\n{line}\n")
    assert isinstance(error, SequenceError)
    assert str(error) == f"line:3:{column}: record 'x': {message}"


@pytest.mark.parametrize("letter", "Ry")
def test_strict_refuses_letters_for_several_bases(letter):
    [error] = scan(f">x\nAC{letter}\n", strict=True)
    assert str(error) == (
        f"line:2:3: record 'x': '{letter}' stands for more than one base; "
        "--strict takes only A C G U (T) and N"
    )


@pytest.mark.parametrize(("text", "line"), [(">x\n>y\nA\n", 1), (">y\nA\n>x\n", 3)])
def test_a_record_without_sequence_is_reported_with_its_header(text, line):
    [error] = [found for found in scan(text) if isinstance(found, SequenceError)]
    assert str(error) == f"line:{line}: record 'x': no sequence below this header"


def test_blank_and_comment_lines_are_no_sequence():
    [error] = scan(">x\n\n; comment\n \t\n")
    assert str(error) == "line:1: record 'x': no sequence below this header"


def test_bad_records_are_reported_and_the_good_ones_between_are_kept():
    found = scan(">a\nACGU\n>b\nAC1\nA-\n>c\nGG\n>d\n>e\nCC\n")
    assert [one.location.record if isinstance(one, SequenceError) else one.id for one in found] == [
        "a",
        "b",
        "c",
        "d",
        "e",
    ]
    assert [str(one) for one in found if isinstance(one, SequenceError)] == [
        f"line:4:3: record 'b': '1' is a digit; {EXPECTED}",
        "line:8: record 'd': no sequence below this header",
    ]


def test_the_simple_reader_stops_at_the_first_bad_record():
    records = read_fasta([">a", "A", ">b", "A1", ">c", "C"])
    assert next(records).id == "a"
    with pytest.raises(SequenceError) as caught:
        next(records)
    assert str(caught.value) == f"line:4:2: record 'b': '1' is a digit; {EXPECTED}"


BEFORE = "expected FASTA, with '>' before each name"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\nACGU\n>x\nA\n", "2:1: expected a FASTA header ('>' and a name) before any sequence"),
        (
            "@read\nACGU\n+\nIIII\n",
            "1:1: this looks like FASTQ; expected FASTA, with '>' before each name",
        ),
        ("1 G 12\n", f"1:1: this looks like a structure in BPSEQ; {BEFORE}"),
        ("  76  tRNA\n 1 G 0 2 72 1\n", f"1:1: this looks like a structure in CT; {BEFORE}"),
        ('{"id": "x"}\n', f"1:1: this looks like JSON; {BEFORE}"),
        ("CLUSTAL W\n\nx ACGU\n", f"1:1: this looks like Clustal; {BEFORE}"),
        ("# STOCKHOLM 1.0\nx ACGU\n", f"1:1: this looks like Stockholm; {BEFORE}"),
    ],
)
def test_text_before_the_first_header_ends_the_reading(read_back, tmp_path, text, message):
    with pytest.raises(SequenceError) as caught:
        read_back(text)
    assert str(caught.value) == f"{tmp_path / 'reads.fa'}:{message}"


@pytest.mark.parametrize("text", ["", "\n\n", "; only\n# comments\n"])
def test_a_file_without_a_record_is_reported(read_back, tmp_path, text):
    with pytest.raises(InputError) as caught:
        read_back(text)
    assert str(caught.value) == (
        f"{tmp_path / 'reads.fa'}: no FASTA record (expected a line that starts with '>')"
    )


def test_a_bad_record_of_a_file_is_reported_with_the_file(read_back, tmp_path):
    [error] = read_back(">x\nA-\n")
    assert (error.location.path, error.location.line, error.location.column) == (
        str(tmp_path / "reads.fa"),
        2,
        2,
    )


LETTERS = st.text(st.sampled_from("ACGUTacgutNnRYry -.1(*>;#@\n\r\t"), max_size=60)


@settings(max_examples=200, deadline=None)
@example(">")
@example(">\n>")
@given(LETTERS | st.text(max_size=40))
def test_any_text_gives_valid_records_or_an_error_with_a_line(text):
    try:
        found = list(scan_fasta(io.StringIO(text, newline=None).read().split("\n")))
    except SequenceError as error:
        assert error.location.line
        return
    for one in found:
        if isinstance(one, SequenceError):
            assert one.location.line and one.location.record
        else:
            assert one.sequence and set(one.sequence) <= set(ALPHABET)


@settings(max_examples=100, deadline=None)
@given(LETTERS)
def test_each_header_gives_one_record_or_one_error(text):
    lines = [">x", *text.split("\n")]
    headers = sum(line.startswith(">") for line in lines)
    assert len(list(scan_fasta(lines))) == headers


def test_the_lines_of_an_open_file_are_read(tmp_path):
    path = tmp_path / "two.fasta"
    path.write_bytes(b">a about\r\nGG\r\nCC\r\n\r\n>b\r\nA\r\n")
    with path.open(newline="") as with_ends:
        records = list(read_fasta(with_ends))
    assert [(r.id, r.sequence, r.description) for r in records] == [
        ("a", "GGCC", "about"),
        ("b", "A", ""),
    ]


def test_a_folder_stands_for_its_fasta_files_in_order(tmp_path):
    for name in ("b.fa", "a.fasta.gz", "c.FNA", "notes.txt", "d.dbn"):
        (tmp_path / name).write_text(">x\nACGU\n")
    (tmp_path / "e.fa").mkdir()
    assert [path.name for path in fasta_files(tmp_path)] == ["a.fasta.gz", "b.fa", "c.FNA"]
    assert fasta_files(tmp_path / "notes.txt") == [tmp_path / "notes.txt"]
    assert fasta_files("-") == ["-"]


def test_a_folder_without_fasta_is_refused(tmp_path):
    with pytest.raises(InputError) as caught:
        fasta_files(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: no FASTA file in this folder (.fa, .fas, .fasta, .ffn, .fna, .frn, also .gz)"
    )


def test_the_simple_reader_takes_a_path_or_lines(tmp_path):
    path = tmp_path / "a.fa"
    path.write_text(">a\nGG\n")
    (tmp_path / "b.fasta").write_text(">b\nCC\n")
    first = [RnaRecord("a", "GG")]
    assert list(read_fasta(path)) == list(read_fasta(str(path))) == list(read_fasta([">a", "GG"]))
    assert list(read_fasta(path)) == first
    assert list(read_fasta(tmp_path)) == [*first, RnaRecord("b", "CC")]


def test_a_bad_record_of_a_file_is_raised_with_its_path(tmp_path):
    path = tmp_path / "a.fa"
    path.write_text(">a\nG1\n")
    with pytest.raises(SequenceError) as caught:
        list(read_fasta(path))
    assert str(caught.value) == f"{path}:2:2: record 'a': '1' is a digit; {EXPECTED}"


@pytest.mark.parametrize("text", [">a\nGG\n", ">a", "GG\nCC"])
def test_text_instead_of_a_path_is_refused(text):
    with pytest.raises(SequenceError) as caught:
        list(read_fasta(text))
    message = "this is FASTA text; expected a path or lines: pass text.splitlines()"
    assert str(caught.value) == message
