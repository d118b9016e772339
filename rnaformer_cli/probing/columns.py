"""Columns of position and value, as RNAstructure, ViennaRNA and ShapeMapper write them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rnaformer_cli.errors import ProbingError, shorten_repr
from rnaformer_cli.limits import MAX_REACTIVITIES
from rnaformer_cli.probing.profile import (
    ProbingProfile,
    ProfileBuilder,
    count_values,
    parse_letters,
    parse_position,
    parse_value,
    with_location,
)

_EXPECTED = "position and value, position, base and value, or the four columns of .map"


def read_columns(lines: Iterable[str]) -> Iterator[ProbingProfile]:
    """Yield the only profile of a file; blank lines and comment lines (`#`) are skipped.

    Two columns are position and value; a third is the base, before the value as in ViennaRNA or
    after it. Four are position, value, standard error and base.

    Raises:
        ProbingError: a line that is none of these, or a position with two values.
    """
    builder = ProfileBuilder()
    n_values = 0
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        n_values = count_values(n_values, 1, MAX_REACTIVITIES, number)
        try:
            position, value, letter = _row(line.split(maxsplit=4))
        except ProbingError as error:
            raise with_location(error, number, None) from None
        builder.add(position, value, number, letter)
    yield builder.build()


def _row(fields: list[str]) -> tuple[int, float | None, str]:
    """The position, the value and the base ("" without one) of a row."""
    position = parse_position(fields[0])
    if len(fields) == 2:
        if _is_base(fields[1]):  # ViennaRNA: a base without a value
            return position, None, parse_letters(fields[1])
        return position, parse_value(fields[1], position), ""
    if len(fields) == 3:
        text, letter = fields[1:] if _is_base(fields[2]) else reversed(fields[1:])
    elif len(fields) == 4:
        text, letter = fields[1], fields[3]
    else:
        raise ProbingError(f"expected {_EXPECTED}")
    if not _is_base(letter):
        raise ProbingError(f"{shorten_repr(letter)} is not a base; expected {_EXPECTED}")
    return position, parse_value(text, position), parse_letters(letter)


def _is_base(text: str) -> bool:
    return len(text) == 1 and text.isalpha()
