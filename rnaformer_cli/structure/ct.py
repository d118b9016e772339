"""CT (connectivity table) files: one line a base, six columns.

Format: mfold and RNAstructure; https://rna.urmc.rochester.edu/Text/File_Formats.html#CT
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from rnaformer_cli.errors import StructureError
from rnaformer_cli.structure.structure import BasePair, Structure, StructureRecord, as_rna

_HEADER = re.compile(
    r"^\s*(?P<length>\d+)\s*(?:(?:ENERGY|dG)\s*=\s*\S*)?\s*(?P<title>.*)$"
    r"|^>\s*seq length:\s*(?P<seq_length>\d+)\s*(?:nt)?\s*(?P<seq_title>.*)$",
    re.IGNORECASE,
)


def format_ct(record: StructureRecord) -> str:
    """One record; `prev` of the first and `next` of the last base are 0.

    Raises:
        StructureError: a base with several partners.
    """
    last = len(record.sequence)
    partners = record.structure.partners()
    rows = [f"{last:>5}  {record.id}"]
    for number, (base, partner) in enumerate(zip(record.sequence, partners, strict=True), start=1):
        after = 0 if number == last else number + 1
        rows.append(f"{number:>5} {base} {number - 1:>5} {after:>5} {partner + 1:>5} {number:>5}")
    return "\n".join(rows) + "\n"


def read_ct(lines: Iterable[str], name: str = "sequence_1") -> Iterator[StructureRecord]:
    """Yield the records of a CT file; a header without a title takes `name`.

    Raises:
        StructureError: a broken header or row, missing rows, or partners that disagree.
    """
    rows = (
        (number, line)
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.startswith("#")
    )
    for number, line in rows:
        found = _HEADER.match(line)
        if found is None:
            raise StructureError(
                "expected a CT header: the number of bases and a name", line=number
            )
        length = int(found["length"] or found["seq_length"])
        title = (found["title"] or found["seq_title"] or "").split(maxsplit=1)
        body: list[tuple[int, str]] = []
        for _ in range(length):
            row = next(rows, None)
            if row is None:
                raise StructureError(f"expected {length} bases, found {len(body)}", line=number)
            body.append(row)
        yield _record(title[0] if title else name, title[1] if len(title) > 1 else "", body)


def _record(name: str, description: str, body: list[tuple[int, str]]) -> StructureRecord:
    letters = []
    partners: list[tuple[int, int]] = []  # partner (0: none), line
    for expected, (line, text) in enumerate(body, start=1):
        columns = text.split()
        if len(columns) < 6 or not all(columns[place].isdecimal() for place in (0, 2, 3, 4)):
            raise StructureError(
                "expected six columns: index, base, previous, next, partner, index",
                line=line,
                record=name,
            )
        if int(columns[0]) != expected:
            raise StructureError(
                f"expected base {expected}, found {columns[0]}", line=line, record=name
            )
        letters.append(columns[1])
        partners.append((int(columns[4]), line))
    structure = structure_from_partners(partners, name)
    return StructureRecord(name, as_rna("".join(letters)), structure, description)


def structure_from_partners(partners: list[tuple[int, int]], name: str) -> Structure:
    """Partner (1-based; 0: none) and line of each base -> Structure.

    Raises:
        StructureError: a partner outside the RNA, itself, or one that names another base.
    """
    pairs: set[BasePair] = set()
    for base, (partner, line) in enumerate(partners, start=1):
        if partner == 0:
            continue
        if partner > len(partners) or partner == base:
            raise StructureError(f"base {base} cannot pair with {partner}", line=line, record=name)
        back = partners[partner - 1][0]
        if back != base:
            says = f"pairs with {back}" if back else "is unpaired"
            message = f"base {base} pairs with {partner}, but {partner} {says}"
            raise StructureError(message, line=line, record=name)
        pairs.add((min(base, partner) - 1, max(base, partner) - 1))
    return Structure(len(partners), frozenset(pairs))
