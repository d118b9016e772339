"""examples/workflow, run by Snakemake itself: the same as one `rnaformer predict`."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from conftest import ROOT

cli = pytest.importorskip("snakemake.cli", reason="Snakemake 9 needs Python 3.11")

WORKFLOW = ROOT / "examples" / "workflow"
PROFILES = sorted(WORKFLOW.glob("profiles/*/config.yaml"))
TIMEOUT = 120.0  # seconds to wait for Snakemake
FASTA = {  # two records of one name, one that is no RNA, and an order that is not that of the parts
    "a.fasta": ">hairpin\nGGGGAAAACCCC\n>bad\nMKVLAA\n>twice first\nGGGTTTAACCCAAA\n",
    "b.fa": ">other\nGGCGAAAACGCC\n>twice second\nGGGAAAACCC\n",
}
KNOWN = ">other\nGGCGAAAACGCC\n((((....))))\n>hairpin\nGGGGAAAACCCC\n((........))\n"


def snakemake(folder, *arguments):
    """Run the workflow in a folder, which also gets what Snakemake keeps for itself."""
    bin_folder = Path(sys.executable).parent
    private = {"HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    path = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [bin_folder / "snakemake", "-s", WORKFLOW / "Snakefile", *arguments],
        cwd=folder,
        env={**os.environ, **private, "PATH": path},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


@pytest.fixture(scope="module")
def workflow_folder(tmp_path_factory):
    """A folder with FASTA files and references, where the workflow has run on a laptop."""
    folder = tmp_path_factory.mktemp("workflow_folder")
    (folder / "reads").mkdir()
    for name, text in FASTA.items():
        (folder / "reads" / name).write_text(text)
    (folder / "known.dbn").write_text(KNOWN)
    config = ["--config", "parts=2", "references=known.dbn"]
    finished = snakemake(folder, "--profile", WORKFLOW / "profiles" / "laptop", *config)
    assert finished.returncode == 0, finished.stderr
    return folder


@pytest.fixture
def results(workflow_folder, monkeypatch):
    """Its results; the test works in the same folder."""
    monkeypatch.chdir(workflow_folder)
    return workflow_folder / "results"


def without_seconds(text):
    return [{**json.loads(line), "seconds": None} for line in text.splitlines()]


def test_predictions_are_those_of_a_plain_run_in_the_same_order(results, run_cli):
    plain = run_cli("predict", "reads", "-f", "jsonl")
    merged = without_seconds((results / "predictions.jsonl").read_text())
    assert merged == without_seconds(plain.out)
    assert [record["id"] for record in merged] == ["hairpin", "twice", "other", "twice"]
    plain = run_cli("predict", "reads", "--plain-headers")
    assert (results / "predictions.dbn").read_text() == plain.out


def test_the_failed_record_is_in_the_table_of_a_plain_run(results, run_cli):
    assert run_cli("predict", "reads", "--failures", "plain.tsv").code == 1
    table = (results / "failures.tsv").read_text()
    assert table == Path("plain.tsv").read_text()
    assert [line.split("\t")[3] for line in table.splitlines()] == ["record", "bad"]


def test_scores_are_those_of_a_plain_run(results, run_cli):
    scored = ["score", results / "predictions.jsonl", "--ref", "known.dbn", "--tsv"]
    plain = run_cli(*scored, "--multiqc", "plain_mqc.tsv")
    assert (results / "scores.tsv").read_text() == plain.out
    assert (results / "scores_mqc.tsv").read_text() == Path("plain_mqc.tsv").read_text()


def test_the_report_has_each_record_and_the_scores(results, run_cli):
    scored = [results / "predictions.jsonl", "--ref", "known.dbn"]
    assert run_cli("report", *scored, "-o", "plain.html").code == 0
    assert (results / "report.html").read_text() == Path("plain.html").read_text()


def test_nothing_but_results_is_kept(results):
    tables = {"failures.tsv", "scores.tsv", "scores_mqc.tsv"}
    files = {path.name for path in results.iterdir()}
    assert files == {"predictions.jsonl", "predictions.dbn", "report.html", "logs", *tables}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("--zzz", "Error: No such option '--zzz'."),  # exit code 2
        ("--ref absent.dbn", "rnaformer: absent.dbn: no such file or directory"),  # exit code 1
    ],
)
def test_errors_other_than_failed_records_fail_the_workflow(tmp_path, options, expected):
    (tmp_path / "x.fasta").write_text(">x\nGGGGAAAACCCC\n")
    config = ["--config", "fasta=x.fasta", "parts=1", f"options={options}"]
    finished = snakemake(tmp_path, "--cores", "1", *config)
    assert finished.returncode == 1
    assert (tmp_path / "results/logs/predict-1.txt").read_text().splitlines()[-1] == expected
    assert "MissingOutputException" not in finished.stderr  # the job itself failed
    assert os.listdir(tmp_path / "results") == ["logs"]


@pytest.mark.parametrize(
    ("failures", "message"),
    [
        (["a.fasta\t3\t1\tbad\tno\n"], "5 records were read, but 2 predicted and 1 failed"),
        (["a.fasta\t3\t1\tbad\tno\n"] * 4, "5 records were read, but 2 predicted and 4 failed"),
    ],
)
def test_a_lost_or_repeated_record_is_reported(tmp_path, failures, message):
    for name, text in FASTA.items():
        (tmp_path / name).write_text(text)
    made = [
        {"id": "hairpin", "sequence": "GGGGAAAACCCC"},
        {"id": "other", "sequence": "GGCGAAAACGCC"},
    ]
    (tmp_path / "1.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in made))
    (tmp_path / "1.tsv").write_text("".join(["file\n", *failures]))
    job = SimpleNamespace(
        input=SimpleNamespace(
            fasta=[tmp_path / name for name in FASTA],
            predictions=[tmp_path / "1.jsonl"],
            failures=[tmp_path / "1.tsv"],
        ),
        output=SimpleNamespace(
            predictions=tmp_path / "predictions.jsonl", failures=tmp_path / "failures.tsv"
        ),
    )
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(WORKFLOW / "merge.py"), {"snakemake": job})
    assert caught.value.code == message


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.parent.name)
def test_profiles_set_options_that_snakemake_has(profile):
    known = {
        text for action in cli.get_argument_parser()._actions for text in action.option_strings
    }
    settings = yaml.safe_load(profile.read_text())
    assert {f"--{name}" for name in settings} - known == set()
