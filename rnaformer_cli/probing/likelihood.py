"""Reactivities -> log-likelihood ratios of each base being unpaired.

The densities of the reactivities of paired and unpaired bases are histograms for each letter
(Cordero 2012, Eddy 2014). `benches/reactivity_densities.py` learns them by expectation maximisation
from 1M7 profiles of designed RNAs (Eterna Cloud Labs), with the posterior of the folding model.
Values are in units of the 90th percentile of their profile, so that any scale can be used.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LETTERS = "ACGU"
BIN_EDGES = (0.0, 0.03, 0.07, 0.12, 0.18, 0.25, 0.33, 0.43, 0.55, 0.7, 0.85, 1.0, 1.25, 1.6, 2.2)
UNIT_QUANTILE = 0.9
WEIGHT = 0.35  # of the ratios in the folding model; chosen on held-out and on simulated data
REAGENT_LETTERS = {"DMS": "AC", "CMCT": "GU"}  # bases modified at the Watson-Crick face

# log(density if unpaired / density if paired), nats, by letter and bin
_LOG_RATIOS = np.fromstring(
    """
    -3.46 -4.64 -3.71 -2.61 -1.79 -0.89  0.24  1.07  1.91  3.01  3.73  4.18  4.63  4.68  4.02  3.49
    -2.25 -2.63 -1.83 -0.97 -0.04  0.60  1.30  2.05  2.55  2.86  2.89  3.12  2.39  2.15  1.05  0.86
    -2.56 -3.81 -2.82 -1.89 -0.95 -0.16  0.52  1.29  1.91  2.33  3.03  3.77  3.54  3.35  2.74  1.74
    -3.21 -3.91 -3.42 -2.26 -1.10  0.17  0.79  1.65  2.57  3.35  4.20  4.70  4.37  3.39  3.21  3.56
    """,
    sep=" ",
).reshape(len(LETTERS), len(BIN_EDGES) + 1)


def log_likelihood_ratios(
    sequence: str, reactivities: Sequence[float | None], reagent: str | None = None
) -> NDArray[np.float64]:
    """log(p(reactivity | unpaired) / p(reactivity | paired)) of each base (L,), in nats.

    The ratios are multiplied by WEIGHT. They are 0 for bases without a value, for N, and for bases
    that the reagent does not modify. Values below zero count as zero. All ratios are 0 if no value
    is above zero.
    """
    values = np.array(reactivities, dtype=np.float64)  # None becomes NaN
    index = np.array([LETTERS.find(letter) for letter in sequence])
    is_used = is_used_base(sequence, reactivities, reagent)
    ratios = np.zeros(len(sequence))
    unit = _unit(values[is_used])
    if unit > 0.0:
        with np.errstate(over="ignore"):  # an infinite quotient belongs to the last bin
            bins = np.searchsorted(BIN_EDGES, values[is_used].clip(min=0.0) / unit)
        ratios[is_used] = WEIGHT * _LOG_RATIOS[index[is_used], bins]
    return ratios


def relative_reactivities(
    sequence: str, reactivities: Sequence[float | None], reagent: str | None = None
) -> list[float | None]:
    """The reactivity of each base in units of the 90th percentile, from 0 to 1; None if not used.

    Values outside this range are clipped.
    """
    is_used = is_used_base(sequence, reactivities, reagent)
    values = np.array(reactivities, dtype=np.float64)
    unit = _unit(values[is_used]) or 1.0
    relative = (values.clip(min=0.0) / unit).clip(max=1.0).tolist()
    return [value if used else None for value, used in zip(relative, is_used, strict=True)]


def is_used_base(
    sequence: str, reactivities: Sequence[float | None], reagent: str | None = None
) -> NDArray[np.bool_]:
    """Whether each base (L,) has a value and is of a kind that the reagent modifies."""
    letters = REAGENT_LETTERS.get(reagent or "", LETTERS)
    pairs = zip(sequence, reactivities, strict=True)
    return np.array([letter in letters and value is not None for letter, value in pairs])


def _unit(values: NDArray[np.float64]) -> float:
    """The reactivity that counts as 1: the 90th percentile, or the maximum if that is 0.

    0 without values.
    """
    if not len(values):
        return 0.0
    return float(np.quantile(values.clip(min=0.0), UNIT_QUANTILE)) or float(values.max())
