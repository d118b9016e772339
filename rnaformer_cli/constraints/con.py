"""The constraint files of RNAstructure (`.CON`): sections of positions, each ended by -1."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from rnaformer_cli.constraints.entry import Bases, ConstraintEntry, UnresolvedConstraints
from rnaformer_cli.errors import ConstraintError, shorten_repr
from rnaformer_cli.limits import MAX_BASES, MAX_CONSTRAINTS

SECTIONS = {  # name of the section -> positions per line
    "DS": 1,
    "SS": 1,
    "Mod": 1,
    "Pairs": 2,
    "FMN": 1,
    "Forbids": 2,
}
_HEADER = re.compile(r"\s*([A-Za-z]\w*)\s*:\s*$", re.ASCII)
_POSITION = re.compile(r"0{0,20}\d{1,9}", re.ASCII)
_BY_NAME = {name.casefold(): name for name in SECTIONS}
_EXPECTED = "expected " + ", ".join(f"{name}:" for name in SECTIONS)


def is_section(line: str) -> bool:
    """Whether a line is the header of a section, known or not."""
    return _HEADER.match(line) is not None


def read_con(lines: Iterable[str]) -> Iterator[ConstraintEntry]:
    """Yield the only entry of a file; blank lines are skipped.

    Raises:
        ConstraintError: an unknown section, a section that occurs twice or has no end, an
            invalid position, or bases in the section `Mod:`.
    """
    found: dict[str, dict[Bases, int]] = {}  # section -> bases -> line
    section, begin, first, n_entries = "", 0, 0, 0
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        first = first or number
        if not section:
            section, begin = _section(line, number, found), number
            found[section] = {}
            continue
        if line.split() == ["-1"] * SECTIONS[section]:
            section = ""
            continue
        n_entries += 1
        if n_entries > MAX_CONSTRAINTS:
            message = f"more than {MAX_CONSTRAINTS:,} constraints (the limit)"
            raise ConstraintError(message, line=number)
        found[section].setdefault(_bases(line, section, number), number)
    if section:
        end = " ".join(["-1"] * SECTIONS[section])
        message = f"the section '{section}:' has no end; expected a line {end!r}"
        raise ConstraintError(message, line=begin)
    columns = (found.get(name, {}) for name in ("Pairs", "Forbids", "SS", "DS", "FMN"))
    yield ConstraintEntry(None, UnresolvedConstraints(*columns), first)


def _section(line: str, number: int, found: dict[str, dict[Bases, int]]) -> str:
    match = _HEADER.match(line)
    name = _BY_NAME.get(match[1].casefold()) if match else None
    if name is None:
        message = f"{shorten_repr(line.strip())} is not a section; {_EXPECTED}"
        raise ConstraintError(message, line=number)
    if name in found:
        raise ConstraintError(f"the section '{name}:' occurs twice", line=number)
    return name


def _bases(line: str, section: str, number: int) -> Bases:
    """The base or the two bases of a line, 0-based and in order."""
    if section == "Mod":
        message = "modified bases (Mod:) are not supported; use SS:, or --reactivities"
        raise ConstraintError(message, line=number)
    words = line.split()
    if len(words) != SECTIONS[section]:
        count = "one position" if SECTIONS[section] == 1 else "two positions"
        message = f"{shorten_repr(line.strip())} in '{section}:'; expected {count} or -1"
        raise ConstraintError(message, line=number)
    bases = tuple(sorted(_position(word, number) - 1 for word in words))
    if len(set(bases)) < len(bases):
        raise ConstraintError(f"base {bases[0] + 1} cannot pair with itself", line=number)
    return bases


def _position(word: str, number: int) -> int:
    position = int(word) if _POSITION.fullmatch(word) else 0
    if not 1 <= position <= MAX_BASES:
        message = f"{shorten_repr(word)} is not a position; expected a whole number above 0"
        raise ConstraintError(message, line=number)
    return position
