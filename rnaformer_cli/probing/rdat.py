"""RDAT 0.2 and 0.3: constructs with rows of reactivities, as in the RNA Mapping Database."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from rnaformer_cli.errors import ProbingError, shorten_repr
from rnaformer_cli.limits import MAX_REACTIVITIES
from rnaformer_cli.probing.profile import (
    ProbingProfile,
    ProfileBuilder,
    count_values,
    one_word,
    parse_letters,
    parse_value,
    with_location,
)
from rnaformer_cli.sequence.encode import ALPHABET, UNKNOWN

VERSION = re.compile(r"(?:RDAT_)?VERSION\b:?\s*(\S*)")
_VERSIONS = re.compile(r"0\.[23]\d*")
_SEPARATOR = re.compile(r"[\s,]+")
_SEQPOS = re.compile(r"([A-Za-z]?)(-?\d{1,9})", re.ASCII)
_INTEGER = re.compile(r"-?\d{1,9}", re.ASCII)
_UNMODIFIED = {"none", "nomod", "no modification", "untreated"}  # controls
_UNAMBIGUOUS = frozenset(ALPHABET) - {UNKNOWN}
_DATA_KEYS = ("REACTIVITY", "AREA_PEAK")
_ANNOTATION_KEYS = ("ANNOTATION_DATA", "DATA_ANNOTATION")
_WILD_TYPE = {"wt", ""}


@dataclass(slots=True)
class _Row:
    """A row of data and its annotations."""

    text: str = ""
    line: int = 0
    sequence: str | None = None  # in libraries, where it differs from the construct's
    annotations: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Construct:
    """A construct, the section of a file that begins with NAME, as read so far."""

    name: str = ""
    sequence: str | None = None
    offset: int | None = None
    seqpos: list[tuple[str, int]] = field(default_factory=list)
    seqpos_line: int = 0
    annotations: dict[str, str] = field(default_factory=dict)
    rows: dict[int, _Row] = field(default_factory=dict)

    def row(self, number: int) -> _Row:
        """The row of that number."""
        return self.rows.setdefault(number, _Row())


def read_rdat(lines: Iterable[str]) -> Iterator[ProbingProfile | ProbingError]:
    """Yield the profile of each row of data, or an error.

    The id is the construct's name, with `_` for white space. The id of a row with its own
    sequence is its annotation `name`, or `NAME:row`. Rows of unmodified RNA and of mutants are
    ignored.

    Raises:
        ProbingError: an unsupported version, or an invalid or inconsistent construct.
    """
    general: dict[str, str] = {}  # annotations of the file
    construct: _Construct | None = None
    n_values = 0
    for number, line in enumerate(lines, start=1):
        key, index, rest = _split(line)
        if key in ("RDAT_VERSION", "VERSION"):
            _check_version(line, number)
        elif key == "NAME":
            yield from _profiles(construct)
            construct = _Construct(one_word(rest), annotations=dict(general))
        elif construct is None:
            general.update(_annotations(rest) if key == "ANNOTATION" else {})
        else:
            added = len(_SEPARATOR.findall(rest)) + 1 if key in _DATA_KEYS else 0
            n_values = count_values(n_values, added, MAX_REACTIVITIES, number)
            _store_line(construct, key, index, rest, number)
    yield from _profiles(construct)
    if not n_values:
        raise ProbingError("no REACTIVITY below a NAME; expected an RDAT file with data")


def _split(line: str) -> tuple[str, int | None, str]:
    """The keyword, the row number (None without one) and the rest of a line."""
    head, _, rest = line.strip().replace("\t", " \t").partition(" ")
    key, _, index = head.partition(":")
    rest = rest.strip()
    if key in (*_DATA_KEYS, *_ANNOTATION_KEYS) and not index:
        index, _, rest = rest.replace("\t", " \t").partition(" ")
    return key, int(index) if _INTEGER.fullmatch(index) else None, rest.strip()


def _check_version(line: str, number: int) -> None:
    found = VERSION.match(line.strip())
    version = found[1] if found else ""
    if not _VERSIONS.fullmatch(version):
        raise ProbingError(
            f"RDAT version {shorten_repr(version)}; expected 0.2 or 0.3", line=number
        )


def _store_line(construct: _Construct, key: str, index: int | None, rest: str, line: int) -> None:
    """Store a line of a construct; lines with other keywords are ignored.

    Raises:
        ProbingError: a line that cannot be read, or a duplicate row.
    """
    is_duplicate = _is_stored(construct, key, index)
    try:
        if key in _DATA_KEYS or key in _ANNOTATION_KEYS:
            if index is None:
                raise ProbingError(f"{key} without a row number")
            _store_row(construct.row(index), key, rest, line)
        elif key == "SEQUENCE":
            _store_sequence(construct, index, parse_letters(rest))
        elif key == "OFFSET":
            construct.offset = _offset(rest)
        elif key == "SEQPOS":
            construct.seqpos, construct.seqpos_line = _seqpos(rest), line
        elif key == "ANNOTATION":
            construct.annotations.update(_annotations(rest))
        _check_no_duplicate(is_duplicate, key)
    except ProbingError as error:
        raise with_location(error, line, None) from None


def _is_stored(construct: _Construct, key: str, index: int | None) -> bool:
    """Whether a keyword that may occur once per construct or row was read before."""
    if key == "SEQUENCE":
        owner = construct if index is None else construct.row(index)
        return owner.sequence is not None
    return {"OFFSET": construct.offset is not None, "SEQPOS": bool(construct.seqpos)}.get(
        key, False
    )


def _check_no_duplicate(is_duplicate: bool, key: str) -> None:
    if is_duplicate:
        raise ProbingError(f"duplicate {key} in a construct or row")


def _store_sequence(construct: _Construct, index: int | None, letters: str) -> None:
    """Store the sequence of the construct or of one row."""
    if index is None:
        construct.sequence = letters
    else:
        construct.row(index).sequence = letters


def _store_row(row: _Row, key: str, rest: str, line: int) -> None:
    """Store the values or the annotations of a row."""
    if key in _ANNOTATION_KEYS:
        row.annotations.update(_annotations(rest))
        return
    if row.line:
        raise ProbingError(f"duplicate row; the first is on line {row.line}")
    row.text, row.line = rest, line


def _offset(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise ProbingError(f"OFFSET is {shorten_repr(text)}; expected a whole number")
    return int(text)


def _seqpos(text: str) -> list[tuple[str, int]]:
    """The letter ("" without one) and the position, offset included, of each entry."""
    found = []
    for entry in filter(None, _SEPARATOR.split(text)):
        match = _SEQPOS.fullmatch(entry)
        if match is None:
            raise ProbingError(
                f"{shorten_repr(entry)} in SEQPOS is not a position such as 12 or G12"
            )
        found.append((match[1], int(match[2])))
    return found


def _annotations(text: str) -> dict[str, str]:
    """Values by lower-case key; entries are separated by tabs if there are any, else by spaces."""
    entries = text.split("\t") if "\t" in text else text.split()
    pairs = [entry.strip().partition(":") for entry in entries]
    return {key.strip().lower(): value.strip() for key, colon, value in pairs if colon}


def _profiles(construct: _Construct | None) -> Iterator[ProbingProfile | ProbingError]:
    """The profiles of all rows with data, except those of mutants and unmodified RNA."""
    if construct is None:
        return
    positions = [number - (construct.offset or 0) for _, number in construct.seqpos]
    _check_seqpos(construct, positions)
    for number, row in sorted(construct.rows.items()):
        about: Mapping[str, str] = {**construct.annotations, **row.annotations}
        reagent = about.get("modifier")
        is_control = reagent is not None and reagent.lower() in _UNMODIFIED
        is_mutant = about.get("mutation", "").lower() not in _WILD_TYPE
        if not row.line or is_control or is_mutant:
            continue
        own = row.sequence or row.annotations.get("sequence")
        name = construct.name
        if own:
            name = one_word(about.get("name", "")) or f"{name}:{number}"
        try:
            sequence = parse_letters(own) if own else construct.sequence
            yield _profile(name, row, positions, sequence, reagent)
        except ProbingError as error:
            yield with_location(error, row.line, name)


def _check_seqpos(construct: _Construct, positions: list[int]) -> None:
    """Check that the positions are in the sequence, and that their letters agree with it.

    Raises:
        ProbingError: the first position that does not fit, or a construct without a name.
    """
    line, name = construct.seqpos_line or None, construct.name
    if not name:
        raise ProbingError("a construct without a name")
    sequence, offset = construct.sequence, construct.offset or 0
    for (letter, number), position in zip(construct.seqpos, positions, strict=True):
        entry = f"{letter}{number} in SEQPOS"
        if position < 1 or (sequence is not None and position > len(sequence)):
            message = f"{entry} is not a position of the sequence (offset {offset})"
            raise ProbingError(message, line=line, record=name)
        base = sequence[position - 1] if sequence is not None else UNKNOWN
        if _is_mismatch(letter.upper().replace("T", "U"), base):
            message = f"{entry} is {base!r} in the sequence (offset {offset})"
            raise ProbingError(message, line=line, record=name)


def _is_mismatch(letter: str, base: str) -> bool:
    return letter in _UNAMBIGUOUS and base in _UNAMBIGUOUS and letter != base


def _profile(
    name: str, row: _Row, positions: list[int], sequence: str | None, reagent: str | None
) -> ProbingProfile:
    values = [text for text in _SEPARATOR.split(row.text) if text]
    if len(values) != len(positions):
        raise ProbingError(f"{len(values)} values for {len(positions)} positions of SEQPOS")
    builder = ProfileBuilder(name)
    for position, text in zip(positions, values, strict=True):
        value = parse_value(text, position)
        if sequence is None or position <= len(sequence):  # rows of a library are padded
            builder.add(position, value, row.line)
    return builder.build(sequence, None, reagent)
