"""Data-parallel training in one process or several (torch.distributed, started by torchrun)."""

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
class ProcessGroup:
    """The rank of this process and the number of processes."""

    rank: int = 0
    world_size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and messages."""
        return self.rank == 0

    def own_indices(self, count: int) -> range:
        """The indices of `count` items that this process works on."""
        return range(self.rank, count, self.world_size)

    def all_reduce_sum(self, values: Tensor) -> Tensor:
        """The sum over all processes, bitwise identical in each; `values` is changed in place."""
        if self.world_size > 1:
            dist.all_reduce(values)
        return values

    def all_reduce_max(self, value: float, device: torch.device) -> float:
        """The maximum over all processes."""
        if self.world_size == 1:
            return value
        maximum = torch.tensor([value], dtype=torch.float64, device=device)
        dist.all_reduce(maximum, op=dist.ReduceOp.MAX)
        return float(maximum)

    def average_gradients(self, parameters: list[nn.Parameter], bases: float) -> float:
        """Sum gradients over all processes, divide them by the total of bases, return that total.

        `bases` is the number of bases of this process. One flat tensor is exchanged, so that a
        step takes one message. A single process does not wait for its device.
        """
        if self.world_size == 1:
            torch._foreach_div_([p.grad for p in parameters if p.grad is not None], bases)
            return bases
        gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
        count = gradients[0].new_tensor([bases])
        flat = self.all_reduce_sum(
            torch.cat([gradient.reshape(-1) for gradient in gradients] + [count])
        )
        total = float(flat[-1])
        start = 0
        for parameter in parameters:
            part = flat[start : start + parameter.numel()] / total
            parameter.grad = part.view_as(parameter).clone()
            start += parameter.numel()
        return total


@contextmanager
def join_process_group(device: torch.device) -> Iterator[ProcessGroup]:
    """The process group of torchrun's environment; a single process without it."""
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if world_size == 1:
        yield ProcessGroup()
        return
    store, rank, world_size = next(rendezvous("env://"))
    dist.init_process_group(
        "nccl" if device.type == "cuda" else "gloo", store=store, rank=rank, world_size=world_size
    )
    try:
        yield ProcessGroup(rank, world_size)
        # A process that closes its connections while another one reads from them aborts the other.
        # A collective operation would have the same problem at its end, so the store counts.
        store.add(_FINISHED, 1)
        _wait(store, _FINISHED, world_size)
    finally:
        dist.destroy_process_group()
    if rank:
        store.add(_LEFT, 1)
    else:  # rank 0 may host the store
        _wait(store, _LEFT, world_size - 1)


def _wait(store: Any, key: str, count: int) -> None:
    """Wait until `count` processes have added to a key of the store."""
    while store.add(key, 0) < count:
        time.sleep(_POLL)


def local_device(name: str) -> str:
    """The device of this process: with torchrun, each process of a machine uses its own GPU."""
    return (
        f"cuda:{os.environ['LOCAL_RANK']}"
        if name == "cuda" and "LOCAL_RANK" in os.environ
        else name
    )
