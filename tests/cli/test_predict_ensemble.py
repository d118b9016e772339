"""`predict --ensemble`: scores of the folding model in kT."""

import json
from pathlib import Path

import pytest

HAIRPIN = ">hairpin\nGGGGAAAACCCC\n>open\nAAAAAAAA\n"
FIELDS = [
    "structure_energy_kt",
    "ensemble_energy_kt",
    "structure_probability",
    "diversity",
    "left_out_pairs",
]


@pytest.fixture
def run_hairpin(run_cli):
    """Run `predict` on a hairpin and an open chain, with the shipped weights."""
    Path("in.fa").write_text(HAIRPIN)
    return lambda *arguments: run_cli("predict", "in.fa", "--device", "cpu", *arguments)


def test_json_lines_and_the_table_hold_the_same_numbers(run_hairpin):
    finished = run_hairpin("-f", "jsonl", "--ensemble", "--table", "t.tsv")
    hairpin, chain = (json.loads(line)["ensemble"] for line in finished.out.splitlines())
    assert list(hairpin) == FIELDS
    assert hairpin["ensemble_energy_kt"] < hairpin["structure_energy_kt"] < 0.0
    assert str(list(chain.values())) == "[0.0, 0.0, 1.0, 0.0, 0]"
    header, *rows = (line.split("\t") for line in Path("t.tsv").read_text().splitlines())
    assert header[-5:] == FIELDS
    assert [float(cell) for cell in rows[0][-5:]] == list(hairpin.values())


def test_the_f1_stays_the_last_column(run_hairpin):
    Path("ref.dbn").write_text(">hairpin\nGGGGAAAACCCC\n((((....))))\n")
    run_hairpin("--ensemble", "--table", "t.tsv", "--ref", "ref.dbn", "-o", "o.dbn")
    header, hairpin, chain = (line.split("\t") for line in Path("t.tsv").read_text().splitlines())
    assert (header[-6:], hairpin[-1], chain[-1]) == ([*FIELDS, "f1"], "1.0000", "")


def test_other_outputs_have_no_place_for_it(run_hairpin):
    finished = run_hairpin("--ensemble", "-f", "ct")
    assert finished.code == 2
    assert "--ensemble needs -f jsonl or --table" in finished.err


def test_weights_without_a_folding_model_are_one_line(run_hairpin, tiny_weights):
    finished = run_hairpin("-w", tiny_weights, "--ensemble", "-f", "jsonl")
    message = "these weights have no folding model, which the ensemble needs"
    assert (finished.err, finished.code) == (f"rnaformer: {message}\n", 1)


def test_a_run_is_not_resumed_without_the_option(run_hairpin):
    options = ("--out-dir", "out", "-f", "jsonl")
    assert run_hairpin(*options, "--ensemble").code == 0
    finished = run_hairpin(*options, "--resume")
    assert finished.code == 1
    assert "was made with ensemble True, not None" in finished.err
