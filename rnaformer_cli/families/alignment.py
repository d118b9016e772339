"""Profile hidden Markov models: forward and backward sums over all alignments with a sequence.

The model is that of Durbin et al. (1998, chapter 5): a base matches a column with the odds of its
letter in that column; insertions and deletions have the same costs in all columns. Unaligned ends
of the sequence are free and unaligned ends of the profile have a constant cost, so that the model
finds an RNA within a longer sequence, and fragments of an RNA.

Posteriors are computed in float64: if a sequence contains an RNA twice, the sums of the two
alignments differ by factors down to exp(-400) along the sequence, yet have the same posterior.

Shapes: N alignments of up to L bases with up to C columns; K is the number of codes.
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
_MAX_LOG = 700.0  # exp of it is a finite double

PADDING = 5  # code of padding; 0 to 3 are A C G U, 4 is N
N_SYMBOLS = 6  # K: the letters, N and padding

_SCORING_CELLS = 2_000_000  # N·L·C of a batch if only log-odds are computed
_POSTERIOR_CELLS = 400_000  # N·L·C of a batch if all sums are kept: limited by the caches

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Numbers = NDArray[Any]  # of either precision
# Codes (L,) of a sequence and odds (K, C) of a profile.
AlignmentJob = tuple[NDArray[np.int64], Floats]


@dataclass(frozen=True, slots=True)
class ForwardSums:
    """Forward sums over all alignments of prefixes that end in a match."""

    end_sums: Doubles  # (L, N) over all columns, with the odds of an exit after the match
    log_scale: Doubles  # (L, N) logarithm of the scaling factor of each row
    entry_sums: Numbers  # (L, N, C) without the odds of the last match; empty if not kept
    match_sums: Numbers  # (L, N, C) with the odds of the last match; empty if not kept

    @property
    def log_odds(self) -> Doubles:
        """Log-odds (N,) of the profile against random letters."""
        with np.errstate(divide="ignore"):
            logs = np.log(self.end_sums) + self.log_scale
        total: Doubles = np.logaddexp.reduce(logs, axis=0)
        return total


def log_odds(jobs: Sequence[AlignmentJob]) -> list[float]:
    """The log-odds of each job: the forward score of a sequence against a profile, in nats."""
    scores = [0.0] * len(jobs)
    for indices in _batch_jobs(jobs, _SCORING_CELLS):
        padded = _pad_jobs([jobs[index] for index in indices], np.float32)
        sums = run_forward(*padded, keep_matrices=False)
        for index, score in zip(indices, sums.log_odds.tolist(), strict=True):
            scores[index] = score
    return scores


def align(jobs: Sequence[AlignmentJob]) -> list[Floats]:
    """The posterior probability that a base is aligned with a column, (L, C), for each job."""
    posteriors: list[Floats] = [np.empty((0, 0), np.float32)] * len(jobs)
    for indices in _batch_jobs(jobs, _POSTERIOR_CELLS):
        padded = _pad_jobs([jobs[index] for index in indices], np.float64)
        codes, odds, entry_odds, exit_odds = padded
        forwards = run_forward(codes, odds, entry_odds, exit_odds)
        backwards = run_forward(
            codes[:, ::-1], odds[:, :, ::-1], exit_odds[:, ::-1], entry_odds[:, ::-1]
        )
        for index, matrix in zip(indices, decode_posteriors(forwards, backwards), strict=True):
            length, columns = _job_size(jobs[index])
            posteriors[index] = matrix[:length, :columns]
    return posteriors


def _job_size(job: AlignmentJob) -> tuple[int, int]:
    """Bases and columns."""
    return len(job[0]), job[1].shape[1]


def _batch_jobs(jobs: Sequence[AlignmentJob], cells: int) -> Iterator[list[int]]:
    """Yield the indices of jobs of similar size, in batches of up to `cells` padded cells."""
    batch: list[int] = []
    longest = widest = 0
    for index in sorted(range(len(jobs)), key=lambda index: _job_size(jobs[index])):
        size = _job_size(jobs[index])
        length, columns = max(longest, size[0]), max(widest, size[1])
        if batch and (len(batch) + 1) * length * columns > cells:
            yield batch
            batch, (length, columns) = [], size
        batch.append(index)
        longest, widest = length, columns
    if batch:
        yield batch


def _pad_jobs(
    jobs: Sequence[AlignmentJob], dtype: type[np.floating[Any]]
) -> tuple[NDArray[np.int64], Numbers, Numbers, Numbers]:
    """Codes (N, L), odds (N, K, C), and the odds of entry and exit (N, C), padded."""
    sizes = np.array([job[1].shape[1] for job in jobs])
    codes = np.full((len(jobs), max(len(job[0]) for job in jobs)), PADDING, np.int64)
    odds = np.zeros((len(jobs), N_SYMBOLS, sizes.max()), dtype)
    for row, (sequence_codes, profile_odds) in enumerate(jobs):
        codes[row, : len(sequence_codes)] = sequence_codes
        odds[row, :, : sizes[row]] = profile_odds
    entry_odds, exit_odds = entry_exit_odds(sizes, int(sizes.max()))
    return codes, odds, entry_odds.astype(dtype), exit_odds.astype(dtype)


def run_forward(
    codes: NDArray[np.int64],
    odds: Numbers,
    entry_odds: Numbers,
    exit_odds: Numbers,
    keep_matrices: bool = True,
) -> ForwardSums:
    """ForwardSums for codes (N, L) and the odds of each code in each column (N, K, C).

    `entry_odds` and `exit_odds` are (N, C), for an alignment that begins or ends in a column. With
    `keep_matrices` the sums of each base and column are kept. Padding is a code with odds of zero.
    The sums have the precision of `odds`.
    """
    count, length = codes.shape
    columns = odds.shape[2]
    kept = np.empty((2, length if keep_matrices else 0, count, columns), odds.dtype)
    end_sums, log_scale = np.empty((2, length, count))
    rows, chunks = np.arange(count), _column_chunks(columns, odds.dtype)
    match_sums = np.zeros((count, columns), odds.dtype)
    inserted = np.zeros_like(match_sums)  # insertion states
    gaps = np.zeros_like(match_sums)  # insertion and deletion states
    log_scales = np.zeros(count)
    for row in range(length):
        entry_sums = entry_odds.copy()
        entry_sums[:, 1:] += (1 - 2 * GAP_OPEN) * match_sums[:, :-1]
        gaps *= 1 - GAP_EXTEND
        entry_sums[:, 1:] += gaps[:, :-1]
        inserted *= GAP_EXTEND
        inserted += GAP_OPEN * match_sums
        match_sums = entry_sums * odds[rows, codes[:, row]]
        end_sums[row] = np.einsum("nc,nc->n", match_sums, exit_odds)
        log_scale[row] = log_scales
        if keep_matrices:
            kept[0, row], kept[1, row] = entry_sums, match_sums
        gaps = _sum_deletions(match_sums, chunks)
        gaps += inserted
        if row % _RESCALE_EVERY == _RESCALE_EVERY - 1:
            large = np.maximum(match_sums.max(axis=1), odds.dtype.type(1))
            match_sums, inserted, gaps, entry_odds = (
                sums / large[:, None] for sums in (match_sums, inserted, gaps, entry_odds)
            )
            log_scales = log_scales + np.log(large)
    return ForwardSums(end_sums, log_scale, *kept)


def decode_posteriors(forwards: ForwardSums, backwards: ForwardSums) -> Floats:
    """The posterior probability (N, L, C) that a base is aligned with a column.

    `backwards` are the sums of the reversed sequences with the reversed profiles.
    """
    logs = forwards.log_scale + backwards.log_scale[::-1] - forwards.log_odds
    posteriors = forwards.match_sums * backwards.entry_sums[::-1, :, ::-1]
    posteriors *= np.exp(np.minimum(logs, _MAX_LOG))[:, :, None]
    return np.ascontiguousarray(posteriors.transpose(1, 0, 2), dtype=np.float32)


def entry_exit_odds(sizes: NDArray[np.int64], columns: int) -> tuple[Doubles, Doubles]:
    """The odds of entry and of exit in each column, (N, C) each; `sizes` (N,) are in columns."""
    entry_odds = np.full((len(sizes), columns), PARTIAL_END)
    entry_odds[:, 0] = 1.0
    exit_odds = np.full((len(sizes), columns), PARTIAL_END)
    exit_odds[np.arange(len(sizes)), sizes - 1] = 1.0
    return entry_odds, exit_odds


def _column_chunks(columns: int, dtype: np.dtype[Any]) -> list[tuple[slice, Numbers]]:
    """Chunks of the columns from the second on, each with the powers 0, 1, ... of GAP_EXTEND."""
    starts = range(1, columns, _CHUNK)
    chunks = [slice(start, min(start + _CHUNK, columns)) for start in starts]
    return [
        (chunk, (GAP_EXTEND ** np.arange(chunk.stop - chunk.start)).astype(dtype))
        for chunk in chunks
    ]


def _sum_deletions(match_sums: Numbers, chunks: list[tuple[slice, Numbers]]) -> Numbers:
    """The deletion states (N, C) of a row: sums over matches in earlier columns.

    The recursion along the columns is computed as a cumulative sum of terms divided by GAP_EXTEND
    to the power of their column, in chunks within which these powers are normal numbers.
    """
    deletions = np.zeros_like(match_sums)
    for chunk, powers in chunks:
        terms = match_sums[:, chunk.start - 1 : chunk.stop - 1] * (GAP_OPEN / powers)
        terms[:, 0] += GAP_EXTEND * deletions[:, chunk.start - 1]
        np.multiply(terms.cumsum(axis=1), powers, out=deletions[:, chunk])
    return deletions
