"""Readers of all reactivity formats; the format is detected from the content."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from rnaformer_cli.errors import InputError, ProbingError
from rnaformer_cli.files import STDIN, list_files, read_lines
from rnaformer_cli.probing.columns import read_columns
from rnaformer_cli.probing.json_lines import read_json_lines
from rnaformer_cli.probing.profile import ProbingProfile
from rnaformer_cli.probing.rdat import VERSION, read_rdat
from rnaformer_cli.probing.rna_framework import read_xml
from rnaformer_cli.probing.table import is_header, read_table

Reader = Callable[[Iterable[str]], Iterator[ProbingProfile | ProbingError]]

SUFFIXES = {".shape", ".dat", ".map", ".rdat", ".xml", ".jsonl", ".tsv"}  # read in a folder
READERS: dict[str, Reader] = {
    "columns": read_columns,
    "rdat": read_rdat,
    "xml": read_xml,
    "jsonl": read_json_lines,
    "tsv": read_table,
}
_STARTS_WITH_NUMBER = re.compile(r"[+-]?\d", re.ASCII)
_EXPECTED = "columns of position and value, .map, RDAT, RNA Framework's XML, JSON Lines or TSV"


def read_reactivities(path: str | Path) -> Iterator[ProbingProfile | ProbingError]:
    """Yield each profile of a file ("-" is standard input), or an error in its place.

    Raises:
        InputError: the file cannot be read, or is empty.
        ProbingError: an unknown format, or an error after which the file cannot be read further.
    """
    name = "stdin" if str(path) == STDIN else str(path)
    lines = read_lines(path)
    n_skipped, first = _first_line(lines)
    if first is None:
        raise InputError("is empty; expected reactivities", path=name)
    whole = itertools.chain(itertools.repeat("", n_skipped), [first], lines)
    try:
        for found in READERS[_detect_format(first, n_skipped + 1)](whole):
            if isinstance(found, ProbingError):
                yield _in_file(found, name)
            else:
                yield replace(found, path=name)
    except ProbingError as error:
        raise _in_file(error, name) from None


def reactivity_files(path: str | Path) -> list[str | Path]:
    """The reactivity files of a folder, sorted by name; for a file (or "-"), only the path itself.

    Raises:
        InputError: a folder without such files.
    """
    if str(path) == STDIN or not Path(path).is_dir():
        return [path]
    found = list_files(path, SUFFIXES)
    if not found:
        names = ", ".join(sorted(SUFFIXES))
        raise InputError(f"no reactivity file in this folder ({names}, also .gz)", path=path)
    return list(found)


def _first_line(lines: Iterator[str]) -> tuple[int, str | None]:
    """The number of blank lines and comments at the start of a file, and the next line."""
    count = 0
    for line in lines:
        if line.strip() and not line.lstrip().startswith("#"):
            return count, line
        count += 1
    return count, None


def _detect_format(line: str, number: int) -> str:
    """The name of the format of a file whose first line of content is `line`.

    Raises:
        ProbingError: an unknown format.
    """
    text = line.lstrip()
    if VERSION.match(text):
        return "rdat"
    if text.startswith("<"):
        return "xml"
    if text.startswith("{"):
        return "jsonl"
    if is_header(line):
        return "tsv"
    if _STARTS_WITH_NUMBER.match(text):
        return "columns"
    raise ProbingError(f"unknown reactivity format; expected {_EXPECTED}", line=number)


def _in_file(error: ProbingError, name: str) -> ProbingError:
    place = error.location
    return ProbingError(error.message, path=name, line=place.line, record=place.record)
