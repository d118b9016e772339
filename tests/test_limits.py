"""Input that is too large is refused with the limit, before its memory is allocated."""

import gzip
import resource
import subprocess
import sys

import pytest

from rnaformer_cli import files
from rnaformer_cli.errors import InputError, StructureError, shorten_repr
from rnaformer_cli.files import read_bytes, read_lines
from rnaformer_cli.json_text import parse_json
from rnaformer_cli.sequence import fasta
from rnaformer_cli.sequence.fasta import scan_fasta
from rnaformer_cli.structure import stockholm, structure
from rnaformer_cli.structure.formats import parse_structures

MEMORY = 900_000_000  # bytes of addresses; a line at its limit needs a half of it
UNREADABLE = "a JSON object with id, sequence, and pairs or structure"


def convert(path):
    """Run `rnaformer convert` in a process with little memory."""

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    command = [sys.executable, "-m", "rnaformer_cli", "convert", "--from", "dbn", path]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=limit, timeout=60)
    return done.stdout, done.stderr, done.returncode


def write_bomb(path, member, count):
    """A gzip file of many members: 20 MB each unpacked, 20 kB packed."""
    path.write_bytes(gzip.compress(member, 9) * count)


def test_a_gzip_bomb_of_one_line_is_refused(tmp_path):
    bomb = tmp_path / "bomb.dbn.gz"
    write_bomb(bomb, b"A" * 20_000_000, 150)
    assert bomb.stat().st_size < 3_100_000  # and 3 GB unpacked
    message = f"rnaformer: {bomb}:1: a line of more than 100,000,000 letters (the limit)\n"
    assert convert(bomb) == ("", message, 1)


def test_a_gzip_bomb_of_many_lines_is_refused(tmp_path):
    bomb = tmp_path / "bomb.dbn.gz"
    write_bomb(bomb, b">x\n" + (b"A" * 999_999 + b"\n") * 20, 1)
    lines = gzip.compress((b"A" * 999_999 + b"\n") * 20)
    bomb.write_bytes(bomb.read_bytes() + lines * 150)
    out, err, code = convert(bomb)
    limit = "more than 10,000,000 bases (the limit per record)"
    assert err == f"rnaformer: {bomb}:42: {limit}\n"
    assert (out, code) == ("", 1)


def test_a_line_as_long_as_the_limit_is_read_and_one_longer_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_LINE", 10)
    path = tmp_path / "a.txt"
    path.write_text("A\n" + "A" * 9 + "\n" + "A" * 10 + "\n")
    assert [len(line) for line in read_lines(path)] == [1, 9, 10]
    path.write_text("A\n" + "A" * 11 + "\n")
    with pytest.raises(InputError) as caught:
        list(read_lines(path))
    assert str(caught.value) == f"{path}:2: a line of more than 10 letters (the limit)"


def test_a_file_of_bytes_is_read_up_to_its_limit(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    assert read_bytes(path, 5) == b"12345"
    with pytest.raises(InputError) as caught:
        read_bytes(path, 4)
    assert str(caught.value) == f"{path}: more than 4 bytes (the limit)"


def test_a_file_without_an_end_is_refused():
    with pytest.raises(InputError, match=r"^/dev/zero: more than 1,000 bytes \(the limit\)$"):
        read_bytes("/dev/zero", 1000)


def test_a_fasta_record_beyond_the_limit_fails_and_the_next_is_read(monkeypatch):
    monkeypatch.setattr(fasta, "MAX_BASES", 10)
    [long, short] = scan_fasta([">x", "ACGUA", "ACGUA", "A", "A", ">y", "ACGUACGUAC"])
    assert str(long) == ("line:4:1: record 'x': more than 10 letters (the limit per record)")
    assert len(short) == 10


@pytest.mark.parametrize(
    ("kind", "lines", "message"),
    [
        ("ct", ["999999999 x"], "line:1"),
        ("bpseq", [f"{number} A 0" for number in range(1, 13)], "line:11: record 'file'"),
        ("dbn", [">x", *["ACGU"] * 11], "line:12"),
        ("jsonl", ['{"id": "x", "sequence": "AAAAAAAAAAA", "pairs": []}'], "line:1: record 'x'"),
    ],
)
def test_a_structure_beyond_the_limit_is_refused(monkeypatch, kind, lines, message):
    monkeypatch.setattr(structure, "MAX_BASES", 10)
    with pytest.raises(StructureError) as caught:
        list(parse_structures(lines, kind, "file"))
    limit = "more than 10 bases (the limit per record)"
    assert str(caught.value) == f"{message}: {limit}"


def test_an_alignment_beyond_the_limit_is_refused(monkeypatch):
    monkeypatch.setattr(stockholm, "MAX_ALIGNMENT", 30)
    with pytest.raises(StructureError) as caught:
        list(parse_structures(["# STOCKHOLM 1.0", "x\t\tACGU", "//"], "stockholm", "file"))
    assert str(caught.value) == "more than 30 letters (the limit)"


@pytest.mark.parametrize("sequence", ["GA C", "GA\\nC", ">GAC", "#GAC", "GA\\u0000C", "GAÄC"])
def test_a_letter_that_no_file_could_hold_is_refused(sequence):
    line = f'{{"id": "x", "sequence": "{sequence}", "pairs": []}}'
    with pytest.raises(StructureError, match=r"^line:1: record 'x': .* is not a letter of a sequ"):
        list(parse_structures([line], "jsonl", "file"))


@pytest.mark.parametrize(
    "line",
    [
        '{"id": "\\ud800", "sequence": "GAC", "pairs": []}',
        "[" * 100_000,
        '{"id": ' + "9" * 5000 + "}",
    ],
)
def test_json_that_no_file_could_hold_is_refused(line):
    with pytest.raises(StructureError) as caught:
        list(parse_structures([line], "jsonl", "file"))
    assert str(caught.value) == f"line:1: expected {UNREADABLE}"


def test_escaped_letters_of_json_are_read():
    assert parse_json('"\\u00b5 \\ud83e\\uddec"') == "µ 🧬"  # the second needs two escapes


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("short", "'short'"),
        ([[[[1]]]], "[[[...]]]"),
        (["x"] * 99, "['x', 'x', 'x', 'x', 'x', 'x', ...]"),
    ],
)
def test_values_are_shown_short(value, text):
    assert shorten_repr(value) == text


def test_a_number_that_python_does_not_write_out_is_shown_in_words():
    assert shorten_repr(10**5000) == "a number of thousands of digits"


def test_a_long_text_is_shown_cut():
    assert len(shorten_repr("x" * 10_000)) == 80
