"""Each command runs in an empty folder of its own, without the settings of the user."""

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
EXAMPLES = TESTS.parent / "examples"
TERMINAL_VARIABLES = ("COLUMNS", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")


@pytest.fixture(autouse=True)
def isolated_folder(tmp_path, monkeypatch):
    """The current folder, and a store of weights that holds only what the test puts there."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("RNAFORMER_HOME", str(tmp_path / "home"))
    for name in TERMINAL_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    return folder


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory, tiny_network):
    """A checkpoint folder of the tiny network: fast, and its pairs mean nothing."""
    from rnaformer_cli.model.checkpoint import save_checkpoint

    folder = tmp_path_factory.mktemp("weights") / "tiny"
    folder.mkdir()
    save_checkpoint(folder, "tiny", tiny_network.config, tiny_network.state_dict(), {}, "# tiny\n")
    return folder


LOW_CONFIDENCE = re.compile(r"rnaformer: warning: [\d,]+ of .* a confidence below 0\.5 .*\n")


@pytest.fixture
def run_predict(run_cli, tiny_weights):
    """Call `rnaformer predict` with the tiny network on one thread of the CPU.

    Its pairs mean nothing, so that the warning of low confidence comes with every run: it is taken
    out of `err`, and has tests of its own. Headers are plain.
    """

    def call(*arguments, stdin=""):
        fixed = ("--weights", tiny_weights, "--device", "cpu", "--threads", 1, "--plain-headers")
        finished = run_cli("predict", *arguments, *fixed, stdin=stdin)
        return replace(finished, err=LOW_CONFIDENCE.sub("", finished.err))

    return call


@pytest.fixture
def check_golden():
    """Compare a text with a whole file of tests/golden; see the README there."""

    def check(name, text):
        path = TESTS / "golden" / name
        if os.environ.get("REWRITE_GOLDEN"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        assert text == path.read_bytes().decode()

    return check


@pytest.fixture
def examples_folder():
    """The folder of example RNAs that the documentation uses."""
    return EXAMPLES


@pytest.fixture
def data_folder():
    """The folder of test data; its README says where each file came from."""
    return TESTS / "data"
