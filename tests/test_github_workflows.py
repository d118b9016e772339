"""The GitHub workflows run only pinned actions, with few rights, on the supported Pythons."""

import re

import pytest
import yaml
from conftest import ROOT
from setup_metadata import read_setup

FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+")
MAY_WRITE = {("release.yml", "publish")}


def workflow(path):
    # YAML 1.1 reads the key `on` as true.
    read = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {("on" if key is True else key): value for key, value in read.items()}


def jobs():
    return [(path, name, job) for path in FILES for name, job in workflow(path)["jobs"].items()]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_actions_are_pinned_to_commits(path):
    used = re.findall(r"uses: (.+)", path.read_text(encoding="utf-8"))
    assert used
    for action in used:
        if action.startswith("./"):
            assert (ROOT / action).is_file()
        else:
            assert PINNED.fullmatch(action)


def test_an_action_has_the_same_commit_everywhere():
    used = {
        action
        for path in FILES
        for action in re.findall(r"uses: ([\w.-]+/\S+@\S+)", path.read_text(encoding="utf-8"))
    }
    assert len(used) == len({action.partition("@")[0] for action in used})


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_workflow_may_only_read(path):
    assert workflow(path)["permissions"] == {"contents": "read"}


@pytest.mark.parametrize(("path", "name", "job"), jobs(), ids=lambda part: str(part)[-20:])
def test_a_job_ends_and_has_no_more_rights_than_it_needs(path, name, job):
    assert "uses" in job or job["timeout-minutes"] <= 90
    assert ("permissions" in job) == ((path.name, name) in MAY_WRITE)
    for step in job.get("steps", ()):
        if step.get("uses", "").startswith("actions/checkout"):
            assert step["with"]["persist-credentials"] is False
        # Text from outside gets into a script by a variable only.
        assert "${{" not in step.get("run", "")


def test_the_tests_run_on_every_supported_python():
    named = re.findall(r":: (3\.\d+)'", str(read_setup().metadata.classifiers))
    matrix = workflow(ROOT / ".github/workflows/tests.yml")["jobs"]["test"]["strategy"]["matrix"]
    assert matrix["python"] == named
    assert read_setup().python_requires == f">={named[0]}"
