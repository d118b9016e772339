"""What reaches a terminal: no name of a file, a folder or weights moves its cursor."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NAME = "x\x1b]0;P\x07\x9bm\u202e"
SHOWN = r"x\x1b]0;P\x07\x9bm\u202e"
FORBIDDEN = ["\x1b]", "\x07", "\x9b", "\u202e"]


def on_terminal(*arguments):
    """All that a command writes on a terminal of its own."""
    controller, terminal = os.openpty()
    command = [sys.executable, "-m", "rnaformer_cli", *map(str, arguments)]
    running = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal, close_fds=True
    )
    os.close(terminal)
    found = b""
    with open(controller, "rb", buffering=0) as reader:
        try:
            while part := reader.read(1 << 16):
                found += part
        except OSError:  # the other end was closed
            pass
    running.wait()
    return found.decode()


@pytest.fixture
def names(tmp_path, tiny_weights, monkeypatch):
    """A FASTA file, a folder with it and weights, all of a hostile name, where one works."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RNAFORMER_HOME", str(tmp_path))
    Path(NAME).mkdir()
    for path in (f"{NAME}.fa", f"{NAME}/{NAME}.fa"):
        Path(path).write_text(">a\nGGGGAAAACCCC\n")
    Path(f"{NAME}.dbn").write_text(f">{NAME}\nGGGGAAAACCCC\n((((....))))\n")
    shutil.copytree(tiny_weights, tmp_path / "weights" / NAME)


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict", f"{NAME}.fa", "-o", f"{NAME}.fa"],
        ["predict", NAME, "-o", f"{NAME}/{NAME}.fa"],
        ["predict", f"{NAME}.fa", "-o", f"{NAME}2", "--table", f"{NAME}2"],
        ["draw", f"{NAME}.dbn", "-o", f"{NAME}.dbn"],
        ["weights", "show", NAME],
        ["weights", "path", NAME],
        ["weights", "average", NAME, NAME, "-o", f"./{NAME}2"],
        ["weights", "fetch", "rnaformer-32m-bprna", "--from", f"http://127.0.0.1:1/{NAME}"],
        ["score", f"{NAME}.dbn", "--ref", f"{NAME}.dbn", "--json"],
        [NAME],
    ],
    ids=lambda arguments: " ".join(arguments).replace(NAME, "NAME"),
)
def test_no_name_moves_the_cursor(names, arguments):
    found = on_terminal(*arguments)
    assert [sign for sign in FORBIDDEN if sign in found] == []
    assert SHOWN in found.replace("\\u001b", r"\x1b").replace("\\u0007", r"\x07")


def test_a_pipe_gets_the_path_as_it_is(names):
    command = [sys.executable, "-m", "rnaformer_cli", "weights", "path", NAME]
    found = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    assert found == f"{Path('weights', NAME).resolve()}\n"
