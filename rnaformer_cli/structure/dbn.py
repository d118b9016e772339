"""Dot-bracket files: a header, the sequence, the structure.

As ViennaRNA writes them (energies, `RNAfold -p` lines), as bpRNA does (`#Name:` instead of a
header), and without any header at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from rnaformer_cli.errors import StructureError
from rnaformer_cli.structure.brackets import format_dot_bracket, parse_dot_bracket
from rnaformer_cli.structure.structure import StructureRecord, as_rna

_ENSEMBLE = re.compile(r"^\S+\s+[\[{].*[\]}]\s*$|^ frequency of mfe|^ ?Minimum free energy")
_Numbered = tuple[int, str]  # 1-based line, text


def format_dbn(record: StructureRecord) -> str:
    """Three lines: `>id`, sequence, structure.

    Raises:
        StructureError: what dot-bracket cannot hold.
    """
    return f">{record.id}\n{record.sequence}\n{format_dot_bracket(record.structure)}\n"


def read_dbn(lines: Iterable[str]) -> Iterator[StructureRecord]:
    """Yield the records of a dot-bracket file in order.

    Raises:
        StructureError: a record without a structure, of two lengths, or with broken brackets.
    """
    for number, (header, body) in enumerate(_blocks(lines), start=1):
        words = header[1].split(maxsplit=1)
        name = words[0] if words else f"sequence_{number}"
        description = words[1].strip() if len(words) > 1 else ""
        if len(body) < 2:
            message = "expected a sequence line and a structure line below this header"
            raise StructureError(message, line=header[0], record=name)
        half = len(body) // 2
        sequence = as_rna("".join(text for _, text in body[:half]))
        signs = "".join(text.split()[0] for _, text in body[half:])
        yield _record(name, sequence, signs, description, body[half][0])


def _record(name: str, sequence: str, signs: str, description: str, line: int) -> StructureRecord:
    try:
        structure = parse_dot_bracket(signs)
        return StructureRecord(name, sequence, structure, description)
    except StructureError as error:
        raise StructureError(error.message, line=line, record=name) from None


def _blocks(lines: Iterable[str]) -> Iterator[tuple[_Numbered, list[_Numbered]]]:
    """Header and body lines of each record; an empty header where there is none."""
    header: _Numbered | None = None
    body: list[_Numbered] = []
    for number, line in enumerate(lines, start=1):
        name = _header(line)
        if name is not None:
            if header is not None or body:
                yield header or (body[0][0], ""), body
            header, body = (number, name), []
        elif line.strip() and not line.startswith("#") and not _ENSEMBLE.match(line):
            if header is None and len(body) == 2:
                yield (body[0][0], ""), body
                body = []
            body.append((number, line.strip()))
    if header is not None or body:
        yield header or (body[0][0], ""), body


def _header(line: str) -> str | None:
    if line.startswith(">"):
        return line[1:]
    if line.startswith("#Name:"):
        return line.removeprefix("#Name:")
    return None
