"""The Dockerfile builds from what .dockerignore leaves, and its program needs no rights."""

import fnmatch
import re
import shlex

import pytest
from conftest import ROOT
from setup_metadata import read_setup
from test_wheel import SOURCES

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
KNOWN = {"ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "FROM", "LABEL", "RUN", "USER", "WORKDIR"}


def instructions():
    """The instructions with their arguments, continued lines joined."""
    lines = [line for line in DOCKERFILE.splitlines() if line and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [tuple(line.split(None, 1)) for line in joined.splitlines()]


INSTRUCTIONS = instructions()


def is_sent(name):
    """Whether the builder gets a path below the repository."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.removeprefix("!")
        if line and not line.startswith("#"):
            above = [name, *(name[:at] for at, letter in enumerate(name) if letter == "/")]
            if any(fnmatch.fnmatch(part, pattern) for part in above):
                sent = line.startswith("!")
    return sent


def test_there_are_only_known_instructions():
    assert {name for name, _ in INSTRUCTIONS} <= KNOWN
    assert INSTRUCTIONS[0][0] == "ARG"


def test_the_builder_gets_what_the_wheel_is_built_from():
    needed = {*SOURCES, "constraints.txt", "docs/man/rnaformer.1"} - {"docs"}
    assert {name for name in needed if not is_sent(name)} == set()
    assert is_sent("weights/rnaformer-small/model.safetensors")
    for name in (".git/config", ".venv/bin/python", "tests/conftest.py", "docs/output.md"):
        assert not is_sent(name)
    copied = [shlex.split(text) for name, text in INSTRUCTIONS if name == "COPY"]
    for *sources, _ in copied:
        assert all(
            part.startswith("--from=") or is_sent(part) or part == "." for part in sources[:1]
        )


def test_the_image_runs_the_program_as_a_user_without_rights():
    last_stage = max(at for at, (name, _) in enumerate(INSTRUCTIONS) if name == "FROM")
    stage = dict(INSTRUCTIONS[last_stage:])
    user, group = stage["USER"].split(":")
    assert int(user) > 0
    assert int(group) > 0
    assert "HOME" not in stage["ENV"]
    programs = [entry.split("=")[0] for entry in read_setup().entry_points["console_scripts"]]
    assert stage["ENTRYPOINT"] == f'["{programs[0]}"]'


def test_the_python_of_the_image_is_one_that_is_tested():
    version = dict(INSTRUCTIONS[:1])["ARG"].removeprefix("PYTHON=")
    assert f"Programming Language :: Python :: {version}" in read_setup().metadata.classifiers


@pytest.mark.parametrize("name", ["pip", "apt-get"])
def test_nothing_downloaded_stays_in_a_layer(name):
    runs = [text for instruction, text in INSTRUCTIONS if instruction == "RUN"]
    for run in (run for run in runs if re.search(rf"{name} install", run)):
        assert "--no-cache-dir" in run or "rm -rf /var/lib/apt/lists" in run
