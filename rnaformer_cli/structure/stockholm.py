"""Stockholm alignments: the structure of each member, or the consensus projected onto it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import StringIO

from Bio import AlignIO
from Bio.Align import MultipleSeqAlignment

from rnaformer_cli.errors import StructureError
from rnaformer_cli.limits import MAX_ALIGNMENT
from rnaformer_cli.structure.brackets import parse_dot_bracket
from rnaformer_cli.structure.structure import Structure, StructureRecord, to_rna

_GAPS = "-.~_"


def read_stockholm(lines: Iterable[str]) -> Iterator[StructureRecord]:
    """Yield one record per member; gaps are removed, and pairs with a gap are dropped.

    Raises:
        StructureError: text that is not a Stockholm alignment, or a member without a structure.
    """
    text = StringIO("".join(_within_limit(line for line in lines if _is_needed(line))))
    try:
        alignments: list[MultipleSeqAlignment] = list(AlignIO.parse(text, "stockholm"))
    except (ValueError, TypeError, AssertionError) as error:
        reason = " ".join(str(error).split()) or "a part of it is out of place"
        raise StructureError(f"not a Stockholm alignment: {reason}") from None
    for alignment in alignments:
        consensus = alignment.column_annotations.get("secondary_structure")
        for member in alignment:
            dot_bracket = member.letter_annotations.get("secondary_structure") or consensus
            if dot_bracket is None:
                message = "no structure: the alignment has no SS_cons, and this sequence no SS"
                raise StructureError(message, record=member.id)
            yield _project(member.id, str(member.seq), dot_bracket, member.description)


def _within_limit(lines: Iterable[str]) -> Iterator[str]:
    n_letters = 0
    for line in lines:
        expanded = f"{line.expandtabs()}\n"
        n_letters += len(expanded)
        if n_letters > MAX_ALIGNMENT:
            raise StructureError(f"more than {MAX_ALIGNMENT:,} letters (the limit)")
        yield expanded


def _is_needed(line: str) -> bool:
    """Whether a line is neither blank nor a #=GF line, which Biopython rejects without text."""
    return bool(line.strip()) and not line.startswith("#=GF")


def _project(name: str, row: str, dot_bracket: str, description: str) -> StructureRecord:
    try:
        aligned = parse_dot_bracket(dot_bracket)
    except StructureError as error:
        message = error.message.replace("base", "column")
        raise StructureError(message, record=name) from None
    columns = [column for column, letter in enumerate(row) if letter not in _GAPS]
    position = {column: base for base, column in enumerate(columns)}
    pairs = frozenset(
        (position[left], position[right])
        for left, right in aligned.pairs
        if left in position and right in position
    )
    sequence = to_rna("".join(row[column] for column in columns))
    about = "" if description == name else " ".join(description.split())
    return StructureRecord(name, sequence, Structure(len(sequence), pairs), about)
