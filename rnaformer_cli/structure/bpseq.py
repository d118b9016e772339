"""BPSEQ files: rows of index, base and partner; one record per file.

Format: Comparative RNA Web Locus, Cannone 2002; its files begin with four lines of text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from rnaformer_cli.errors import StructureError
from rnaformer_cli.structure.ct import is_letter, is_number, structure_from_partners
from rnaformer_cli.structure.structure import StructureRecord, check_size, to_rna

_CRW_HEADER = re.compile(r"^(Filename|Organism|Accession|Citation)\b", re.IGNORECASE)


def format_bpseq(record: StructureRecord) -> str:
    """Format one row per base, without a header.

    Raises:
        StructureError: a base with several partners.
    """
    partners = record.structure.partners()
    rows = zip(record.sequence, partners, strict=True)
    return "".join(f"{i} {base} {partner + 1}\n" for i, (base, partner) in enumerate(rows, start=1))


def is_row(columns: Sequence[str]) -> bool:
    """Whether these are the three columns of a BPSEQ row."""
    return (
        len(columns) == 3
        and is_letter(columns[1])
        and is_number(columns[0])
        and is_number(columns[2])
    )


def read_bpseq(lines: Iterable[str], name: str = "sequence_1") -> Iterator[StructureRecord]:
    """Yield the record of a BPSEQ file, with the id `name`.

    Raises:
        StructureError: a row without three columns or out of order, or inconsistent partners.
    """
    letters: list[str] = []
    partners: list[tuple[int, int]] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#") or _CRW_HEADER.match(line):
            continue
        columns = line.split()
        if not is_row(columns):
            message = "expected three columns: index, base, partner"
            raise StructureError(message, line=number, record=name)
        if int(columns[0]) != len(letters) + 1:
            message = f"expected base {len(letters) + 1}, found {columns[0]}"
            raise StructureError(message, line=number, record=name)
        letters.append(columns[1])
        check_size(len(letters), name, number)
        partners.append((int(columns[2]), number))
    if letters:
        structure = structure_from_partners(partners, name)
        yield StructureRecord(name, to_rna("".join(letters)), structure)
