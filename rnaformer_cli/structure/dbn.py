"""Dot-bracket files: a header, the sequence, the structure.

The reader also accepts the output of ViennaRNA (energies, `RNAfold -p` lines), the files of bpRNA
(`#Name:` instead of a header), and files without headers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from rnaformer_cli.errors import StructureError
from rnaformer_cli.structure.brackets import format_dot_bracket, parse_dot_bracket
from rnaformer_cli.structure.ct import split_title
from rnaformer_cli.structure.structure import StructureRecord, check_size, to_rna

_ENSEMBLE = re.compile(
    r"\S+\s+[\[{].*[\]}]\s*$|\s*(frequency of mfe|minimum free energy|free energy of ensemble)",
    re.IGNORECASE,
)
_ENERGY = re.compile(r"-?\d+\.\d+")  # after the sequence, as in the output of RNAsubopt
_NumberedLine = tuple[int, str]  # 1-based line, text


def format_dbn(record: StructureRecord, note: str = "") -> str:
    """Format three lines: `>id` with the note, sequence, structure.

    Raises:
        StructureError: a base with several partners, or too many levels of crossing pairs.
    """
    header = f"{record.id} {note}" if note else record.id
    return f">{header}\n{record.sequence}\n{format_dot_bracket(record.structure)}\n"


def read_dbn(lines: Iterable[str]) -> Iterator[StructureRecord]:
    """Yield the records of a dot-bracket file in order.

    Raises:
        StructureError: a record without a structure or with several, a sequence and a structure of
            different lengths, or unbalanced brackets.
    """
    for number, (header, body) in enumerate(_split_records(lines), start=1):
        name, description = split_title(header[1])
        name = name or f"sequence_{number}"
        if len(body) < 2:
            message = "expected a sequence line and a structure line below this header"
            raise StructureError(message, line=header[0], record=name)
        yield _record(name, description, body)


def _record(name: str, description: str, body: list[_NumberedLine]) -> StructureRecord:
    first = _first_structure_line(body)
    sequence = to_rna("".join(_letters(text) for _, text in body[:first]))
    dot_bracket = [text.split()[0] for _, text in body[first:]]
    try:
        if len(dot_bracket) > 1 and all(len(line) == len(sequence) for line in dot_bracket):
            raise StructureError(
                f"expected one structure of this sequence, found {len(dot_bracket)}"
            )
        return StructureRecord(name, sequence, parse_dot_bracket("".join(dot_bracket)), description)
    except StructureError as error:
        raise StructureError(error.message, line=body[first][0], record=name) from None


def _letters(text: str) -> str:
    """A sequence line without white space and without energies at its end."""
    words = text.split()
    while len(words) > 1 and _ENERGY.fullmatch(words[-1]):
        words.pop()
    return "".join(words)


def _first_structure_line(body: list[_NumberedLine]) -> int:
    """The index of the first line after the (wrapped) sequence; the middle if all are letters."""
    for index, (_, text) in enumerate(body[1:], start=1):
        if not text.split()[0].isalpha():
            return index
    return len(body) // 2


def _split_records(lines: Iterable[str]) -> Iterator[tuple[_NumberedLine, list[_NumberedLine]]]:
    """Yield the header and the body lines of each record; the header is empty if there is none."""
    header: _NumberedLine | None = None
    body: list[_NumberedLine] = []
    n_letters = 0  # of the body
    for number, line in enumerate(lines, start=1):
        name = _header(line)
        if name is not None:
            if header is not None or body:
                yield header or (body[0][0], ""), body
            header, body, n_letters = (number, name), [], 0
        elif line.strip() and not line.startswith("#") and not _ENSEMBLE.match(line):
            if header is None and len(body) == 2:
                yield (body[0][0], ""), body
                body, n_letters = [], 0
            body.append((number, line.strip()))
            n_letters += len(body[-1][1])
            # The body has a sequence, a structure and energies, which may be longer than the RNA.
            check_size(n_letters // 4, line=number)
    if header is not None or body:
        yield header or (body[0][0], ""), body


def _header(line: str) -> str | None:
    if line.startswith(">"):
        return line[1:]
    if line.startswith("#Name:"):
        return line.removeprefix("#Name:")
    return None
