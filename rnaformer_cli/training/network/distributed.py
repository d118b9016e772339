"""Data-parallel training in several processes (torch.distributed, started by torchrun)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.rendezvous import rendezvous

_FINISHED, _LEFT = "rnaformer/finished", "rnaformer/left"  # keys of counters in the store
_POLL = 0.02  # seconds


@dataclass(frozen=True, slots=True)
class Team:
    """The rank of this process and the number of processes."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes files and reports."""
        return self.rank == 0

    def assigned(self, count: int) -> range:
        """The indices of `count` items that this process works on."""
        return range(self.rank, count, self.size)

    def add(self, values: Tensor) -> Tensor:
        """The sum over all processes, bit-identical in each."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def largest(self, value: float, device: torch.device) -> float:
        """The maximum over all processes."""
        if self.size == 1:
            return value
        held = torch.tensor([value], dtype=torch.float64, device=device)
        dist.all_reduce(held, op=dist.ReduceOp.MAX)
        return float(held)

    def average_gradients(self, parameters: list[nn.Parameter], bases: float) -> float:
        """Average gradients over the bases of all processes. Returns the number of bases.

        All gradients are exchanged as one flat tensor: one message for each step.
        """
        gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
        count = gradients[0].new_tensor([bases])
        flat = self.add(torch.cat([gradient.reshape(-1) for gradient in gradients] + [count]))
        total = float(flat[-1])
        start = 0
        for parameter in parameters:
            part = flat[start : start + parameter.numel()] / total
            parameter.grad = part.view_as(parameter).clone()
            start += parameter.numel()
        return total


@contextmanager
def join_process_group(device: torch.device) -> Iterator[Team]:
    """Join the processes that torchrun started; without torchrun, a team of one."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Team()
        return
    store, rank, size = next(rendezvous("env://"))
    dist.init_process_group(
        "nccl" if device.type == "cuda" else "gloo", store=store, rank=rank, world_size=size
    )
    try:
        yield Team(rank, size)
        # A process that closes its connections while another one reads from them aborts it. The
        # store is used instead of a collective, which would have the same problem at its end.
        store.add(_FINISHED, 1)
        _wait(store, _FINISHED, size)
    finally:
        dist.destroy_process_group()
    if rank:
        store.add(_LEFT, 1)
    else:  # this process may hold the store
        _wait(store, _LEFT, size - 1)


def _wait(store: Any, key: str, count: int) -> None:
    """Wait until `count` processes have added to a key of the store."""
    while store.add(key, 0) < count:
        time.sleep(_POLL)


def local_device(name: str) -> str:
    """The device of this process: one GPU for each process of a machine."""
    return (
        f"cuda:{os.environ['LOCAL_RANK']}"
        if name == "cuda" and "LOCAL_RANK" in os.environ
        else name
    )
