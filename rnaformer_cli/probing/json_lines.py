"""JSON Lines of reactivities: one object per RNA, with one value per base."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rnaformer_cli.errors import ProbingError, shorten_repr
from rnaformer_cli.json_text import RepeatedKeyError, parse_json, text_id
from rnaformer_cli.limits import MAX_BASES, MAX_REACTIVITIES
from rnaformer_cli.probing.profile import (
    ProbingProfile,
    ProfileBuilder,
    check_value,
    count_values,
    one_word,
    parse_letters,
    with_location,
)

EXPECTED = "a JSON object with id and reactivity"


def read_json_lines(lines: Iterable[str]) -> Iterator[ProbingProfile | ProbingError]:
    """Yield the profile of each line, or an error.

    Required fields are `id` and `reactivity` (null is a missing value). `sequence` or `seq`, and
    `modifier`, are optional. Other fields are ignored.

    Raises:
        ProbingError: a line that is not a JSON object with an id.
    """
    n_values = 0
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        name, fields = _parse_object(line, number)
        try:
            values = _values(fields)
            n_values = count_values(n_values, len(values), MAX_REACTIVITIES, number)
            yield _profile(name, fields, values, number)
        except ProbingError as error:
            if error.location.line is not None:  # the file has too many values: reading ends
                raise
            yield with_location(error, number, name)


def _parse_object(line: str, number: int) -> tuple[str, Mapping[str, Any]]:
    try:
        fields = parse_json(line)
        if not isinstance(fields, dict):
            raise TypeError
        name = one_word(text_id(fields["id"]))
        if not name:
            raise ValueError
    except RepeatedKeyError as error:
        raise ProbingError(str(error), line=number) from None
    except (ValueError, TypeError, KeyError):
        raise ProbingError(f"expected {EXPECTED}", line=number) from None
    return name, fields


def _values(fields: Mapping[str, Any]) -> list[Any]:
    if "reactivity" not in fields:
        raise ProbingError("no field 'reactivity'")
    values = fields["reactivity"]
    if not isinstance(values, list):
        raise ProbingError(
            f"reactivity is {shorten_repr(values)}; expected a list of numbers and nulls"
        )
    if len(values) > MAX_BASES:
        raise ProbingError(f"more than {MAX_BASES:,} values (the limit per record)")
    return values


def _profile(name: str, fields: Mapping[str, Any], values: list[Any], line: int) -> ProbingProfile:
    texts: dict[str, Any] = {key: fields.get(key) for key in ("sequence", "seq", "modifier")}
    for key, text in texts.items():
        if text is not None and not isinstance(text, str):
            raise ProbingError(f"{key} is {shorten_repr(text)}; expected text")
    sequences = {parse_letters(texts[key]) for key in ("sequence", "seq") if texts[key] is not None}
    if len(sequences) > 1:
        raise ProbingError("sequence and seq differ")
    sequence = next(iter(sequences), None)
    if sequence is not None and len(sequence) != len(values):
        raise ProbingError(f"{len(values)} reactivities for {len(sequence)} bases")
    builder = ProfileBuilder(name)
    for position, value in enumerate(values, start=1):
        builder.add(position, _number(value, position), line)
    return builder.build(sequence, len(values), texts["modifier"])


def _number(value: Any, position: int) -> float | None:
    """A reactivity; None for null and for NaN, which Python writes for a missing value."""
    if value is None or value != value:  # noqa: PLR0124  # only NaN is not itself
        return None
    if type(value) not in (int, float):  # bool is a subclass of int
        return check_value(float("nan"), value, position)
    try:
        return check_value(float(value), value, position)
    except OverflowError:
        return check_value(float("inf"), value, position)
