"""`predict --window`: long RNAs in overlapping windows."""

import json
from pathlib import Path

import pytest

HAIRPIN = "GGGGACGGAAACGUCCCC"
LONG = ("A" * 17 + HAIRPIN) * 4


@pytest.fixture
def run_long(run_cli):
    """Run `predict` on a long RNA and a hairpin, with the shipped weights."""
    Path("in.fa").write_text(f">long\n{LONG}\n>hairpin\n{HAIRPIN}\n")
    return lambda *arguments: run_cli("predict", "in.fa", "--device", "cpu", *arguments)


def test_longer_records_are_predicted_in_windows_and_others_as_ever(run_long):
    finished = run_long("--window", "40", "--step", "10", "-f", "jsonl", "--unpaired")
    long, hairpin = map(json.loads, finished.out.splitlines())
    assert finished.code == 0
    assert long["structure"] == ("." * 17 + hairpin["structure"]) * 4
    assert len(long["unpaired"]) == len(LONG)
    plain = json.loads(run_long("-f", "jsonl").out.splitlines()[1])
    assert hairpin["pairs"] == plain["pairs"]


def test_no_pair_is_longer_than_a_window(run_long):
    finished = run_long("--window", "30", "-f", "tsv", "--min-score", "0")
    rows = [line.split("\t") for line in finished.out.splitlines()[1:]]
    assert max(int(j) - int(i) for name, i, j, _ in rows if name == "long") < 30


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--step", "5"), "--step needs --window"),
        (
            ("--window", "40", "--step", "40"),
            "--step 40 leaves windows of 40 bases without an overlap; use a smaller one",
        ),
        (("--window", "29"), "29 is not in the range x>=30"),
        (("--window", "40", "--step", "0"), "0 is not in the range x>=1"),
        (
            ("--window", "40", "--scores", "s.npz"),
            "--scores and --window cannot be combined: --scores needs the whole matrix",
        ),
        (
            ("--window", "40", "--alternatives", "2"),
            "--alternatives and --window cannot be combined: --alternatives needs the whole matrix",
        ),
        (
            ("--window", "40", "--ensemble", "-f", "jsonl"),
            "--ensemble and --window cannot be combined: --ensemble needs the whole matrix",
        ),
    ],
)
def test_values_without_a_meaning_are_refused(run_long, options, message):
    finished = run_long(*options)
    assert finished.code == 2
    assert message in finished.err
    assert not Path("s.npz").exists()


def test_the_least_window_is_that_of_the_library():
    from rnaformer_cli.cli import predict
    from rnaformer_cli.prediction import windows

    assert predict.MIN_WINDOW == windows.MIN_WINDOW


def test_a_run_is_resumed_with_the_same_windows_only(run_long):
    options = ("--out-dir", "out", "--window", "40")
    assert run_long(*options).code == 0
    assert run_long(*options, "--resume").code == 0
    finished = run_long(*options, "--step", "5", "--resume")
    assert finished.code == 1
    assert "step" in finished.err


def test_processes_give_the_same_bytes(run_long):
    options = ("--window", "40", "--plain-headers")
    assert run_long(*options, "--jobs", "2").out == run_long(*options, "--jobs", "1").out
