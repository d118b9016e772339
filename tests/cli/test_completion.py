"""`rnaformer completion`: what shells are given, and real shells that use it."""

import os
import pty
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from program_commands import CONTEXTS

from rnaformer_cli.cli.completion import SHELLS
from rnaformer_cli.cli.main import cli

TIMEOUT = 60.0  # seconds to wait for a shell
FREE_TEXT = {  # neither a list nor a folder has these values
    "--from",  # an address
    "--cycles",
    "--device",
    "--family",
    "--max-memory",
    "--seq",
    "--sha256",
    "--shard",
    "--source",
    "--title",
    "name",  # of weights that are not there yet
}
KNOT = ">knot\nGGGAAACCCCCCUUUGGGA\n(((...[[[)))...]]].\n"


def completions(*words):
    """What is offered for the last word, which may be empty, as values and as types."""
    found = ShellComplete(cli, {}, "rnaformer", "").get_completions(list(words[:-1]), words[-1])
    return [item.value for item in found], {item.type for item in found}


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (("s",), ["score"]),
        (("weights", "v"), ["verify"]),
        (("predict", "--max-l"), ["--max-length"]),
        (("predict", "x.fasta", "-f", "b"), ["bpseq"]),
        (("score", "--nope", "x.dbn", "--nop"), []),
    ],
)
def test_commands_options_and_choices_are_completed(words, values):
    assert completions(*words)[0] == values


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (("predict", ""), "file"),
        (("predict", "a.fasta", ""), "file"),
        (("predict", "a.fasta", "-o", "x"), "file"),
        (("predict", "a.fasta", "--out-dir", ""), "dir"),
        (("score", "--ref", ""), "file"),
        (("data", "import", ""), "file"),
    ],
)
def test_files_and_folders_are_left_to_the_shell(words, kind):
    assert completions(*words)[1] == {kind}


def test_names_of_weights_are_completed_and_folders_where_none_fits(tiny_weights):
    shutil.copytree(tiny_weights, Path(os.environ["RNAFORMER_HOME"]) / "weights" / "mine")
    assert completions("predict", "-w", "") == (
        ["rnaformer-base", "rnaformer-small", "mine"],
        {"plain"},
    )
    assert completions("weights", "verify", "m") == (["mine"], {"plain"})
    assert completions("predict", "-w", "./") == (["./"], {"dir"})


@pytest.mark.parametrize("words", CONTEXTS, ids=lambda words: "-".join(words) or "rnaformer")
def test_every_parameter_is_completed_unless_it_is_free_text(words):
    context = CONTEXTS[words]
    silent = {
        parameter.opts[-1]
        for parameter in context.command.params
        if isinstance(parameter.type, click.types.StringParamType)
        and not parameter.shell_complete(context, "")
    }
    assert silent <= FREE_TEXT


def test_completing_loads_no_torch():
    script = """
import sys
from rnaformer_cli.cli.main import run
code = run([])
print(code, "torch" in sys.modules, file=sys.stderr)
"""
    words = {
        "_RNAFORMER_COMPLETE": "bash_complete",
        "COMP_WORDS": "rnaformer predict --max-memory 4G -w rna",
    }
    finished = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **words, "COMP_CWORD": "5"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert (finished.stdout, finished.stderr) == (
        "plain,rnaformer-base\nplain,rnaformer-small\n",
        "0 False\n",
    )


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_one_that_the_shell_can_read(run_cli, shell):
    finished = run_cli("completion", shell)
    assert (finished.err, finished.code) == ("", 0)
    assert f"_RNAFORMER_COMPLETE={shell}_complete" in finished.out
    Path("script").write_text(finished.out)
    if shutil.which(shell):
        subprocess.run([shell, "-n", "script"], check=True, timeout=TIMEOUT)


@pytest.fixture
def run_bash(monkeypatch):
    """Whether an interactive bash was left with exit code 0 after these keys."""
    Path("bin").mkdir()
    program = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m rnaformer_cli "$@"\n'
    Path("bin/rnaformer").write_text(program)
    Path("bin/rnaformer").chmod(0o755)
    monkeypatch.setenv("PATH", f"{Path('bin').resolve()}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("INPUTRC", os.devnull)
    monkeypatch.setenv("HISTFILE", os.devnull)
    monkeypatch.setenv("TERM", "dumb")

    def call(keys):
        ours, theirs = pty.openpty()
        bash = ["bash", "--noprofile", "--norc", "-i"]
        with subprocess.Popen(bash, stdin=theirs, stdout=theirs, stderr=theirs) as process:
            os.close(theirs)
            with open(ours, "r+b", buffering=0) as terminal:
                terminal.write(f"{keys}exit\n".encode())
                while _more(terminal):  # or bash would wait until its output is read
                    pass
            return process.wait(TIMEOUT) == 0

    return call


def _more(terminal):
    """Whether something was read; a terminal that bash has left gives an error on Linux."""
    try:
        return terminal.read(4096) != b""
    except OSError:
        return False


def test_bash_completes_commands_files_options_choices_and_weights(run_bash, run_cli):
    Path("the knot.dbn").write_text(KNOT)
    keys = [
        "source <(rnaformer completion bash)\n",
        "rnaformer conv\tthe\t--t\tjs\t-o x.jsonl\n",
        "rnaformer weights path rnaf\t> found\n",
    ]
    assert run_bash("".join(keys))
    assert Path("x.jsonl").read_text() == run_cli("convert", "the knot.dbn", "-t", "jsonl").out
    assert Path("found").read_text() == run_cli("weights", "path", "rnaformer-small").out


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
def test_fish_completes_commands(run_bash, run_cli):
    Path("script.fish").write_text(run_cli("completion", "fish").out)
    requested = "source script.fish; complete -C 'rnaformer conv'"
    offered = subprocess.run(
        ["fish", "-c", requested], capture_output=True, text=True, timeout=TIMEOUT, check=True
    )
    assert offered.stdout.split()[:1] == ["convert"]


def test_another_shell_is_wrong_usage(run_cli):
    finished = run_cli("completion", "tcsh")
    last_line = "Error: Invalid value for 'SHELL': 'tcsh' is not one of 'bash', 'zsh', 'fish'."
    assert finished.err.splitlines()[-1] == last_line
    assert (finished.out, finished.code) == ("", 2)
