"""Files of chemical probing data on the command line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from rnaformer_cli.cli.run.progress import RunReporter
from rnaformer_cli.errors import InputError, ProbingError
from rnaformer_cli.files import check_regular
from rnaformer_cli.probing.formats import reactivity_files, read_reactivities
from rnaformer_cli.probing.matching import ProfileIndex
from rnaformer_cli.probing.profile import ProbingProfile


def read_profiles(
    paths: Iterable[str], reagent: str | None, report: RunReporter, fail_fast: bool
) -> ProfileIndex:
    """The profiles of all files and folders; unreadable files and profiles are reported.

    Raises:
        ProbingError, InputError: with `fail_fast`, the first error.
    """
    index = ProfileIndex(reagent)
    for found in _scan(paths):
        if isinstance(found, ProbingProfile):
            index.add(found)
        elif fail_fast:
            raise found
        else:
            index.refuse(found)
            report.fail_data(found)
    return index


def _scan(paths: Iterable[str]) -> Iterator[ProbingProfile | ProbingError | InputError]:
    for path in paths:
        try:
            files = reactivity_files(path)
        except InputError as error:
            yield error
            continue
        for file in files:
            yield from _scan_file(file, is_in_folder=file != path)


def _scan_file(
    file: str | Path, is_in_folder: bool
) -> Iterator[ProbingProfile | ProbingError | InputError]:
    """The profiles of a file, or the error if it cannot be read; later files are still read."""
    try:
        if is_in_folder:
            check_regular(Path(file))
        yield from read_reactivities(file)
    except (ProbingError, InputError) as error:
        yield error
