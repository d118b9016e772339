"""Import of structure files and CSV tables as labelled records."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rnaformer_cli.dataset.records import LabelledRecord
from rnaformer_cli.errors import (
    DatasetError,
    InputError,
    RnaformerError,
    StructureError,
    shorten_repr,
)
from rnaformer_cli.files import check_regular, list_files, read_lines, suffix_of
from rnaformer_cli.limits import MAX_LINE
from rnaformer_cli.sequence.encode import AMBIGUOUS, UNKNOWN
from rnaformer_cli.structure.brackets import parse_dot_bracket
from rnaformer_cli.structure.formats import (
    DETECTION_LINES,
    SUFFIXES,
    ReadFormat,
    base_name,
    detect_format,
    parse_structures,
)
from rnaformer_cli.structure.structure import StructureRecord, to_rna

_COLUMNS = {  # field -> accepted names of the CSV column, in any case
    "id": ("id", "name"),
    "sequence": ("sequence", "seq"),
    "structure": ("structure", "dot_bracket", "dotbracket", "secondary_structure"),
    "family": ("family", "rfam"),
}
_TO_UNKNOWN = str.maketrans(dict.fromkeys(AMBIGUOUS, UNKNOWN))


def import_files(
    path: str | Path,
    source: str,
    family: str | None = None,
    source_format: ReadFormat | None = None,
) -> Iterator[LabelledRecord | RnaformerError]:
    """Yield the records of a file or folder, with an error in place of each bad record.

    Dot-bracket, CT, BPSEQ, JSON Lines and Stockholm are detected by their content, CSV by its
    suffix. The accession of a Stockholm alignment is the family of its members.

    Raises:
        InputError: a file that cannot be read or holds no record, a folder without such files.
        DatasetError: a table without a required column.
    """
    if Path(path).is_dir():
        yield from _import_folder(path, source, family, source_format)
        return
    if _is_csv(Path(path)):
        yield from _import_csv(path, source, family)
        return
    lines = list(read_lines(path))
    is_empty = True
    try:
        source_format = source_format or detect_format(lines[:DETECTION_LINES])
        for record, file_family in _read(lines, source_format, base_name(path)):
            is_empty = False
            yield from _label(record, source, family or file_family, path)
    except StructureError as error:
        yield error.at(path)
        return
    if is_empty:
        raise InputError("no structure in this file", path=path)


def _import_folder(
    path: str | Path, source: str, family: str | None, source_format: ReadFormat | None
) -> Iterator[LabelledRecord | RnaformerError]:
    files = list_files(path, SUFFIXES | {".csv"})
    if not files:
        raise InputError("no structure file or table in this folder", path=path)
    for file in files:
        try:
            check_regular(file)
            yield from import_files(file, source, family, source_format)
        except (InputError, DatasetError) as error:
            yield error


def _read(
    lines: list[str], source_format: ReadFormat, name: str
) -> Iterator[tuple[StructureRecord, str | None]]:
    """Yield each record with its family, as given in the file."""
    blocks = _stockholm_blocks(lines) if source_format == "stockholm" else [lines]
    for block in blocks:
        family = _accession(block) if source_format == "stockholm" else None
        for record in parse_structures(block, source_format, name):
            yield record, family


def _stockholm_blocks(lines: list[str]) -> Iterator[list[str]]:
    block: list[str] = []
    for line in lines:
        block.append(line)
        if line.strip() == "//":
            yield block
            block = []
    if any(line.strip() for line in block):
        yield block


def _accession(block: list[str]) -> str | None:
    for line in block:
        words = line.split(maxsplit=2)
        if words[:2] == ["#=GF", "AC"] and len(words) > 2:
            return words[2].strip()
    return None


def _import_csv(
    path: str | Path, source: str, family: str | None
) -> Iterator[LabelledRecord | RnaformerError]:
    csv.field_size_limit(MAX_LINE)
    rows = csv.DictReader((f"{line}\n" for line in read_lines(path)), strict=True)
    columns = _find_columns(_header(rows, path), path)
    is_empty = True
    for row in _rows(rows, path):
        is_empty = False
        sequence = to_rna(row[columns["sequence"]] or "")
        given = "_".join((row[columns["id"]] or "").split()) if "id" in columns else ""
        name = given or f"{Path(base_name(path)).stem}_{rows.line_num - 1}"
        if any(row.get(None) or ()):  # DictReader keeps extra cells under None
            message = f"more cells than the {len(rows.fieldnames or ())} columns"
            yield DatasetError(message, path=path, line=rows.line_num, record=name)
            continue
        row_family = row[columns["family"]] if "family" in columns else None
        if "\n" in (row_family or ""):
            message = "a line break in the family; check for an unclosed quotation mark"
            yield DatasetError(message, path=path, line=rows.line_num, record=name)
            continue
        try:
            structure = parse_dot_bracket(row[columns["structure"]] or "")
            record = StructureRecord(name, sequence, structure)
        except StructureError as error:
            yield StructureError(error.message, path=path, line=rows.line_num, record=name)
            continue
        yield from _label(record, source, family or row_family or None, path)
    if is_empty:
        raise InputError("no structure in this file", path=path)


def _header(table: csv.DictReader[str], path: str | Path) -> Sequence[str]:
    try:
        return table.fieldnames or ()
    except csv.Error as error:
        raise DatasetError(f"not CSV: {error}", path=path, line=1) from None


def _rows(table: csv.DictReader[str], path: str | Path) -> Iterator[dict[str | Any, str | Any]]:
    """Yield the rows of a table.

    Raises:
        DatasetError: invalid CSV, such as an open quotation mark, with the line of the row.
    """
    line = table.line_num + 1
    try:
        for row in table:
            yield row
            line = table.line_num + 1
    except csv.Error as error:
        raise DatasetError(f"not CSV: {error}", path=path, line=line) from None


def _find_columns(header: Iterable[str], path: str | Path) -> dict[str, str]:
    columns = {}
    for field, names in _COLUMNS.items():
        matches = [column for column in header if column.strip().lower() in names]
        if len(matches) > 1:
            message = f"several columns for the {field}: {', '.join(map(shorten_repr, matches))}"
            raise DatasetError(message, path=path)
        if matches:
            columns[field] = matches[0]
    for field in ("sequence", "structure"):
        if field not in columns:
            listed = ", ".join(_COLUMNS[field])
            raise DatasetError(f"no column for the {field}; expected one of {listed}", path=path)
    return columns


def _label(
    record: StructureRecord, source: str, family: str | None, path: str | Path
) -> Iterator[LabelledRecord | RnaformerError]:
    sequence = record.sequence.translate(_TO_UNKNOWN)
    try:
        pairs = tuple(record.structure.sorted_pairs)
        yield LabelledRecord(record.id, sequence, pairs, source, family)
    except DatasetError as error:
        yield DatasetError(error.message, path=path, record=record.id)


def _is_csv(path: Path) -> bool:
    return suffix_of(path) == ".csv"
