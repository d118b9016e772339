"""The constraints of a record on base pairs: forced and excluded pairs, required bases."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnaformer_cli.folding.hard_constraints import HardConstraints
from rnaformer_cli.folding.model import FoldingModel
from rnaformer_cli.folding.partition import to_spans
from rnaformer_cli.prediction.banded import PairScores
from rnaformer_cli.sequence.constraints import MIN_LOOP, Constraints
from rnaformer_cli.sequence.encode import encode
from rnaformer_cli.structure.nesting import heaviest_nested
from rnaformer_cli.structure.structure import CANONICAL, BasePair, Structure, group_into_stems

Booleans = NDArray[np.bool_]
Partners = NDArray[np.int32]  # of each base, or -1

IS_CANONICAL = np.zeros((5, 5), np.bool_)  # by the codes of two letters
for _pair in CANONICAL:
    IS_CANONICAL[tuple(encode(_pair))] = True


@dataclass(frozen=True)
class PairConstraints:
    """Constraints on base pairs; matrices are (L, L) and symmetric."""

    forced: frozenset[BasePair]
    required: frozenset[int]  # bases that must pair and whose partner is not known
    may_pair: Booleans  # pairs that the constraints do not exclude, forced pairs included
    is_partner: Booleans  # of these, canonical pairs with at least MIN_LOOP bases between them

    @classmethod
    def of(cls, sequence: str, constraints: Constraints) -> PairConstraints:
        """The constraints of an RNA with this sequence."""
        may_pair = ~np.eye(len(sequence), dtype=np.bool_)
        for base in constraints.downstream:
            may_pair[base, :base] = may_pair[:base, base] = False
        for base in constraints.upstream:
            may_pair[base, base:] = may_pair[base:, base] = False
        for left, right in constraints.forbidden:
            may_pair[left, right] = may_pair[right, left] = False
        forced = {base for pair in constraints.pairs for base in pair}
        bases = sorted(constraints.unpaired | forced)
        may_pair[bases] = may_pair[:, bases] = False
        for left, right in constraints.pairs:
            may_pair[left, right] = may_pair[right, left] = True
        codes = encode(sequence)
        is_far = ~np.tri(len(sequence), k=MIN_LOOP, dtype=np.bool_)
        is_partner = may_pair & IS_CANONICAL[codes[:, None], codes] & (is_far | is_far.T)
        return cls(constraints.pairs, constraints.required, may_pair, is_partner)

    @cached_property
    def nested_forced(self) -> list[BasePair]:
        """The forced pairs of a largest set of helices that do not cross."""
        stems = group_into_stems(self.forced)
        kept = heaviest_nested([stem[0] for stem in stems], [len(stem) for stem in stems])
        return sorted(pair for index in kept for pair in stems[index])

    @cached_property
    def enclosing(self) -> NDArray[np.int64]:
        """The left base of the innermost pair of nested_forced around each base (L,), or -1."""
        enclosing = np.full(len(self.may_pair), -1)
        for left, right in self.nested_forced:  # outer pairs come first
            enclosing[left + 1 : right] = left
        return enclosing

    def apply(self, scores: PairScores) -> PairScores:
        """The scores (L, L) with 1 for forced pairs and 0 for excluded pairs."""
        assert isinstance(scores, np.ndarray)
        constrained = np.where(self.may_pair, scores, np.float32(0.0))
        for left, right in self.forced:
            constrained[left, right] = constrained[right, left] = 1.0
        return constrained

    def uncrossed(self, pairs: Iterable[BasePair]) -> list[BasePair]:
        """The pairs that cross none of nested_forced and share no base with them."""
        forced = {base for pair in self.forced for base in pair}
        return [
            (left, right)
            for left, right in pairs
            if self.enclosing[left] == self.enclosing[right] and forced.isdisjoint((left, right))
        ]

    def partner_pairs(self, bases: Collection[int], scores: PairScores) -> dict[BasePair, float]:
        """The canonical pairs of the bases, without excluded ones, with their scores."""
        assert isinstance(scores, np.ndarray)
        chosen = np.zeros(len(scores), np.bool_)
        chosen[list(bases)] = True
        found = np.triu(self.is_partner) & (chosen[:, None] | chosen)
        left, right = np.nonzero(found)
        pairs = zip(left.tolist(), right.tolist(), scores[left, right].tolist(), strict=True)
        return {(i, j): score for i, j, score in pairs}

    def best_partners(self, bases: Collection[int], scores: PairScores) -> list[BasePair]:
        """The most probable canonical pair of each base that may have one."""
        assert isinstance(scores, np.ndarray)
        best: list[BasePair] = []
        for base in sorted(bases):
            if self.is_partner[base].any():
                partner = int(np.where(self.is_partner[base], scores[base], -1.0).argmax())
                best.append((min(base, partner), max(base, partner)))
        return best

    def unmet(self, pairs: Collection[BasePair]) -> tuple[int, ...]:
        """The required bases that are in none of the pairs."""
        return tuple(sorted(self.required.difference(*pairs)))

    def satisfying(self, sample: Partners, structure: Structure) -> Partners:
        """Sampled structures (N, L) of the folding model, with all forced pairs added.

        A required base that is paired in `structure` must be paired; other structures are left out.
        """
        completed = sample.copy()
        for left, right in self.forced:  # those that cross others are not in the folding model
            completed[:, left], completed[:, right] = right, left
        needed = sorted(self.required.difference(self.unmet(structure.pairs)))
        satisfying: Partners = completed[(completed[:, needed] >= 0).all(1)]
        return satisfying

    def hard_constraints(self) -> Iterator[HardConstraints]:
        """Yield constraints for the folding model, strictest first; the last can always be met.

        All forced and required bases must pair, then only forced bases, then none.
        """
        nested = self.nested_forced
        may_pair = torch.from_numpy(self.may_pair.copy())
        extra_pairs = torch.zeros_like(may_pair)
        for left, right in self.forced.difference(nested):  # not in a nested model
            may_pair[left, right] = may_pair[right, left] = False
        for pair in nested:
            extra_pairs[pair] = True
        forced = {base for pair in nested for base in pair}
        choices = (frozenset(forced | self.required), frozenset(forced), frozenset[int]())
        for bases_that_pair in dict.fromkeys(choices):
            must_pair = torch.zeros(len(may_pair), dtype=torch.bool)
            must_pair[sorted(bases_that_pair)] = True
            yield HardConstraints(may_pair[None], must_pair[None], to_spans(extra_pairs[None]))


def add_bonus(
    gains: Mapping[BasePair, int], bases: Collection[int], bonus: int
) -> dict[BasePair, int]:
    """The gains, with the bonus added once for each end of a pair that is one of the bases."""
    rewarded = set(bases)
    return {
        pair: gain + bonus * ((pair[0] in rewarded) + (pair[1] in rewarded))
        for pair, gain in gains.items()
    }


def constrained_probabilities(
    folding: FoldingModel,
    bases: Tensor,
    unpaired_scores: Tensor | None,
    constraints: PairConstraints,
) -> tuple[Tensor, HardConstraints]:
    """The folding model's probabilities (L, L) of one RNA under the constraints it can satisfy.

    If no structure of the model pairs all required bases, that constraint is dropped. If none has
    all forced pairs (an interior loop may be too large), that constraint is dropped, too.
    """
    for hard in constraints.hard_constraints():
        probabilities: Tensor = folding(bases, unpaired_scores, constraints=hard)[0]
        must_pair = hard.must_pair[0].to(probabilities.device)
        if not must_pair.any() or probabilities[must_pair].any():
            break
    return probabilities, hard
