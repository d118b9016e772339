"""Files with data of records that a command is given: probing data, constraints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from rnaformer_cli.cli.run.progress import RunReporter
from rnaformer_cli.constraints.formats import constraint_files, read_constraints
from rnaformer_cli.constraints.matching import ConstraintIndex
from rnaformer_cli.errors import InputError, RnaformerError
from rnaformer_cli.files import check_regular
from rnaformer_cli.probing.formats import reactivity_files, read_reactivities
from rnaformer_cli.probing.matching import ProfileIndex
from rnaformer_cli.sequence.matching import DataIndex, RecordData

Data = TypeVar("Data", bound=RecordData)
Reader = Callable[[str | Path], Iterator[Data | RnaformerError]]
Lister = Callable[[str | Path], list[str | Path]]


def read_profiles(
    paths: Iterable[str], reagent: str | None, report: RunReporter, fail_fast: bool
) -> ProfileIndex:
    """The profiles of all files and folders; what cannot be read is reported.

    Raises:
        ProbingError, InputError: with `fail_fast`, the first thing that cannot be read.
    """
    index = ProfileIndex(reagent)
    _fill(index, _scan(paths, reactivity_files, read_reactivities), report, fail_fast)
    return index


def read_constraint_files(
    paths: Iterable[str], report: RunReporter, fail_fast: bool
) -> ConstraintIndex:
    """The constraints of all files and folders; what cannot be read is reported.

    Raises:
        ConstraintError, InputError: with `fail_fast`, the first thing that cannot be read.
    """
    index = ConstraintIndex()
    _fill(index, _scan(paths, constraint_files, read_constraints), report, fail_fast)
    return index


def _fill(
    index: DataIndex[Data],
    scanned: Iterable[Data | RnaformerError],
    report: RunReporter,
    fail_fast: bool,
) -> None:
    for found in scanned:
        if not isinstance(found, RnaformerError):
            index.add(found)
        elif fail_fast:
            raise found
        elif not index.refuse(found):
            report.fail_data(found)


def _scan(
    paths: Iterable[str], list_files: Lister, read: Reader[Data]
) -> Iterator[Data | RnaformerError]:
    for path in paths:
        try:
            files = list_files(path)
        except InputError as error:
            yield error
            continue
        for file in files:
            yield from _scan_file(file, read, is_in_folder=file != path)


def _scan_file(
    file: str | Path, read: Reader[Data], is_in_folder: bool
) -> Iterator[Data | RnaformerError]:
    """The data of a file, or why it cannot be read; files after it are read all the same."""
    try:
        if is_in_folder:
            check_regular(Path(file))
        yield from read(file)
    except RnaformerError as error:
        yield error
