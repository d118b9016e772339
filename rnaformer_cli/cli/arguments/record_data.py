"""Options for files with data about records: chemical probing data, constraints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import click

from rnaformer_cli.cli.run.progress import RunReporter
from rnaformer_cli.constraints.formats import constraint_files, read_constraints
from rnaformer_cli.constraints.matching import ConstraintIndex
from rnaformer_cli.errors import InputError, ProbingError, RnaformerError
from rnaformer_cli.files import check_regular
from rnaformer_cli.probing.formats import reactivity_files, read_reactivities
from rnaformer_cli.probing.likelihood import relative_reactivities
from rnaformer_cli.probing.matching import ProfileIndex
from rnaformer_cli.sequence.encode import ALPHABET, UNKNOWN
from rnaformer_cli.sequence.matching import DataIndex, RecordData
from rnaformer_cli.sequence.reactivities import REAGENTS, find_reagent
from rnaformer_cli.sequence.record import RnaRecord
from rnaformer_cli.structure.structure import StructureRecord

Data = TypeVar("Data", bound=RecordData)
Reader = Callable[[str | Path], Iterator[Data | RnaformerError]]
Lister = Callable[[str | Path], list[str | Path]]


def read_profiles(
    paths: Iterable[str], reagent: str | None, report: RunReporter, fail_fast: bool
) -> ProfileIndex:
    """The profiles of all files and folders; unreadable files and profiles are reported.

    Raises:
        ProbingError, InputError: with `fail_fast`, the first error.
    """
    index = ProfileIndex(reagent)
    _fill(index, _scan(paths, reactivity_files, read_reactivities), report, fail_fast)
    return index


def read_constraint_files(
    paths: Iterable[str], report: RunReporter, fail_fast: bool
) -> ConstraintIndex:
    """The constraints of all files and folders; unreadable files and constraints are reported.

    Raises:
        ConstraintError, InputError: with `fail_fast`, the first error.
    """
    index = ConstraintIndex()
    _fill(index, _scan(paths, constraint_files, read_constraints), report, fail_fast)
    return index


def relative_reactivities_of(
    records: Sequence[StructureRecord], paths: Iterable[str], reagent: str | None
) -> list[list[float | None] | None]:
    """The reactivities of each record from 0 to 1, or None without data.

    Raises:
        ProbingError, InputError: data that cannot be read or do not fit, or no data for any record.
    """
    index = ProfileIndex(reagent)
    for found in _scan(paths, reactivity_files, read_reactivities):
        if isinstance(found, RnaformerError):
            raise found
        index.add(found)
    relative: list[list[float | None] | None] = []
    for record in records:
        letters = "".join(letter if letter in ALPHABET else UNKNOWN for letter in record.sequence)
        data = index.attach(RnaRecord(record.id, letters), len(records) == 1).reactivities
        relative.append(
            None if data is None else relative_reactivities(letters, data.values, data.reagent)
        )
    if not any(relative):
        raise next(iter(index.unmatched()), ProbingError("no reactivities for these records"))
    return relative


def _parse_reagent(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """The reagent of an option in its usual spelling."""
    try:
        return None if value is None else find_reagent(value)
    except ProbingError as error:
        raise click.BadParameter(str(error)) from None


def _complete_reagent(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The reagents that begin with the text; case is ignored."""
    return [name for name in REAGENTS if name.casefold().startswith(incomplete.casefold())]


reagent_option = click.option(
    "--reagent",
    metavar="|".join(REAGENTS),
    callback=_parse_reagent,
    shell_complete=_complete_reagent,
    help="Reagent of the probing data.  [default: as given in their files]",
)


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
        elif not index.add_error(found):
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
    """The data of a file, or the error if it cannot be read; later files are still read."""
    try:
        if is_in_folder:
            check_regular(Path(file))
        yield from read(file)
    except RnaformerError as error:
        yield error
