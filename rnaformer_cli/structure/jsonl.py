"""JSON Lines: one object a record; the only format here that holds everything."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from rnaformer_cli.errors import StructureError, shown
from rnaformer_cli.json_text import parse_json
from rnaformer_cli.structure.brackets import format_dot_bracket, parse_dot_bracket
from rnaformer_cli.structure.structure import BasePair, Structure, StructureRecord, to_rna

SCHEMA_VERSION = 1

EXPECTED_OBJECT = "a JSON object with id, sequence, and pairs or structure"
EXPECTED_PREDICTION = "a prediction as `rnaformer predict -f jsonl` writes it"

Read = TypeVar("Read")
Kind = TypeVar("Kind")
_KINDS: Mapping[type, str] = {str: "text", int: "a whole number", list: "a list"}


@dataclass(frozen=True, slots=True)
class PredictionSettings:
    """How a prediction was made."""

    model: str
    cycles: int  # passes made
    threshold: float
    decoding: str


@dataclass(frozen=True, slots=True)
class FamilySpan:
    """A part of an RNA that is of a family, from the first to the last base, 1-based."""

    family: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class PredictedRecord:
    """A predicted structure with the scores behind it, as a file of predictions holds it."""

    structure_record: StructureRecord
    pair_scores: Mapping[BasePair, float]  # of the pairs of the structure
    confidence: float  # the F1 to expect if the scores are probabilities
    settings: PredictionSettings
    warnings: tuple[str, ...] = ()
    families: tuple[FamilySpan, ...] = ()  # that were recognised


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
        dot_bracket = format_dot_bracket(record.structure)
    except StructureError:
        dot_bracket = None
    values = {
        "schema_version": SCHEMA_VERSION,
        "id": record.id,
        "description": record.description,
        "length": len(record.sequence),
        "sequence": record.sequence,
        "structure": dot_bracket,
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
    return _read_objects(lines, _record, EXPECTED_OBJECT)


def read_predictions(lines: Iterable[str]) -> Iterator[PredictedRecord]:
    """Yield the prediction of each line, with its scores and how it was made.

    Raises:
        StructureError: a line that is no such object, or whose values do not fit each other.
    """
    return _read_objects(lines, _prediction, EXPECTED_PREDICTION)


def _read_objects(
    lines: Iterable[str], convert: Callable[[str, Mapping[str, Any]], Read], expected: str
) -> Iterator[Read]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        name = None
        try:
            values = parse_json(line)
            name = _to_one_word(str(values["id"]), number)
            yield convert(name, values)
        except StructureError as error:
            raise StructureError(error.message, line=number, record=name) from None
        except KeyError as error:
            message = f"no field {error.args[0]!r}"
            raise StructureError(message, line=number, record=name) from None
        except (ValueError, TypeError, AttributeError, IndexError):
            raise StructureError(f"expected {expected}", line=number, record=name) from None


def _to_one_word(name: str, number: int) -> str:
    """An id that other formats can hold too: white space would end it, or begin a record."""
    return "_".join(name.split()) or f"sequence_{number}"


def _structure(values: Mapping[str, Any], length: int) -> Structure:
    """The pairs of an object; what it says twice has to agree."""
    if values.get("length", length) != length:
        raise StructureError(
            f"length is {shown(values['length'])}, the sequence has {length} bases"
        )
    dot_bracket = values.get("structure")
    if values.get("pairs") is None:
        return parse_dot_bracket(values["structure"])
    pairs = set()
    if not isinstance(values["pairs"], list):  # an empty object or text is no list of no pairs
        raise TypeError
    for row in values["pairs"]:
        left, right = row[0], row[1]
        if type(left) is not int or type(right) is not int:  # true is no base
            raise TypeError
        pairs.add((min(left, right) - 1, max(left, right) - 1))
    found = Structure(length, frozenset(pairs))
    if dot_bracket is not None and parse_dot_bracket(dot_bracket) != found:
        raise StructureError("structure and pairs are not the same")
    return found


def _record(name: str, values: Mapping[str, Any]) -> StructureRecord:
    version = values.get("schema_version", SCHEMA_VERSION)
    if version != SCHEMA_VERSION or type(version) is not int:
        raise StructureError(f"schema_version is {shown(version)}; expected {SCHEMA_VERSION}")
    sequence = to_rna(values["sequence"])
    structure = _structure(values, len(sequence))
    return StructureRecord(name, sequence, structure, str(values.get("description") or ""))


def _prediction(name: str, values: Mapping[str, Any]) -> PredictedRecord:
    record = _record(name, values)
    confidence = _fraction(values, "confidence")
    settings = PredictionSettings(
        _check_type(values, "model", str),
        _check_type(values, "cycles", int),
        _fraction(values, "threshold"),
        _check_type(values, "decoding", str),
    )
    scores = {}
    for row in values["pairs"]:
        left, right, _ = row
        scores[min(left, right) - 1, max(left, right) - 1] = _fraction(row, 2)
    warnings = tuple(str(text) for text in _check_type(values, "warnings", list))
    families = tuple(
        FamilySpan(
            _check_type(part, "family", str),
            _check_type(part, "first", int),
            _check_type(part, "last", int),
        )
        for part in values.get("families", ())
    )
    return PredictedRecord(record, scores, confidence, settings, warnings, families)


def _fraction(values: Any, key: str | int) -> float:
    """A number from 0 to 1 of an object or a row."""
    value = values[key]
    if type(value) not in (int, float) or not 0 <= value <= 1:  # true is no number, nor is NaN
        what = key if isinstance(key, str) else "the score of a pair"
        raise StructureError(f"{what} is {shown(value)}; expected a number from 0 to 1")
    return float(value)


def _check_type(values: Mapping[str, Any], key: str, kind: type[Kind]) -> Kind:
    value = values[key]
    if type(value) is not kind:
        raise StructureError(f"{key} is {shown(value)}; expected {_KINDS[kind]}")
    return value
