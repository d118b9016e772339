"""Overlapping windows of a long RNA, and the mean of their base-pair probabilities.

The mean is over the windows that hold both bases of a pair, as in RNAplfold (Bernhart 2006).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnaformer_cli.errors import ConfigError, ConstraintError, shorten_repr
from rnaformer_cli.families.mixture import FamilyMatch
from rnaformer_cli.prediction.banded import BandedScores
from rnaformer_cli.sequence.constraints import Constraints
from rnaformer_cli.sequence.reactivities import Reactivities
from rnaformer_cli.sequence.record import RnaRecord

MIN_WINDOW = 30  # bases
STEPS_PER_WINDOW = 4  # of the default step


@dataclass(frozen=True, slots=True)
class WindowRecord(RnaRecord):
    """A part of an RNA, with the scores of unpaired bases that the data of the whole give."""

    start: int = 0  # its first base in the RNA
    unpaired_scores: NDArray[np.float64] | None = None  # (W,) nats


def check_windows(window: int | None, step: int | None) -> None:
    """Check the bases of a window and between the starts of two windows.

    Raises:
        ConfigError: a window that is too short, or windows that do not overlap.
    """
    if window is None:
        if step is not None:
            raise ConfigError("a step needs a window")
        return
    if window < MIN_WINDOW:
        message = f"a window has at least {MIN_WINDOW} bases, not {shorten_repr(window)}"
        raise ConfigError(message)
    if step is not None and not 1 <= step < window:
        allowed = f"from 1 to {window - 1}, so that windows of {window} bases overlap"
        raise ConfigError(f"the step must be {allowed}, not {shorten_repr(step)}")


def window_starts(length: int, window: int, step: int | None = None) -> list[int]:
    """The first base of each window; the last one ends with the RNA, so that all are full."""
    last = length - window
    return [*range(0, last, step or max(window // STEPS_PER_WINDOW, 1)), last]


def cut_windows(
    record: RnaRecord,
    starts: Sequence[int],
    window: int,
    unpaired_scores: NDArray[np.float64] | None,
) -> list[WindowRecord]:
    """The windows of a record that begin at these bases.

    Raises:
        ConstraintError: a forced pair that is in no window.
    """
    if record.constraints is not None:
        _check_forced(record.constraints, starts, window)
    return [_cut(record, start, start + window, unpaired_scores) for start in starts]


def cut_constraints(constraints: Constraints, start: int, stop: int) -> Constraints:
    """The constraints of the bases from `start` to `stop`.

    Bases whose forced partner is outside must be unpaired. Whether a base that must pair, with a
    partner that is not known, has it in this window is not known, so that it is left out.
    """

    def inside(base: int) -> bool:
        return start <= base < stop

    def shift(pairs: frozenset[tuple[int, int]]) -> frozenset[tuple[int, int]]:
        return frozenset((i - start, j - start) for i, j in pairs if inside(i) and inside(j))

    cut = {base for i, j in constraints.pairs if inside(i) != inside(j) for base in (i, j)}
    unpaired = {base - start for base in constraints.unpaired | cut if inside(base)}
    return Constraints(
        stop - start,
        shift(constraints.pairs),
        shift(constraints.forbidden),
        unpaired=frozenset(unpaired),
    )


class WindowMean:
    """Collects the scores of windows, and gives their mean for each pair."""

    def __init__(self, length: int, window: int) -> None:
        self._band = np.zeros((length, window), np.float32)
        self._starts: list[int] = []

    def add(self, start: int, scores: NDArray[np.float32]) -> None:
        """Add the symmetric scores (W, W) of the window that begins at this base."""
        size = len(scores)
        padded = np.zeros((size, 2 * size), np.float32)
        padded[:, :size] = np.triu(scores, k=1)
        row, column = padded.strides
        by_distance = np.lib.stride_tricks.as_strided(padded, (size, size), (row + column, column))
        self._band[start : start + size] += by_distance
        self._starts.append(start)

    def mean(self) -> BandedScores:
        """The mean over the windows that hold both bases of a pair; 0 if none does."""
        length, window = self._band.shape
        starts, bases = np.sort(self._starts), np.arange(length)
        begun = np.searchsorted(starts, bases, "right")  # windows that begin up to each base
        ended = np.searchsorted(starts, bases - window, "right")  # that end before each base
        for distance in range(1, window):
            counts = begun[: length - distance] - ended[distance:]
            self._band[: length - distance, distance] /= np.maximum(counts, 1)
        return BandedScores(self._band)


def merge_matches(matches: Sequence[FamilyMatch]) -> tuple[FamilyMatch, ...]:
    """The best of overlapping family matches, by falling posterior."""
    kept: list[FamilyMatch] = []
    for match in sorted(matches, key=lambda one: (-one.recognised, one.start, one.stop)):
        if all(match.stop <= other.start or match.start >= other.stop for other in kept):
            kept.append(match)
    return tuple(kept)


def _check_forced(constraints: Constraints, starts: Sequence[int], window: int) -> None:
    firsts = np.array(starts)
    for left, right in sorted(constraints.pairs):
        last = firsts[np.searchsorted(firsts, left, "right") - 1]  # the last that begins before it
        if right >= last + window:
            message = f"the forced pair of bases {left + 1} and {right + 1} is in no window"
            raise ConstraintError(f"{message} of {window} bases")


def _cut(
    record: RnaRecord, start: int, stop: int, unpaired_scores: NDArray[np.float64] | None
) -> WindowRecord:
    data, constraints = record.reactivities, record.constraints
    return WindowRecord(
        record.id,
        record.sequence[start:stop],
        reactivities=None if data is None else Reactivities(data.values[start:stop], data.reagent),
        constraints=None if constraints is None else cut_constraints(constraints, start, stop),
        start=start,
        unpaired_scores=None if unpaired_scores is None else unpaired_scores[start:stop],
    )
