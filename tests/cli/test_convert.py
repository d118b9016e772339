"""`rnaformer convert`: any format to any other, and what a format cannot hold."""

import gzip
import os
import threading
from pathlib import Path

import pytest

from rnaformer_cli.structure.formats import READ_FORMATS, WRITE_FORMATS

GOLDEN = Path(__file__).parent.parent / "golden" / "convert"

# A pseudoknot of two helices, by hand: (((...[[[)))...]]].
KNOT = ">knot\nGGGAAACCCCCCUUUGGGA\n(((...[[[)))...]]].\n"
TWO = ">first\nGGGAAACCC\n(((...)))\n>second\nAAAA\n....\n"
STOCKHOLM = """# STOCKHOLM 1.0
knot         GGGA-AACCCCCCUUUGGGA
#=GC SS_cons <<<....AAA>>>...aaa.
//
"""
MULTIPLET = '{"id": "m", "sequence": "GGGAAACCC", "pairs": [[1, 9], [1, 8]]}\n'


@pytest.mark.parametrize("target", WRITE_FORMATS)
def test_dot_bracket_becomes_any_format(run_cli, check_golden, target):
    finished = run_cli("convert", "-", "-t", target, stdin=KNOT)
    check_golden(f"convert/knot.{target}", finished.out)
    assert (finished.err, finished.code) == ("", 0)


@pytest.mark.parametrize("target", WRITE_FORMATS)
@pytest.mark.parametrize("source", WRITE_FORMATS)
def test_every_format_becomes_every_other(run_cli, source, target):
    finished = run_cli("convert", GOLDEN / f"knot.{source}", "-t", target)
    assert finished.out == (GOLDEN / f"knot.{target}").read_text()
    assert (finished.err, finished.code) == ("", 0)


@pytest.mark.parametrize("target", WRITE_FORMATS)
def test_a_member_of_an_alignment_becomes_every_format(run_cli, target):
    finished = run_cli("convert", "-", "-t", target, stdin=STOCKHOLM)
    assert finished.out == (GOLDEN / f"knot.{target}").read_text()


@pytest.mark.parametrize("source_format", READ_FORMATS)
def test_the_format_of_the_input_may_be_given(run_cli, source_format):
    known = {name: (GOLDEN / f"knot.{name}").read_text() for name in WRITE_FORMATS}
    text = {**known, "stockholm": STOCKHOLM}[source_format]
    finished = run_cli("convert", "-", "--from", source_format, stdin=text)
    assert finished.out.splitlines()[1:] == KNOT.splitlines()[1:]


def test_a_wrong_format_for_the_input_is_an_error_with_file_and_line(run_cli):
    finished = run_cli("convert", GOLDEN / "knot.dbn", "--from", "bpseq")
    message = "expected three columns: index, base, partner"
    assert finished.err == f"rnaformer: {GOLDEN}/knot.dbn:1: record 'knot': {message}\n"
    assert (finished.out, finished.code) == ("", 1)


def test_dot_bracket_is_the_default_and_brackets_are_written_anew(run_cli):
    text = ">a b c\nggta\n<-->\n"
    assert run_cli("convert", "-", stdin=text).out == ">a\nGGUA\n(..)\n"


def test_json_keeps_the_description_and_bases_with_several_partners(run_cli):
    text = MULTIPLET.replace('"m"', '"m", "description": "two partners"')
    finished = run_cli("convert", "-", "-t", "jsonl", stdin=text)
    assert '"description": "two partners"' in finished.out
    assert '"structure": null, "pairs": [[1, 8], [1, 9]], "multiplets": [1]' in finished.out


@pytest.mark.parametrize("target", ["dbn", "ct", "bpseq"])
def test_a_base_with_several_partners_is_refused_by_name(run_cli, target):
    finished = run_cli("convert", "-", "-t", target, stdin=MULTIPLET)
    assert finished.err == (
        "rnaformer: record 'm': base 1 has several partners, which this format cannot hold; "
        "write JSON Lines or TSV\n"
    )
    assert (finished.out, finished.code) == ("", 1)


def test_a_ct_file_holds_several_records(run_cli):
    run_cli("convert", "-", "-o", "two.ct", stdin=TWO)
    assert run_cli("convert", "two.ct").out == run_cli("convert", "-", stdin=TWO).out


def test_an_output_file_is_compressed_if_its_name_says_so(run_cli):
    run_cli("convert", "-", "-o", "two.ct", stdin=TWO)
    run_cli("convert", "-", "-o", "two.ct.gz", stdin=TWO)
    packed = Path("two.ct.gz").read_bytes()
    assert gzip.decompress(packed) == Path("two.ct").read_bytes()
    assert packed[3:8] == bytes(5)  # neither a name nor a time


@pytest.mark.parametrize("target", ["bpseq"])
def test_a_second_record_does_not_go_into_a_file_for_one(run_cli, target):
    finished = run_cli("convert", "-", "-t", target, "-o", f"out.{target}", stdin=TWO)
    message = f"a {target} file holds one record; use --out-dir"
    assert finished.err == f"rnaformer: record 'second': {message}\n"
    assert (finished.out, finished.code, os.listdir()) == ("", 1, [])


@pytest.mark.parametrize("target", WRITE_FORMATS)
def test_the_suffix_of_the_output_decides_its_format(run_cli, target):
    finished = run_cli("convert", GOLDEN / "knot.dbn", "-o", f"knot.{target}")
    assert Path(f"knot.{target}").read_text() == (GOLDEN / f"knot.{target}").read_text()
    assert (finished.out, finished.err, os.listdir()) == ("", "", [f"knot.{target}"])


def test_an_unknown_suffix_is_dot_bracket(run_cli):
    run_cli("convert", GOLDEN / "knot.ct", "-o", "knot.txt")
    assert Path("knot.txt").read_text() == KNOT


def test_the_format_option_goes_before_the_suffix(run_cli):
    run_cli("convert", GOLDEN / "knot.ct", "-o", "knot.ct", "-t", "dbn")
    assert Path("knot.ct").read_text() == KNOT


def test_a_folder_stands_for_its_structure_files_in_order_of_their_names(run_cli):
    Path("known").mkdir()
    Path("known/b.bpseq").write_text("1 A 0\n")
    Path("known/a.ct").write_bytes((GOLDEN / "knot.ct").read_bytes())
    Path("known/notes.txt").write_text("not a structure")
    assert run_cli("convert", "known").out == KNOT + ">b\nA\n.\n"


def test_a_folder_without_structure_files_is_an_error(run_cli):
    finished = run_cli("convert", ".")
    assert finished.err == "rnaformer: .: no structure file in this folder\n"
    assert finished.code == 1


def test_out_dir_gets_one_file_a_record(run_cli):
    finished = run_cli("convert", "-", "-t", "bpseq", "--out-dir", "new/out", stdin=TWO)
    assert sorted(os.listdir("new/out")) == ["first.bpseq", "second.bpseq"]
    assert Path("new/out/second.bpseq").read_text() == "1 A 0\n2 A 0\n3 A 0\n4 A 0\n"
    assert (finished.out, finished.err, finished.code) == ("", "", 0)


def test_the_same_id_twice_gets_two_files(run_cli):
    run_cli("convert", "-", "--out-dir", "out", stdin=KNOT + KNOT)
    assert sorted(os.listdir("out")) == ["knot.dbn", "knot_2.dbn"]


def test_out_dir_may_not_be_a_file(run_cli):
    Path("taken").touch()
    finished = run_cli("convert", "-", "--out-dir", "taken", stdin=KNOT)
    assert finished.err.splitlines()[-1] == (
        "Error: Invalid value for '--out-dir': Directory 'taken' is a file."
    )
    assert finished.code == 2


def test_output_and_out_dir_exclude_each_other(run_cli):
    finished = run_cli("convert", "-", "-o", "a", "--out-dir", "b", stdin=KNOT)
    assert finished.err.endswith("\nError: --output and --out-dir cannot be combined\n")
    assert (finished.code, os.listdir()) == (2, [])


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_stdout_may_be_named_as_the_output(run_cli, name):
    assert run_cli("convert", "-", "-o", name, stdin=KNOT).out == KNOT
    assert os.listdir() == []


def test_a_folder_as_the_output_is_refused(run_cli):
    finished = run_cli("convert", "-", "-o", ".", stdin=KNOT)
    assert finished.err == "rnaformer: .: is a folder; expected a file\n"


def test_a_link_as_the_output_stays_a_link(run_cli):
    Path("real.dbn").touch()
    Path("link.dbn").symlink_to("real.dbn")
    run_cli("convert", "-", "-o", "link.dbn", stdin=KNOT)
    assert Path("link.dbn").is_symlink()
    assert Path("real.dbn").read_text() == KNOT


def test_a_named_pipe_as_the_output_is_written_to(run_cli):
    os.mkfifo("pipe")
    read = []
    reader = threading.Thread(target=lambda: read.append(Path("pipe").read_text()), daemon=True)
    reader.start()
    run_cli("convert", "-", "-o", "pipe", stdin=KNOT)
    assert Path("pipe").is_fifo()  # before the reader is awaited, who would wait forever
    reader.join(10)
    assert read == [KNOT]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "stdin: no structure in this file"),
        (
            ">a\nACGU\n",
            "stdin:1: this looks like FASTA; expected structures, as "
            "`rnaformer predict` writes them",
        ),
        (">a\nACGU\n(..))\n", "stdin:3: record 'a': ')' at base 5 closes nothing"),
    ],
)
def test_text_that_is_no_structure_is_reported_with_its_line(run_cli, text, message):
    finished = run_cli("convert", "-", stdin=text)
    assert (finished.out, finished.err, finished.code) == ("", f"rnaformer: {message}\n", 1)


def test_standard_input_cannot_be_read_twice(run_cli):
    finished = run_cli("score", "-", "--ref", "-", stdin=KNOT)
    message = "stdin: was already read, and can be read only once"
    assert (finished.err, finished.code) == (f"rnaformer: {message}\n", 1)


def test_the_suffix_of_the_output_may_be_in_capitals(run_cli):
    """It was written as dot-bracket."""
    assert run_cli("convert", "-", "-o", "knot.CT", stdin=KNOT).code == 0
    assert Path("knot.CT").read_text() == (GOLDEN / "knot.ct").read_text()
