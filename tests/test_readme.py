"""README and examples are true: links resolve, outputs are what the shipped weights give."""

import re

import pytest
from conftest import ROOT

from rnaformer_cli.cli.main import COMMANDS
from rnaformer_cli.training.network.config import read_config

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "weights" / "README.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_local_links_resolve(page):
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if not (page.parent / link).exists()]
    assert missing == []


def test_two_commands_do_everything_on_a_fresh_machine():
    commands = [line for line in README.splitlines() if "-m venv" in line]
    assert len(commands) == 2
    assert commands[0].endswith(
        "&& .venv/bin/rnaformer predict examples/rnas.fasta --ref examples/rnas.dbn"
    )
    assert commands[1].endswith("&& .venv/bin/pytest")
    assert all("-c constraints.txt" in command for command in commands)


def test_every_command_in_the_readme_exists():
    blocks = "".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))
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
