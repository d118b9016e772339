"""Stochastic traceback of the partition function: a sample of structures (Ding and Lawrence 2003).

A part of a structure is what a pair closes, or a part of a multiloop (qm, qm1 and qm2, as in
partition.py). Its inside sum is a sum of terms, each of which consists of smaller parts. All
structures of the sample are drawn together, from long parts to short ones, so that the terms of a
part are computed once.

The random numbers are a hash of the seed, the number of the structure and the part. A rounding
error that changes one choice does not change those of other parts and structures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnaformer_cli.folding.pairs import MIN_LOOP
from rnaformer_cli.folding.partition import PAD, BoltzmannFactors, Inside
from rnaformer_cli.folding.scores import FIXED_SIZE_LOOPS, MAX_LOOP

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Kind = Literal["qm", "qm2", "qm1", "pair"]

# Among parts of equal span, the terms of a part contain only parts of a later kind.
_KINDS: tuple[Kind, ...] = ("qm", "qm2", "qm1", "pair")
_EXTERIOR = len(_KINDS)  # the number of the exterior loop among the kinds
_WORD = 2**64 - 1
_GOLDEN_RATIO, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_MAX_LENGTH = 2**20  # bases, so that each part has a unique number


class _Part(NamedTuple):
    """The part of a structure from the base `left` to the base `right`."""

    kind: Kind
    left: int
    right: int


class _Terms(NamedTuple):
    """The terms of a sum, and a function from the index of a term to its parts."""

    weights: Floats
    parts: Callable[[int], tuple[_Part, ...]]


def sample_partners(
    weights: BoltzmannFactors, sums: Inside, n_samples: int, seed: int
) -> NDArray[np.int32]:
    """Draw structures of one sequence by their probability -> partners (n_samples, L).

    The partner of an unpaired base is -1. `weights` and `sums` are those of a batch of one.
    """
    return _Traceback(weights, sums, n_samples, seed).sample()


class _Traceback:
    """The parts that are still to be drawn, each with the structures that contain it."""

    def __init__(self, weights: BoltzmannFactors, sums: Inside, n_samples: int, seed: int) -> None:
        self._exterior_branch = weights.exterior_branch[0].numpy()
        self._exterior_unpaired = weights.exterior_unpaired[0].numpy()
        self._hairpin = weights.hairpin[0].numpy()
        self._fixed = {name: getattr(weights, name)[0].numpy() for name in FIXED_SIZE_LOOPS}
        self._closing = weights.interior_closing[0].numpy()
        self._multi_closing = weights.multi_closing[0].numpy()
        self._multi_branch = weights.multi_branch[0].numpy()
        self._prefix, self._qb = sums.prefix[0].numpy(), sums.qb[0].numpy()
        self._qb_interior, self._qm2 = sums.qb_interior[0].numpy(), sums.qm2[0].numpy()
        self._qm, self._qm1 = sums.qm.matrix()[0].numpy(), sums.qm1.matrix()[0].numpy()
        self._length = len(self._exterior_unpaired)
        must_pair = weights.multi_unpaired[0] == 0.0
        logs = weights.multi_unpaired[0].masked_fill(must_pair, 1.0).log().cumsum(0).numpy()
        self._unpaired_logs = np.concatenate(([0.0], logs))  # sum of the logs before each base
        self._n_must_pair = np.concatenate(([0], must_pair.cumsum(0).numpy()))  # likewise
        runs = weights.unpaired_runs
        self._runs = None if runs is None else runs[:, 0].cpu().numpy()
        steps = np.arange(MAX_LOOP + 1)
        self._lefts, self._rights = np.nonzero(steps[:, None] + steps <= MAX_LOOP)
        self._sizes = weights.interior_size[0].numpy()[:, self._lefts, self._rights]
        self._seed = _hash(np.array([seed & _WORD], np.uint64))
        self._partners = np.full((n_samples, self._length), -1, np.int32)
        self._waiting: dict[int, dict[_Part, list[Indices]]] = {}  # by span

    def sample(self) -> NDArray[np.int32]:
        """The partners of all structures."""
        self._draw_exterior()
        for span in range(self._length - 1, MIN_LOOP, -1):
            waiting = self._waiting.pop(span, {})
            self._waiting[span] = waiting  # parts of the same span are added to it
            for kind in _KINDS:
                for part in [part for part in waiting if part.kind == kind]:
                    self._draw(part, np.concatenate(waiting[part]))
            del self._waiting[span]
        return self._partners

    def _draw_exterior(self) -> None:
        """The exterior loop, from the last base to the first."""
        structures = np.arange(len(self._partners))
        waiting: dict[int, list[Indices]] = {self._length: [structures]}
        for size in range(self._length, 0, -1):
            if size not in waiting:
                continue
            last = size - 1
            lefts = np.arange(max(last - MIN_LOOP, 0))
            at = (last - lefts, lefts)
            branches = self._prefix[lefts] * self._exterior_branch[at] * self._qb[at]
            unpaired = self._prefix[last] * self._exterior_unpaired[last]
            terms = np.append(branches, unpaired)
            place = (_EXTERIOR, 0, last)
            for term, chosen in self._choose(terms, np.concatenate(waiting[size]), place):
                if term < len(lefts):
                    self._add(_Part("pair", term, last), chosen)
                waiting.setdefault(term if term < len(lefts) else last, []).append(chosen)

    def _add(self, part: _Part, structures: Indices) -> None:
        by_part = self._waiting.setdefault(part.right - part.left, {})
        by_part.setdefault(part, []).append(structures)

    def _draw(self, part: _Part, structures: Indices) -> None:
        kind, left, right = part
        if kind == "pair":
            self._partners[structures, left] = right
            self._partners[structures, right] = left
            terms = self._pair_terms(left, right)
        elif kind == "qm":
            terms = self._qm_terms(left, right)
        elif kind == "qm1":
            terms = self._qm1_terms(left, right)
        else:
            terms = self._qm2_terms(left, right)
        place = (_KINDS.index(kind), left, right)
        for term, chosen in self._choose(terms.weights, structures, place):
            for inner in terms.parts(term):
                self._add(inner, chosen)

    def _pair_terms(self, left: int, right: int) -> _Terms:
        """The loops that a pair closes: hairpin, fixed sizes, multiloop, other interior loops."""
        span, at = right - left, (right - left, left)
        weights = [self._hairpin[at]]
        inner: list[tuple[_Part, ...]] = [()]
        for name, (from_left, from_right) in FIXED_SIZE_LOOPS.items():
            enclosed = _Part("pair", left + from_left, right - from_right)
            inner_span = span - from_left - from_right
            sums = self._qb[inner_span, enclosed.left] if inner_span > MIN_LOOP else 0.0
            weights.append(self._fixed[name][at] * sums)
            inner.append((enclosed,))
        multi = self._qm2[span - 2, left + 1]
        weights.append(self._multi_closing[at] * multi)
        inner.append((_Part("qm2", left + 1, right - 1),))
        rows = PAD + span - 2 - self._lefts - self._rights
        enclosed_sums = self._qb_interior[:, rows, PAD + left + 1 + self._lefts]
        interior = (self._closing[:, span, left, None] * self._sizes * enclosed_sums).sum(0)
        if self._runs is not None:
            before, after = self._runs
            interior *= (self._lefts <= after[left]) & (self._rights <= before[right])

        def parts(term: int) -> tuple[_Part, ...]:
            if term < len(inner):
                return inner[term]
            size = term - len(inner)
            ends = left + 1 + int(self._lefts[size]), right - 1 - int(self._rights[size])
            return (_Part("pair", *ends),)

        return _Terms(np.concatenate((weights, interior)), parts)

    def _qm_terms(self, left: int, right: int) -> _Terms:
        """At least two branches, or one after some unpaired bases."""
        starts = np.arange(left, right - MIN_LOOP)
        unpaired = self._unpaired_factors(np.array([left]), starts)
        weights = np.append(unpaired * self._qm1[starts, right], self._qm2[right - left, left])

        def parts(term: int) -> tuple[_Part, ...]:
            if term < len(starts):
                return (_Part("qm1", left + term, right),)
            return (_Part("qm2", left, right),)

        return _Terms(weights, parts)

    def _qm1_terms(self, left: int, right: int) -> _Terms:
        """One branch that begins at the left base, and unpaired bases after it."""
        ends = np.arange(left + MIN_LOOP + 1, right + 1)
        at = (ends - left, left)
        unpaired = self._unpaired_factors(ends + 1, np.array([right + 1]))
        weights = unpaired * self._multi_branch[at] * self._qb[at]
        return _Terms(weights, lambda term: (_Part("pair", left, left + MIN_LOOP + 1 + term),))

    def _qm2_terms(self, left: int, right: int) -> _Terms:
        """At least one branch, and a last one, by the last base before it."""
        splits = np.arange(left, right)
        weights = self._qm[left, splits] * self._qm1[splits + 1, right]

        def parts(term: int) -> tuple[_Part, ...]:
            split = left + term
            return (_Part("qm", left, split), _Part("qm1", split + 1, right))

        return _Terms(weights, parts)

    def _unpaired_factors(self, starts: Indices, stops: Indices) -> Floats:
        """The factors of unpaired bases of a multiloop from each start up to its stop."""
        logs = self._unpaired_logs[stops] - self._unpaired_logs[starts]
        factors: Floats = np.exp(logs) * (self._n_must_pair[stops] == self._n_must_pair[starts])
        return factors

    def _choose(
        self, weights: Floats, structures: Indices, place: tuple[int, int, int]
    ) -> Iterator[tuple[int, Indices]]:
        """Draw a term for each structure; yield each term with the structures that have it."""
        kind, left, right = place
        number = (kind * _MAX_LENGTH + left) * _MAX_LENGTH + right
        of_part = _hash(self._seed + np.uint64(number * _GOLDEN_RATIO & _WORD))
        numbers = _hash(of_part + structures.astype(np.uint64) * np.uint64(_GOLDEN_RATIO))
        uniform = (numbers >> np.uint64(11)).astype(np.float64) * 2.0**-53
        limits = np.cumsum(weights)
        terms = np.searchsorted(limits, uniform * limits[-1], side="right")
        terms = np.minimum(terms, np.flatnonzero(weights)[-1])  # the product may round up
        order = np.argsort(terms, kind="stable")
        found, starts = np.unique(terms[order], return_index=True)
        for term, chosen in zip(found.tolist(), np.split(order, starts[1:]), strict=True):
            yield term, structures[chosen]


def _hash(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The mixing function of SplitMix64 (Steele 2014)."""
    mixed: NDArray[np.uint64] = values + np.uint64(_GOLDEN_RATIO)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(_FIRST)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(_SECOND)
    mixed ^= mixed >> np.uint64(31)
    return mixed
