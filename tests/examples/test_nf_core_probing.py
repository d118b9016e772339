"""The nf-core module for probing data: its commands run on a folder of .shape files."""

import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from program_commands import CONTEXTS

from rnaformer_cli import __version__

MODULE = ROOT / "examples" / "nf-core" / "rnaformer" / "probing"
PROCESS = (MODULE / "main.nf").read_text()
META = yaml.safe_load((MODULE / "meta.yml").read_text())
TIMEOUT = 60.0  # seconds to wait for a command


def script_of(part):
    """The commands of a part of the process, with Nextflow's variables filled in."""
    values = {"fasta": "in.fasta", "shapes": "shapes", "reagent": "1M7", "args": "--cycles 1"}
    values |= {"prefix": "sample", "task.cpus": "1", "task.process": "RNAFORMER_PROBING"}
    quoted = re.search(rf'{part}:.*?"""\n(.*?)"""', PROCESS, re.DOTALL)[1]
    filled = re.sub(r"(?<!\\)\$\{?([\w.]+)\}?", lambda found: values[found[1]], quoted)
    return textwrap.dedent(filled).replace("\\\\", "\\").replace("\\$", "$")


@pytest.fixture
def run_module(tmp_path):
    """Run a part of the process with data for a hairpin, and data that do not fit another."""
    (tmp_path / "in.fasta").write_text(">a\nGGGGAAAACCCC\n>b\nGGGAAACCC\n")
    (tmp_path / "shapes").mkdir()
    (tmp_path / "shapes" / "a.shape").write_text("1 0.1\n5 0.9\n6 1.2\n12 0.05\n")
    (tmp_path / "shapes" / "b.shape").write_text("99 0.1\n")

    def call(part):
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script_of(part)],
            cwd=tmp_path,
            env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )

    return call


def test_a_folder_of_shape_files_guides_the_predictions(run_module, tmp_path):
    done = run_module("script")
    assert done.returncode == 0, done.stderr
    with_data, without = map(json.loads, (tmp_path / "sample.jsonl").read_text().splitlines())
    assert (with_data["reactivities"]["used"], with_data["reactivities"]["auc"]) == (4, 1.0)
    assert "reactivities" not in without
    log = (tmp_path / "sample.log").read_text()
    assert "b.shape:1: record 'b': position 99 is beyond the RNA, which has 9 bases" in log
    versions = yaml.safe_load((tmp_path / "versions.yml").read_text())
    assert versions == {"RNAFORMER_PROBING": {"rnaformer": __version__}}


def test_the_stub_makes_the_files_that_are_expected(run_module, tmp_path):
    done = run_module("stub")
    assert done.returncode == 0, done.stderr
    patterns = re.findall(r'path\(?\s*"([^"]+)"', PROCESS)
    assert len(patterns) == 4
    assert [pattern for pattern in patterns if not list(tmp_path.glob(pattern))] == []


def test_the_description_names_the_inputs_and_outputs_of_the_process():
    assert list(META["output"]) == re.findall(r"emit: (\w+)", PROCESS)
    assert [next(iter(one)) for group in META["input"] for one in group] == [
        *("meta", "fasta", "shapes", "reagent")
    ]
    assert META["name"].upper() == re.match(r"process (\w+)", PROCESS)[1]


def test_the_module_requires_this_version():
    environment = yaml.safe_load((MODULE / "environment.yml").read_text())
    assert environment["dependencies"] == [f"bioconda::rnaformer-cli={__version__}"]
    assert f"rnaformer-cli:{__version__}--" in PROCESS


def test_every_option_exists():
    used = set(re.findall(r"\s(--[a-z]+)", PROCESS)) - {"--version"}
    context = CONTEXTS[("predict",)]
    known = {text for one in context.command.get_params(context) for text in one.opts}
    assert used
    assert used <= known
