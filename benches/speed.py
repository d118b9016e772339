"""Cells per second of the network, forward and in training.

    python benches/speed.py [--length 128] [--seconds 2] [--widths 64] [--formats fp32]

For each width (5 blocks, ff_factor 3, half resolution, one pass), on one and two threads, in fp32
and bf16 autocast, compiled or not. A sequence has L·L cells. Each figure is the best of the rounds
within the time limit; run it on an idle machine.
"""

import argparse
import itertools
import time
from collections.abc import Callable

import torch

from rnaformer_cli.model.config import ModelConfig
from rnaformer_cli.model.network import RNAformer

BATCH = 3
FORMATS = ["fp32", "bf16"]


def best_seconds(work: Callable[[], object], budget: float) -> float:
    """The time of the fastest round, after one round of warm-up."""
    work()
    best, end = float("inf"), time.perf_counter() + budget
    while time.perf_counter() < end:
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def measure(
    width: int, threads: int, bf16: bool, compiled: bool, length: int, budget: float
) -> tuple[float, float]:
    """Million cells per second, forward and forward with backward."""
    torch.compiler.reset()  # drops code that was compiled for another setting
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    network = RNAformer(ModelConfig(dim=width, depth=5, heads=width // 16, ff_factor=3.0))
    run = torch.compile(network) if compiled else network
    bases = torch.randint(0, 4, (BATCH, length))
    is_base = torch.ones_like(bases, dtype=torch.bool)
    is_base[1:, -4:] = False

    def forward() -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            return run(bases, is_base, 1)

    def predict() -> None:
        with torch.inference_mode():
            forward()

    def train() -> None:
        forward().float().square().mean().backward()
        network.zero_grad(set_to_none=True)

    cells = BATCH * length**2 / 1e6
    return cells / best_seconds(predict, budget), cells / best_seconds(train, budget)


def main() -> None:
    """Print a row for each setting."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--widths", type=int, nargs="+", default=[32, 48, 64])
    parser.add_argument("--formats", choices=FORMATS, nargs="+", default=FORMATS)
    chosen = parser.parse_args()
    print("width  threads  format  compiled  forward Mcells/s  training Mcells/s")
    settings = itertools.product(chosen.widths, (1, 2), chosen.formats, (False, True))
    for width, threads, kind, compiled in settings:
        is_compiled, bf16 = "yes" if compiled else "no", kind == "bf16"
        forward, training = measure(width, threads, bf16, compiled, chosen.length, chosen.seconds)
        row = (
            f"{width:5}  {threads:7}  {kind:6}  {is_compiled:8}  {forward:16.3f}  {training:17.3f}"
        )
        print(row, flush=True)


if __name__ == "__main__":
    main()
