"""Data sets: gzip-compressed JSON Lines of RNAs with their pairs and origin."""

from __future__ import annotations

import gzip
import io
import json
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from rnaformer_cli.errors import DatasetError, shorten_repr
from rnaformer_cli.files import UniqueFileNames, read_lines, text_name, write_atomically
from rnaformer_cli.json_text import RepeatedKeyError, parse_json, text_id
from rnaformer_cli.sequence.encode import ALPHABET
from rnaformer_cli.structure.structure import BasePair, Structure

PairProbability = tuple[int, int, float]  # left, right: 0-based; 0 to 1

COMPUTED_SOURCES = frozenset({"rnafold"})  # sources of labels computed by a program
UNLABELLED = "none"  # source of sequences without a label
PROBABILITIES_ONLY = "folding"  # source of labels that are probabilities without a structure
_VERSIONED = re.compile(r"(RF\d{5})\.\d+", re.ASCII)  # an accession of Rfam with its version

_TEXT_OR_NONE = ("family", "clan")
_BASES = frozenset(ALPHABET)


@dataclass(frozen=True, slots=True)
class LabelledRecord:
    """An RNA with its pairs. Training prefers `probabilities` to `pairs`, if there are any.

    Raises:
        DatasetError: a letter other than A C G U N, or a pair outside the RNA.
    """

    id: str
    sequence: str
    pairs: tuple[BasePair, ...]
    source: str
    family: str | None = None
    clan: str | None = None
    cluster: int | None = None
    probabilities: tuple[PairProbability, ...] | None = None

    def __post_init__(self) -> None:
        wrong = sorted(set(self.sequence) - _BASES)
        if wrong or not self.sequence:
            what = f"{wrong[0]!r} is not one of A C G U N" if wrong else "no sequence"
            raise DatasetError(what, record=self.id)
        ends = [(left, right) for left, right, *_ in (*self.pairs, *(self.probabilities or ()))]
        for left, right in ends:
            if not 0 <= left < right < len(self.sequence):
                size = len(self.sequence)
                pair = f"[{shorten_repr(left)}, {shorten_repr(right)}]"
                message = f"pair {pair} (0-based) does not fit {size} bases"
                raise DatasetError(message, record=self.id)

    def __len__(self) -> int:
        return len(self.sequence)

    @property
    def family_name(self) -> str | None:
        """The family without the version of its accession: `RF00005.12` is RF00005."""
        found = _VERSIONED.fullmatch(self.family or "")
        return found[1] if found else self.family

    @property
    def structure(self) -> Structure:
        """The pairs as a structure."""
        return Structure(len(self.sequence), frozenset(self.pairs))

    @property
    def is_curated(self) -> bool:
        """Whether the label is not the output of a program."""
        return self.source not in COMPUTED_SOURCES


def read_dataset(path: str | Path) -> Iterator[LabelledRecord]:
    """Yield the records of a data set in file order.

    Raises:
        InputError: the file cannot be read.
        DatasetError: a line that is not a record, with file and line.
    """
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        try:
            yield record_from_json(line)
        except DatasetError as error:
            record = error.location.record
            raise DatasetError(error.message, path=path, line=number, record=record) from None


def set_names(paths: Iterable[str | Path]) -> list[str]:
    """The names of data sets: those of their files without suffixes; a second `x` is `x_2`."""
    names = UniqueFileNames()
    return [names.add(text_name(path).split(".")[0]) for path in paths]


def check_labels(records: Iterable[LabelledRecord], path: str | Path) -> None:
    """Check that all records of a file have labels; others would count as unpaired.

    Raises:
        DatasetError: the first record without a label.
    """
    for record in records:
        if record.source == UNLABELLED:
            message = "no label; `rnaformer data label` adds one"
            raise DatasetError(message, path=path, record=record.id)


def check_structures(records: Iterable[LabelledRecord], path: str | Path) -> None:
    """Check that the records of a file have structures, not only labels.

    Raises:
        DatasetError: the first record without a label, or with probabilities only.
    """
    for record in records:
        check_labels([record], path)
        if record.source == PROBABILITIES_ONLY and not record.pairs:
            message = "base-pair probabilities without a structure; expected structures"
            raise DatasetError(message, path=path, record=record.id)


def read_structure_set(path: str | Path) -> list[LabelledRecord]:
    """The records of a data set, all of which must have structures.

    Raises:
        InputError, DatasetError: as in read_dataset and check_structures.
    """
    records = list(read_dataset(path))
    check_structures(records, path)
    return records


def read_sets(
    paths: Iterable[str | Path], max_length: int | None = None
) -> dict[str, list[LabelledRecord]]:
    """Read several data sets of structures by their names; see set_names.

    Raises:
        InputError, DatasetError: a set that cannot be read, or has no structures.
    """
    paths = list(paths)
    limit = sys.maxsize if max_length is None else max_length
    return {
        name: [record for record in read_structure_set(path) if len(record) <= limit]
        for name, path in zip(set_names(paths), paths, strict=True)
    }


def record_from_json(line: str) -> LabelledRecord:
    """Parse one line of a data set.

    Raises:
        DatasetError: not a JSON object, a missing field, or a field of the wrong type.
    """
    try:
        values = parse_json(line)
        return LabelledRecord(
            id=text_id(values["id"]),
            sequence=_typed(values["seq"], str),
            pairs=tuple(
                (_typed(left, int), _typed(right, int))
                for left, right in _typed(values["pairs"], list)
            ),
            source=_typed(values["source"], str),
            cluster=_typed(values.get("cluster"), int, type(None)),
            probabilities=_probabilities(values.get("probabilities")),
            **{name: _typed(values.get(name), str, type(None)) for name in _TEXT_OR_NONE},
        )
    except KeyError as error:
        raise DatasetError(f"no field {error.args[0]!r}") from None
    except RepeatedKeyError as error:
        raise DatasetError(str(error)) from None
    except (ValueError, TypeError, AttributeError, OverflowError):
        message = "expected a JSON object with id, seq, pairs and source"
        raise DatasetError(message) from None


def record_to_json(record: LabelledRecord) -> str:
    """Format one line of a data set; an absent cluster or label is omitted, not null."""
    values: dict[str, Any] = {
        "id": record.id,
        "seq": record.sequence,
        "pairs": [list(pair) for pair in record.pairs],
        "source": record.source,
        "family": record.family,
        "clan": record.clan,
    }
    if record.cluster is not None:
        values["cluster"] = record.cluster
    if record.probabilities is not None:
        values["probabilities"] = [list(entry) for entry in record.probabilities]
    return json.dumps(values, ensure_ascii=False) + "\n"


def write_dataset(path: str | Path, records: Iterable[LabelledRecord]) -> int:
    """Write a data set, with reproducible gzip bytes, and return the number of records.

    Raises:
        OutputError: the file cannot be written.
    """
    count = 0
    with write_atomically(path, binary=True) as file:
        raw = cast("IO[bytes]", file)
        with (
            gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=6) as packed,
            io.TextIOWrapper(packed, encoding="utf-8", newline="\n") as text,
        ):
            for record in records:
                text.write(record_to_json(record))
                count += 1
    return count


def _typed(value: Any, *kinds: type) -> Any:
    """The value, if it has one of these types. isinstance would accept True as an int.

    Raises:
        TypeError: a value of another type.
    """
    if type(value) not in kinds:
        raise TypeError
    return value


def _probabilities(rows: object) -> tuple[PairProbability, ...] | None:
    if rows is None:
        return None
    if not isinstance(rows, list):
        raise TypeError
    entries = tuple(
        (_typed(left, int), _typed(right, int), float(_typed(value, float, int)))
        for left, right, value in rows
    )
    if not all(0.0 <= value <= 1.0 for *_, value in entries):
        raise ValueError
    return entries
