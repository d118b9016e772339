"""The base alphabet and the integer encoding of sequences."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ALPHABET = "ACGUN"  # in the order of the published weights
UNKNOWN = "N"
AMBIGUOUS = "RYSWKMBDHV"  # IUPAC codes for more than one base

_CODES = np.full(256, ALPHABET.index(UNKNOWN), dtype=np.int64)
for _code, _base in enumerate(ALPHABET):
    _CODES[ord(_base)] = _code


def encode(sequence: str) -> NDArray[np.int64]:
    """Upper-case RNA letters -> codes (L,) of ALPHABET."""
    return _CODES[np.frombuffer(sequence.encode("ascii"), dtype=np.uint8)]
