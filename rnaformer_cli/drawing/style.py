"""How pictures look: colours, and what a user chooses.

The colours are the palette of Okabe and Ito, which colour-blind readers can distinguish.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from rnaformer_cli.errors import ConfigError, shorten_repr
from rnaformer_cli.structure.structure import BasePair, Structure

Colouring = Literal["base", "probability", "none"]
COLOURINGS: tuple[Colouring, ...] = get_args(Colouring)

LETTER_COLOURS = {"A": "#E69F00", "C": "#56B4E9", "G": "#009E73", "U": "#F0E442"}
OTHER_LETTER = "#BBBBBB"
NO_VALUE = "#FFFFFF"  # of a base without a value, or of all bases if none are coloured
REACTIVE_COLOUR, NO_REACTIVITY = "#D55E00", "#BBBBBB"
PAIR_COLOUR, PSEUDOKNOT_COLOUR, BACKBONE_COLOUR = "#333333", "#CC79A7", "#999999"
COMMON_COLOUR, PREDICTED_COLOUR, MISSED_COLOUR = "#0072B2", "#D55E00", "#999999"
MAX_TITLE = 500  # characters
DEFAULT_DPI = 150  # of PNG files
NUMBERING_INTERVALS = ((200, 10), (500, 20), (2_000, 50), (5_000, 100))  # up to a length, bases
LONGEST_INTERVAL = 500  # bases, of longer RNAs

Legend: TypeAlias = Sequence[tuple[str, str]]  # colours and their meanings
COMPARISON: Legend = (
    (COMMON_COLOUR, "in both"),
    (PREDICTED_COLOUR, "only predicted"),
    (MISSED_COLOUR, "only in the reference"),
)
KNOTS: Legend = ((PAIR_COLOUR, "base pair"), (PSEUDOKNOT_COLOUR, "pseudoknot"))
CROSSINGS: Legend = ((PAIR_COLOUR, "base pair"), (PSEUDOKNOT_COLOUR, "crosses other pairs"))


@dataclass(frozen=True, slots=True)
class Style:
    """What a user chooses for a picture.

    Raises:
        ConfigError: a title of more than MAX_TITLE characters, or with one that cannot be drawn.
    """

    title: str = ""
    number_every: int | None = None  # bases between numbers; by length if None
    has_letters: bool = True
    colours_letters: bool = True  # bases have the colour of their letter, if they have no values

    def __post_init__(self) -> None:
        if len(self.title) > MAX_TITLE:
            message = f"a title of {len(self.title):,} characters; expected at most {MAX_TITLE}"
            raise ConfigError(message)
        for line in self.title.split("\n"):
            if not line.isprintable():
                message = f"the title {shorten_repr(self.title)} has characters that are not text"
                raise ConfigError(message)

    def numbered(self, length: int) -> range:
        """The 1-based bases that are numbered."""
        interval = self.number_every or numbering_interval(length)
        return range(interval, length + 1, interval)


@dataclass(frozen=True, slots=True)
class BaseValues:
    """A value of each base, shown as its colour, and the colour bar for it."""

    label: str
    values: NDArray[np.float64]  # (L,); NaN: the base has no value
    low: float = 0.0
    high: float = 1.0
    colour_map: str = "viridis"  # a name of matplotlib, or a colour: white at `low`, this at `high`
    missing: str = NO_VALUE  # the colour of a base without a value
    ticks: tuple[tuple[float, str], ...] = ()  # of the colour bar; if empty, matplotlib's own


def numbering_interval(length: int) -> int:
    """The number of bases between two numbers."""
    found = (interval for limit, interval in NUMBERING_INTERVALS if length <= limit)
    return next(found, LONGEST_INTERVAL)


def probability_values(
    structure: Structure,
    pair_scores: Mapping[BasePair, float],
    matrix: NDArray[np.float32] | None = None,
) -> BaseValues:
    """The probability of each base's state in the structure, as RNAfold colours it.

    The value of a paired base is the probability of its pair. With the matrix of all
    probabilities, the value of an unpaired base is the probability that it does not pair;
    without, it has none.
    """
    values = np.full(structure.length, np.nan)
    if matrix is not None:
        values = np.clip(1.0 - matrix.sum(1, dtype=np.float64), 0.0, 1.0)
    values[[base for pair in structure.pairs for base in pair]] = 0.0
    for (left, right), score in pair_scores.items():
        if (left, right) in structure.pairs:
            values[left], values[right] = max(values[left], score), max(values[right], score)
    return BaseValues("probability", values)


def reactivity_values(reactivities: Sequence[float | None]) -> BaseValues:
    """Reactivities from 0 to 1, from white to orange; a base without a value (None) is grey."""
    values = np.array(reactivities, dtype=np.float64)
    return BaseValues(
        "relative reactivity", values, colour_map=REACTIVE_COLOUR, missing=NO_REACTIVITY
    )
