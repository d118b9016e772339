"""Two processes give the weights of one process with the batches of both."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import factories
import pytest
import torch
from factories.datasets import make_hairpin

import rnaformer_cli
from rnaformer_cli.errors import TrainingError
from rnaformer_cli.model.config import ModelConfig
from rnaformer_cli.training.batches.config import BatchConfig
from rnaformer_cli.training.network.config import RunConfig, TrainConfig
from rnaformer_cli.training.network.distributed import ProcessGroup
from rnaformer_cli.training.network.training_loop import Trainer

MODEL = ModelConfig(dim=16, depth=1, heads=2, ff_factor=2.0)
CONFIG = TrainConfig(
    MODEL, BatchConfig(max_cells=3_000, lengths=(60,), batches_per_step=2), run=RunConfig(steps=3)
)
RECORDS = [make_hairpin(f"h{n}", 6 + n % 9, n) for n in range(40)]


def member():
    """Three training steps in each process; prints its losses and weights."""
    from rnaformer_cli.training.network.distributed import join_process_group

    torch.set_num_threads(1)
    with join_process_group(torch.device("cpu")) as process_group:
        trainer = Trainer(CONFIG, RECORDS, {}, process_group=process_group)
        losses = [trainer.step() for _ in range(3)]
        weights = torch.cat([p.detach().flatten() for p in trainer.network.parameters()])
    # Not before the others have left too: a full pipe would keep this process from leaving.
    sys.stdout.write(json.dumps([losses, weights.tolist(), trainer.progress.records]))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_two_processes_give_the_weights_of_one():
    alone = Trainer(CONFIG, RECORDS, {})
    losses = [alone.step() for _ in range(3)]
    weights = torch.cat([p.detach().flatten() for p in alone.network.parameters()])

    packages = (factories.__path__[0], rnaformer_cli.__path__[0])  # the same ones as here
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
    shared |= {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": ":".join(str(Path(path).parent) for path in packages),
    }
    processes = [
        subprocess.Popen(
            [sys.executable, __file__],
            env={**os.environ, **shared, "RANK": str(rank)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    answers = [json.loads(process.communicate(timeout=100)[0]) for process in processes]
    assert answers[0] == answers[1]
    found_losses, found_weights, records = answers[0]
    assert records == alone.progress.records
    assert found_losses == pytest.approx(losses, rel=1e-5)
    torch.testing.assert_close(torch.tensor(found_weights), weights, atol=1e-4, rtol=1e-3)


def test_batches_that_cannot_be_divided_evenly_are_refused():
    with pytest.raises(TrainingError) as caught:
        Trainer(CONFIG, RECORDS, {}, process_group=ProcessGroup(rank=0, world_size=3))
    message = "batches_per_step (2) must be divisible by the number of processes (3)"
    assert str(caught.value) == message


def test_each_process_has_its_own_indices():
    indices = [list(ProcessGroup(rank, 3).own_indices(7)) for rank in range(3)]
    assert indices == [[0, 3, 6], [1, 4], [2, 5]]


if __name__ == "__main__":
    member()
