"""README and examples are true: links resolve, outputs are what the shipped weights give."""

import re
import subprocess

import pytest
from conftest import ROOT

from rnaformer_cli.cli.main import COMMANDS
from rnaformer_cli.training.network.config import read_config

README = (ROOT / "README.md").read_text(encoding="utf-8")
SHELL = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "weights" / "README.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_local_links_resolve(page):
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if not (page.parent / link).exists()]
    assert missing == []


def test_two_commands_do_everything_on_a_fresh_machine():
    commands = [block for block in SHELL.findall(README) if "-m venv" in block]
    install = "python3 -m venv .venv &&\n  .venv/bin/pip install -q -c constraints.txt "
    predict = ".venv/bin/rnaformer predict examples/rnas.fasta --ref examples/rnas.dbn"
    assert commands == [
        f"{install}. &&\n  {predict}\n",
        f"{install}'.[test]' &&\n  .venv/bin/pytest\n",
    ]


def test_ci_runs_these_commands():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    reader = re.search(r"^command_of_readme\(\) \{.*?^\}\n", script, re.DOTALL | re.MULTILINE)[0]
    call = f"{reader}command_of_readme 1; command_of_readme 2"
    found = subprocess.run(["bash", "-c", call], cwd=ROOT, capture_output=True, text=True)
    commands = [block for block in SHELL.findall(README) if "-m venv" in block]
    assert found.stdout == "".join(commands)


def test_every_command_in_the_readme_exists():
    blocks = "".join(SHELL.findall(README))
    named = set(re.findall(r"\brnaformer ([a-z]+)", blocks))
    assert named - set(COMMANDS) == set()
    assert {"predict", "score", "weights"} <= named


def test_the_output_shown_is_what_the_shipped_weights_give(run):
    shown = re.search(r"```text\n(.*?)\.\.\.\n```", README, re.DOTALL)[1]
    done = run("predict", ROOT / "examples" / "rnas.fasta")
    assert done.out.startswith(shown)
    assert shown.count("\n") >= 3


def test_the_examples_have_their_expected_output(run):
    expected = (ROOT / "examples" / "rnas.predicted.dbn").read_text(encoding="utf-8")
    assert run("predict", ROOT / "examples" / "rnas.fasta").out == expected


@pytest.mark.parametrize(
    "path", sorted((ROOT / "examples" / "training").glob("*.toml")), ids=lambda path: path.name
)
def test_example_configs_are_read(path):
    assert read_config(path).model.patch == 2
