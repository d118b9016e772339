"""How much memory there is, and how much a sequence takes."""

from __future__ import annotations

import os
import re
from pathlib import Path

import torch

from rnaformer_cli.errors import ConfigError

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_SIZE = re.compile(r"^(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?$", re.IGNORECASE)
_SHARE = 0.9  # of the free memory: the rest is for everybody else


def parse_size(text: str) -> int:
    """Bytes from a size such as 4G, 500M or 1.5GiB.

    Raises:
        ConfigError: text that is no size.
    """
    found = _SIZE.match(text.strip())
    if found is None:
        raise ConfigError(f"{text!r} is no size; expected a number of bytes, or 500M, 4G")
    return int(float(found[1]) * _UNITS[found[2].upper()])


def free_bytes(device: torch.device) -> int | None:
    """What may be taken of a device's free memory; None where nobody tells."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0] * _SHARE)
    try:
        table = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        return _physical_bytes()
    found = re.search(r"^MemAvailable:\s+(\d+) kB", table, re.MULTILINE)
    return int(int(found[1]) * 1024 * _SHARE) if found else _physical_bytes()


def _physical_bytes() -> int | None:
    try:
        return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * _SHARE)
    except (ValueError, OSError, AttributeError):
        return None


def format_size(size: int) -> str:
    """A size for people."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
