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

_BLOCK = 16  # columns over which gaps are summed by one matrix product
_RESCALE_EVERY = 8  # rows
_MAX_LOG = 700.0  # exp of it is a finite double

PADDING = 5  # code of padding; 0 to 3 are A C G U, 4 is N
N_SYMBOLS = 6  # K: the letters, N and padding

_SCORING_CELLS = 2_000_000  # N·L·C of a batch if only log-odds are computed
_POSTERIOR_CELLS = 400_000  # N·L·C of a batch if all sums are kept: limited by the caches
_ROW_CELLS = 8_192  # N·C of a batch: small enough for the caches, and for products in one thread
_CELLS_PER_ROW = 4_000  # padded cells that take as long as the overhead of a row

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
    """The posterior probability that a base is aligned with a column, (L, C), for each job.

    The backward sums are the forward sums of the reversed sequence with the reversed profile.
    """
    posteriors: list[Floats] = [np.empty((0, 0), np.float32)] * len(jobs)
    for indices in _batch_jobs(jobs, _POSTERIOR_CELLS):
        both = [
            one
            for codes, odds in (jobs[index] for index in indices)
            for one in ((codes, odds), (codes[::-1], odds[:, ::-1]))
        ]
        sums = run_forward(*_pad_jobs(both, np.float64))
        scores = sums.log_odds
        for place, index in enumerate(indices):
            posteriors[index] = decode_posteriors(sums, scores, 2 * place, *_job_size(jobs[index]))
    return posteriors


def _job_size(job: AlignmentJob) -> tuple[int, int]:
    """Bases and columns."""
    return len(job[0]), job[1].shape[1]


def _batch_jobs(jobs: Sequence[AlignmentJob], cells: int) -> Iterator[list[int]]:
    """Yield the indices of jobs with similar numbers of columns, longest sequences first.

    A batch has up to `cells` cells, without those behind the end of a sequence, which take no
    time. It ends if its padded columns would take longer than the rows of one more batch.
    """
    batch: list[int] = []
    longest = bases = narrowest = 0
    for index in sorted(range(len(jobs)), key=lambda index: _job_size(jobs[index])[::-1]):
        length, columns = _job_size(jobs[index])
        total = bases + length
        is_uneven = total * (columns - narrowest) > _CELLS_PER_ROW * max(longest, length)
        is_full = total * columns > cells or (len(batch) + 1) * columns > _ROW_CELLS
        if batch and (is_full or is_uneven):
            yield _by_falling_length(batch, jobs)
            batch, longest, total = [], 0, length
        narrowest = narrowest if batch else columns
        batch.append(index)
        longest, bases = max(longest, length), total
    if batch:
        yield _by_falling_length(batch, jobs)


def _by_falling_length(batch: list[int], jobs: Sequence[AlignmentJob]) -> list[int]:
    return sorted(batch, key=lambda index: -len(jobs[index][0]))


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
    Only the sequences up to the last that is not yet at its end are computed, so that padding
    takes no time if the longest come first. The sums have the precision of `odds`.
    """
    (count, length), columns = codes.shape, odds.shape[2]
    odds, entry_odds, exit_odds = map(_pad_columns, (odds, entry_odds, exit_odds))
    end_sums, log_scale = np.zeros((2, length, count))
    match_sums = np.zeros((count, odds.shape[2]), odds.dtype)
    kept = np.zeros((2, length if keep_matrices else 0, *match_sums.shape), odds.dtype)
    by_code, places = odds.reshape(-1, odds.shape[2]), codes.T + N_SYMBOLS * np.arange(count)
    transitions = _Transitions(match_sums)
    entry_odds, log_scales = entry_odds.copy(), np.zeros(count)
    entry_sums = np.empty_like(match_sums)
    for row, active in enumerate(_active_counts(codes)):
        match_sums, entry_odds = match_sums[:active], entry_odds[:active]
        entry_sums = kept[0, row, :active] if keep_matrices else entry_sums[:active]
        if row:
            transitions.add_shifted(match_sums, entry_odds, entry_sums)
        else:
            entry_sums[:] = entry_odds
        by_code.take(places[row, :active], axis=0, out=match_sums, mode="clip")
        match_sums *= entry_sums
        if keep_matrices:
            kept[1, row, :active] = match_sums
        end_sums[row, :active] = np.einsum("nc,nc->n", match_sums, exit_odds[:active])
        log_scale[row, :active] = log_scales[:active]
        if row % _RESCALE_EVERY == _RESCALE_EVERY - 1:
            large = np.maximum(match_sums.max(axis=1), odds.dtype.type(1))
            log_scales[:active] += np.log(large)
            for sums in (match_sums, transitions.inserted[:active], entry_odds):
                sums /= large[:, None]
    return ForwardSums(end_sums, log_scale, *kept[..., :columns])


class _Transitions:
    """The transitions from the matches of a base to those of the next base.

    A transition over k columns has the same odds everywhere, except for k = 1. The sum over all
    columns is a product of each block of _BLOCK columns with one matrix, and a sum over the blocks
    before it.
    """

    def __init__(self, like: Numbers) -> None:
        """`like` is an array (N, C) of the shape and precision of the sums."""
        n_blocks = like.shape[1] // _BLOCK
        deletion = (1 - GAP_EXTEND) * GAP_OPEN
        within = deletion * _falling_powers(GAP_EXTEND, _BLOCK)
        within += (1 - 2 * GAP_OPEN) * np.eye(_BLOCK)
        behind = deletion * GAP_EXTEND ** np.arange(_BLOCK)[::-1, None]
        to_blocks = _falling_powers(GAP_EXTEND**_BLOCK, n_blocks)
        to_blocks[to_blocks < np.finfo(like.dtype).tiny] = 0.0
        self._within, self._behind, self._to_blocks, self._powers = (
            each.astype(like.dtype)
            for each in (within, behind, to_blocks, GAP_EXTEND ** np.arange(_BLOCK)[None])
        )
        self._sums, self._work = np.empty_like(like), np.empty_like(like)
        self.inserted = np.zeros_like(like)  # insertion states (N, C), with the odds of their end

    def add_shifted(self, match_sums: Numbers, entry_odds: Numbers, entry_sums: Numbers) -> None:
        """Set the sums (n, C) of the next base, without the odds of its match, for n <= N."""
        n = len(match_sums)
        sums, work, inserted = self._sums[:n], self._work[:n], self.inserted[:n]
        blocks = match_sums.reshape(-1, _BLOCK)
        np.matmul(blocks, self._within, out=sums.reshape(-1, _BLOCK))
        before = (blocks @ self._behind).reshape(n, -1) @ self._to_blocks
        np.matmul(before.reshape(-1, 1), self._powers, out=work.reshape(-1, _BLOCK))
        sums += work
        sums += inserted
        sums[:, -1] = 0.0  # nothing passes from the last column to the first of the next alignment
        entry_sums[:] = entry_odds
        entry_sums.reshape(-1)[1:] += sums.reshape(-1)[:-1]
        inserted *= GAP_EXTEND
        inserted += np.multiply(match_sums, GAP_OPEN * (1 - GAP_EXTEND), out=work)


def _falling_powers(base: float, size: int) -> Doubles:
    """The matrix of base^(k - 1) for k = column - row > 0, and zeros, (size, size)."""
    steps = np.arange(size)[None, :] - np.arange(size)[:, None]
    powers: Doubles = np.where(steps > 0, base ** np.maximum(steps - 1.0, 0.0), 0.0)
    return powers


def _pad_columns(values: Numbers) -> Numbers:
    """Values (..., C) with zeros up to the next multiple of _BLOCK columns."""
    widths = [(0, 0)] * (values.ndim - 1) + [(0, -values.shape[-1] % _BLOCK)]
    return np.pad(values, widths)


def _active_counts(codes: NDArray[np.int64]) -> list[int]:
    """For each row: the sequences up to the last that has a base in it or later, at least one."""
    lengths = codes.shape[1] - (codes[:, ::-1] != PADDING).argmax(axis=1)
    lengths[(codes == PADDING).all(axis=1)] = 0
    longest_from = np.maximum.accumulate(lengths[::-1])  # of the last one, two, ... sequences
    behind = np.searchsorted(longest_from, np.arange(codes.shape[1]), side="right")
    return [max(len(codes) - int(each), 1) for each in behind]


def decode_posteriors(
    sums: ForwardSums, scores: Doubles, place: int, length: int, columns: int
) -> Floats:
    """The posterior probability (L, C) that a base is aligned with a column.

    `sums`, with the log-odds `scores` (N,), have the job at `place` and the reversed job behind it.
    """
    rows, cells = slice(length), (slice(length), place, slice(columns))
    backwards = sums.entry_sums[:length, place + 1, :columns]
    logs = sums.log_scale[rows, place] + sums.log_scale[rows, place + 1][::-1]
    logs -= scores[place]
    posteriors = sums.match_sums[cells] * backwards[::-1, ::-1]
    posteriors *= np.exp(np.minimum(logs, _MAX_LOG))[:, None]
    return posteriors.astype(np.float32)


def entry_exit_odds(sizes: NDArray[np.int64], columns: int) -> tuple[Doubles, Doubles]:
    """The odds of entry and of exit in each column, (N, C) each; `sizes` (N,) are in columns."""
    entry_odds = np.full((len(sizes), columns), PARTIAL_END)
    entry_odds[:, 0] = 1.0
    exit_odds = np.full((len(sizes), columns), PARTIAL_END)
    exit_odds[np.arange(len(sizes)), sizes - 1] = 1.0
    return entry_odds, exit_odds
