"""The group `rnaformer`: help, usage, exit codes, and how it ends when it is cut short."""

import errno
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from program_commands import COMMAND_WORDS

from rnaformer_cli import __version__
from rnaformer_cli.cli import main
from rnaformer_cli.cli.main import COMMANDS, cli, escape_controls

PROGRAM = [sys.executable, "-m", "rnaformer_cli"]
TIMEOUT = 60.0  # seconds to wait for another process


@pytest.mark.parametrize(
    "command", COMMAND_WORDS, ids=lambda command: "-".join(command) or "rnaformer"
)
def test_help_matches_its_golden_file(run_cli, check_golden, command):
    finished = run_cli(*command, "--help")
    check_golden(f"help/{'-'.join(('rnaformer', *command))}.txt", finished.out)
    assert (finished.err, finished.code) == ("", 0)


def test_every_line_of_help_fits_the_terminal(run_cli):
    lines = [line for command in COMMAND_WORDS for line in run_cli(*command, "-h").out.splitlines()]
    assert max(len(line) for line in lines) <= 100


def test_every_command_that_is_listed_has_a_module():
    context = click.Context(cli)
    assert cli.list_commands(context) == list(COMMANDS)
    assert all(cli.get_command(context, name) is not None for name in COMMANDS)


def test_version_is_that_of_the_package(run_cli):
    assert run_cli("--version").out == f"rnaformer, version {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "last_line"),
    [
        (["nope"], "Error: No such command 'nope'."),
        (["predcit", "x"], "Error: No such command 'predcit'. Did you mean 'predict'?"),
        (["--nope"], "Error: No such option '--nope'."),
        (["score", "a.dbn"], "Error: Missing option '--ref'."),
        (["convert"], "Error: Missing argument 'IN'."),
    ],
)
def test_wrong_usage_is_reported_on_stderr_with_exit_code_2(run_cli, arguments, last_line):
    finished = run_cli(*arguments)
    assert finished.err.splitlines()[-1] == last_line
    assert (finished.out, finished.code) == ("", 2)


def test_without_a_command_help_is_shown(run_cli):
    finished = run_cli()
    assert "Use:\n  predict " in finished.out + finished.err


def test_a_failure_is_one_line_on_stderr_with_exit_code_1(run_cli):
    finished = run_cli("convert", "no\nsuch\x1b[31m.dbn")
    assert finished.err == "rnaformer: no\\nsuch\\x1b[31m.dbn: no such file or directory\n"
    assert (finished.out, finished.code) == ("", 1)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain é 中", "plain é 中"),
        ("two\nlines\r", "two\\nlines\\r"),
        ("\x1b[2J\x00", "\\x1b[2J\\x00"),
        ("\u2028\u202e", "\\u2028\\u202e"),
    ],
)
def test_one_line_escapes_what_could_move_the_cursor(text, line):
    assert escape_controls(text) == line


def test_a_shell_gets_completions_on_request(run_cli, monkeypatch):
    monkeypatch.setenv("_RNAFORMER_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "rnaformer s")
    monkeypatch.setenv("COMP_CWORD", "1")
    finished = run_cli()
    assert (finished.out, finished.code) == ("plain,score\n", 0)


def test_a_full_disk_behind_stdout_is_one_line(run_cli, monkeypatch, examples_folder):
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        finished = run_cli("convert", examples_folder / "rnas.dbn")
    assert finished.err == "rnaformer: stdout: no space left on device\n"
    assert finished.code == 1


def test_a_pipe_closed_by_its_reader_is_no_failure(run_cli, monkeypatch, examples_folder):
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        finished = run_cli(
            "score", examples_folder / "rnas.dbn", "--ref", examples_folder / "rnas.dbn"
        )
    assert (finished.err, finished.code) == ("", 0)


def test_a_pipe_closed_by_its_reader_is_no_failure_while_a_file_is_written(
    run_predict, monkeypatch, examples_folder
):
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        finished = run_predict(examples_folder / "rnas.fasta", "--scores", "scores.npz")
    assert (finished.err, finished.code, os.listdir()) == ("", 0, [])


def test_a_closed_stdout_is_no_traceback():
    command = f"{shlex.quote(sys.executable)} -m rnaformer_cli --version >&-"
    finished = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (finished.stderr, finished.returncode) == ("", 0)


@pytest.mark.parametrize(
    ("arguments", "out", "err", "code"),
    [
        ("convert - <&-", "", "rnaformer: stdin: is closed\n", 1),
        ("predict -w {weights} <&-", "", "rnaformer: stdin: is closed\n", 1),
        ("predict -w {weights} x.fasta 2>&-", ">x confidence=0.00\nGA\n..\n", "", 0),
        ("convert absent.dbn 2>&-", "", "", 1),
    ],
)
def test_other_closed_streams_are_no_traceback(tiny_weights, arguments, out, err, code):
    Path("x.fasta").write_text(">x\nGA\n")
    words = f"{shlex.quote(sys.executable)} -m rnaformer_cli {arguments}"
    command = words.format(weights=shlex.quote(str(tiny_weights)))
    finished = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (finished.stdout, finished.stderr, finished.returncode) == (out, err, code)


def test_an_unexpected_file_error_names_the_file_and_stdout_stays_open(run_cli, monkeypatch):
    def fail(_):
        raise PermissionError(13, "Permission denied", "locked")

    monkeypatch.setattr(main, "_invoke", fail)
    finished = run_cli("convert", "x")
    assert (finished.err, finished.code) == ("rnaformer: locked: permission denied\n", 1)


def test_head_ends_predict_and_convert_silently_under_pipefail(tiny_weights, examples_folder):
    Path("many.dbn").write_text(">hairpin\nGGGGAAAACCCC\n((((....))))\n" * 5000)
    script = """
        set -o pipefail
        "$1" -m rnaformer_cli convert many.dbn | head -n 1
        echo "$?"
        "$1" -m rnaformer_cli predict "$2" -w "$3" -f tsv --decode raw --threshold 0 | head -n 1
        echo "$?"
    """  # both write more than a pipe holds
    words = [sys.executable, examples_folder / "rnas.fasta", tiny_weights]
    finished = subprocess.run(
        ["bash", "-c", script, "bash", *words], capture_output=True, text=True, timeout=TIMEOUT
    )
    assert finished.stdout == ">hairpin\n0\nid\ti\tj\tscore\n0\n"
    assert finished.stderr == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_is_reported_and_leaves_nothing(tiny_weights, tmp_path, number):
    reads = tmp_path / "long.fasta"  # more than a minute of work
    reads.write_text(f">long\n{'GAUC' * 100}\n" * 2000)
    ours = signal.signal(signal.SIGINT, signal.default_int_handler)  # a child of `&` ignores it
    try:
        process = subprocess.Popen(
            [*PROGRAM, "predict", reads, "-o", "out.dbn", "-w", tiny_weights],
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, ours)
    with process:
        until(lambda: os.listdir() or process.poll() is not None)  # it has opened its output
        assert [name[:9] for name in os.listdir()] == [".out.dbn."]
        process.send_signal(number)
        assert process.wait(TIMEOUT) == main.EXIT_INTERRUPTED == 130
        assert process.stderr.read() == "rnaformer: interrupted\n"
    assert os.listdir() == []


def test_help_score_and_convert_load_neither_torch_nor_the_network(examples_folder):
    """In one process, because a new one is slow; loaded modules stay loaded."""
    script = """
import sys
from rnaformer_cli.cli.main import run
known = sys.argv[1]
for arguments in (
    ["--help"], ["predict", "--help"], ["score", "--help"], ["weights", "--help"],
    ["score", known, "--ref", known], ["convert", known, "-t", "jsonl"], ["predict", "-f", "no"],
):
    code = run(arguments)
    heavy = sorted({"torch", "rnaformer_cli.model.network"} & set(sys.modules))
    print(code, *arguments[:1], *heavy, file=sys.stderr)
"""
    finished = subprocess.run(
        [sys.executable, "-c", script, examples_folder / "rnas.dbn"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT,
    )
    expected = [line for line in finished.stderr.splitlines() if line[:2] in ("0 ", "2 ")]
    commands = ["--help", "predict", "score", "weights", "score", "convert"]
    assert expected == [*(f"0 {command}" for command in commands), "2 predict"]


def test_stdout_is_utf_8_whatever_the_locale():
    finished = subprocess.run(
        [*PROGRAM, "convert", "-"],
        input=">中\nACGU\n....\n".encode(),
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        timeout=TIMEOUT,
    )
    assert finished.stdout.decode() == ">中\nACGU\n....\n"


def until(is_true):
    """Wait for another process."""
    deadline = time.monotonic() + TIMEOUT
    while not is_true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("requested", "spins"),
    [({}, "3000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "None")],
)
def test_idle_threads_sleep_soon_unless_the_user_sets_a_wait_policy(requested, spins):
    code = (
        "import atexit, os, sys; from rnaformer_cli.cli.main import main; sys.argv[1:] = ['-V'];"
        "atexit.register(lambda: print(os.environ.get('GOMP_SPINCOUNT'))); main()"
    )
    variables = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    kept = {name: value for name, value in os.environ.items() if name not in variables}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, **requested},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == spins


@pytest.mark.parametrize(
    ("requested", "threads"), [({}, "1"), ({"OPENBLAS_NUM_THREADS": "2"}, "2")]
)
def test_numpy_has_one_thread_unless_the_user_sets_more(requested, threads):
    code = (
        "import atexit, os, sys; from rnaformer_cli.cli.main import main; sys.argv[1:] = ['-V'];"
        "atexit.register(lambda: print(os.environ['OPENBLAS_NUM_THREADS'])); main()"
    )
    kept = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, **requested},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == threads


def test_a_deleted_working_directory_is_reported(run_cli, tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    done = run_cli("weights", "list")
    assert done.err == "rnaformer: the working directory was deleted; change to another folder\n"
    assert done.code == 1


def test_too_many_open_files_are_no_fault_of_stdout(run_cli, monkeypatch):
    def fail(_):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(main, "_invoke", fail)
    done = run_cli("convert", "x")
    limit = "too many open files: raise the limit (ulimit -n) or use fewer --jobs"
    assert (done.err, done.code) == (f"rnaformer: {limit}\n", 1)
