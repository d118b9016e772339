"""`rnaformer evaluate`: the numbers of predict and score, for people and for programs."""

import json
import sys

import pytest
from factories.datasets import make_hairpin, make_record

from rnaformer_cli.dataset.records import write_dataset
from rnaformer_cli.structure.dbn import format_dbn
from rnaformer_cli.structure.structure import StructureRecord

RECORDS = [make_hairpin(f"h{n}", 5 + n, n, family=f"RF{n % 2}") for n in range(6)]


@pytest.fixture
def hairpin_set(tmp_path):
    path = tmp_path / "hairpins.jsonl.gz"
    write_dataset(path, RECORDS)
    return path


def test_the_numbers_are_those_of_predict_followed_by_score(run_cli, hairpin_set, tmp_path):
    fasta, reference = tmp_path / "x.fasta", tmp_path / "ref.dbn"
    fasta.write_text("".join(f">{r.id}\n{r.sequence}\n" for r in RECORDS))
    known = [StructureRecord(r.id, r.sequence, r.structure) for r in RECORDS]
    reference.write_text("".join(map(format_dbn, known)))
    run_cli("predict", fasta, "-o", tmp_path / "out.dbn")
    options = ["--ref", reference, "--json", "--tolerance", 1, "--seed", 1]
    scored = json.loads(run_cli("score", tmp_path / "out.dbn", *options).out)
    found = json.loads(run_cli("evaluate", "--data", hairpin_set, "--json").out)
    assert found["f1"] == pytest.approx(scored["f1"])
    assert found["f1_tolerance_1"] == pytest.approx(scored["tolerant_f1"])
    assert found["pooled_f1"] == pytest.approx(scored["pooled"]["f1"])
    assert found["f1_interval"] == pytest.approx(scored["f1_interval"])


def test_the_table_has_a_row_a_set_and_groups_below(run_cli, hairpin_set):
    done = run_cli("evaluate", "--data", hairpin_set, "--by", "family")
    lines = done.out.splitlines()
    assert lines[0].split()[:3] == ["set", "records", "F1"]
    assert lines[1].split()[:2] == ["hairpins", "6"]
    assert [line.split()[:3] for line in lines[4:]] == [
        ["hairpins", "RF0", "3"],
        ["hairpins", "RF1", "3"],
    ]


def test_tsv_has_a_row_a_record(run_cli, hairpin_set):
    head, *rows = run_cli("evaluate", "--data", hairpin_set, "--tsv").out.splitlines()
    assert head.split("\t")[:5] == ["set", "id", "length", "family", "f1"]
    assert [row.split("\t")[1] for row in rows] == [record.id for record in RECORDS]


def test_a_sample_and_a_length_limit_leave_records_out(run_cli, hairpin_set):
    done = run_cli("evaluate", "--data", hairpin_set, "--json", "--max-length", 20, "--sample", 2)
    assert json.loads(done.out)["records"] == 2


def test_the_calibration_is_drawn(run_cli, hairpin_set, tmp_path):
    assert run_cli("evaluate", "--data", hairpin_set, "--plot", tmp_path / "c.svg").code == 0
    assert (tmp_path / "c.svg").read_text().startswith("<?xml")


def test_an_empty_set_is_reported(run_cli, tmp_path):
    write_dataset(tmp_path / "none.jsonl.gz", [])
    done = run_cli("evaluate", "--data", tmp_path / "none.jsonl.gz")
    assert (done.err, done.code) == ("rnaformer: no record to evaluate in none\n", 1)


def test_two_forms_of_output_exclude_each_other(run_cli, hairpin_set):
    done = run_cli("evaluate", "--data", hairpin_set, "--json", "--tsv")
    assert done.code == 2
    assert "--json and --tsv cannot be combined" in done.err


def test_a_missing_matplotlib_is_reported_before_the_evaluation(run_cli, hairpin_set, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    done = run_cli("evaluate", "--data", hairpin_set, "--plot", "c.svg")
    message = "curves need matplotlib: pip install '.[train]' in a checkout"
    assert (done.out, done.err, done.code) == ("", f"rnaformer: {message}\n", 1)


def test_a_set_without_a_candidate_pair_is_drawn_too(run_cli, tmp_path):
    path = tmp_path / "short.jsonl.gz"
    write_dataset(path, [make_record("short", "A")])
    assert run_cli("evaluate", "--data", path, "--plot", "c.svg").code == 0


def test_worker_processes_change_no_figure(run_cli, hairpin_set):
    alone, together = (
        json.loads(run_cli("evaluate", "--data", hairpin_set, "--json", "--jobs", jobs).out)
        for jobs in (1, 2)
    )
    figures = ("f1", "precision", "recall", "calibration_error", "records")
    assert [together[name] for name in figures] == pytest.approx([alone[name] for name in figures])


def test_sets_with_one_file_name_have_different_names(run_cli, hairpin_set, tmp_path):
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / "hairpins.jsonl.gz"
    write_dataset(other, RECORDS[:1])
    done = run_cli("evaluate", "--data", hairpin_set, "--data", other)
    assert [line.split()[:2] for line in done.out.splitlines()[1:]] == [
        ["hairpins", "6"],
        ["hairpins_2", "1"],
    ]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("none", "no label; `rnaformer data label` adds one"),
        ("folding", "base-pair probabilities without a structure; expected structures"),
    ],
)
@pytest.mark.parametrize("command", ["evaluate", "release", "train-folding", "train-families"])
def test_sets_without_structures_are_refused(run_cli, tmp_path, command, source, message):
    """Their records counted as RNAs without base pairs."""
    path = tmp_path / "set.jsonl.gz"
    write_dataset(path, [RECORDS[0], make_record("x", "GGGAAACCC", source=source)])
    arguments = ("rnaformer-small", "--val") if command == "release" else ("--data",)
    output = () if command == "evaluate" else ("-o", tmp_path / "out")
    done = run_cli(command, *arguments, path, *output)
    assert (done.out, done.err) == ("", f"rnaformer: {path}: record 'x': {message}\n")
    assert done.code == 1
