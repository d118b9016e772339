"""examples/experiments, run by Snakemake itself with runs of a second."""

import csv
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from conftest import ROOT
from factories.families import make_labelled_members

from rnaformer_cli.dataset.records import write_dataset
from rnaformer_cli.model.network import RNAformer
from rnaformer_cli.training.network.config import read_config

pytest.importorskip("snakemake.cli", reason="Snakemake 9 needs Python 3.11")

WORKFLOW = ROOT / "examples" / "experiments"
ARMS = sorted((WORKFLOW / "arms").glob("*.toml"))
CONFIG = yaml.safe_load((WORKFLOW / "config.yaml").read_text())
TIMEOUT = 1800.0  # seconds to wait for Snakemake
TESTS = ["made-test-rnafold", "unseen-mutants-rnafold", "seen"]
# One experiment that needs every rule: two arms, two seeds, families, a power law.
TINY = {
    "arms": {
        arm: {"data": "made-rnafold", "tests": TESTS} for arm in ("rnafold", "rnafold-folding")
    },
    "minutes": 0.01,
    "folding_minutes": 0.01,
    "records": 6,
    "made": 12,
    "train": "train.jsonl.gz",
    "validation": {"seen": "seen.jsonl.gz", "unseen": "unseen.jsonl.gz"},
    "only": ["tiny"],
    "experiments": {
        "tiny": {
            "baseline": "rnafold",
            "x": "parameters",
            "entries": ["rnafold-folding+families"],
        },
    },
}
TABLE = "experiments/0.01-minutes/tables/tiny.tsv"


def snakemake(folder, *arguments):
    """Run the workflow in a folder, which also gets what Snakemake keeps for itself."""
    bin_folder = Path(sys.executable).parent
    private = {"HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    path = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [bin_folder / "snakemake", "-s", WORKFLOW / "Snakefile", "--cores", "1", *arguments],
        cwd=folder,
        env={**os.environ, **private, "PATH": path},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


def write_data(folder):
    """Data sets of three families, one of them not in the training set."""
    sets = {"train": ((1, 8, 0), (2, 8, 0)), "seen": ((1, 4, 8), (2, 4, 8)), "unseen": ((3, 4, 0),)}
    for name, families in sets.items():
        members = [
            replace(record, family=f"RF{seed}", cluster=seed)
            for seed, count, start in families
            for record in make_labelled_members(seed, count, start=start)
        ]
        write_dataset(folder / f"{name}.jsonl.gz", members)
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY))


@pytest.fixture(scope="module")
def finished_folder(tmp_path_factory):
    """A folder where the workflow has run."""
    folder = tmp_path_factory.mktemp("experiments")
    write_data(folder)
    finished = snakemake(folder, "--configfile", "tiny.yaml")
    assert finished.returncode == 0, finished.stderr
    return folder


def read_table(path):
    with path.open() as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_the_table_has_each_entry_and_test_set(finished_folder):
    rows = read_table(finished_folder / TABLE)
    assert [(row["entry"], row["set"]) for row in rows] == [
        (entry, name) for entry in ("rnafold-c2", "rnafold-folding-c2+families") for name in TESTS
    ]
    assert {row["seeds"] for row in rows} == {"2"}
    assert {row["training_records"] for row in rows} == {"12"}


def test_the_difference_is_that_of_the_scores(finished_folder):
    rows = {(row["entry"], row["set"]): row for row in read_table(finished_folder / TABLE)}
    scores = finished_folder / "experiments/0.01-minutes/scores/rnafold-folding-c2+families"
    files = [scores / "vs-rnafold-c2" / f"s{seed}" / "seen.json" for seed in CONFIG["seeds"]]
    differences = [json.loads(file.read_text())["other"]["difference"] for file in files]
    row = rows["rnafold-folding-c2+families", "seen"]
    assert float(row["difference"]) == pytest.approx(sum(differences) / 2, abs=1e-4)
    assert float(row["difference"]) > 0.0  # the families are those of the training set
    low, high = float(row["difference_low"]), float(row["difference_high"])
    assert low <= float(row["difference"]) <= high
    baseline = rows["rnafold-c2", "seen"]
    assert {baseline[f"difference{end}"] for end in ("", "_low", "_high")} == {"0.0000"}


def test_plot_and_power_law_are_written(finished_folder):
    results = finished_folder / "experiments/0.01-minutes"
    assert ElementTree.parse(results / "plots/tiny.svg").getroot().tag.endswith("svg")
    rows = read_table(results / "tables/tiny-power-law.tsv")
    assert [(row["set"], row["runs"]) for row in rows] == [(name, "4") for name in TESTS]
    for row in rows:
        assert float(row["low"]) <= float(row["exponent"]) <= float(row["high"])


def test_a_stopped_run_is_resumed(finished_folder):
    done = finished_folder / "experiments/0.01-minutes/runs/rnafold-s1.done"
    done.unlink()
    before = (done.with_suffix("") / "metrics.jsonl").read_text().splitlines()
    finished = snakemake(finished_folder, "--configfile", "tiny.yaml", "--until", "train")
    assert finished.returncode == 0, finished.stderr
    after = (done.with_suffix("") / "metrics.jsonl").read_text().splitlines()
    assert json.loads(after[-1])["step"] == json.loads(before[-1])["step"]


def test_all_experiments_can_be_planned(tmp_path):
    write_data(tmp_path)
    sets = {name: TINY[name] for name in ("train", "validation")}
    (tmp_path / "sets.yaml").write_text(yaml.safe_dump(sets))
    finished = snakemake(tmp_path, "--dry-run", "--quiet", "rules", "--configfile", "sets.yaml")
    assert finished.returncode == 0, finished.stderr
    counts = dict(re.findall(r"^(\w+) +(\d+)$", finished.stdout + finished.stderr, re.MULTILINE))
    arms = {path.stem for path in ARMS} | set(CONFIG["arms"])
    assert int(counts["train"]) == len(arms) * len(CONFIG["seeds"])
    assert int(counts["table"]) == len(CONFIG["experiments"])


@pytest.mark.parametrize("arm", ARMS, ids=lambda path: path.stem)
def test_each_arm_is_a_training_config(arm):
    config = read_config(arm)
    assert arm.read_text().startswith("# ")
    if arm.stem.startswith("parameters-"):
        count = sum(tensor.numel() for tensor in RNAformer(config.model).parameters())
        named = int(arm.stem.removeprefix("parameters-").removesuffix("k")) * 1000
        assert count == pytest.approx(named, rel=0.2)


def test_all_arms_have_the_same_budget_and_validation():
    assert len({repr(read_config(arm).run) for arm in ARMS}) == 1
