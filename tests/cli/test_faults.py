"""Runs that end badly: what was written is whole, and `--resume` makes an undisturbed run of it.

Real processes, signals and disks; those that take longer are in benches/faults.py.
"""

import contextlib
import os
import resource
import secrets
import signal
import subprocess
import sys
import time

import pytest

from rnaformer_cli.cli.run.lock import LOCK_FILE

TIMEOUT = 60  # seconds
FASTA = "".join(f">k{n}\n{'GGGGAAAACCCC' * (1 + n % 4)}\n" for n in range(120))
FORMATS = ["-f", "dbn", "-f", "ct"]
PROGRAM = [sys.executable, "-m", "rnaformer_cli", "predict", "--threads", "1", "--device", "cpu"]
PROGRAM += ["--plain-headers"]


def outputs(*folders):
    """The bytes of all files but the hidden ones: a log, a lock, what a killed run had begun."""
    return {
        path.relative_to(folder.parent): path.read_bytes()
        for folder in folders
        for path in folder.iterdir()
        if not path.name.startswith(".")
    }


@contextlib.contextmanager
def begun(*arguments):
    """A run of the program in a process of its own, which is killed if it does not end."""
    ours = signal.signal(signal.SIGINT, signal.default_int_handler)  # a child of `&` ignores it
    try:
        process = subprocess.Popen(
            [*PROGRAM, *arguments], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    finally:
        signal.signal(signal.SIGINT, ours)
    with process:
        try:
            yield process
        finally:
            process.kill()


def until(is_true):
    deadline = time.monotonic() + TIMEOUT
    while not is_true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


@contextlib.contextmanager
def disk(folder, options):
    """A small disk of its own, or a skipped test where one may not have one."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "rnaformer", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize(
    ("number", "code", "expected"),
    [
        (signal.SIGINT, 130, "rnaformer: interrupted\n"),
        (signal.SIGKILL, -signal.SIGKILL, ""),
    ],
    ids=["Ctrl-C", "SIGKILL"],
)
def test_a_run_that_was_ended_is_completed_by_resume(
    run_predict, tiny_weights, tmp_path, number, code, expected
):
    reads, ended, whole = tmp_path / "reads.fasta", tmp_path / "out", tmp_path / "whole" / "out"
    reads.write_text(FASTA)
    with begun(reads, "--out-dir", ended, *FORMATS, "--weights", tiny_weights) as process:
        until(lambda: (ended / "k9.dbn").exists() or process.poll() is not None)
        process.send_signal(number)
        assert (process.wait(TIMEOUT), process.stderr.read()) == (code, expected)
    run_predict(reads, "--out-dir", whole, *FORMATS)
    before, undisturbed = outputs(ended), outputs(whole)
    assert 0 < len(before) < len(undisturbed) == 240
    assert before.items() <= undisturbed.items()  # no file is torn
    hidden = [path.name for path in ended.iterdir() if path.name.startswith(".")]
    assert len(hidden) <= 2 + (number == signal.SIGKILL)  # the log, the lock, a file in the making
    assert run_predict(reads, "--out-dir", ended, *FORMATS, "--resume").code == 0
    assert outputs(ended) == undisturbed


def test_pressing_ctrl_c_three_times_with_workers_is_one_line(tiny_weights, tmp_path):
    """The second and the third come while the workers are being ended."""
    reads, out = tmp_path / "reads.fasta", tmp_path / "out"
    reads.write_text(FASTA * 10)
    options = ["--out-dir", out, "--jobs", "2", "--weights", tiny_weights]
    with begun(reads, *options) as process:
        until(lambda: (out / "k9.dbn").exists() or process.poll() is not None)
        for _ in range(3):
            process.send_signal(signal.SIGINT)
            time.sleep(0.05)
        assert process.wait(TIMEOUT) == 130
        assert process.stderr.read() == "rnaformer: interrupted\n"


def test_a_second_run_into_a_folder_is_refused_and_the_first_is_not_disturbed(
    run_predict, tiny_weights, tmp_path
):
    out = tmp_path / "out"
    with begun("-", "--out-dir", out, "--weights", tiny_weights) as process:
        until(lambda: (out / ".rnaformer-run.jsonl").exists() or process.poll() is not None)
        second = run_predict("-", "--out-dir", out, stdin=">x\nGGGAAACCC\n")
        message = "is in use by another run; wait until it ends or choose another folder"
        assert (second.err, second.code) == (f"rnaformer: {out}: {message}\n", 1)
        process.communicate(">first\nGGGAAACCC\n", TIMEOUT)
        assert process.returncode == 0
    assert [path.name for path in outputs(out)] == ["first.dbn"]
    assert run_predict("-", "--out-dir", out, stdin=">x\nGGGAAACCC\n").code == 0  # it is free again


def test_a_full_disk_keeps_what_is_whole_and_resume_completes_it(run_predict, tmp_path):
    with disk(tmp_path / "out", "size=256k") as out:
        full = run_predict("-", "--out-dir", out, *FORMATS, stdin=FASTA)
        lines = full.err.splitlines()
        assert full.code == 1
        assert lines[0].startswith(f"rnaformer: {out}{os.sep}")
        assert all(line.endswith(": no space left on device") for line in lines[:20])
        before = outputs(out)
        subprocess.run(["mount", "-o", "remount,size=64m", str(out)], check=True)
        assert run_predict("-", "--out-dir", out, *FORMATS, "--resume", stdin=FASTA).code == 0
        run_predict("-", "--out-dir", tmp_path / "whole" / "out", *FORMATS, stdin=FASTA)
        undisturbed = outputs(tmp_path / "whole" / "out")
        assert 0 < len(before) < len(undisturbed)
        assert before.items() <= undisturbed.items()
        assert outputs(out) == undisturbed


@contextlib.contextmanager
def largest_file(size):
    """Files of this process may have at most this number of bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_log_that_cannot_grow_ends_the_run(run_predict, tmp_path):
    """Each later record gave the same line before."""
    with largest_file(1024):
        done = run_predict("-", "--out-dir", tmp_path / "out", stdin=FASTA)
    log = tmp_path / "out" / ".rnaformer-run.jsonl"
    assert (done.err, done.code) == (f"rnaformer: {log}: file too large\n", 1)


def test_a_record_that_cannot_be_written_is_named_and_the_others_are_written(run_predict, tmp_path):
    (tmp_path / "out" / "a.dbn").mkdir(parents=True)
    options = ("--out-dir", tmp_path / "out", "--failures", tmp_path / "failed.tsv")
    done = run_predict("-", *options, stdin=">a\nACGU\n>b\nACGU\n")
    path, message = tmp_path / "out" / "a.dbn", "is a folder; expected a file"
    assert (done.err, done.code) == (f"rnaformer: {path}: record 'a': {message}\n", 1)
    assert (tmp_path / "out" / "b.dbn").exists()
    row = (tmp_path / "failed.tsv").read_text().splitlines()[1]
    assert row.split("\t") == [str(path), "", "", "a", message]


@pytest.mark.parametrize("name", ["failed.tsv", "failed.tsv.gz"])
def test_a_table_of_failures_that_cannot_grow_is_named(run_predict, tmp_path, name):
    bad = "".join(f">{secrets.token_hex(20)}\nX\n" for _ in range(300))
    with largest_file(4096):
        options = ("-o", tmp_path / "out", "--failures", tmp_path / name)
        done = run_predict("-", *options, stdin=bad)
    message = f"rnaformer: {tmp_path / name}: file too large"
    assert (done.err.splitlines()[-1], done.code) == (message, 1)


def test_a_disk_without_write_permission_is_reported(run_predict, tmp_path):
    with disk(tmp_path / "out", "ro") as out:
        done = run_predict("-", "--out-dir", out, stdin=FASTA)
        assert (done.err, done.code) == (
            f"rnaformer: {out / LOCK_FILE}: read-only file system\n",
            1,
        )


def test_a_file_that_cannot_grow_does_not_appear(run_predict, tmp_path):
    out = tmp_path / "out.jsonl"
    with largest_file(4096):
        done = run_predict("-", "-o", out, stdin=FASTA)
    assert (done.err, done.code) == (f"rnaformer: {out}: file too large\n", 1)
    assert not list(tmp_path.glob("*out*"))
    assert not list(tmp_path.glob(".*"))


def test_a_file_where_the_folder_should_be_is_reported(run_predict, tmp_path):
    (tmp_path / "out").write_text("mine")
    done = run_predict("-", "--out-dir", tmp_path / "out", stdin=FASTA)
    message = f"Error: Invalid value for '--out-dir': Directory '{tmp_path / 'out'}' is a file."
    assert (done.err.splitlines()[-1], done.code) == (message, 2)
    assert (tmp_path / "out").read_text() == "mine"


def test_many_records_of_protein_are_counted_and_no_file_appears(run_predict, tmp_path):
    protein = "".join(f">p{n}\nMKVLE\n" for n in range(1000))
    done = run_predict("-", "-o", tmp_path / "out.dbn", stdin=protein)
    assert done.err.count("'L' is an amino acid letter") == 20
    assert done.err.splitlines()[20:] == [
        "rnaformer: further failed records are only counted (--failures FILE.tsv lists them)",
        "rnaformer: 980 more records failed",
    ]
    assert (done.code, (tmp_path / "out.dbn").exists()) == (1, False)


LITTLE_MEMORY = """
import resource, sys
from pathlib import Path
import rnaformer_cli.cli.score, rnaformer_cli.prediction.predictor
from rnaformer_cli.cli.main import run
taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + int(sys.argv[1]) * 2**20,) * 2)
sys.exit(run(sys.argv[2:]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc for the memory in use")
def test_a_record_that_does_not_fit_in_memory_is_reported_and_the_others_are_predicted(
    tiny_weights, tmp_path
):
    reads = tmp_path / "reads.fasta"
    reads.write_text(f">a\nGGGAAACCC\n>big\n{'GAUC' * 500}\n>b\nGGGAAACCC\n")
    options = ["predict", reads, "--max-memory", "100G", "--weights", tiny_weights]
    options += ["--threads", "1", "--device", "cpu", "--plain-headers", "--quiet"]
    done = subprocess.run(
        [sys.executable, "-c", LITTLE_MEMORY, "100", *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )
    message = "rnaformer: record 'big': not enough memory for 2000 bases\n"
    assert (done.stderr, done.returncode) == (message, 1)
    assert [line for line in done.stdout.splitlines() if line[0] == ">"] == [">a", ">b"]


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc for the memory in use")
def test_no_memory_for_the_input_is_one_line(tmp_path):
    known = tmp_path / "known.dbn"
    known.write_text("".join(f">{n:04000}\nGA\n..\n" for n in range(10_000)))
    done = subprocess.run(
        [sys.executable, "-c", LITTLE_MEMORY, "30", "score", known, "--ref", known],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "rnaformer: not enough memory\n", 1)
