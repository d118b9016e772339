"""`predict --alternatives` and `--unpaired`: several structures, and probabilities of bases."""

import json
from pathlib import Path

import pytest

from rnaformer_cli import read_structures

SWITCH = ">switch two hairpins\nGGGACCAAAAGGUCCCAAAAGGGACC\n>hairpin\nGGGGAAAACCCC\n"
LEFT, RIGHT = "((((((....))))))..........", "..........((((((....))))))"


@pytest.fixture
def run_switch(run_cli):
    """Run `predict` on a switch and a hairpin, with the shipped weights."""
    Path("in.fa").write_text(SWITCH)
    return lambda *arguments: run_cli("predict", "in.fa", "--device", "cpu", *arguments)


def objects(finished):
    return {row["id"]: row for row in map(json.loads, finished.out.splitlines())}


def test_dot_bracket_has_a_record_for_each_alternative(run_switch):
    finished = run_switch("--alternatives", "2")
    assert finished.code == 0
    lines = finished.out.splitlines()
    headers = [line.split() for line in lines[::3]]
    assert [words[0] for words in headers] == [">switch", ">switch/2", ">hairpin", ">hairpin/2"]
    assert {key.split("=")[0] for words in headers for key in words[1:]} == {
        "confidence",
        "probability",
    }
    assert {lines[2], lines[5]} == {LEFT, RIGHT}
    probabilities = [float(words[2].removeprefix("probability=")) for words in headers]
    assert probabilities[0] + probabilities[1] == pytest.approx(1.0, abs=0.002)
    Path("out.dbn").write_text(finished.out)
    assert [record.id for record in read_structures("out.dbn")] == [w[0][1:] for w in headers]


def test_the_first_alternative_is_the_usual_answer(run_switch):
    plain = objects(run_switch("-f", "jsonl"))
    for name, row in objects(run_switch("-f", "jsonl", "--alternatives", "3")).items():
        found = row.pop("alternatives")
        row["seconds"] = plain[name]["seconds"]
        assert row == plain[name]
        assert found[0]["structure"] == row["structure"]
        assert found[0]["confidence"] == row["confidence"]
        assert len({one["structure"] for one in found}) == len(found) <= 3
        others = [one["probability"] for one in found[1:]]
        assert others == sorted(others, reverse=True)


def test_plain_headers_have_ids_only(run_switch):
    lines = run_switch("--alternatives", "2", "--plain-headers").out.splitlines()
    assert lines[:4:3] == [">switch", ">switch/2"]


def test_alternatives_do_not_depend_on_processes(run_switch):
    options = ("--alternatives", "4", "--seed", "3")
    assert run_switch(*options, "--jobs", "2").out == run_switch(*options, "--jobs", "1").out


def test_json_has_the_probability_of_each_base_of_being_unpaired(run_switch):
    row = objects(run_switch("-f", "jsonl", "--unpaired"))["hairpin"]
    assert len(row["unpaired"]) == 12
    assert min(row["unpaired"][4:8]) > 0.9
    assert max(row["unpaired"][1:3]) < 0.5


def test_the_table_has_a_row_for_each_base(run_switch):
    plain = run_switch("-f", "tsv").out.splitlines()
    rows = run_switch("-f", "tsv", "--unpaired").out.splitlines()
    unpaired = objects(run_switch("-f", "jsonl", "--unpaired"))
    assert [row for row in rows if row.split("\t")[2] != "0"] == plain
    assert [row for row in rows if row.split("\t")[2] == "0"] == [
        f"{name}\t{base}\t0\t{p:.4f}"
        for name, row in unpaired.items()
        for base, p in enumerate(row["unpaired"], start=1)
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--alternatives", "2", "-f", "ct"],
            "--alternatives needs -f dbn or -f jsonl; ct holds one structure of a record",
        ),
        (
            ["--alternatives", "2", "--out-dir", "out", "-f", "dbn", "-f", "bpseq"],
            "--alternatives needs -f dbn or -f jsonl; bpseq holds one structure of a record",
        ),
        (["--seed", "1"], "--seed needs --alternatives"),
        (["--unpaired"], "--unpaired needs -f jsonl or -f tsv"),
    ],
)
def test_wrong_usage_is_one_line(run_switch, options, message):
    finished = run_switch(*options)
    assert finished.err.endswith(f"Error: {message}\n")
    assert (finished.out, finished.code) == ("", 2)


def test_weights_without_a_folding_model_are_one_line(run_cli, tiny_weights):
    Path("in.fa").write_text(SWITCH)
    finished = run_cli("predict", "in.fa", "-w", tiny_weights, "--alternatives", "2")
    message = "these weights have no folding model, which alternatives need"
    assert (finished.err, finished.code) == (f"rnaformer: {message}\n", 1)


def test_a_run_is_resumed_with_the_same_options_only(run_switch):
    options = ("--out-dir", "out", "-f", "jsonl", "--alternatives", "2")
    assert run_switch(*options).code == 0
    assert run_switch(*options, "--resume").code == 0
    finished = run_switch(*options, "--seed", "1", "--resume")
    assert finished.code == 1
    assert "seed" in finished.err


@pytest.mark.parametrize("option", [("--alternatives", "2"), ("--unpaired",)])
def test_a_run_is_not_resumed_without_its_options(run_switch, option):
    options = ("--out-dir", "out", "-f", "jsonl")
    assert run_switch(*options, *option).code == 0
    finished = run_switch(*options, "--resume")
    name = option[0].removeprefix("--")
    before = {"alternatives": "2", "unpaired": "True"}[name]
    message = f"was made with {name} {before}, not None"
    path = Path("out/.rnaformer-run.jsonl")
    assert (finished.err, finished.code) == (f"rnaformer: {path}: {message}\n", 1)
