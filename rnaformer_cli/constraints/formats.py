"""Readers of all constraint formats; the format is detected from the content."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from rnaformer_cli.constraints.con import is_section, read_con
from rnaformer_cli.constraints.entry import ConstraintEntry
from rnaformer_cli.errors import ConstraintError, InputError, SequenceError
from rnaformer_cli.files import STDIN, list_files, read_lines
from rnaformer_cli.sequence.fasta import scan_numbered
from rnaformer_cli.sequence.record import RnaRecord

SUFFIXES = {".con", ".dbn", ".fa", ".fasta"}  # read in a folder
_EXPECTED = "dot-bracket ('>' and an id, sequence, constraints) or .CON of RNAstructure"

EntryOrError = ConstraintEntry | ConstraintError


def read_constraints(path: str | Path) -> Iterator[EntryOrError]:
    """Yield the constraints of each RNA in a file ("-" is standard input), or an error instead.

    Raises:
        InputError: the file cannot be read, or is empty.
        ConstraintError: an unknown format, or an error after which the file cannot be read further.
    """
    name = "stdin" if str(path) == STDIN else str(path)
    lines = read_lines(path)
    n_blank, first = 0, next(lines, None)
    while first is not None and not first.strip():
        n_blank, first = n_blank + 1, next(lines, None)
    if first is None:
        raise InputError("is empty; expected constraints", path=name)
    whole = itertools.chain(itertools.repeat("", n_blank), [first], lines)
    try:
        for found in _read(whole, first, n_blank + 1):
            if isinstance(found, ConstraintError):
                yield _in_file(found, name)
            else:
                yield replace(found, path=name)
    except (ConstraintError, SequenceError) as error:
        raise _in_file(error, name) from None


def constraint_files(path: str | Path) -> list[str | Path]:
    """The constraint files of a folder, sorted by name; for a file (or "-"), only the path itself.

    Raises:
        InputError: a folder without such files.
    """
    if str(path) == STDIN or not Path(path).is_dir():
        return [path]
    found = list_files(path, SUFFIXES)
    if not found:
        names = ", ".join(sorted(SUFFIXES))
        raise InputError(f"no constraint file in this folder ({names}, also .gz)", path=path)
    return list(found)


def read_dot_bracket(lines: Iterable[str]) -> Iterator[EntryOrError]:
    """Yield the constraints of each record: `>id`, the sequence, a line of constraints."""
    for line, found in scan_numbered(lines, with_constraints=True):
        if not isinstance(found, RnaRecord):
            place = found.location
            yield ConstraintError(found.message, line=place.line, record=place.record)
        elif found.constraints is None:
            message = "no constraints below this sequence"
            yield ConstraintError(message, line=line, record=found.id)
        else:
            yield ConstraintEntry(found.id, found.constraints, line, found.sequence)


def _read(lines: Iterable[str], first: str, number: int) -> Iterator[EntryOrError]:
    if first.startswith(">"):
        return read_dot_bracket(lines)
    if is_section(first):
        return read_con(lines)
    raise ConstraintError(f"unknown constraint format; expected {_EXPECTED}", line=number)


def _in_file(error: ConstraintError | SequenceError, name: str) -> ConstraintError:
    place = error.location
    return ConstraintError(error.message, path=name, line=place.line, record=place.record)
