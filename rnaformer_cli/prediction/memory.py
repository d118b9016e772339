"""Free memory of devices and control groups, and sizes as text."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import torch

from rnaformer_cli.errors import ConfigError

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_SIZE = re.compile(r"^([0-9]{1,18}(?:\.[0-9]{1,18})?)\s*([KMGT]?)(?:i?B)?$", re.IGNORECASE)
_CGROUP_ROOT = Path("/sys/fs/cgroup")
_CGROUP_FILES = (
    ("memory.max", "memory.current", "memory.stat"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat"),
)
_UNLIMITED = 2**60  # in version 1, no limit is a number near 2**63
_USABLE_FRACTION = 0.9  # of the free memory; the rest is left to other processes


def parse_size(text: str) -> int:
    """Bytes from a size such as 4G, 500M or 1.5GiB.

    Raises:
        ConfigError: the text is not a size.
    """
    match = _SIZE.match(text.strip())
    if match is None:
        raise ConfigError(f"{text!r} is no size; expected a number of bytes, or 500M, 4G")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def free_bytes(device: torch.device) -> int | None:
    """The usable part of a device's free memory, in bytes; None if it is unknown."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0] * _USABLE_FRACTION)
    limits = [size for size in (_machine_bytes(), cgroup_free_bytes()) if size is not None]
    return int(min(limits) * _USABLE_FRACTION) if limits else None


def _machine_bytes() -> int | None:
    try:
        table = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        return _physical_bytes()
    available = re.search(r"^MemAvailable:\s+(\d+) kB", table, re.MULTILINE)
    return int(available[1]) * 1024 if available else _physical_bytes()


def _physical_bytes() -> int | None:
    try:
        return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (ValueError, OSError, AttributeError):
        return None


def cgroup_free_bytes(
    root: str | Path = _CGROUP_ROOT, table: str | Path = "/proc/self/cgroup"
) -> int | None:
    """The free memory of this process's control groups, in bytes; None without a limit.

    The limits of all enclosing groups apply: a container sees its own group as the root, while a
    job of Slurm or systemd is deeper in the tree. Version 2 has one tree, version 1 a separate tree
    for memory.
    """
    sizes = [_free_in_group(group) for group in _cgroup_folders(Path(root), Path(table))]
    return min((size for size in sizes if size is not None), default=None)


def _cgroup_folders(root: Path, table: Path) -> Iterator[Path]:
    """The folders of the groups, from this process's up to the root of each tree."""
    try:
        lines = table.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        lines = []
    groups = {"": "/", "memory": "/"}  # controller ("" for version 2) -> path of the group
    for _, controllers, path in (line.split(":", 2) for line in lines if line.count(":") > 1):
        groups.update((name, path) for name in controllers.split(",") if name in groups)
    for controller, path in groups.items():
        group = PurePosixPath(path.lstrip("/"))
        if ".." not in group.parts:
            yield from (root / controller / part for part in (group, *group.parents))
        else:  # a path outside of the container's namespace
            yield root / controller


def _free_in_group(group: Path) -> int | None:
    """The free memory of one group, in bytes; None without a limit.

    The page cache counts as used, except for inactive files, which the kernel drops first.
    """
    for limit_file, usage_file, stat_file in _CGROUP_FILES:
        try:
            limit, usage = (int((group / name).read_text()) for name in (limit_file, usage_file))
            table = (group / stat_file).read_text()
        except (OSError, ValueError):  # no such group, or "max"
            continue
        if limit < _UNLIMITED:
            inactive = re.search(r"^(?:total_)?inactive_file (\d+)", table, re.MULTILINE)
            return max(limit - usage + (int(inactive[1]) if inactive else 0), 0)
    return None


def format_size(size: int) -> str:
    """A size in GiB or MiB, as text."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
