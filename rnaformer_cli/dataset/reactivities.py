"""Reactivity profiles: JSON Lines of RNAs with a chemical probing value for each base."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnaformer_cli.errors import DatasetError, shorten_repr
from rnaformer_cli.files import read_lines
from rnaformer_cli.json_text import RepeatedKeyError, parse_json, text_id
from rnaformer_cli.sequence.encode import ALPHABET
from rnaformer_cli.sequence.reactivities import NO_DATA_BELOW

_BASES = frozenset(ALPHABET)
_T7_START = re.compile("GGA")  # start of transcription by T7 polymerase
_HEAD_BASES = 5  # GGAAA and its variants
_PRIMER = "AAAGAAACAACAACAACAAC"  # primer binding site of the reverse transcription
_PARTNERS = {"A": "U", "C": "G", "G": "CU", "U": "AG"}
_STEMS = range(9, 4, -1)  # base pairs of the barcode hairpin before the primer
_LOOP = 4  # bases in its loop
_GAPS = range(2)  # bases between the hairpin and the primer


@dataclass(frozen=True, slots=True)
class ReactivityProfile:
    """An RNA with its measured reactivities; None for a base without a value.

    Raises:
        DatasetError: a letter other than A C G U N, more or fewer values than bases, a value that
            is not finite, or no value above 0.
    """

    id: str
    sequence: str
    reactivities: tuple[float | None, ...]
    cluster: int | None = None

    def __post_init__(self) -> None:
        wrong = sorted(set(self.sequence) - _BASES)
        if wrong or not self.sequence:
            what = f"{wrong[0]!r} is not one of A C G U N" if wrong else "no sequence"
            raise DatasetError(what, record=self.id)
        values, bases = len(self.reactivities), len(self.sequence)
        if values != bases:
            raise DatasetError(f"{values} reactivities for {bases} bases", record=self.id)
        for position, value in enumerate(self.reactivities, start=1):
            if value is not None and not math.isfinite(value):
                message = f"the reactivity of base {position} is {value}; expected a finite number"
                raise DatasetError(message, record=self.id)
        if not any(value is not None and value > 0.0 for value in self.reactivities):
            raise DatasetError("no reactivity above 0", record=self.id)

    def __len__(self) -> int:
        return len(self.sequence)


def read_reactivities(path: str | Path) -> Iterator[ReactivityProfile]:
    """Yield the profiles of a file in file order.

    Raises:
        InputError: the file cannot be read.
        DatasetError: a line that is not a profile, with file and line.
    """
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        try:
            yield _profile_from_json(line)
        except DatasetError as error:
            record = error.location.record
            raise DatasetError(error.message, path=path, line=number, record=record) from None


def designed_bases(sequence: str) -> range:
    """The bases of a library member between its constant ends.

    The ends are the first five bases, the primer binding site and the barcode hairpin before it, as
    in the Eterna Cloud Labs (Lee et al. 2014). Of a sequence without these ends, all bases are
    returned.
    """
    start = _HEAD_BASES if _T7_START.match(sequence) else 0
    if not sequence.endswith(_PRIMER):
        return range(start, len(sequence))
    end = len(sequence) - len(_PRIMER)
    return range(start, max(_hairpin_start(sequence, end), start))


def _hairpin_start(sequence: str, end: int) -> int:
    """The first base of a hairpin that stops at `end` or one base before; `end` without one."""
    for gap in _GAPS:
        for stem in _STEMS:
            start, last = end - gap - 2 * stem - _LOOP, end - gap - 1
            if start >= 0 and all(
                sequence[last - step] in _PARTNERS.get(sequence[start + step], "")
                for step in range(stem)
            ):
                return start
    return end


def _profile_from_json(line: str) -> ReactivityProfile:
    try:
        fields = dict(parse_json(line))
    except RepeatedKeyError as error:
        raise DatasetError(str(error)) from None
    except (ValueError, TypeError):
        message = "expected a JSON object with id, seq and reactivity"
        raise DatasetError(message) from None
    for name in ("id", "seq", "reactivity"):
        if name not in fields:
            raise DatasetError(f"no field {name!r}")
    try:
        name, cluster = text_id(fields["id"]), fields.get("cluster")
    except TypeError:
        message = f"id must be text or a whole number, not {shorten_repr(fields['id'])}"
        raise DatasetError(message) from None
    if not isinstance(fields["seq"], str):
        raise DatasetError(f"seq must be text, not {shorten_repr(fields['seq'])}", record=name)
    if cluster is not None and type(cluster) is not int:
        message = f"cluster must be a whole number, not {shorten_repr(cluster)}"
        raise DatasetError(message, record=name)
    reactivities = _values(fields["reactivity"], name)
    return ReactivityProfile(name, fields["seq"], reactivities, cluster)


def _values(values: Any, record: str) -> tuple[float | None, ...]:
    if not isinstance(values, list):
        message = f"reactivity must be a list, not {shorten_repr(values)}"
        raise DatasetError(message, record=record)
    for position, value in enumerate(values, start=1):
        if value is not None and type(value) not in (int, float):
            message = (
                f"the reactivity of base {position} is {shorten_repr(value)}; expected a number"
            )
            raise DatasetError(message, record=record)
    try:
        return tuple(
            None if value is None or -math.inf < value < NO_DATA_BELOW else float(value)
            for value in values
        )
    except OverflowError:
        raise DatasetError("a reactivity is too large", record=record) from None
