"""CT (connectivity table) files: one row of six columns per base.

Format: mfold and RNAstructure; https://rna.urmc.rochester.edu/Text/File_Formats.html#CT
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from rnaformer_cli.errors import StructureError
from rnaformer_cli.structure.structure import (
    BasePair,
    Structure,
    StructureRecord,
    check_size,
    to_rna,
)

_HEADER = re.compile(
    r"\s*(?P<length>[1-9]\d{0,8})(?!\S)(?P<title>.*)"
    r"|>\s*seq length:\s*(?P<seq_length>[1-9]\d{0,8})(?!\d)\s*(?:nt\b)?(?P<seq_title>.*)",
    re.IGNORECASE,
)
_NUMBER = r"[-+]?\d[\d.]*(?!\S)"
_ENERGY = re.compile(  # as written by RNAstructure, UNAFold, mfold and UFold
    rf"(?:\s*(?:(?:ENERGY|dG)\s+=|\[initially\s[^]]*\]|seq name:)\s*(?:{_NUMBER})?)*",
    re.IGNORECASE,
)
# As in `ENERGY=-3.2 name`; `ENERGY = -3.2 name` is matched by _ENERGY.
_ENERGY_BEFORE_NAME = re.compile(rf"\s*(?:ENERGY|dG)={_NUMBER}(?=\s+\S)", re.IGNORECASE)


def format_ct(record: StructureRecord) -> str:
    """Format one record. The index before the first base and that after the last base are 0.

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
    """Yield the records of a CT file; a record without a title has the id `name`.

    Raises:
        StructureError: an invalid header or row, missing rows, or inconsistent partners.
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
        check_size(length, line=number)
        title = found["title"] or found["seq_title"] or ""
        words = split_title(
            _ENERGY_BEFORE_NAME.sub("", title, count=1)
            if _ENERGY_BEFORE_NAME.match(title)
            else title
        )
        body: list[tuple[int, str]] = []
        for _ in range(length):
            row = next(rows, None)
            if row is None:
                raise StructureError(f"expected {length} bases, found {len(body)}", line=number)
            body.append(row)
        yield _record(words[0] or name, words[1], body)


def split_title(title: str) -> tuple[str, str]:
    """The name (or "") and the description in a header, without the energy before them."""
    found = _ENERGY.match(title)
    words = title[found.end() if found else 0 :].split(maxsplit=1)
    name, about = [*words, "", ""][:2]
    return name, about.strip()


def is_row(columns: Sequence[str]) -> bool:
    """Whether these are the six columns of a CT row, or mfold's eight."""
    return (
        len(columns) >= 6
        and is_letter(columns[1])
        and all(is_number(columns[index]) for index in (0, 2, 3, 4))
    )


def is_letter(text: str) -> bool:
    """Whether a column is one ASCII character; others, such as ß, can have two in upper case."""
    return len(text) == 1 and text.isascii()


def is_number(text: str) -> bool:
    """Whether a column is a base index or 0, of at most nine digits."""
    return text.isdecimal() and len(text) < 10


def _record(name: str, description: str, body: list[tuple[int, str]]) -> StructureRecord:
    letters = []
    partners: list[tuple[int, int]] = []  # partner (0: none), line
    for expected, (line, text) in enumerate(body, start=1):
        columns = text.split()
        if not is_row(columns):
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
    return StructureRecord(name, to_rna("".join(letters)), structure, description)


def structure_from_partners(partners: list[tuple[int, int]], name: str) -> Structure:
    """The structure, from the partner (1-based; 0: none) and the line number of each base.

    Raises:
        StructureError: a partner that is outside the RNA, is the base itself, or pairs with another
            base.
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
