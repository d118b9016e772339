"""Structure files and tables -> labelled records."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from rnaformer_cli.dataset.records import LabelledRecord
from rnaformer_cli.errors import (
    DatasetError,
    InputError,
    RnaformerError,
    StructureError,
    shown,
)
from rnaformer_cli.files import check_regular, list_files, read_lines
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

_COLUMNS = {  # our field -> names of CSV columns, in any case
    "id": ("id", "name"),
    "sequence": ("sequence", "seq"),
    "structure": ("structure", "dot_bracket", "dotbracket", "secondary_structure"),
    "family": ("family", "rfam"),
}
_TO_UNKNOWN = str.maketrans(dict.fromkeys(AMBIGUOUS, UNKNOWN))


def import_files(
    path: str | Path, source: str, family: str | None = None, written_as: ReadFormat | None = None
) -> Iterator[LabelledRecord | RnaformerError]:
    """Yield the records of a file or folder, or what is wrong with one of them.

    Dot-bracket, CT, BPSEQ, JSON Lines and Stockholm are told by their content, CSV by its
    suffix. Members of a Stockholm alignment get its accession as their family.

    Raises:
        InputError: a file that cannot be read or holds no record, a folder without any.
        DatasetError: a table without the columns that it needs.
    """
    if Path(path).is_dir():
        yield from _import_folder(path, source, family, written_as)
        return
    if _is_csv(Path(path)):
        yield from _import_csv(path, source, family)
        return
    lines = list(read_lines(path))
    is_empty = True
    try:
        written_as = written_as or detect_format(lines[:DETECTION_LINES])
        for record, own in _read(lines, written_as, base_name(path)):
            is_empty = False
            yield from _label(record, source, family or own, path)
    except StructureError as error:
        yield error.at(path)
        return
    if is_empty:
        raise InputError("no structure in this file", path=path)


def _import_folder(
    path: str | Path, source: str, family: str | None, written_as: ReadFormat | None
) -> Iterator[LabelledRecord | RnaformerError]:
    files = list_files(path, SUFFIXES | {".csv"})
    if not files:
        raise InputError("no structure file or table in this folder", path=path)
    for file in files:
        try:
            check_regular(file)
            yield from import_files(file, source, family, written_as)
        except (InputError, DatasetError) as error:
            yield error


def _read(
    lines: list[str], written_as: ReadFormat, name: str
) -> Iterator[tuple[StructureRecord, str | None]]:
    """Each record with the family that the file gives it."""
    blocks = _stockholm_blocks(lines) if written_as == "stockholm" else [lines]
    for block in blocks:
        own = _accession(block) if written_as == "stockholm" else None
        for record in parse_structures(block, written_as, name):
            yield record, own


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
        if words[:2] == ["#=GF", "AC"]:
            return words[2].strip()
    return None


def _import_csv(
    path: str | Path, source: str, family: str | None
) -> Iterator[LabelledRecord | RnaformerError]:
    csv.field_size_limit(MAX_LINE)
    rows = csv.DictReader(f"{line}\n" for line in read_lines(path))
    columns = _find_columns(rows.fieldnames or (), path)
    is_empty = True
    for row in rows:
        is_empty = False
        sequence = to_rna(row[columns["sequence"]] or "")
        given = "_".join((row[columns["id"]] or "").split()) if "id" in columns else ""
        name = given or f"{base_name(path).removesuffix('.csv')}_{rows.line_num - 1}"
        if any(row.get(None) or ()):  # the key of what is left over
            message = f"more cells than the {len(rows.fieldnames or ())} columns"
            yield DatasetError(message, path=path, line=rows.line_num, record=name)
            continue
        own = row[columns["family"]] if "family" in columns else None
        try:
            structure = parse_dot_bracket(row[columns["structure"]] or "")
            record = StructureRecord(name, sequence, structure)
        except StructureError as error:
            yield StructureError(error.message, path=path, line=rows.line_num, record=name)
            continue
        yield from _label(record, source, family or own or None, path)
    if is_empty:
        raise InputError("no structure in this file", path=path)


def _find_columns(header: Iterable[str], path: str | Path) -> dict[str, str]:
    found = {}
    for field, names in _COLUMNS.items():
        match = [column for column in header if column.strip().lower() in names]
        if len(match) > 1:
            message = f"several columns for the {field}: {', '.join(map(shown, match))}"
            raise DatasetError(message, path=path)
        if match:
            found[field] = match[0]
    for field in ("sequence", "structure"):
        if field not in found:
            listed = ", ".join(_COLUMNS[field])
            raise DatasetError(f"no column for the {field}; expected one of {listed}", path=path)
    return found


def _label(
    record: StructureRecord, source: str, family: str | None, path: str | Path
) -> Iterator[LabelledRecord | RnaformerError]:
    letters = record.sequence.translate(_TO_UNKNOWN)
    try:
        pairs = tuple(record.structure.sorted_pairs)
        yield LabelledRecord(record.id, letters, pairs, source, family)
    except DatasetError as error:
        yield DatasetError(error.message, path=path, record=record.id)


def _is_csv(path: Path) -> bool:
    return path.name.removesuffix(".gz").endswith(".csv")
