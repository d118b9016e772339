"""What a command reads and writes: no file twice, and none of its own inputs replaced."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Set
from pathlib import Path

import click

from rnaformer_cli.files import STDIN, suffix_of
from rnaformer_cli.structure.formats import SUFFIXES as STRUCTURES


def check_paths(
    outputs: Mapping[str, str | None],
    inputs: Iterable[str | None] = (),
    suffixes: Set[str] = STRUCTURES,
) -> None:
    """Refuse a file that two options would write, or that is read as well.

    Files are told apart by where links and `.` lead, not by how they are spelt. Devices, pipes and
    folders may be named more than once. `suffixes` are those of what is read in a folder.

    Raises:
        click.UsageError: naming the options and the file.
    """
    taken: dict[str, str] = {}
    for option, path in outputs.items():
        if path is None or _may_repeat(path):
            continue
        place = os.path.realpath(path)
        if place in taken:
            raise click.UsageError(f"{taken[place]} and {option} are the same file: {path}")
        taken[place] = option
    for path in inputs:
        if path is None or path == STDIN:
            continue
        for place, option in taken.items():
            if _is_input(Path(path), Path(place), suffixes):
                raise click.UsageError(f"{option} would replace an input: {path}")


def _is_input(path: Path, place: Path, suffixes: Set[str]) -> bool:
    """Whether an input is this file, or a folder in which it would be read."""
    if not place.exists():
        return False
    if path.is_dir():
        return suffix_of(place) in suffixes and place.parent == path.resolve()
    return path.exists() and path.samefile(place)


def _may_repeat(path: str) -> bool:
    return Path(path).exists() and not Path(path).is_file()
