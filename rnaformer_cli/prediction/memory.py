"""Free memory of the device; parsing and formatting of sizes."""

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
_UNLIMITED = 2**60  # version 1 writes a number near 2**63
_USABLE_FRACTION = 0.9  # of the free memory


def parse_size(text: str) -> int:
    """Bytes from a size such as 4G, 500M or 1.5GiB.

    Raises:
        ConfigError: text that is not a size.
    """
    found = _SIZE.match(text.strip())
    if found is None:
        raise ConfigError(f"{text!r} is not a size; expected a number of bytes, 500M or 4G")
    return int(float(found[1]) * _UNITS[found[2].upper()])


def free_bytes(device: torch.device) -> int | None:
    """The usable part of a device's free memory; None if unknown."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0] * _USABLE_FRACTION)
    known = [size for size in (_machine_bytes(), cgroup_free_bytes()) if size is not None]
    return int(min(known) * _USABLE_FRACTION) if known else None


def _machine_bytes() -> int | None:
    try:
        table = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        return _physical_bytes()
    found = re.search(r"^MemAvailable:\s+(\d+) kB", table, re.MULTILINE)
    return int(found[1]) * 1024 if found else _physical_bytes()


def _physical_bytes() -> int | None:
    try:
        return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (ValueError, OSError, AttributeError):
        return None


def cgroup_free_bytes(
    root: str | Path = _CGROUP_ROOT, table: str | Path = "/proc/self/cgroup"
) -> int | None:
    """Bytes left under the limits of this process's control groups; None without a limit.

    Every group from that of the process up to the root has a limit that applies. In a container,
    the root is the container's own group; a job of Slurm or systemd is in a group below it.
    Version 2 has one tree for all resources, version 1 a separate tree for memory.
    """
    found = [_free_in_group(group) for group in _cgroup_folders(Path(root), Path(table))]
    return min((left for left in found if left is not None), default=None)


def _cgroup_folders(root: Path, table: Path) -> Iterator[Path]:
    """The folders of the groups, from this process's up to the root of each tree."""
    try:
        lines = table.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        lines = []
    places = {"": "/", "memory": "/"}  # kinds of tree, "" for version 2
    for _, kinds, place in (line.split(":", 2) for line in lines if line.count(":") > 1):
        places.update((kind, place) for kind in kinds.split(",") if kind in places)
    for kind, place in places.items():
        below = PurePosixPath(place.lstrip("/"))
        if ".." not in below.parts:  # otherwise the group is outside of this container's tree
            yield from (root / kind / part for part in (below, *below.parents))
        else:
            yield root / kind


def _free_in_group(group: Path) -> int | None:
    """Bytes left under the limit of one group.

    Inactive file cache counts as free, active file cache as used.
    """
    for limit_file, usage_file, cache_file in _CGROUP_FILES:
        try:
            limit, used = (int((group / name).read_text()) for name in (limit_file, usage_file))
        except (OSError, ValueError):  # no such group, or "max"
            continue
        if limit < _UNLIMITED:
            return max(limit - used + _inactive_cache(group / cache_file), 0)
    return None


def _inactive_cache(path: Path) -> int:
    """Bytes of inactive file cache, those of subgroups included; 0 if unknown."""
    try:
        rows = dict(line.split(maxsplit=1) for line in path.read_text().splitlines())
        return int(rows.get("total_inactive_file", rows.get("inactive_file", "0")))
    except (OSError, ValueError):
        return 0


def format_size(size: int) -> str:
    """A size in MiB or GiB."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
