"""Ids from strangers, through every output: no file elsewhere, no terminal code, no markup."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from rnaformer_cli.cli.run.output import escape_for_terminal
from rnaformer_cli.files import read_lines
from rnaformer_cli.model.checkpoint import config_digest

pytest.importorskip("matplotlib")

IDS = [
    "../../x",
    "/tmp/x",
    "a" * 300,
    "x\x07y",
    "\x1b[31mred",
    "[red]rich[/red]",
    "n\x00ul",
    "same",
    "same",
    "",
    "=1+1",
    "@SUM(A1)",
    "<b>&amp;",
    "$x_1$",
    "\u202egnp",
    "%s{0}",
]
NAMES = [name or f"sequence_{number}" for number, name in enumerate(IDS, start=1)]
FASTA = "".join(f">{name}\nGGGGAAAACCCC\n" for name in IDS)
STRUCTURES = "".join(f">{name}\nGGGGAAAACCCC\n((((....))))\n" for name in NAMES)
FORMATS = ("dbn", "ct", "bpseq", "jsonl", "tsv")
CODES = re.compile(r"[^\S \n\t]|[\x00-\x08\x0b-\x1f\x7f]|\u202e")  # what a terminal acts on


@pytest.fixture
def fasta(isolated_folder):
    path = isolated_folder / "in.fasta"
    path.write_text(FASTA)
    return path


def files_below(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def assert_all_inside(tmp_path, expected):
    """Each record has its files in the folder out, and nothing is anywhere else."""
    outside = [path for path in files_below(tmp_path) if path.parent.name not in ("out", "here")]
    assert outside == []
    names = [path.name for path in Path("out").iterdir() if not path.name.startswith(".")]
    assert len(names) == len(IDS) * expected
    assert all(name.isprintable() and len(os.fsencode(name)) < 256 for name in names)


def test_predictions_and_pictures_stay_in_their_folders(run_predict, fasta, tmp_path):
    options = [word for name in FORMATS for word in ("-f", name)]
    finished = run_predict(fasta, "--out-dir", "out", "--draw", "out", *options)
    assert (finished.out, finished.err, finished.code) == ("", "", 0)
    assert_all_inside(tmp_path, len(FORMATS) + 1)


def test_score_matrices_have_harmless_names(run_predict, fasta):
    run_predict(fasta, "-o", "out.dbn", "--scores", "scores.npz")
    names = zipfile.ZipFile("scores.npz").namelist()
    assert len(set(names)) == len(IDS)
    assert all(os.path.basename(name) == name and name.isprintable() for name in names)  # noqa: PTH119  # as the system does


@pytest.mark.parametrize("kind", ["dbn", "jsonl"])
def test_structures_on_stdout_keep_the_ids_and_their_number(run_predict, fasta, kind):
    finished = run_predict(fasta, "-f", kind)
    if kind == "jsonl":
        found = [json.loads(line)["id"] for line in finished.out.splitlines()]
    else:
        found = [line[1:].split()[0] for line in finished.out.split("\n") if line.startswith(">")]
    assert found == NAMES


def test_tables_keep_their_columns(run_predict, fasta):
    finished = run_predict(
        fasta, "-f", "tsv", "--threshold", 0, "--min-score", 0, "--table", "t.tsv"
    )
    for text, columns in ((finished.out, 4), (Path("t.tsv").read_text(), 9)):
        rows = list(csv.reader(text.split("\n")[:-1], delimiter="\t", quoting=csv.QUOTE_NONE))
        assert {len(row) for row in rows} == {columns}
        assert {row[0] for row in rows[1:]} == set(NAMES)


def test_figures_for_people_hold_no_terminal_code(run_predict, fasta):
    Path("ref.dbn").write_text(STRUCTURES)
    finished = run_predict(fasta, "--ref", "ref.dbn", "-o", "out.dbn")
    assert CODES.search(finished.out + finished.err) is None


def test_scores_of_each_record_hold_no_terminal_code(run_cli, isolated_folder):
    Path("a.dbn").write_text(STRUCTURES.replace(">same\n", ">other\n", 1))
    finished = run_cli("score", "a.dbn", "--ref", "a.dbn")
    assert finished.code == 0
    assert CODES.search(finished.out + finished.err) is None
    assert "[red]rich[/red]" in finished.out


@pytest.mark.parametrize("kind", FORMATS[:4])
def test_converted_files_stay_in_their_folder(run_cli, isolated_folder, tmp_path, kind):
    Path("a.dbn").write_text(STRUCTURES)
    finished = run_cli("convert", "a.dbn", "-t", kind, "--out-dir", "out")
    assert (finished.out, finished.err, finished.code) == ("", "", 0)
    assert_all_inside(tmp_path, 1)


def test_drawn_files_stay_in_their_folder(run_cli, isolated_folder, tmp_path):
    Path("a.dbn").write_text(STRUCTURES)
    finished = run_cli("draw", "a.dbn", "--as", "arcs", "--out-dir", "out")
    assert (finished.out, finished.err, finished.code) == ("", "", 0)
    assert_all_inside(tmp_path, 1)


def test_failures_are_reported_without_terminal_codes(run_predict):
    bad = "".join(f">{name}\nACGU!\n" for name in IDS)
    finished = run_predict("-", "--failures", "failed.tsv", stdin=bad)
    assert CODES.search(finished.err) is None
    assert finished.code == 1
    rows = Path("failed.tsv").read_text().split("\n")[:-1]
    assert len(rows) == 1 + len(IDS)


HOSTILE = "e\x1b[31m\x07\x9b\u202ex"
ESCAPED = "e\\x1b[31m\\x07\\x9b\\u202ex"


def test_names_of_folders_and_files_move_no_cursor(run_cli, tiny_weights, tmp_path):
    """Of weights and of data sets, in `weights list`, `doctor` and `data stats`."""
    home = tmp_path / "home" / "weights"
    home.mkdir(parents=True)
    shutil.copytree(tiny_weights, home / HOSTILE)
    listed = run_cli("weights", "list").out
    assert ESCAPED in listed
    assert not CODES.search(listed)
    data = tmp_path / f"{HOSTILE}.jsonl"
    data.write_text('{"id": "a", "seq": "GGAAACC", "pairs": [[0, 6]], "source": "x"}\n')
    stats = run_cli("data", "stats", data).out
    assert ESCAPED in stats
    assert not CODES.search(stats)
    values = json.loads((home / HOSTILE / "config.json").read_text())
    values["name"] = HOSTILE
    values["config_sha256"] = config_digest(values)
    (home / HOSTILE / "config.json").write_text(json.dumps(values))
    expected = run_cli("doctor", "-w", home / HOSTILE, "--device", "cpu").out
    assert ESCAPED in expected
    assert not CODES.search(expected)


class FakeTerminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("text", [f">{HOSTILE}\nGG\n..\n", f'{{"id": "{HOSTILE}"}}\n'])
def test_what_is_printed_on_a_terminal_moves_no_cursor(text):
    assert escape_for_terminal(text, io.StringIO()) == text
    shown = escape_for_terminal(text, FakeTerminal())
    assert ESCAPED in shown
    assert not CODES.search(shown)
    assert shown.count("\n") == text.count("\n")


UNDECODABLE = os.fsdecode(b"n\xffx")


@pytest.fixture
def odd_file(tmp_path):
    """A structure whose id is its file's name, which is not UTF-8."""
    path = tmp_path / f"{UNDECODABLE}.bpseq"
    try:
        path.write_text("1 G 3\n2 A 0\n3 C 1\n")
    except OSError:
        pytest.skip("this file system has UTF-8 names only")
    return path


@pytest.mark.parametrize(
    "arguments",
    [
        ["convert", "{}", "-t", "dbn"],
        ["convert", "{}", "-t", "jsonl"],
        ["convert", "{}", "-t", "ct", "--out-dir", "made"],
        ["draw", "{}", "-o", "x.svg"],
        ["score", "{}", "--ref", "{}", "--json"],
        ["score", "{}", "--ref", "{}", "--multiqc", "x_mqc.tsv"],
        ["data", "import", "{}", "-o", "x.jsonl", "--source", "s"],
    ],
)
def test_a_file_name_that_is_not_text_is_read_and_written(run_cli, odd_file, arguments):
    finished = run_cli(*(str(odd_file) if word == "{}" else word for word in arguments))
    assert finished.code == 0, finished.err
    finished.out.encode()  # not half a character, which stdout could not take
    for made in Path().rglob("*.jsonl"):
        assert "n\ufffdx" in "".join(read_lines(made))


def test_a_folder_whose_name_is_not_text_is_reported_as_it_is(tmp_path, tiny_weights):
    """On stdout, where `$(rnaformer weights ...)` takes it; config.json can hold text only."""
    folder = tmp_path / f"w{UNDECODABLE}"
    command = [sys.executable, "-m", "rnaformer_cli", "weights", "average"]
    done = subprocess.run([*command, tiny_weights, tiny_weights, "-o", folder], capture_output=True)
    assert (done.stdout, done.returncode) == (os.fsencode(folder) + b"\n", 0)
    assert json.loads((folder / "config.json").read_bytes())["name"] == "wn\ufffdx"
