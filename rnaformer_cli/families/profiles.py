"""A library of family profiles: the letter frequencies of each column, and the columns that pair.

A library is one safetensors file. It holds frequencies over several RNAs, not their sequences.
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
from rnaformer_cli.families.alignment import N_SYMBOLS, PADDING, Floats
from rnaformer_cli.files import write_atomically
from rnaformer_cli.json_text import parse_json

KMER_LENGTH = 5  # letters
N_KMERS = 4**KMER_LENGTH
PSEUDOCOUNT = 1.0  # for each column, divided equally among the four letters

_QUANTISATION_LEVELS = 255  # of a probability in the file
_MAX_IDF = 1e6  # above every value that training can give
_UNREADABLE = (SafetensorError, OSError, ValueError, TypeError, AttributeError)
_ARRAY_TYPES = {  # name in the file -> type and number of axes
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
    """The profile of a family, or of members of a family with similar sequence and structure."""

    name: str  # of the family; empty if it has none
    emissions: Floats  # (C, 4) frequencies of A, C, G, U in each column
    left: NDArray[np.int64]  # (P,) left columns of the pairs, 0-based
    right: NDArray[np.int64]  # (P,) right columns
    pair_frequency: Floats  # (P,) fraction of the members that have the pair
    kmer_vector: Floats  # (N_KMERS,) tf-idf vector of unit length

    @property
    def odds(self) -> Floats:
        """The emission odds (K, C) of each code against a uniform background."""
        odds = np.ones((N_SYMBOLS, len(self.emissions)), np.float32)
        odds[:4] = 4.0 * self.emissions.T / self.emissions.sum(axis=1)
        odds[PADDING] = 0.0
        return odds


@dataclass(frozen=True, slots=True)
class Library:
    """All profiles, and the inverse document frequency of each k-mer."""

    profiles: tuple[Profile, ...]
    idf: Floats  # (N_KMERS,)

    def vectorise(self, codes: NDArray[np.int64]) -> Floats:
        """Codes (L,) -> the tf-idf vector of k-mers (N_KMERS,), of unit length or zero."""
        return normalise(count_kmers(codes) * self.idf)


def count_kmers(codes: NDArray[np.int64]) -> Floats:
    """Codes (L,) -> the count of each k-mer (N_KMERS,), capped at 3. K-mers with N are skipped."""
    length = len(codes) - KMER_LENGTH + 1
    if length < 1:
        return np.zeros(N_KMERS, np.float32)
    letters = np.stack([codes[start : start + length] for start in range(KMER_LENGTH)])
    index = (4 ** np.arange(KMER_LENGTH)[::-1]) @ letters
    counts = np.bincount(index[(letters < 4).all(axis=0)], minlength=N_KMERS)
    capped: Floats = np.minimum(counts, 3).astype(np.float32)
    return capped


def normalise(vector: Floats) -> Floats:
    """The vector scaled to unit length; a zero vector stays zero."""
    scaled: Floats = vector / np.float32(max(float(np.linalg.norm(vector)), 1e-9))
    return scaled


def add_pseudocounts(counts: NDArray[np.float64]) -> Floats:
    """Letter counts (C, 4) -> letter frequencies (C, 4), with pseudocounts."""
    smoothed = counts + PSEUDOCOUNT / 4
    frequencies: Floats = (smoothed / smoothed.sum(axis=1, keepdims=True)).astype(np.float32)
    return frequencies


def write_library(path: str | Path, library: Library) -> None:
    """Write a library. Probabilities are rounded to multiples of 1/255.

    Raises:
        OutputError: the file cannot be written.
    """
    profiles = library.profiles
    pairs = [np.stack([profile.left, profile.right], axis=1) for profile in profiles]
    arrays = {
        "letters": _quantise(np.concatenate([profile.emissions for profile in profiles])),
        "columns": np.array([len(profile.emissions) for profile in profiles], np.int32),
        "pairs": np.concatenate(pairs).astype(np.int32),
        "pair_counts": np.array([len(profile.left) for profile in profiles], np.int32),
        "chances": _quantise(np.concatenate([profile.pair_frequency for profile in profiles])),
        "words": _quantise(np.stack([profile.kmer_vector for profile in profiles])),
        "rarity": library.idf.astype(np.float32),
    }
    names = json.dumps([profile.name for profile in profiles])
    with write_atomically(path, binary=True) as file:
        file.write(save(arrays, {"names": names}))  # type: ignore[arg-type]  # opened as binary


def read_library(path: str | Path) -> Library:
    """Read a library.

    Raises:
        WeightsError: a missing or damaged file, or arrays whose shapes do not match.
    """
    if not Path(path).is_file():
        raise WeightsError("no such file", path=path)
    try:
        with safe_open(path, framework="np") as file:
            arrays = {name: file.get_tensor(name) for name in _ARRAY_TYPES if name in file.keys()}  # noqa: SIM118  # no dictionary
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
    return "a damaged or incomplete safetensors file"


def _is_consistent(arrays: Mapping[str, NDArray[np.generic]], names: object) -> bool:
    """Whether types, shapes and values of the arrays describe one profile for each name."""
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        return False
    for name, (dtype, axes) in _ARRAY_TYPES.items():
        if name not in arrays or arrays[name].dtype != dtype or arrays[name].ndim != axes:
            return False
    columns, counts = (arrays[name].astype(np.int64) for name in ("columns", "pair_counts"))
    pairs = arrays["pairs"].astype(np.int64)
    shapes = {
        "letters": (columns.sum(), 4),
        "columns": (len(names),),
        "pairs": (counts.sum(), 2),
        "pair_counts": (len(names),),
        "chances": (counts.sum(),),
        "words": (len(names), N_KMERS),
        "rarity": (N_KMERS,),
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
    levels = np.float32(_QUANTISATION_LEVELS)
    emissions = np.maximum(arrays["letters"].astype(np.float32), 1) / levels
    kmer_vectors = arrays["words"].astype(np.float32)
    kmer_vectors /= np.maximum(np.linalg.norm(kmer_vectors, axis=1, keepdims=True), 1e-9)
    pairs = arrays["pairs"].astype(np.int64)
    frequencies = arrays["chances"].astype(np.float32) / levels
    column_ends = np.cumsum(arrays["columns"])
    pair_ends = np.cumsum(arrays["pair_counts"])
    by_profile = zip(
        names,
        np.split(emissions, column_ends[:-1]),
        np.split(pairs, pair_ends[:-1]),
        np.split(frequencies, pair_ends[:-1]),
        kmer_vectors,
        strict=True,
    )
    return [
        Profile(name, columns, ends[:, 0], ends[:, 1], frequency, vector)
        for name, columns, ends, frequency, vector in by_profile
    ]


def _quantise(values: Floats) -> NDArray[np.uint8]:
    """Values from 0 to 1 -> the nearest of the levels 0 to 255."""
    levels: NDArray[np.uint8] = np.rint(np.clip(values, 0, 1) * _QUANTISATION_LEVELS).astype(
        np.uint8
    )
    return levels
