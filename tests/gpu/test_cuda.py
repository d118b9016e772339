"""What needs a CUDA device: `python -m pytest tests/gpu`. Elsewhere these tests are skipped."""

import math
from dataclasses import replace

import pytest
import torch
from factories.datasets import make_hairpin

from rnaformer_cli.model.checkpoint import load_network
from rnaformer_cli.model.config import ModelConfig
from rnaformer_cli.training.network.config import (
    BatchConfig,
    OptimiserConfig,
    RunConfig,
    TrainConfig,
)
from rnaformer_cli.training.network.training_loop import ComputeConfig, Trainer
from rnaformer_cli.weight_store.store import DEFAULT, find_weights

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
RECORDS = [make_hairpin(f"h{n}", 8 + n % 6, n) for n in range(20)]
MODEL = ModelConfig(dim=32, depth=2, heads=2, ff_factor=2.0, label_flag=True, patch=2, cycles=2)
PLAN = TrainConfig(
    MODEL,
    BatchConfig(max_cells=3_000, lengths=(60,), bucketed=True, computed_fraction=0.0),
    OptimiserConfig(),
    RunConfig(steps=20),
)


@pytest.fixture(autouse=True)
def full_precision():
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def test_losses_are_those_of_the_cpu():
    """They are known two steps later; the last ones when the state is saved."""
    one, other = (Trainer(PLAN, RECORDS, {}, ComputeConfig(device)) for device in (CPU, CUDA))
    expected = [one.step() for _ in range(8)]
    found = [other.step() for _ in range(8)]
    assert all(map(math.isnan, found[:2]))
    assert found[2:] == pytest.approx(expected[:6], rel=1e-4)
    assert other.state_dict()["losses"] == pytest.approx(expected, rel=1e-4)


def test_no_step_waits_for_the_device():
    trainer = Trainer(PLAN, RECORDS, {}, ComputeConfig(CUDA))
    for _ in range(3):
        trainer.step()
    torch.cuda.set_sync_debug_mode("error")
    try:
        trainer.step()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_a_compiled_bf16_run_fits():
    plan = replace(PLAN, batches=replace(PLAN.batches, max_cells=20_000))
    trainer = Trainer(plan, RECORDS[:3], {}, ComputeConfig(CUDA, torch.bfloat16, compile=True))
    assert trainer.run()
    losses = trainer.state_dict()["losses"]
    assert losses[-1] < losses[0]


def test_the_shipped_folding_model_and_network_give_the_same_logits():
    network, _ = load_network(find_weights(DEFAULT))
    bases = torch.randint(0, 4, (3, 80), generator=torch.Generator().manual_seed(1))
    is_base = torch.ones_like(bases, dtype=torch.bool)
    with torch.no_grad():
        expected = network(bases, is_base)
        found = network.to(CUDA)(bases.to(CUDA), is_base.to(CUDA))
    torch.testing.assert_close(found.cpu(), expected, atol=2e-3, rtol=1e-3)
