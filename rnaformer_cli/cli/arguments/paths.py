"""Checks of the paths that a command reads and writes."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Mapping, Set
from pathlib import Path

import click

from rnaformer_cli.errors import OutputError
from rnaformer_cli.files import STDIN, suffix_of
from rnaformer_cli.structure.formats import SUFFIXES as STRUCTURES

_OTHER_COMPRESSION = {".bz2", ".xz", ".zst", ".zip"}


def check_paths(
    outputs: Mapping[str, str | None],
    inputs: Iterable[str | None] = (),
    suffixes: Set[str] = STRUCTURES,
) -> None:
    """Reject an output that two options name, and an output that is also an input.

    Paths are compared after symbolic links and `.` are resolved. Devices, pipes and folders may be
    named more than once. `suffixes` are those of the files that are read from an input folder. The
    name `-` is rejected: an option for which it is standard output passes None. So are names of
    compressed files other than gzip.

    Raises:
        click.UsageError: such an output; the message names the options and the file.
    """
    options_by_target = _options_by_target(outputs)
    for path in inputs:
        if path is None or path == STDIN:
            continue
        for target, option in options_by_target.items():
            if _is_input(Path(path), Path(target), suffixes):
                raise click.UsageError(f"{option} would replace an input: {path}")


def _options_by_target(outputs: Mapping[str, str | None]) -> dict[str, str]:
    """The option of each file that is written, by its resolved path."""
    options_by_target: dict[str, str] = {}
    for option, path in outputs.items():
        if path == STDIN:
            raise click.UsageError(f"{option} needs the name of a file, not {path}")
        if path is not None and Path(path).suffix.lower() in _OTHER_COMPRESSION:
            suffix = Path(path).suffix
            raise click.UsageError(f"{option} cannot write {suffix}; use .gz or no compression")
        if path is None or _may_repeat(path):
            continue
        target = os.path.realpath(path)
        if target in options_by_target:
            other = options_by_target[target]
            raise click.UsageError(f"{other} and {option} are the same file: {path}")
        options_by_target[target] = option
    return options_by_target


def _is_input(path: Path, target: Path, suffixes: Set[str]) -> bool:
    """Whether an input path is the target, or a folder in which the target would be read."""
    if not target.exists():
        return False
    if path.is_dir():
        return suffix_of(target) in suffixes and target.parent == path.resolve()
    return path.exists() and path.samefile(target)


def _may_repeat(path: str) -> bool:
    return Path(path).exists() and not Path(path).is_file()


def check_folders(*outputs: str | None) -> None:
    """Check the folders of outputs that are written after long work.

    Raises:
        OutputError: a folder that does not exist, or that this user cannot write to.
    """
    for output in outputs:
        folder = None if output is None else Path(output).resolve().parent
        if output is None or folder is None or _may_repeat(output):
            continue
        if not folder.is_dir():
            raise OutputError(os.strerror(errno.ENOENT).lower(), path=output)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OutputError(os.strerror(errno.EACCES).lower(), path=output)
