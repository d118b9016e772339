"""The structure formats by name, and the detection of a file's format."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar, get_args

from rnaformer_cli.errors import InputError, OutputError, StructureError
from rnaformer_cli.files import (
    STDIN,
    check_regular,
    list_files,
    read_lines,
    suffix_of,
    text_name,
    write_text,
)
from rnaformer_cli.structure import bpseq, ct
from rnaformer_cli.structure.bpseq import format_bpseq, read_bpseq
from rnaformer_cli.structure.ct import format_ct, read_ct
from rnaformer_cli.structure.dbn import format_dbn, read_dbn
from rnaformer_cli.structure.jsonl import (
    PredictedRecord,
    format_json,
    read_json,
    read_predictions,
)
from rnaformer_cli.structure.pair_table import HEADER as PAIR_TABLE
from rnaformer_cli.structure.stockholm import read_stockholm
from rnaformer_cli.structure.structure import StructureRecord
from rnaformer_cli.structure.wuss import format_wuss_record

WriteFormat = Literal["dbn", "ct", "bpseq", "jsonl", "wuss"]
ReadFormat = Literal["dbn", "ct", "bpseq", "jsonl", "wuss", "stockholm"]
WRITE_FORMATS: tuple[WriteFormat, ...] = get_args(WriteFormat)
READ_FORMATS: tuple[ReadFormat, ...] = get_args(ReadFormat)

WRITERS: dict[WriteFormat, Callable[[StructureRecord], str]] = {
    "dbn": format_dbn,
    "ct": format_ct,
    "bpseq": format_bpseq,
    "jsonl": format_json,
    "wuss": format_wuss_record,
}
SINGLE_RECORD_FORMATS: tuple[WriteFormat, ...] = ("bpseq",)
SUFFIXES: Set[str] = {
    ".dbn",
    ".db",
    ".dot",
    ".ct",
    ".bpseq",
    ".jsonl",
    ".wuss",
    ".sto",
    ".stk",
    ".stockholm",
}

Read = TypeVar("Read")

DETECTION_LINES = 1000  # lines used to detect the format; a long sequence may be wrapped
_MIN_COLUMNS = 3  # of the header of a table
DETECTION_LETTERS = 10_000_000  # limit of the letters in these lines


def read_structures(
    path: str | Path, source_format: ReadFormat | None = None
) -> Iterator[StructureRecord]:
    """Yield the records of a structure file in order, or of all structure files of a folder.

    Raises:
        InputError: a file that cannot be read or holds no record; a folder without such files.
        StructureError: an invalid record, with file and line.
    """

    def parse(lines: Iterable[str], name: str) -> Iterator[StructureRecord]:
        return parse_structures(lines, source_format, name)

    return _read(path, parse, SUFFIXES, "structure")


def write_structures(
    records: Iterable[StructureRecord], path: str | Path, target: WriteFormat | None = None
) -> None:
    """Write a structure file, by default in the format of its suffix, or else in dot-bracket.

    Raises:
        StructureError: a structure that the format cannot hold.
        OutputError: several records for a format of one record, or a file that cannot be written.
    """
    chosen = target or format_by_name(path)
    texts: list[str] = []
    for record in records:
        if texts and chosen in SINGLE_RECORD_FORMATS:
            message = f"a {chosen} file holds one record; write a file for each"
            raise OutputError(message, record=record.id)
        texts.append(format_structure(record, chosen))
    write_text(path, "".join(texts))


def format_structure(record: StructureRecord, target: WriteFormat = "dbn") -> str:
    """The text of one record in a format; white space in its id becomes `_`.

    Raises:
        StructureError: a structure that the format cannot hold, with the id of its record.
    """
    name = "_".join(record.id.split())  # white space would end the id, or start a record
    record = record if name == record.id else replace(record, id=name)
    try:
        return WRITERS[target](record)
    except StructureError as error:
        raise StructureError(error.message, record=record.id) from None


def format_by_name(path: str | Path | None) -> WriteFormat:
    """The format that the suffix of a file name selects; dot-bracket if it selects none."""
    suffix = suffix_of(path).removeprefix(".") if path else ""
    return next((name for name in WRITE_FORMATS if name == suffix), "dbn")


def read_prediction_files(path: str | Path) -> Iterator[PredictedRecord]:
    """Yield the predictions of a JSON Lines file in order, or of all such files of a folder.

    Raises:
        InputError: a file that cannot be read or holds no prediction; a folder without such files.
        StructureError: an invalid prediction, with file and line.
    """
    return _read(path, lambda lines, _: read_predictions(lines), {".jsonl"}, "prediction")


def _read(
    path: str | Path,
    parse: Callable[[Iterable[str], str], Iterator[Read]],
    suffixes: Set[str],
    what: str,
) -> Iterator[Read]:
    if str(path) != STDIN and Path(path).is_dir():
        files = list_files(path, suffixes)
        if not files:
            raise InputError(f"no {what} file in this folder", path=path)
        for file in files:
            check_regular(file)
            yield from _read(file, parse, suffixes, what)
        return
    name = "stdin" if str(path) == STDIN else str(path)
    is_empty = True
    try:
        for record in parse(read_lines(path), base_name(path)):
            is_empty = False
            yield record
    except StructureError as error:
        raise error.at(name) from None
    if is_empty:
        raise InputError(f"no {what} in this file", path=name)


def parse_structures(
    lines: Iterable[str], source_format: ReadFormat | None, name: str
) -> Iterator[StructureRecord]:
    """Yield the records of a text; `name` is the id in formats without ids.

    Raises:
        StructureError: an invalid record, with its line.
    """
    remaining = iter(lines)
    head = _head(remaining)
    readers: dict[ReadFormat, Callable[[Iterable[str]], Iterator[StructureRecord]]] = {
        "dbn": read_dbn,
        "ct": partial(read_ct, name=name),
        "bpseq": partial(read_bpseq, name=name),
        "jsonl": read_json,
        "wuss": read_dbn,  # WUSS is dot-bracket with other symbols
        "stockholm": read_stockholm,
    }
    return readers[source_format or detect_format(head)](itertools.chain(head, remaining))


def _head(lines: Iterator[str]) -> list[str]:
    head: list[str] = []
    letters = 0
    for line in itertools.islice(lines, DETECTION_LINES):
        head.append(line)
        letters += len(line)
        if letters > DETECTION_LETTERS:
            break
    return head


def detect_format(head: Iterable[str]) -> ReadFormat:
    """Detect the format from the first lines of a text; dot-bracket if no other format fits.

    Raises:
        StructureError: FASTA or a table, which hold no structure.
    """
    lines = [line for line in head if line.strip()]
    if lines and lines[0].startswith("# STOCKHOLM"):
        return "stockholm"
    content = [line for line in lines if not line.startswith("#")]
    if not content:
        return "dbn"
    if content[0].lstrip().startswith("{"):
        return "jsonl"
    if any(ct.is_row(line.split()) for line in content[:2]):
        return "ct"
    if any(bpseq.is_row(line.split()) for line in content):
        return "bpseq"
    _refuse_table(content[0])
    if content[0].startswith(">") and all(_is_fasta(line) for line in content):
        message = "this looks like FASTA; expected structures, as `rnaformer predict` writes them"
        raise StructureError(message, line=1)
    return "dbn"


def _refuse_table(line: str) -> None:
    """Refuse a text whose first line is the header of a table.

    Raises:
        StructureError: such a header.
    """
    cells = re.split(r"[\t,;]", line.strip())
    if len(cells) < _MIN_COLUMNS or not all(re.fullmatch(r"[A-Za-z]\w*", cell) for cell in cells):
        return
    what = "a table of base-pair probabilities" if line == PAIR_TABLE.rstrip("\n") else "a table"
    message = f"this looks like {what}; expected structures, as `rnaformer predict` writes them"
    raise StructureError(message, line=1)


def base_name(path: str | Path) -> str:
    """The file name without `.gz` and format suffix: the record id in formats without ids."""
    file_name = text_name(path)
    name = file_name[:-3] if file_name.lower().endswith(".gz") else file_name
    stem = Path(name).stem if Path(name).suffix.lower() in SUFFIXES else name
    return "sequence_1" if str(path) == STDIN else stem


def _is_fasta(line: str) -> bool:
    return line.startswith(">") or line.strip().isalpha()
