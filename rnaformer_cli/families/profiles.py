"""A library of family profiles: which letters a column holds, and which columns pair.

Stored as one safetensors file. A profile stands for several RNAs and holds frequencies, none of
their sequences.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from rnaformer_cli.errors import WeightsError
from rnaformer_cli.families.alignment import CODES, PADDING, Floats
from rnaformer_cli.files import write_atomically
from rnaformer_cli.json_text import parse_json

WORD = 5  # letters
WORDS = 4**WORD
PSEUDOCOUNT = 1.0  # pseudocounts of a column, shared by the four letters

_QUANTISATION_LEVELS = 255  # of a probability in the file
_MAX_IDF = 1e6  # what a word may tell: beyond all that could be learned
_UNREADABLE = (SafetensorError, OSError, ValueError, TypeError, AttributeError)
_KINDS = {  # name -> type and number of axes
    "letters": (np.uint8, 2),
    "columns": (np.int32, 1),
    "pairs": (np.int32, 2),
    "pair_counts": (np.int32, 1),
    "chances": (np.uint8, 1),
    "words": (np.uint8, 2),
    "rarity": (np.float32, 1),
}


@dataclass(frozen=True, slots=True)
class Profile:
    """One family, or a part of one whose members look and fold alike."""

    name: str  # of the family; empty if it has none
    letters: Floats  # (C, 4): how often each column holds A, C, G, U
    left: NDArray[np.int64]  # columns that pair, (P,), 0-based
    right: NDArray[np.int64]
    pair_frequency: Floats  # share of the members that have this pair, (P,)
    words: Floats  # (WORDS,): which words it is found by, of length 1

    @property
    def odds(self) -> Floats:
        """(CODES, C): each code in each column, against one of four equal letters."""
        found = np.ones((CODES, len(self.letters)), np.float32)
        found[:4] = 4.0 * self.letters.T / self.letters.sum(axis=1)
        found[PADDING] = 0.0
        return found


@dataclass(frozen=True, slots=True)
class Library:
    """All profiles, and how much a word tells."""

    profiles: tuple[Profile, ...]
    rarity: Floats  # (WORDS,)

    def signature(self, codes: NDArray[np.int64]) -> Floats:
        """Codes (L,) -> the words of a sequence (WORDS,), rare ones for more, of length 1 or 0."""
        return unit(count_kmers(codes) * self.rarity)


def count_kmers(codes: NDArray[np.int64]) -> Floats:
    """Codes (L,) -> how often each word comes (WORDS,), three times at the most."""
    length = len(codes) - WORD + 1
    if length < 1:
        return np.zeros(WORDS, np.float32)
    parts = np.stack([codes[start : start + length] for start in range(WORD)])
    place = (4 ** np.arange(WORD)[::-1]) @ parts
    counts = np.bincount(place[(parts < 4).all(axis=0)], minlength=WORDS)
    found: Floats = np.minimum(counts, 3).astype(np.float32)
    return found


def unit(vector: Floats) -> Floats:
    """The same direction, of length 1; zeros stay."""
    found: Floats = vector / np.float32(max(float(np.linalg.norm(vector)), 1e-9))
    return found


def add_pseudocounts(counts: NDArray[np.float64]) -> Floats:
    """Counts of letters (C, 4) -> how often to expect each."""
    expected = counts + PSEUDOCOUNT / 4
    found: Floats = (expected / expected.sum(axis=1, keepdims=True)).astype(np.float32)
    return found


def write_library(path: str | Path, library: Library) -> None:
    """Write a library; probabilities in steps of 1/255.

    Raises:
        OutputError: the file cannot be written.
    """
    profiles = library.profiles
    ends = [np.stack([one.left, one.right], axis=1) for one in profiles]
    arrays = {
        "letters": _quantise(np.concatenate([one.letters for one in profiles])),
        "columns": np.array([len(one.letters) for one in profiles], np.int32),
        "pairs": np.concatenate(ends).astype(np.int32),
        "pair_counts": np.array([len(one.left) for one in profiles], np.int32),
        "chances": _quantise(np.concatenate([one.pair_frequency for one in profiles])),
        "words": _quantise(np.stack([one.words for one in profiles])),
        "rarity": library.rarity.astype(np.float32),
    }
    names = json.dumps([one.name for one in profiles])
    with write_atomically(path, binary=True) as file:
        file.write(save(arrays, {"names": names}))  # type: ignore[arg-type]  # opened as binary


def read_library(path: str | Path) -> Library:
    """Read a library.

    Raises:
        WeightsError: no such file, a damaged one, or arrays that do not fit each other.
    """
    if not Path(path).is_file():
        raise WeightsError("no such file", path=path)
    try:
        with safe_open(path, framework="np") as file:
            arrays = {name: file.get_tensor(name) for name in _KINDS if name in file.keys()}  # noqa: SIM118  # no dictionary
            names = parse_json((file.metadata() or {}).get("names", "null").encode())
    except _UNREADABLE:
        raise WeightsError(unreadable(path), path=path) from None
    if not _is_consistent(arrays, names):
        raise WeightsError("not a library of families: arrays are missing or misshapen", path=path)
    return Library(tuple(_split_profiles(arrays, names)), arrays["rarity"])


def unreadable(path: str | Path) -> str:
    """Why safetensors cannot read a file."""
    try:
        os.fsencode(path).decode("utf-8")
    except UnicodeDecodeError:
        return "a name that is not UTF-8, which safetensors cannot open; rename it"
    return "not a whole safetensors file"


def _is_consistent(arrays: Mapping[str, NDArray[np.generic]], names: object) -> bool:
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        return False
    for name, (kind, axes) in _KINDS.items():
        if name not in arrays or arrays[name].dtype != kind or arrays[name].ndim != axes:
            return False
    columns, counts = (arrays[name].astype(np.int64) for name in ("columns", "pair_counts"))
    pairs = arrays["pairs"].astype(np.int64)
    shapes = {
        "letters": (columns.sum(), 4),
        "columns": (len(names),),
        "pairs": (counts.sum(), 2),
        "pair_counts": (len(names),),
        "chances": (counts.sum(),),
        "words": (len(names), WORDS),
        "rarity": (WORDS,),
    }
    if any(arrays[name].shape != shape for name, shape in shapes.items()):
        return False
    if (columns < 1).any() or (counts < 0).any() or not (np.abs(arrays["rarity"]) < _MAX_IDF).all():
        return False
    sizes = np.repeat(columns, counts)
    return bool(((pairs[:, 0] >= 0) & (pairs[:, 0] < pairs[:, 1]) & (pairs[:, 1] < sizes)).all())


def _split_profiles(
    arrays: Mapping[str, NDArray[np.generic]], names: Sequence[str]
) -> list[Profile]:
    letters = np.maximum(arrays["letters"].astype(np.float32), 1) / np.float32(_QUANTISATION_LEVELS)
    words = arrays["words"].astype(np.float32)
    words /= np.maximum(np.linalg.norm(words, axis=1, keepdims=True), 1e-9)
    pairs, pair_frequencies = (
        arrays["pairs"].astype(np.int64),
        arrays["chances"].astype(np.float32),
    )
    columns = np.cumsum(arrays["columns"])
    places = np.cumsum(arrays["pair_counts"])
    cut = zip(
        names,
        np.split(letters, columns[:-1]),
        np.split(pairs, places[:-1]),
        np.split(pair_frequencies / np.float32(_QUANTISATION_LEVELS), places[:-1]),
        words,
        strict=True,
    )
    return [
        Profile(name, here, both[:, 0], both[:, 1], chance, row)
        for name, here, both, chance, row in cut
    ]


def _quantise(values: Floats) -> NDArray[np.uint8]:
    """Probabilities from 0 to 1 in steps; a row of words may use all steps, whatever its sum."""
    found: NDArray[np.uint8] = np.rint(np.clip(values, 0, 1) * _QUANTISATION_LEVELS).astype(
        np.uint8
    )
    return found
