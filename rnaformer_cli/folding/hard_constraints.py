"""Hard constraints: the partition function of the structures that satisfy them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from rnaformer_cli.folding.partition import to_spans
from rnaformer_cli.folding.scores import FIXED_SIZE_LOOPS, MAX_LOOP, LoopScores

_IMPOSSIBLE = -torch.inf


@dataclass(frozen=True, slots=True)
class HardConstraints:
    """Pairs that are excluded, bases that are paired in every structure."""

    may_pair: Tensor  # (B, L, L) bool
    must_pair: Tensor  # (B, L) bool
    extra_pairs: Tensor | None = None  # (B, D, L) bool, possible although they are not canonical

    def to(self, device: torch.device) -> HardConstraints:
        """These constraints on a device."""
        extra = None if self.extra_pairs is None else self.extra_pairs.to(device)
        return HardConstraints(self.may_pair.to(device), self.must_pair.to(device), extra)


def exclude_structures(loop_scores: LoopScores, constraints: HardConstraints) -> LoopScores:
    """Loop scores in which every structure that violates a constraint is impossible.

    A pair closes exactly one loop, so excluded pairs get no score there. A base that must pair is
    unpaired in no loop: loops of fixed size around it are impossible, and the other interior loops
    have limited numbers of unpaired bases next to their pairs.
    """
    may_close = to_spans(constraints.may_pair)
    must_pair = constraints.must_pair
    changed = {}
    for name, sides in FIXED_SIZE_LOOPS.items():
        is_possible = may_close & ~_is_skipped(must_pair, *sides)
        changed[name] = torch.where(is_possible, getattr(loop_scores, name), _IMPOSSIBLE)
    for name in ("multi_unpaired", "exterior_unpaired"):
        changed[name] = torch.where(must_pair, _IMPOSSIBLE, getattr(loop_scores, name))
    is_hairpin = may_close & ~_is_between(must_pair)
    changed["hairpin"] = torch.where(is_hairpin, loop_scores.hairpin, _IMPOSSIBLE)
    changed["multi_closing"] = torch.where(may_close, loop_scores.multi_closing, _IMPOSSIBLE)
    changed["interior_closing"] = torch.where(
        may_close[:, None], loop_scores.interior_closing, _IMPOSSIBLE
    )
    runs = _unpaired_runs(must_pair) if bool(must_pair.any()) else None
    return replace(loop_scores, **changed, unpaired_runs=runs)


def _is_between(must_pair: Tensor) -> Tensor:
    """Whether a base that must pair lies between the two bases of each pair, (B, D, L)."""
    size = must_pair.shape[1]
    counts = F.pad(must_pair.long().cumsum(1), (1, 0))  # (B, L + 1) of the bases before each
    index = torch.arange(size, device=must_pair.device)
    right = (index[:, None] + index).clamp(max=size)
    return counts[:, right] > counts[:, (index + 1)[None].expand(size, size)]


def _is_skipped(must_pair: Tensor, left: int, right: int) -> Tensor:
    """Whether the base next to the left or right base of each pair must pair, (B, D, L).

    Only sides with an unpaired base, two steps from the pair to the inner one, are checked.
    """
    size = must_pair.shape[1]
    index = torch.arange(size, device=must_pair.device)
    padded = F.pad(must_pair, (1, 1))  # [i + 1] -> base i
    last = (index[:, None] + index).clamp(max=size)
    skipped = torch.zeros_like(padded[:, last])
    if left == 2:
        skipped |= padded[:, None, 2:]
    if right == 2:
        skipped |= padded[:, last]  # the base before i + d
    return skipped


def _unpaired_runs(must_pair: Tensor) -> Tensor:
    """The bases before and after each base up to the next that must pair, up to MAX_LOOP."""
    return torch.stack((_run_before(must_pair), _run_before(must_pair.flip(1)).flip(1)))


def _run_before(must_pair: Tensor) -> Tensor:
    index = torch.arange(must_pair.shape[1], device=must_pair.device)
    last = torch.where(must_pair, index, -1).cummax(1).values  # up to and including each base
    before = F.pad(last[:, :-1], (1, 0), value=-1)
    return (index - 1 - before).clamp(max=MAX_LOOP)
