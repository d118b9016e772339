"""The nf-core module and the conda recipe name what there is, and their commands run."""

import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import jinja2
import pytest
import yaml
from conftest import ROOT
from packaging.requirements import Requirement
from program_commands import CONTEXTS
from setup_metadata import read_setup

from rnaformer_cli import __version__

MODULE = ROOT / "examples" / "nf-core" / "rnaformer" / "predict"
PROCESS = (MODULE / "main.nf").read_text()
META = yaml.safe_load((MODULE / "meta.yml").read_text())
CONDA_NAMES = {"torch": "pytorch"}  # where conda has another name for a distribution
TIMEOUT = 60.0  # seconds to wait for a command


def rendered_recipe():
    """The recipe as conda-build reads it."""
    text = (ROOT / "examples" / "bioconda" / "meta.yaml").read_text()
    pins = {"PYTHON": "python", "pin_subpackage": lambda name, max_pin: f"{name} {max_pin}"}
    return yaml.safe_load(jinja2.Template(text).render(pins))


RECIPE = rendered_recipe()


def script_of(part, values):
    """The commands of a part of the process, with Nextflow's variables filled in."""
    quoted = re.search(rf'{part}:.*?"""\n(.*?)"""', PROCESS, re.DOTALL)[1]
    filled = re.sub(r"(?<!\\)\$\{?([\w.]+)\}?", lambda found: values[found[1]], quoted)
    return textwrap.dedent(filled).replace("\\\\", "\\").replace("\\$", "$")


def shell(command, folder):
    """Run a command as Nextflow and conda-build do, in a folder of its own."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


def calls(text):
    """Each call of rnaformer: the context of its command, and its options."""
    joined = re.sub(r"\\+\n", " ", text)
    for line in re.findall(r"\brnaformer ([a-z][^\n|;]*)", joined):
        words = line.split()
        context = CONTEXTS.get(tuple(words[:2])) or CONTEXTS[tuple(words[:1])]
        yield context, {word for word in words if re.match(r"--?[a-z]", word)}


@pytest.fixture
def run_module(tmp_path):
    """The folder after the module's script has run on a text, and how that ended."""

    def call(text, part="script"):
        (tmp_path / "in.fasta").write_text(text)
        values = {"fasta": "in.fasta", "args": "--cycles 1", "prefix": "sample"}
        values |= {"task.cpus": "1", "task.process": "RNAFORMER_PREDICT"}
        return tmp_path, shell(script_of(part, values), tmp_path)

    return call


def test_the_module_predicts_what_can_be_predicted(run_module):
    folder, done = run_module(">good\nGGGGAAAACCCC\n>bad\nMKVLAA\n")
    assert done.returncode == 0, done.stderr
    [record] = map(json.loads, (folder / "sample.jsonl").read_text().splitlines())
    assert (record["id"], record["structure"]) == ("good", "((((....))))")
    assert "\tbad\t" in (folder / "sample.failures.tsv").read_text()
    versions = yaml.safe_load((folder / "versions.yml").read_text())
    assert versions == {"RNAFORMER_PREDICT": {"rnaformer": __version__}}


def test_the_module_fails_if_nothing_was_predicted(run_module):
    folder, done = run_module(">bad\nMKVLAA\n")
    assert done.returncode == 1
    assert not (folder / "versions.yml").exists()


def test_the_stub_makes_the_files_that_are_expected(run_module):
    folder, done = run_module("", part="stub")
    assert done.returncode == 0, done.stderr
    patterns = re.findall(r'path\(?\s*"([^"]+)"', PROCESS)
    assert len(patterns) == 3
    assert [pattern for pattern in patterns if not list(folder.glob(pattern))] == []


def test_the_description_names_the_outputs_of_the_process():
    assert list(META["output"]) == re.findall(r"emit: (\w+)", PROCESS)
    assert META["name"].upper() == re.match(r"process (\w+)", PROCESS)[1]


def test_the_module_requires_this_version():
    environment = yaml.safe_load((MODULE / "environment.yml").read_text())
    assert environment["dependencies"] == [f"bioconda::{RECIPE['package']['name']}={__version__}"]
    assert f"rnaformer-cli:{__version__}--" in PROCESS


@pytest.mark.parametrize(
    ("name", "commands"),
    [("main.nf", PROCESS), ("meta.yaml", "\n".join(RECIPE["test"]["commands"]))],
)
def test_every_command_and_option_exists(name, commands):
    found = list(calls(commands))
    assert any(options for _, options in found)
    for context, options in found:
        known = {text for one in context.command.get_params(context) for text in one.opts}
        assert options - known == set(), f"{name}: {context.command_path}"


def test_the_recipe_needs_what_setup_needs():
    needed = {}
    for line in read_setup().install_requires:
        one = Requirement(line)
        needed[CONDA_NAMES.get(one.name, one.name)] = str(one.specifier)
    needed["python"] = str(read_setup().python_requires)
    assert dict(line.split() for line in RECIPE["requirements"]["run"]) == needed
    assert RECIPE["requirements"]["host"][0] == f"python {needed['python']}"


def test_the_recipe_is_of_this_program():
    assert RECIPE["package"] == {"name": read_setup().get_name(), "version": __version__}
    assert RECIPE["build"]["entry_points"] == read_setup().entry_points["console_scripts"]
    assert RECIPE["about"]["license"] == read_setup().get_license()
    assert RECIPE["about"]["summary"] == read_setup().get_description()


@pytest.mark.parametrize("command", RECIPE["test"]["commands"])
def test_the_commands_of_the_recipe_run(tmp_path, command):
    done = shell(command, tmp_path)
    assert done.returncode == 0, done.stderr
