"""Files of chemical probing data on the command line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click

from rnaformer_cli.cli.run.progress import RunReporter
from rnaformer_cli.errors import InputError, ProbingError
from rnaformer_cli.files import check_regular
from rnaformer_cli.probing.formats import reactivity_files, read_reactivities
from rnaformer_cli.probing.likelihood import relative_reactivities
from rnaformer_cli.probing.matching import ProfileIndex
from rnaformer_cli.probing.profile import ProbingProfile
from rnaformer_cli.sequence.encode import ALPHABET, UNKNOWN
from rnaformer_cli.sequence.reactivities import REAGENTS, find_reagent
from rnaformer_cli.sequence.record import RnaRecord
from rnaformer_cli.structure.structure import StructureRecord


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


def relative_reactivities_of(
    records: Sequence[StructureRecord], paths: Iterable[str], reagent: str | None
) -> list[list[float | None] | None]:
    """The reactivities of each record from 0 to 1, or None without data.

    Raises:
        ProbingError, InputError: data that cannot be read or do not fit, or none of any record.
    """
    index = ProfileIndex(reagent)
    for found in _scan(paths):
        if not isinstance(found, ProbingProfile):
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


def parse_reagent(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """The reagent of an option in its usual spelling."""
    try:
        return None if value is None else find_reagent(value)
    except ProbingError as error:
        raise click.BadParameter(str(error)) from None


def complete_reagent(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The reagents that begin like this."""
    return [name for name in REAGENTS if name.casefold().startswith(incomplete.casefold())]


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
