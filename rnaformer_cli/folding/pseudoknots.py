"""Pseudoknots of two helices (H-type), as an extension of the partition function.

The helices cross: the 5' strands of both come before the 3' strands of both,

    i..i'  loop 1  j..j'  loop 2  k'..k  loop 3  l'..l

where the first helix pairs i with k and i' with k', and the second j with l and j' with l'. Each
candidate is a closed part of a structure, from i to l, as a pair is. Its log-odds against all
nested structures are a linear function of the features FEATURES: the sums outside of the part, the
stacking of the helices, and what is known of such pseudoknots in general, mainly the lengths of
the loops (Dirks and Pierce 2003, Cao and Chen 2006). A loop may contain nested helices, which the
sums of multiloops cover.

The coefficients were fitted to structures with and without pseudoknots; see
benches/fit_pseudoknots.py and docs/decisions/folding-model.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from rnaformer_cli.folding.pairs import MIN_LOOP, PAIR_TYPES, REVERSED_TYPE
from rnaformer_cli.folding.partition import Inside, Outside, to_matrix
from rnaformer_cli.folding.scores import FIXED_SIZE_LOOPS, LoopScores

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Pair = tuple[int, int]

MAX_LENGTH = 500  # bases; longer sequences have no candidates
MIN_HELIX = 3  # pairs
MIN_LENGTH = 4 * MIN_HELIX + 2  # bases
_MIN_STACKING = 2.0  # nats; weaker helices are not considered
_MAX_HELICES = 500  # those of the best stacking are considered
_MAX_LOOPS = (100, 60, 100)  # bases of loops 1, 2 and 3
_MAX_PAIRS = 20_000  # of helices, those with the largest sum of context and stacking
_MAX_CANDIDATES = 600  # those with the largest log-odds
_MAX_TRIMMED = 2  # pairs that a helix may lack at each end of a run of possible pairs
_TRIMS = np.array(list(np.ndindex(_MAX_TRIMMED + 1, _MAX_TRIMMED + 1)))  # outer, inner
# Of two runs: outer and inner pairs of the first, inner pairs of the second.
_TRIMS_OF_TWO = np.array(list(np.ndindex(_MAX_TRIMMED, _MAX_TRIMMED, _MAX_TRIMMED + 1)))
_BYTES_OF_CANDIDATES, _BYTES_PER_CELL = 15_000_000, 650
_MIN_CONTEXT = -25.0  # nats
_MIN_PROBABILITY = 1e-3
_PART_WITH_PAIR = MIN_LOOP + 2  # bases of the shortest loop that can contain a pair

INTERCEPT = -7.03
FEATURES: Mapping[str, float] = {  # name -> coefficient
    "context": 0.93,  # log-odds of an unpaired part from i to l
    "stacking": 1.03,  # scores of the stacks of both helices, and of bulges in them
    "unpaired": 1.01,  # scores of the loops, if all of their bases are unpaired
    "outer_ends": 1.37,  # scores of the pairs (i, k) and (j, l) as ends of helices
    "inner_ends": 0.42,  # the same of (i', k') and (j', l')
    "log_loop_1": 0.19,  # log(bases of loop 1 + 1/2)
    "no_loop_2": -0.49,  # 1 if loop 2 has no base
    "one_base_loop_2": -0.08,  # 1 if loop 2 has one base
    "short_loop_1": -1.57,  # bases by which loop 1 is too short to cross the second helix
    "short_loop_3": -1.4,  # the same of loop 3 and the first helix
    "three_pairs_1": 0.55,  # 1 if the first helix has three pairs
    "three_pairs_2": 0.85,
    "coaxial": 0.46,  # score of the stack of both helices across a loop 2 of one base
    "adenines_loop_3": 0.25,  # up to 8
    "uridines_loop_1": 0.1,  # up to 6
    "helices_loop_1": 0.87,  # log(sum of all structures of loop 1 / the unpaired one)
    "helices_loop_2": 0.95,
    "helices_loop_3": 0.97,
    "log_length": -1.5,  # log(bases of the sequence / 80)
}


@dataclass(frozen=True, slots=True)
class Pseudoknot:
    """Two crossing helices and the probability that a structure contains both."""

    first: tuple[Pair, ...]  # 0-based, from the outermost pair to the innermost
    second: tuple[Pair, ...]
    probability: float

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The pairs of both helices."""
        return self.first + self.second


@dataclass(frozen=True, slots=True)
class _Tables:
    """Scores and sums of one sequence, trimmed to its bases. Tables by span are (D, L)."""

    can_pair: NDArray[np.bool_]  # (D, L)
    fixed: Mapping[str, Floats]  # scores of stacks, bulges of one base and 1x1 loops, (D, L)
    exterior_branch: Floats  # (D, L)
    multi_closing: Floats  # (D, L)
    unpaired: Floats  # (L + 1,) cumulative sums of multi_unpaired
    log_part: Floats  # (L, L) parts of a multiloop with at least one helix
    log_context: Floats  # (L, L) all structures outside of a part, over the partition function
    letters: Indices  # (L,)

    @property
    def length(self) -> int:
        return len(self.letters)


@dataclass(frozen=True, slots=True)
class Helices:
    """Possible helices, one row each: a run of stacked pairs, or two runs around a small loop."""

    left: Indices  # the outermost pair
    right: Indices
    inner_left: Indices  # the innermost pair
    inner_right: Indices
    n_outer: Indices  # pairs of the outer run
    n_pairs: Indices
    stacking: Floats

    def __len__(self) -> int:
        return len(self.left)

    def take(self, rows: Indices) -> Helices:
        """The helices of these rows."""
        return Helices(*(getattr(self, field.name)[rows] for field in fields(self)))

    def pairs(self, row: int) -> tuple[Pair, ...]:
        """The pairs of a helix, from the outermost to the innermost."""
        left, right, n_outer = (int(of[row]) for of in (self.left, self.right, self.n_outer))
        first, last, n_pairs = (
            int(of[row]) for of in (self.inner_left, self.inner_right, self.n_pairs)
        )
        outer = [(left + step, right - step) for step in range(n_outer)]
        inner = [(first - step, last + step) for step in reversed(range(n_pairs - n_outer))]
        return tuple(outer + inner)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Pairs of crossing helices with their features, one row each."""

    helices: Helices
    first: Indices  # rows of `helices`
    second: Indices
    features: Floats  # (n, len(FEATURES))

    def __len__(self) -> int:
        return len(self.first)

    def pairs(self, row: int) -> tuple[tuple[Pair, ...], tuple[Pair, ...]]:
        """The pairs of both helices, each from the outermost to the innermost."""
        first, second = int(self.first[row]), int(self.second[row])
        return self.helices.pairs(first), self.helices.pairs(second)

    def log_odds(self) -> Floats:
        """The log-odds of each candidate against all nested structures (n,)."""
        return _log_odds(self.features)


def find_candidates(
    letters: Indices,
    stack_scores: Floats,
    loops: LoopScores,
    sums: Inside,
    outside: Outside,
    row: int,
) -> Candidates:
    """The candidates of one sequence, which is a row of a batch.

    `letters` are its bases without padding, `stack_scores` (6, 6) the table `stack` of the scores.
    """
    tables = _trim_tables(letters, loops, sums, outside, row)
    return _cross_helices(tables, _find_helices(tables), stack_scores)


def _log_odds(features: Floats) -> Floats:
    odds: Floats = features @ np.array(list(FEATURES.values())) + INTERCEPT
    return odds


def pseudoknot_probabilities(candidates: Candidates) -> list[Pseudoknot]:
    """The candidates of a probability of at least _MIN_PROBABILITY, the most probable first.

    A structure has at most one of the candidates that overlap. The odds of a candidate are
    therefore divided by one plus the sum of the odds of those that overlap with it.
    """
    if not len(candidates):
        return []
    log_odds = candidates.log_odds()
    begin = candidates.helices.left[candidates.first]
    end = candidates.helices.right[candidates.second]
    overlaps = (begin[:, None] <= end) & (begin <= end[:, None])
    largest = np.maximum(log_odds.max(), 0.0)
    odds = np.exp(log_odds - largest)
    probabilities = odds / (math.exp(-largest) + overlaps @ odds)
    rows = np.argsort(-probabilities, kind="stable")
    return [
        Pseudoknot(*candidates.pairs(row), float(probabilities[row]))
        for row in rows.tolist()
        if probabilities[row] >= _MIN_PROBABILITY
    ]


def needed_memory(length: int) -> int:
    """The maximum memory in bytes to find the pseudoknots of one sequence of `length` bases."""
    return _BYTES_OF_CANDIDATES + _BYTES_PER_CELL * length**2 if length <= MAX_LENGTH else 0


def add_pseudoknots(
    scores: NDArray[np.float32], pseudoknots: Sequence[Pseudoknot]
) -> NDArray[np.float32]:
    """Base-pair probabilities (L, L) of nested structures -> of those with the pseudoknots, too.

    In a structure with a pseudoknot, its pairs have the probability 1, and its bases no other
    partner. All other pairs keep their probabilities.
    """
    if not pseudoknots:
        return scores
    added = np.zeros(scores.shape)
    for pseudoknot in pseudoknots:
        left, right = np.array(pseudoknot.pairs).T
        added[left, right] += pseudoknot.probability
        added[right, left] += pseudoknot.probability
    taken = added.sum(1)
    others = 1.0 - np.maximum(taken[:, None], taken)
    combined: NDArray[np.float32] = (added + others.clip(0.0, 1.0) * scores).astype(np.float32)
    return combined.clip(0.0, 1.0)


def _trim_tables(
    letters: Indices, loops: LoopScores, sums: Inside, outside: Outside, row: int
) -> _Tables:
    length = len(letters)

    def trimmed(table: Tensor) -> Floats:
        """The table of the sequence, (length, length) or (length,), in float64."""
        part = table[row, :length] if table.ndim == 2 else table[row, :length, :length]
        array: Floats = part.double().cpu().numpy()
        return array

    exterior_branch = trimmed(loops.exterior_branch)
    index = np.arange(length)
    log_scale = np.maximum(index - index[:, None] + 1, 0) * sums.scale
    with np.errstate(divide="ignore"):
        log_part = np.log(trimmed(sums.qm.matrix())) + log_scale
        before, after = np.log(trimmed(sums.prefix)), np.log(trimmed(sums.suffix[:, 1:]))
        branches = to_matrix(outside.multi_branch[row : row + 1])[0, :length, :length]
        in_multiloop = np.log(branches.double().cpu().numpy())
    context = np.logaddexp(before[:, None] + after, in_multiloop)
    return _Tables(
        np.isfinite(exterior_branch),
        {name: trimmed(getattr(loops, name)) for name in FIXED_SIZE_LOOPS},
        exterior_branch,
        trimmed(loops.multi_closing),
        np.concatenate(([0.0], np.cumsum(trimmed(loops.multi_unpaired)))),
        log_part,
        context - math.log(float(sums.total[row])) - log_scale,
        letters,
    )


def _find_helices(tables: _Tables) -> Helices:
    """The helices of the best stacking: runs of possible pairs, which may be trimmed at both ends.

    Two runs may be joined by a bulge of one base or a 1x1 loop.
    """
    can_extend = np.zeros_like(tables.can_pair)
    can_extend[:-2, 1:] = tables.can_pair[2:, :-1]
    spans, bases = np.nonzero(tables.can_pair & ~can_extend)
    outermost = spans.astype(np.int64), bases.astype(np.int64)
    runs = _Runs(tables)
    parts = [runs.trimmed(outermost)]
    parts += [runs.joined(outermost, name) for name in FIXED_SIZE_LOOPS if name != "stack"]
    columns = zip(*([getattr(part, f.name) for f in fields(part)] for part in parts), strict=True)
    helices = Helices(*map(np.concatenate, columns))
    helices = helices.take(np.nonzero(helices.stacking >= _MIN_STACKING)[0])
    best = helices.take(np.argsort(-helices.stacking, kind="stable"))
    ends = np.stack((best.left, best.right, best.inner_left, best.inner_right))
    distinct = np.unique(ends, axis=1, return_index=True)[1]  # of equal ends, the best helix
    return best.take(np.sort(distinct)[:_MAX_HELICES])


class _Runs:
    """Runs of possible pairs, each stacked on the next, by the span and left base of a pair."""

    def __init__(self, tables: _Tables) -> None:
        self.tables = tables
        length, stack = tables.length, tables.fixed["stack"]
        self.n_inwards = np.zeros((length, length + 1), dtype=np.int64)  # pairs from this one on
        self.stacking = np.zeros((length, length + 1))  # of these pairs
        for span in range(MIN_LOOP + 1, length):
            count = length - span
            inner = self.n_inwards[span - 2, 1 : count + 1]
            can_pair = tables.can_pair[span, :count]
            self.n_inwards[span, :count] = np.where(can_pair, inner + 1, 0)
            is_stacked = can_pair & (inner > 0)
            scores = np.where(is_stacked, stack[span, :count], 0.0)
            below = self.stacking[span - 2, 1 : count + 1]
            self.stacking[span, :count] = np.where(is_stacked, scores + below, 0.0)

    def trimmed(self, outermost: tuple[Indices, Indices]) -> Helices:
        """The runs without some of their outer and inner pairs."""
        span, left, n_pairs, _ = self._begin(outermost, _TRIMS, MIN_HELIX)
        last_span, last = span - 2 * (n_pairs - 1), left + n_pairs - 1
        stacking = self.stacking[span, left] - self.stacking[last_span, last]
        return Helices(left, left + span, last, last + last_span, n_pairs, n_pairs, stacking)

    def joined(self, outermost: tuple[Indices, Indices], loop: str) -> Helices:
        """Two runs around a loop, both of which may lack some of their pairs."""
        span, left, n_outer, inner = self._begin(outermost, _TRIMS_OF_TWO, 2)
        end_span, end = span - 2 * (n_outer - 1), left + n_outer - 1
        before, after = FIXED_SIZE_LOOPS[loop]
        next_span, next_left = end_span - before - after, end + before
        n_inner = np.where(
            next_span > MIN_LOOP, self.n_inwards[np.maximum(next_span, 0), next_left] - inner, 0
        )
        kept = n_inner >= 2
        span, left, n_outer, end_span, end, next_span, next_left, n_inner = (
            of[kept] for of in (span, left, n_outer, end_span, end, next_span, next_left, n_inner)
        )
        last_span, last = next_span - 2 * (n_inner - 1), next_left + n_inner - 1
        stacking = self.stacking[span, left] - self.stacking[end_span, end]
        stacking += self.tables.fixed[loop][end_span, end]
        stacking += self.stacking[next_span, next_left] - self.stacking[last_span, last]
        n_pairs = n_outer + n_inner
        return Helices(left, left + span, last, last + last_span, n_outer, n_pairs, stacking)

    def _begin(
        self, outermost: tuple[Indices, Indices], trims: Indices, minimum: int
    ) -> tuple[Indices, Indices, Indices, Indices]:
        """All runs with all trims, if enough pairs are left.

        Span and left base of the first pair that is kept, number of pairs, and last column of the
        trims.
        """
        span, left = outermost
        n_pairs = self.n_inwards[span, left] - trims[:, :1] - trims[:, 1:2]
        trim, run = np.nonzero(n_pairs >= minimum)
        outer = trims[trim, 0]
        return span[run] - 2 * outer, left[run] + outer, n_pairs[trim, run], trims[trim, -1]


def _cross_helices(tables: _Tables, helices: Helices, stack_scores: Floats) -> Candidates:
    """The most promising pairs of crossing helices, with their features."""
    left, right, last = helices.left, helices.right, helices.inner_left
    first_unpaired = helices.inner_right  # the 3' strand begins here
    loop_1 = left - last[:, None] - 1
    loop_2 = first_unpaired[:, None] - last - 1
    loop_3 = first_unpaired - right[:, None] - 1
    is_possible = loop_1 + loop_3 >= 2
    for sizes, largest in zip((loop_1, loop_2, loop_3), _MAX_LOOPS, strict=True):
        is_possible &= (sizes >= 0) & (sizes <= largest)
    first, second = np.nonzero(is_possible)
    if len(first) > _MAX_PAIRS:
        likely = tables.log_context[left[first], right[second]]
        likely = likely + helices.stacking[first] + helices.stacking[second]
        rows = np.sort(np.argpartition(-likely, _MAX_PAIRS)[:_MAX_PAIRS])
        first, second = first[rows], second[rows]
    features = _features(tables, helices, first, second, stack_scores)
    rows = np.argsort(-_log_odds(features), kind="stable")[:_MAX_CANDIDATES]
    return Candidates(helices, first[rows], second[rows], features[rows])


def _features(
    tables: _Tables, helices: Helices, first: Indices, second: Indices, stack_scores: Floats
) -> Floats:
    """The features (n, len(FEATURES)) of candidates, given the rows of their helices."""
    one, two = helices.take(first), helices.take(second)
    ends = (  # the bases of the loops, from ... to
        (one.inner_left + 1, two.left),
        (two.inner_left + 1, one.inner_right),
        (one.right + 1, two.inner_right),
    )
    loop_1, loop_2, loop_3 = (stop - start for start, stop in ends)
    unpaired = [tables.unpaired[stop] - tables.unpaired[start] for start, stop in ends]
    values = {
        "context": tables.log_context[one.left, two.right].clip(_MIN_CONTEXT, None),
        "stacking": one.stacking + two.stacking,
        "unpaired": sum(unpaired),
        "outer_ends": sum(tables.exterior_branch[of.right - of.left, of.left] for of in (one, two)),
        "inner_ends": sum(
            tables.multi_closing[of.inner_right - of.inner_left, of.inner_left] for of in (one, two)
        ),
        "log_loop_1": np.log(loop_1 + 0.5),
        "no_loop_2": loop_2 == 0,
        "one_base_loop_2": loop_2 == 1,
        "short_loop_1": (two.n_pairs - 5 - loop_1).clip(0, None),
        "short_loop_3": (one.n_pairs - 4 - loop_3).clip(0, None),
        "three_pairs_1": one.n_pairs == MIN_HELIX,
        "three_pairs_2": two.n_pairs == MIN_HELIX,
        "coaxial": _coaxial_scores(tables.letters, one, two, stack_scores) * (loop_2 == 1),
        "adenines_loop_3": _count(tables.letters, "A", *ends[2]).clip(None, 8),
        "uridines_loop_1": _count(tables.letters, "U", *ends[0]).clip(None, 6),
        "log_length": np.full(len(first), math.log(tables.length / 80)),
    }
    for number, ((start, stop), alone) in enumerate(zip(ends, unpaired, strict=True), 1):
        holds_pair = stop - start >= _PART_WITH_PAIR
        with_helices = np.full(len(first), -np.inf)
        with_helices[holds_pair] = tables.log_part[start[holds_pair], stop[holds_pair] - 1]
        values[f"helices_loop_{number}"] = np.logaddexp(alone, with_helices) - alone
    return np.stack([np.asarray(values[name], dtype=np.float64) for name in FEATURES], axis=1)


def _coaxial_scores(letters: Indices, one: Helices, two: Helices, stack_scores: Floats) -> Floats:
    """The score of the innermost pair of the second helix on that of the first."""
    types = np.zeros((5, 5), dtype=np.int64)
    for number, pair in enumerate(PAIR_TYPES):
        types["ACGU".index(pair[0]), "ACGU".index(pair[1])] = number
    symmetric = (stack_scores + stack_scores[list(REVERSED_TYPE)][:, list(REVERSED_TYPE)].T) / 2
    outer = types[letters[two.inner_left], letters[two.inner_right]]
    inner = types[letters[one.inner_right], letters[one.inner_left]]
    scores: Floats = symmetric[outer, inner]
    return scores


def _count(letters: Indices, letter: str, start: Indices, stop: Indices) -> Indices:
    """How often a letter occurs from each start to the base before each stop."""
    counts = np.concatenate(([0], np.cumsum(letters == "ACGU".index(letter))))
    occurrences: Indices = counts[stop] - counts[start]
    return occurrences
