"""`rnaformer train`: a run folder with weights, stopped and resumed by real signals."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
import torch
from factories.datasets import make_hairpin
from torch.distributed.run import get_args_parser

from rnaformer_cli.cli.train import command
from rnaformer_cli.dataset.records import write_dataset
from rnaformer_cli.training.network.run_folder import load_state
from rnaformer_cli.weight_store.store import DEFAULT

CONFIG = """
[model]
dim = 8
depth = 1
heads = 1
[batches]
lengths = [40]
max_cells = 2000
[run]
steps = {steps}
"""
NEEDED = "dim = 16, depth = 2, heads = 2, ff_factor = 2.0"  # of the weights `tiny_weights`
SMALL = CONFIG.replace("dim = 8", "dim = 48\nff_factor = 2\nlabel_flag = true\nfolding = true")
SMALL = SMALL.replace("depth = 1\nheads = 1", "depth = 5\nheads = 3")


@pytest.fixture
def files(tmp_path):
    """A config of three steps, training and validation records."""
    (tmp_path / "run.toml").write_text(CONFIG.format(steps=3))
    write_dataset(tmp_path / "train.jsonl.gz", [make_hairpin(f"h{n}", 6, n) for n in range(20)])
    write_dataset(tmp_path / "val.jsonl.gz", [make_hairpin(f"v{n}", 6, 90 + n) for n in range(3)])
    return tmp_path


def arguments(folder, *more):
    data = ["--data", folder / "train.jsonl.gz", "--val", folder / "val.jsonl.gz"]
    return ["train", folder / "run.toml", *data, "--out", folder / "run", *more]


def test_a_run_ends_with_weights_that_predict(run_cli, files):
    done = run_cli(*arguments(files))
    assert (done.out, done.code) == ("", 0)
    assert done.err.startswith("rnaformer: 100%, step 3, ")
    assert done.err.endswith(": done\n")
    fasta = files / "x.fasta"
    fasta.write_text(">x\nGGGAAACCC\n")
    for name in ("best", "latest"):
        predicted = run_cli("predict", fasta, "--weights", files / "run" / name)
        assert predicted.out.startswith(">x confidence=0.")
        assert predicted.out.splitlines()[1] == "GGGAAACCC"


def test_a_finished_run_is_not_started_again_by_accident(run_cli, files):
    run_cli(*arguments(files, "--quiet"))
    done = run_cli(*arguments(files))
    message = f"rnaformer: {files / 'run'}: already contains a run; use --resume to continue it\n"
    assert (done.err, done.code) == (message, 1)


def test_minutes_end_the_schedule_and_stop_after_ends_the_process(run_cli, files):
    done = run_cli(*arguments(files, "--minutes", 5, "--stop-after", 0.001))
    assert done.code == 0
    assert done.err.endswith("stopped; continue with --resume\n")
    assert load_state(files / "run")["step"] >= 0
    resumed = run_cli(*arguments(files, "--minutes", 5, "--stop-after", 0.01, "--resume"))
    assert resumed.code == 0
    assert load_state(files / "run")["step"] > 0


def test_a_seed_replaces_that_of_the_config(run_cli, files):
    run_cli(*arguments(files, "--quiet", "--seed", 7))
    stored = json.loads((files / "run" / "config.json").read_text())
    assert stored["run"]["seed"] == 7


def test_training_begins_with_other_weights(run_cli, files):
    run_cli(*arguments(files, "--quiet"))
    more = ["--start-from", files / "run" / "best", "--out", files / "second", "--quiet"]
    assert run_cli(*arguments(files, *more)).code == 0


def test_family_profiles_of_the_initial_weights_are_left_out_with_a_note(run_cli, files):
    (files / "run.toml").write_text(SMALL.format(steps=1))
    done = run_cli(*arguments(files, "--start-from", DEFAULT))
    message = "its family profiles are not part of the run; `release --families` adds profiles"
    assert done.err.splitlines()[0] == f"rnaformer: note: {DEFAULT}: {message}"
    assert done.code == 0
    assert not (files / "run" / "best" / "families.safetensors").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_saves_first(files, number):
    (files / "run.toml").write_text(CONFIG.format(steps=100_000))
    command = [sys.executable, "-m", "rnaformer_cli", *map(str, arguments(files))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    deadline = time.monotonic() + 60
    while not (files / "run" / "environment.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(1.0)  # the loop has begun, or begins with the request pending
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.endswith("stopped; continue with --resume\n")
    assert load_state(files / "run")["step"] < 100_000


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_torchrun_starts_several_processes(files):
    (files / "run.toml").write_text(CONFIG.format(steps=2))
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += ["--master-addr", "127.0.0.1", "--master-port", str(free_port())]
    command += ["-m", "rnaformer_cli", *map(str, arguments(files))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=100)
    assert done.returncode == 0, done.stderr
    [row] = [json.loads(line) for line in (files / "run/metrics.jsonl").read_text().splitlines()]
    assert row["step"] == 2
    assert done.stderr.count(": done\n") == 1


def test_no_option_is_taken_by_torchrun_as_short_for_its_own():
    launcher = get_args_parser()
    theirs = [name for action in launcher._actions for name in action.option_strings]
    ours = [name for option in command.params for name in option.opts if name.startswith("--")]
    taken = [name for name in ours if any(other.startswith(name) for other in theirs)]
    assert len(ours) > 10
    assert taken == []


def test_a_bad_config_is_refused_before_anything_is_made(run_cli, files):
    (files / "run.toml").write_text("[run]\nsteps = 0\n")
    done = run_cli(*arguments(files))
    message = "exactly one of steps and minutes must be above 0"
    assert done.err == f"rnaformer: {files / 'run.toml'}: {message}\n"
    assert not (files / "run").exists()


def test_weights_that_do_not_fit_the_config_are_refused_by_name(run_cli, files, tiny_weights):
    done = run_cli(*arguments(files, "--start-from", tiny_weights))
    assert done.err.startswith(f"rnaformer: {tiny_weights}: unknown tensors: 'blocks.1.")
    assert done.err.endswith(f"; the weights need these settings in [model]: {NEEDED}\n")
    assert (done.err.count("\n"), done.code) == (1, 1)
    assert not (files / "run").exists()  # so that the next attempt need not say --resume


def test_a_run_with_a_damaged_config_is_not_resumed(run_cli, files):
    run_cli(*arguments(files, "--quiet"))
    (files / "run" / "config.json").write_text("{")
    done = run_cli(*arguments(files, "--resume"))
    assert done.err == f"rnaformer: {files / 'run'}: contains a run with another config\n"


def test_a_tensor_file_that_is_no_state_is_refused(run_cli, files):
    run_cli(*arguments(files, "--quiet"))
    path = files / "run" / "last.json"
    [part] = json.loads(path.read_text())
    torch.save({"network": {}}, files / "run" / part)
    done = run_cli(*arguments(files, "--resume"))
    assert (done.err, done.code) == (f"rnaformer: {path}: not the state of a run\n", 1)
