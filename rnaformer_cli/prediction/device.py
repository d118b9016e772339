"""The device, precision and threads of the network."""

from __future__ import annotations

import functools
import os
from typing import Literal

import torch

from rnaformer_cli.errors import DeviceError

Precision = Literal["auto", "fp32", "bf16"]


def choose_device(name: str = "auto") -> torch.device:
    """The named device; with `auto`, a CUDA device if there is one, else the CPU.

    Raises:
        DeviceError: an unknown name, or a device that this machine does not have.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (index and (kind != "cuda" or not index.isdecimal())):
        raise DeviceError(f"unknown device {name!r}; expected auto, cpu, cuda, cuda:N or mps")
    if kind == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if int(index or 0) >= count:
            raise DeviceError(f"no device {name!r}: this machine has {count} CUDA devices")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("no device 'mps' on this machine")
    return torch.device(name)


def choose_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """The number format of a precision; `auto` is fp32, which the published thresholds need.

    Raises:
        DeviceError: bf16 on a CUDA device that does not support it.
    """
    if precision != "bf16":
        return torch.float32
    if device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise DeviceError(f"device '{device}' does not support bf16; use --precision fp32")
    return torch.bfloat16


def has_bf16(device: torch.device) -> bool:
    """Whether a device has instructions for bf16, without which bf16 is slower than fp32.

    True if PyTorch does not report it.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):
        return True
    capabilities = torch.cpu.get_capabilities()
    if capabilities.get("architecture") != "x86_64":
        return True
    instructions = ("avx512_bf16", "amx_bf16", "avx10_1", "avx10_2")
    return any(capabilities.get(name) for name in instructions)


def set_threads(count: int | None) -> None:
    """Set the number of CPU threads; None keeps PyTorch's default."""
    if count is not None:
        torch.set_num_threads(count)


@functools.cache
def use_one_thread_after_fork() -> None:
    """Let processes that are forked from this one compute with one thread.

    A forked process has no copies of the threads of OpenMP, and would wait for them forever.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))
