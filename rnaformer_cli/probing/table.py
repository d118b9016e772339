"""TSV of reactivities: one row per id and position."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rnaformer_cli.errors import ProbingError, shorten_repr
from rnaformer_cli.limits import MAX_REACTIVITIES
from rnaformer_cli.probing.profile import (
    ProbingProfile,
    ProfileBuilder,
    count_values,
    one_word,
    parse_letters,
    parse_position,
    parse_value,
    with_location,
)

COLUMNS = ("id", "position", "value")
_BASE = "base"


def read_table(lines: Iterable[str]) -> Iterator[ProbingProfile | ProbingError]:
    """Yield the profile or the first error of each id, in the order of their first rows.

    The first line names the columns: `id`, `position`, `value` and optionally `base`, in any order.
    Other columns are ignored. The rows of an id need not be adjacent.

    Raises:
        ProbingError: a missing or duplicate column, or a row without all columns.
    """
    builders: dict[str, ProfileBuilder | ProbingError] = {}
    indices: dict[str, int] = {}
    n_values = 0
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        fields = [field.strip() for field in line.split("\t")]
        if not indices:
            indices = _header(fields, number)
            continue
        n_values = count_values(n_values, 1, MAX_REACTIVITIES, number)
        if max(indices.values()) >= len(fields):
            raise ProbingError(f"a row without all columns ({', '.join(indices)})", line=number)
        row = {name: fields[index] for name, index in indices.items()}
        _add(builders, row, number)
    for builder in builders.values():
        try:
            yield builder if isinstance(builder, ProbingError) else builder.build()
        except ProbingError as error:
            yield error


def is_header(line: str) -> bool:
    """Whether a line is the header of a reactivity table."""
    return set(COLUMNS) <= {field.strip().lower() for field in line.split("\t")}


def _header(fields: list[str], line: int) -> dict[str, int]:
    """The index of each column by name."""
    names = [field.lower() for field in fields]
    for name in (*COLUMNS, _BASE):
        if names.count(name) > 1:
            raise ProbingError(f"duplicate column {name!r}", line=line)
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise ProbingError(f"no column {missing[0]!r}", line=line)
    return {name: names.index(name) for name in (*COLUMNS, _BASE) if name in names}


def _add(
    builders: dict[str, ProfileBuilder | ProbingError], row: dict[str, str], line: int
) -> None:
    """Add a row to the profile of its id; the first error replaces the profile."""
    name = one_word(row["id"])
    if not name:
        raise ProbingError(f"{shorten_repr(row['id'])} is not an id", line=line)
    builder = builders.setdefault(name, ProfileBuilder(name))
    if isinstance(builder, ProbingError):
        return
    letter = row.get(_BASE, "")
    try:
        if len(letter) > 1:
            raise ProbingError(f"{shorten_repr(letter)} is not a base")
        position = parse_position(row["position"])
        value = parse_value(row["value"], position)
        builder.add(position, value, line, parse_letters(letter))
    except ProbingError as error:
        builders[name] = with_location(error, line, name)
