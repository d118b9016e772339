"""Profile hidden Markov models: forward and backward sums over all alignments with a sequence.

In the manner of Durbin and others (1998, chapter 5): a base matches a column with the odds of its
letter there; insertions and deletions have the same costs in all columns. Unaligned ends of the
sequence cost nothing and those of the profile a constant, so that an RNA is found within a longer
sequence, and a fragment of an RNA as well.

Posteriors are summed in float64: where an RNA is there twice, the sums of its two alignments
differ by a factor of exp(-400) along the sequence and count alike in the end.

Shapes: N alignments of L bases with C columns at the most; K is the number of codes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

GAP_OPEN = 0.02  # transition probability from a match to an insertion, and to a deletion
GAP_EXTEND = 0.75  # transition probability from a gap to itself
PARTIAL_END = 0.02  # odds of an alignment that begins, or ends, within the profile

_CHUNK = 200  # columns; GAP_EXTEND to this power is a normal number
_RESCALE_EVERY = 8  # rows
_MAX_LOG = 700.0  # of a finite double

PADDING = 5  # the code of no letter; 0 to 3 are A C G U, 4 is N
CODES = 6

_SCORING_CELLS = 2_000_000  # cells of a batch when only log-odds are computed
_POSTERIOR_CELLS = 400_000  # and when all sums are kept: larger batches leave the caches

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Numbers = NDArray[Any]  # of either precision
Job = tuple[NDArray[np.int64], Floats]  # codes (L,) of a sequence, odds (CODES, C) of a profile


@dataclass(frozen=True, slots=True)
class ForwardSums:
    """Forward sums over all alignments of prefixes that end in a match."""

    ended: Doubles  # (L, N) over all columns, with the odds of ending there
    scale: Doubles  # (L, N) logarithm of the scaling of each row
    before: Numbers  # (L, N, C) without the odds of the last match; empty if not asked for
    match: Numbers  # (L, N, C) with them; empty if not asked for

    @property
    def log_odds(self) -> Doubles:
        """Log-odds (N,) of the profile against random letters."""
        with np.errstate(divide="ignore"):
            logs = np.log(self.ended) + self.scale
        found: Doubles = np.logaddexp.reduce(logs, axis=0)
        return found


def log_odds(jobs: Sequence[Job]) -> list[float]:
    """The log-odds of each job: the forward score of a sequence against a profile, in nats."""
    found = [0.0] * len(jobs)
    for places in _batches(jobs, _SCORING_CELLS):
        sums = forward(*_filled([jobs[place] for place in places], np.float32), keep=False)
        for place, one in zip(places, sums.log_odds.tolist(), strict=True):
            found[place] = one
    return found


def align(jobs: Sequence[Job]) -> list[Floats]:
    """The posterior probability that a base is aligned with a column, (L, C), for each job."""
    found: list[Floats] = [np.empty((0, 0), np.float32)] * len(jobs)
    for places in _batches(jobs, _POSTERIOR_CELLS):
        codes, odds, begins, stops = _filled([jobs[place] for place in places], np.float64)
        there = forward(codes, odds, begins, stops)
        back = forward(codes[:, ::-1], odds[:, :, ::-1], stops[:, ::-1], begins[:, ::-1])
        for place, one in zip(places, decode_posteriors(there, back), strict=True):
            length, columns = _sizes(jobs[place])
            found[place] = one[:length, :columns]
    return found


def _sizes(job: Job) -> tuple[int, int]:
    return len(job[0]), job[1].shape[1]


def _batches(jobs: Sequence[Job], cells: int) -> Iterator[list[int]]:
    """Windows of jobs of similar sizes, so that little is padded."""
    batch: list[int] = []
    longest = widest = 0
    for place in sorted(range(len(jobs)), key=lambda place: _sizes(jobs[place])):
        size = _sizes(jobs[place])
        length, columns = max(longest, size[0]), max(widest, size[1])
        if batch and (len(batch) + 1) * length * columns > cells:
            yield batch
            batch, (length, columns) = [], size
        batch.append(place)
        longest, widest = length, columns
    if batch:
        yield batch


def _filled(
    jobs: Sequence[Job], kind: type[np.floating[Any]]
) -> tuple[NDArray[np.int64], Numbers, Numbers, Numbers]:
    """Codes (N, L), odds (N, CODES, C), and the odds of beginning and ending (N, C)."""
    sizes = np.array([job[1].shape[1] for job in jobs])
    codes = np.full((len(jobs), max(len(job[0]) for job in jobs)), PADDING, np.int64)
    odds = np.zeros((len(jobs), CODES, sizes.max()), kind)
    for row, (letters, profile) in enumerate(jobs):
        codes[row, : len(letters)] = letters
        odds[row, :, : sizes[row]] = profile
    begins, stops = ends(sizes, int(sizes.max()))
    return codes, odds, begins.astype(kind), stops.astype(kind)


def forward(
    codes: NDArray[np.int64], odds: Numbers, begins: Numbers, stops: Numbers, keep: bool = True
) -> ForwardSums:
    """ForwardSums for codes (N, L) and the odds of each code in each column (N, K, C).

    `begins` and `stops` are the odds of beginning and of ending in each column, (N, C). With
    `keep` the sums of each base and column are held too. Padding is a code with odds of zero. All
    is summed in the precision of the odds.
    """
    count, length = codes.shape
    columns = odds.shape[2]
    kept = np.empty((2, length if keep else 0, count, columns), odds.dtype)
    ended, scale = np.empty((2, length, count))
    rows, steps = np.arange(count), _steps(columns, odds.dtype)
    match = np.zeros((count, columns), odds.dtype)
    inserted, gaps = np.zeros_like(match), np.zeros_like(match)  # no column; either kind of gap
    log = np.zeros(count)
    for row in range(length):
        before = begins.copy()
        before[:, 1:] += (1 - 2 * GAP_OPEN) * match[:, :-1]
        gaps *= 1 - GAP_EXTEND
        before[:, 1:] += gaps[:, :-1]
        inserted *= GAP_EXTEND
        inserted += GAP_OPEN * match
        match = before * odds[rows, codes[:, row]]
        ended[row], scale[row] = np.einsum("nc,nc->n", match, stops), log
        if keep:
            kept[0, row], kept[1, row] = before, match
        gaps = _sum_deletions(match, steps)
        gaps += inserted
        if row % _RESCALE_EVERY == _RESCALE_EVERY - 1:
            large = np.maximum(match.max(axis=1), odds.dtype.type(1))
            match, inserted, gaps, begins = (
                part / large[:, None] for part in (match, inserted, gaps, begins)
            )
            log = log + np.log(large)
    return ForwardSums(ended, scale, *kept)


def decode_posteriors(forwards: ForwardSums, backwards: ForwardSums) -> Floats:
    """The posterior probability (N, L, C) that a base is aligned with a column.

    `backwards` are the sums of the reversed sequences with the reversed profiles.
    """
    logs = forwards.scale + backwards.scale[::-1] - forwards.log_odds
    found = forwards.match * backwards.before[::-1, :, ::-1]
    found *= np.exp(np.minimum(logs, _MAX_LOG))[:, :, None]
    return np.ascontiguousarray(found.transpose(1, 0, 2), dtype=np.float32)


def ends(sizes: NDArray[np.int64], columns: int) -> tuple[Doubles, Doubles]:
    """The odds of beginning and of ending in each column, (N, C) each, by the profiles' sizes."""
    begins = np.full((len(sizes), columns), PARTIAL_END)
    begins[:, 0] = 1.0
    stops = np.full((len(sizes), columns), PARTIAL_END)
    stops[np.arange(len(sizes)), sizes - 1] = 1.0
    return begins, stops


def _steps(columns: int, kind: np.dtype[Any]) -> list[tuple[slice, Numbers]]:
    """Columns but the first in pieces, and GAP_EXTEND to the place of each column in its piece."""
    starts = range(1, columns, _CHUNK)
    pieces = [slice(start, min(start + _CHUNK, columns)) for start in starts]
    return [(one, (GAP_EXTEND ** np.arange(one.stop - one.start)).astype(kind)) for one in pieces]


def _sum_deletions(match: Numbers, steps: list[tuple[slice, Numbers]]) -> Numbers:
    """The deletion states of a row: sums over matches in columns before, by the columns skipped.

    A recursion along the columns, computed as a cumulative sum of terms divided by GAP_EXTEND to
    the power of their column, in chunks within which these powers are normal numbers.
    """
    found = np.zeros_like(match)
    for piece, weights in steps:
        terms = match[:, piece.start - 1 : piece.stop - 1] * (GAP_OPEN / weights)
        terms[:, 0] += GAP_EXTEND * found[:, piece.start - 1]
        np.multiply(terms.cumsum(axis=1), weights, out=found[:, piece])
    return found
