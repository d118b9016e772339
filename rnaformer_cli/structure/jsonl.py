"""JSON Lines: one object per record; the only format with multiplets, scores and settings."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from rnaformer_cli.errors import StructureError, shorten_repr
from rnaformer_cli.json_text import RepeatedKeyError, parse_json, text_id
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
    """The settings of a prediction."""

    model: str
    cycles: int  # recycling passes
    threshold: float
    decoding: str


@dataclass(frozen=True, slots=True)
class FamilySpan:
    """A region of an RNA that matches a family: its first and last base, 1-based."""

    family: str
    first: int
    last: int
    name: str | None = None  # its Rfam name, such as `tRNA` of the family RF00005

    @property
    def label(self) -> str:
        """The name and the accession, or the only one of them."""
        return self.family if self.name is None else f"{self.name} ({self.family})"


@dataclass(frozen=True, slots=True)
class DataAgreement:
    """The agreement of a prediction with its chemical probing data."""

    reagent: str | None
    used: int  # bases
    auc: float | None  # of the reactivities of unpaired against paired bases
    spearman: float | None  # correlation of reactivity and probability of being unpaired
    # The reactivity of each base from 0 to 1, None without one; empty if the file has none.
    relative: tuple[float | None, ...] = ()


@dataclass(frozen=True, slots=True)
class PredictedRecord:
    """A predicted structure with its probabilities and settings, as read from a file."""

    structure_record: StructureRecord
    pair_scores: Mapping[BasePair, float]  # base-pair probabilities of the structure's pairs
    confidence: float  # expected F1
    settings: PredictionSettings
    warnings: tuple[str, ...] = ()
    families: tuple[FamilySpan, ...] = ()  # family matches
    agreement: DataAgreement | None = None  # None without probing data


def format_json(
    record: StructureRecord,
    scores: Mapping[BasePair, float] | None = None,
    details: Mapping[str, Any] | None = None,
) -> str:
    """Format one line. Pairs are `[i, j]` or `[i, j, score]`, 1-based.

    `structure` is null if dot-bracket cannot hold it; `multiplets` lists the bases with several
    partners.
    """
    pairs: list[list[float]] = []
    for left, right in record.structure.sorted_pairs:
        score = [] if scores is None else [round(scores[left, right], 4)]
        pairs.append([left + 1, right + 1, *score])
    values = {
        "schema_version": SCHEMA_VERSION,
        "id": record.id,
        "description": record.description,
        "length": len(record.sequence),
        "sequence": record.sequence,
        "structure": dot_bracket_or_none(record.structure),
        "pairs": pairs,
        "multiplets": [base + 1 for base in record.structure.multiplets()],
        **(details or {}),
    }
    return json.dumps(values, ensure_ascii=False) + "\n"


def dot_bracket_or_none(structure: Structure) -> str | None:
    """The structure in dot-bracket notation; None if that cannot hold the structure."""
    try:
        return format_dot_bracket(structure)
    except StructureError:
        return None


def read_json(lines: Iterable[str]) -> Iterator[StructureRecord]:
    """Yield the record of each line, with the pairs of `pairs` if given, else of `structure`.

    Raises:
        StructureError: a line that is not such an object, or has inconsistent values.
    """
    return _read_objects(lines, _record, EXPECTED_OBJECT)


def read_predictions(lines: Iterable[str]) -> Iterator[PredictedRecord]:
    """Yield the prediction of each line, with its probabilities and settings.

    Raises:
        StructureError: a line that is not such an object, or has inconsistent values.
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
            name = one_word(text_id(values["id"]), number)
            yield convert(name, values)
        except StructureError as error:
            raise StructureError(error.message, line=number, record=name) from None
        except KeyError as error:
            message = f"no field {error.args[0]!r}"
            raise StructureError(message, line=number, record=name) from None
        except RepeatedKeyError as error:
            raise StructureError(str(error), line=number) from None
        except (ValueError, TypeError, AttributeError, IndexError):
            raise StructureError(f"expected {expected}", line=number, record=name) from None


def one_word(name: str, number: int) -> str:
    """The id without white space, which would end the id or start a record in other formats."""
    return "_".join(name.split()) or f"sequence_{number}"


def _structure(values: Mapping[str, Any], length: int) -> Structure:
    """The structure of an object, whose `length`, `structure` and `pairs` must be consistent."""
    if values.get("length", length) != length:
        raise StructureError(
            f"length is {shorten_repr(values['length'])}, but the sequence has {length} bases"
        )
    dot_bracket = values.get("structure")
    if values.get("pairs") is None:
        return parse_dot_bracket(values["structure"])
    pairs = set()
    if not isinstance(values["pairs"], list):  # {} and "" are not an empty list of pairs
        raise TypeError
    for row in values["pairs"]:
        left, right = row[0], row[1]
        if type(left) is not int or type(right) is not int:  # True is an int, but not a base
            raise TypeError
        pairs.add((min(left, right) - 1, max(left, right) - 1))
    structure = Structure(length, frozenset(pairs))
    if dot_bracket is not None and parse_dot_bracket(dot_bracket) != structure:
        raise StructureError("structure and pairs differ")
    return structure


def _record(name: str, values: Mapping[str, Any]) -> StructureRecord:
    version = values.get("schema_version", SCHEMA_VERSION)
    if version != SCHEMA_VERSION or type(version) is not int:
        raise StructureError(
            f"schema_version is {shorten_repr(version)}; expected {SCHEMA_VERSION}"
        )
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
        pair = min(left, right) - 1, max(left, right) - 1
        if pair in scores:
            raise StructureError(f"the pair [{left}, {right}] is listed twice")
        scores[pair] = _fraction(row, 2)
    warnings = tuple(str(text) for text in _check_type(values, "warnings", list))
    spans = values.get("families", [])
    if not isinstance(spans, list):
        raise TypeError
    families = tuple(_family_span(span, len(record.sequence)) for span in spans)
    agreement = _agreement(values.get("reactivities"), len(record.sequence))
    return PredictedRecord(record, scores, confidence, settings, warnings, families, agreement)


def _agreement(values: Any, length: int) -> DataAgreement | None:
    """The agreement in a JSON object; only `reagent` and `used` are in all files."""
    if values is None:
        return None
    reagent = None if values.get("reagent") is None else _check_type(values, "reagent", str)
    auc = None if values.get("auc") is None else _fraction(values, "auc")
    spearman = None if values.get("spearman") is None else _fraction(values, "spearman", -1.0)
    used, relative = _check_type(values, "used", int), values.get("relative", [])
    if not isinstance(relative, list) or len(relative) not in (0, length):
        raise StructureError(f"relative is not a list of {length} reactivities")
    what = "a relative reactivity"
    found = [None if value is None else _fraction({what: value}, what) for value in relative]
    return DataAgreement(reagent, used, auc, spearman, tuple(found))


def _family_span(values: Any, length: int) -> FamilySpan:
    """A family match, which must lie within the RNA."""
    family = _check_type(values, "family", str)
    first, last = _check_type(values, "first", int), _check_type(values, "last", int)
    if not 1 <= first <= last <= length:
        raise StructureError(
            f"a family from base {shorten_repr(first)} to {shorten_repr(last)} of {length} bases"
        )
    name = None if values.get("name") is None else _check_type(values, "name", str)
    return FamilySpan(family, first, last, name)


def _fraction(values: Any, key: str | int, lowest: float = 0.0) -> float:
    """A number from `lowest` to 1 in an object or a row."""
    value = values[key]
    if type(value) not in (int, float) or not lowest <= value <= 1:  # neither True nor NaN
        what = key if isinstance(key, str) else "the score of a pair"
        expected = f"expected a number from {lowest:g} to 1"
        raise StructureError(f"{what} is {shorten_repr(value)}; {expected}")
    return float(value)


def _check_type(values: Mapping[str, Any], key: str, kind: type[Kind]) -> Kind:
    value = values[key]
    if type(value) is not kind:
        raise StructureError(f"{key} is {shorten_repr(value)}; expected {_KINDS[kind]}")
    return value
