"""Weights of a run are whole, whenever the process is killed."""

import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rnaformer_cli.errors import TrainingError
from rnaformer_cli.model.checkpoint import load_network
from rnaformer_cli.model.config import ModelConfig
from rnaformer_cli.model.network import RNAformer
from rnaformer_cli.training.network.config import TrainConfig
from rnaformer_cli.training.network.run_folder import BEST, LAST_VALIDATED, RunFolder

MODEL = ModelConfig(dim=16, depth=1, heads=2)
CONFIG = TrainConfig.from_dict({"run": {"steps": 2}})
# Kills itself at the N-th call of a function that changes files of a run.
KILLED = """
import os, signal, sys
import torch
from test_run_folder import CONFIG, save
from rnaformer_cli.training.network.run_folder import RunFolder

calls, last = 0, int(sys.argv[2])

def counted(function):
    def call(*values, **options):
        global calls
        calls += 1
        if calls == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*values, **options)
    return call

run = RunFolder(sys.argv[1], CONFIG, True)
os.replace, os.rename = counted(os.replace), counted(os.rename)
save(run, 2)
"""


def save(run, seed):
    torch.manual_seed(seed)
    tensors = RNAformer(MODEL).state_dict()
    run.save_weights(BEST, MODEL, 0.5, tensors, {"step": seed})


def step_of(folder):
    _, checkpoint = load_network(folder)
    return checkpoint.about["step"]


@pytest.mark.parametrize("call", range(1, 7))
def test_a_killed_process_leaves_the_previous_or_the_new_weights(tmp_path, call):
    run = RunFolder(tmp_path / "run", CONFIG, False)
    save(run, 1)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, run.path, str(call)], env=environment, check=False
    )
    assert killed.returncode == (-signal.SIGKILL if call <= 5 else 0)
    RunFolder(run.path, CONFIG, True)
    assert step_of(run.path / BEST) == (1 if call <= 4 else 2)
    names = {path.name for path in run.path.iterdir()}
    assert names == {"config.json", "environment.json", BEST}


def test_other_weights_of_the_run_stay(tmp_path):
    run = RunFolder(tmp_path / "run", CONFIG, False)
    save(run, 1)
    run.save_weights(LAST_VALIDATED, MODEL, 0.5, RNAformer(MODEL).state_dict(), {"step": 7})
    save(run, 2)
    assert step_of(run.path / BEST) == 2
    assert step_of(run.path / LAST_VALIDATED) == 7


def test_a_run_with_another_seed_names_the_remedy(tmp_path):
    RunFolder(tmp_path / "run", replace(CONFIG, run=replace(CONFIG.run, seed=3)), False)
    message = "contains a run with seed 3, not 0; resume it with --seed 3"
    with pytest.raises(TrainingError, match=re.escape(message)):
        RunFolder(tmp_path / "run", CONFIG, True)
