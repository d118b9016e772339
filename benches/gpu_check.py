"""Check and measure training on a GPU in about two minutes, and print one table for each part.

    python benches/gpu_check.py [--device cuda] [--seconds 5] [--peak 989] [--widths 48 96 128 192]

1. agreement: network, folding model and ten training steps on the device against the CPU
2. speed: cells a second in training, by width and latent side, with and without --compile; TFLOP/s
   of the counted operations and, with --peak (TFLOP/s in bf16; 989 for an H100), its fraction
3. folding: cells a second of the folding model
4. profile: the ten operations that take most time in a step of the widest network

With `--device cpu --seconds 0.2 --widths 16` the same code runs on any machine.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from factories.datasets import make_hairpin

from rnaformer_cli.folding.model import FoldingModel
from rnaformer_cli.model.checkpoint import load_network
from rnaformer_cli.model.config import ModelConfig
from rnaformer_cli.training.batches.config import BatchConfig
from rnaformer_cli.training.network.config import OptimiserConfig, RunConfig, TrainConfig
from rnaformer_cli.training.network.training_loop import ComputeConfig, Trainer
from rnaformer_cli.weight_store.store import DEFAULT, find_weights

SIDES = (36, 50, 64)  # of the latent matrix: RNAs of 72, 100 and 128 bases
CELLS = {"cuda": 640_000, "cpu": 20_000}  # of a batch


def main() -> None:
    """Print all parts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each figure of speed")
    parser.add_argument("--peak", type=float, help="TFLOP/s of the device in bf16")
    parser.add_argument("--widths", type=int, nargs="+", default=[48, 96, 128, 192])
    parser.add_argument("--depth", type=int, default=6)
    parser.add_argument("--no-compile", action="store_true")
    chosen = parser.parse_args()
    device = torch.device(chosen.device)
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    print(f"PyTorch {torch.__version__}, {name}")
    check_agreement(device)
    print_speed(chosen, device)
    print_folding(device, chosen.seconds)
    print_profile(trainer_of(chosen.widths[-1], chosen.depth, SIDES[0], device), device)


def check_agreement(device: torch.device) -> None:
    """The largest differences between device and CPU."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    network, _ = load_network(find_weights(DEFAULT))
    bases = torch.randint(0, 4, (4, 97), generator=torch.Generator().manual_seed(1))
    is_base = torch.ones_like(bases, dtype=torch.bool)
    with torch.no_grad():
        logits = network(bases, is_base)
        moved = network.to(device)(bases.to(device), is_base.to(device)).cpu()
    print(f"agreement: logits of {DEFAULT} differ by {float((logits - moved).abs().max()):.1e}")
    one, other = (trainer_of(32, 2, 20, d, torch.float32) for d in (torch.device("cpu"), device))
    losses = [[trainer.step() for _ in range(12)] for trainer in (one, other)]
    lag = sum(map(math.isnan, losses[1]))  # steps whose loss was not known yet
    pairs = zip(losses[0], losses[1][lag:], strict=False)
    relative = max(abs(b / a - 1.0) for a, b in pairs)
    print(
        f"agreement: losses of {12 - lag} training steps differ by at most {relative:.1e} of them"
    )
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True


def trainer_of(
    width: int,
    depth: int,
    side: int,
    device: torch.device,
    dtype: torch.dtype = torch.bfloat16,
    compiled: bool = False,
) -> Trainer:
    """A trainer on made hairpins of one latent side, whose data stay on the device."""
    stem = side - 2
    records = [make_hairpin(f"h{number}", stem, number) for number in range(64)]
    model = ModelConfig(
        dim=width, depth=depth, heads=max(1, width // 32), ff_factor=2.0, patch=2, cycles=1
    )
    cells = CELLS.get(device.type, CELLS["cpu"])
    batches = BatchConfig(
        bucketed=True, max_cells=cells, lengths=(2 * side,), computed_fraction=0.0
    )
    plan = TrainConfig(model, batches, OptimiserConfig(), RunConfig(steps=10_000))
    return Trainer(plan, records, {}, ComputeConfig(device, dtype, compiled))


def print_speed(chosen: argparse.Namespace, device: torch.device) -> None:
    """A row for each width and side."""
    print("\nwidth  side  compiled  batch  million cells/s  TFLOP/s  of peak")
    for width in chosen.widths:
        for side in SIDES:
            flop = _flop_per_cell(trainer_of(width, chosen.depth, side, device))
            for compiled in (False,) if chosen.no_compile else (False, True):
                trainer = trainer_of(width, chosen.depth, side, device, compiled=compiled)
                speed = _cells_per_second(trainer, device, chosen.seconds)
                teraflops = speed * flop / 1e12
                peak = f"{teraflops / chosen.peak:8.1%}" if chosen.peak else "       -"
                batch = trainer.source.stream.batch_size(side)
                print(
                    f"{width:5}  {side:4}  {'yes' if compiled else 'no':8}  {batch:5}  "
                    f"{speed / 1e6:15.2f}  {teraflops:7.2f}  {peak}",
                    flush=True,
                )


def _flop_per_cell(trainer: Trainer) -> float:
    """Counted operations of a training step for each cell of the pair matrices."""
    with FlopCounterMode(display=False) as counter:
        trainer.step()
    return counter.get_total_flops() / trainer.progress.cells


def _cells_per_second(trainer: Trainer, device: torch.device, seconds: float) -> float:
    for _ in range(3):  # also compiles
        trainer.step()
    _synchronise(device)
    before, start = trainer.progress.cells, time.perf_counter()
    while time.perf_counter() - start < seconds:
        trainer.step()
    _synchronise(device)
    return (trainer.progress.cells - before) / (time.perf_counter() - start)


def print_folding(device: torch.device, seconds: float) -> None:
    """Cells a second of the folding model, at 100 bases."""
    network, _ = load_network(find_weights(DEFAULT))
    model: FoldingModel = network.folding.to(device)
    count = 4_000 if device.type == "cuda" else 40
    bases = torch.randint(0, 4, (count, 100), device=device)
    speed = _repeat(lambda: model(bases), device, seconds) * count * 100**2
    print(f"\nfolding model: {speed / 1e6:.1f} million cells/s")


def _repeat(work: Callable[[], object], device: torch.device, seconds: float) -> float:
    """How often work is done in a second, after one round of warm-up."""
    work()
    _synchronise(device)
    rounds, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        work()
        _synchronise(device)
        rounds += 1
    return rounds / (time.perf_counter() - start)


def print_profile(trainer: Trainer, device: torch.device) -> None:
    """The ten operations that take most time."""
    trainer.step()
    kinds = [ProfilerActivity.CPU]
    if device.type == "cuda":
        kinds.append(ProfilerActivity.CUDA)
    with profile(activities=kinds) as profiler:
        trainer.step()
        _synchronise(device)
    key = f"self_{device.type}_time_total"
    table = profiler.key_averages().table(sort_by=key, row_limit=10, max_name_column_width=50)
    print("\n" + table)


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
