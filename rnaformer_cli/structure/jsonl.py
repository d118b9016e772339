"""JSON Lines: one object a record; the only format here that holds everything."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rnaformer_cli.errors import StructureError
from rnaformer_cli.structure.brackets import format_dot_bracket, parse_dot_bracket
from rnaformer_cli.structure.structure import BasePair, Structure, StructureRecord, as_rna

SCHEMA_VERSION = 1


def format_json(
    record: StructureRecord,
    scores: Mapping[BasePair, float] | None = None,
    details: Mapping[str, Any] | None = None,
) -> str:
    """One line. Pairs are `[i, j]` or `[i, j, score]`, 1-based.

    `structure` is null where dot-bracket cannot hold it; `multiplets` lists the bases with
    several partners.
    """
    pairs: list[list[float]] = []
    for left, right in record.structure.sorted_pairs:
        score = [] if scores is None else [round(scores[left, right], 4)]
        pairs.append([left + 1, right + 1, *score])
    try:
        signs = format_dot_bracket(record.structure)
    except StructureError:
        signs = None
    values = {
        "schema_version": SCHEMA_VERSION,
        "id": record.id,
        "description": record.description,
        "length": len(record.sequence),
        "sequence": record.sequence,
        "structure": signs,
        "pairs": pairs,
        "multiplets": [base + 1 for base in record.structure.multiplets()],
        **(details or {}),
    }
    return json.dumps(values, ensure_ascii=False) + "\n"


def read_json(lines: Iterable[str]) -> Iterator[StructureRecord]:
    """Yield the record of each line; `pairs` if given, else `structure`.

    Raises:
        StructureError: a line that is no such object, or whose values do not fit each other.
    """
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        name = None
        try:
            values = json.loads(line)
            name = _one_word(str(values["id"]), number)
            sequence = as_rna(values["sequence"])
            structure = _structure(values, len(sequence))
            yield StructureRecord(name, sequence, structure, str(values.get("description") or ""))
        except StructureError as error:
            raise StructureError(error.message, line=number, record=name) from None
        except KeyError as error:
            message = f"no field {error.args[0]!r}"
            raise StructureError(message, line=number, record=name) from None
        except (ValueError, TypeError, AttributeError, IndexError, RecursionError):
            message = "expected a JSON object with id, sequence, and pairs or structure"
            raise StructureError(message, line=number, record=name) from None


def _one_word(name: str, number: int) -> str:
    """An id that other formats can hold too: white space would end it, or begin a record."""
    return "_".join(name.split()) or f"sequence_{number}"


def _structure(values: Mapping[str, Any], length: int) -> Structure:
    if values.get("pairs") is None:
        return parse_dot_bracket(values["structure"])
    pairs = set()
    for row in values["pairs"]:
        left, right = row[0], row[1]
        if type(left) is not int or type(right) is not int:  # true is no base
            raise TypeError
        pairs.add((min(left, right) - 1, max(left, right) - 1))
    return Structure(length, frozenset(pairs))
