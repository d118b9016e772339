"""Formats are recognised by their content; the golden files hold one RNA in each of them."""

import gzip
import json
import os

import pytest
from conftest import GOLDEN
from factories.probing_data import WRITERS, measured_sequences, values_of
from hypothesis import given
from hypothesis import strategies as st

from rnaformer_cli.errors import InputError, ProbingError
from rnaformer_cli.probing.formats import SUFFIXES, reactivity_files, read_reactivities
from rnaformer_cli.probing.matching import ProfileIndex
from rnaformer_cli.sequence.record import RnaRecord

FOLDER = GOLDEN / "probing"
HAIRPIN = json.loads((FOLDER / "hairpin.json").read_text())
FILES = sorted(path for path in FOLDER.iterdir() if path.suffix in SUFFIXES)
EXPECTED = "columns of position and value, .map, RDAT, RNA Framework's XML, JSON Lines or TSV"


def attached(path):
    """The values of the hairpin's record."""
    index = ProfileIndex()
    for profile in read_reactivities(path):
        index.add(profile)
    record = index.attach(RnaRecord("hairpin", HAIRPIN["sequence"]))
    return record.reactivities


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.suffix)
def test_the_same_rna_is_read_from_every_format(path):
    found = attached(path)
    assert list(found.values) == HAIRPIN["values"]
    assert found.reagent == ("1M7" if path.suffix in (".rdat", ".jsonl") else None)


def test_every_suffix_has_a_golden_file():
    assert {path.suffix for path in FILES} == SUFFIXES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.suffix)
def test_names_compression_line_ends_and_byte_order_marks_do_not_matter(path, tmp_path):
    text = path.read_bytes()
    changed = tmp_path / "hairpin.txt.gz"
    changed.write_bytes(gzip.compress(b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n")))
    assert attached(changed).values == attached(path).values


@given(measured_sequences(), st.sampled_from(list(WRITERS)))
def test_every_format_is_recognised(tmp_path_factory, made, name):
    sequence, values = made
    path = tmp_path_factory.getbasetemp() / "data"
    path.write_text(WRITERS[name](sequence, values))
    [profile] = read_reactivities(path)
    assert list(values_of(profile).values()) == values
    assert profile.path == str(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; expected reactivities"),
        ("\n# nothing\n", "is empty; expected reactivities"),
        ("\n>x\nACGU\n", f"2: unknown reactivity format; expected {EXPECTED}"),
        ("# a\n1 0.5\n1 0.5\n", "3: duplicate value for position 1; the first is on line 2"),
        ("id\tposition\tvalue\nx\t1\n", "2: a row without all columns (id, position, value)"),
    ],
)
def test_other_files_are_refused_with_file_and_line(tmp_path, text, message):
    path = tmp_path / "x.shape"
    path.write_text(text)
    with pytest.raises((InputError, ProbingError)) as caught:
        list(read_reactivities(path))
    assert str(caught.value) == f"{path}:{'' if message[0].isdigit() else ' '}{message}"


def test_an_error_of_one_profile_is_reported_with_its_file(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('{"id": "x", "reactivity": [true]}\n{"id": "y", "reactivity": [1]}\n')
    error, good = read_reactivities(path)
    message = "the value at position 1 is True; expected a number or NA"
    assert str(error) == f"{path}:1: record 'x': {message}"
    assert good.id == "y"


def test_a_folder_is_read_in_order_of_the_names(tmp_path):
    names = ["b.shape", "a.xml.gz", "c.RDAT", ".d.shape", "notes.txt", "in.fasta"]
    for name in names:
        (tmp_path / name).touch()
    os.mkfifo(tmp_path / "e.tsv")  # expected by who reads it
    found = [path.name for path in reactivity_files(tmp_path)]
    assert found == ["a.xml.gz", "b.shape", "c.RDAT", "e.tsv"]
    assert reactivity_files("x.shape") == ["x.shape"]
    assert reactivity_files("-") == ["-"]


def test_a_folder_without_any_is_refused(tmp_path):
    with pytest.raises(InputError) as caught:
        reactivity_files(tmp_path)
    names = ".dat, .jsonl, .map, .rdat, .shape, .tsv, .xml, also .gz"
    assert str(caught.value) == f"{tmp_path}: no reactivity file in this folder ({names})"
