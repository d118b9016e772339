"""The loops of a structure, and what they score."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from rnaformer_cli.folding.pairs import MIN_LOOP, PAIRS
from rnaformer_cli.folding.scores import MAX_LOOP, SMALL, LoopScores
from rnaformer_cli.structure.nesting import heaviest_nested
from rnaformer_cli.structure.structure import BasePair

Place = tuple[int, ...]


def keep_foldable(sequence: str, pairs: Iterable[BasePair]) -> list[BasePair]:
    """The pairs that the model can give: canonical, nested, one partner a base, no long loop."""
    known = [
        (left, right)
        for left, right in sorted(pairs)
        if sequence[left] + sequence[right] in PAIRS and right - left > MIN_LOOP
    ]
    chosen = [known[index] for index in heaviest_nested(known, [1] * len(known))]
    while True:
        long = {pair for pair, inner in _enclosed_pairs(chosen).items() if _is_long(pair, inner)}
        if not long:
            return sorted(chosen)
        chosen = [pair for pair in chosen if pair not in long]


def loops(pairs: Iterable[BasePair], length: int) -> list[tuple[str, Place]]:
    """The loops of a nested structure: names and indices of the loop scores in its sum."""
    found: list[tuple[str, Place]] = []
    children = _enclosed_pairs(pairs)
    enclosed = {inner for group in children.values() for inner in group}
    outermost = [pair for pair in children if pair not in enclosed]
    found.extend(("exterior", (right - left, left)) for left, right in outermost)
    found.extend(
        ("exterior_unpaired", (base,)) for base in _unpaired_between(outermost, -1, length)
    )
    for (left, right), inner in children.items():
        here = (right - left, left)
        if not inner:
            found.append(("hairpin", here))
        elif len(inner) == 1:
            found.extend(_interior_loops((left, right), inner[0]))
        else:
            found.append(("closing", here))
            found.extend(("branch", (end - start, start)) for start, end in inner)
            found.extend(
                ("multi_unpaired", (base,)) for base in _unpaired_between(inner, left, right)
            )
    return found


def _unpaired_between(pairs: Iterable[BasePair], left: int, right: int) -> list[int]:
    """The bases between two positions that no pair contains or encloses."""
    covered = {base for start, end in pairs for base in range(start, end + 1)}
    return [base for base in range(left + 1, right) if base not in covered]


def _interior_loops(outer: BasePair, inner: BasePair) -> list[tuple[str, Place]]:
    one, other = inner[0] - outer[0] - 1, outer[1] - inner[1] - 1
    here, there = (outer[1] - outer[0], outer[0]), (inner[1] - inner[0], inner[0])
    for name, sides in SMALL.items():
        if sides == (one + 1, other + 1):
            return [(name, here)]
    kind = 0 if min(one, other) < 2 else 1
    return [("outer", (kind, *here)), ("inner", (kind, *there)), ("size", (kind, one, other))]


def _enclosed_pairs(pairs: Iterable[BasePair]) -> dict[BasePair, list[BasePair]]:
    """The pairs just inside of each pair."""
    children: dict[BasePair, list[BasePair]] = {}
    around: list[BasePair] = []
    for pair in sorted(pairs):
        while around and around[-1][1] < pair[0]:
            around.pop()
        if around:
            children[around[-1]].append(pair)
        children[pair] = []
        around.append(pair)
    return children


def _is_long(pair: BasePair, inner: list[BasePair]) -> bool:
    if len(inner) != 1:
        return False
    return pair[1] - pair[0] - (inner[0][1] - inner[0][0]) - 2 > MAX_LOOP


def score(loop_scores: LoopScores, row: int, pairs: Iterable[BasePair]) -> Tensor:
    """The score of a structure of one sequence of the batch, ()."""
    places: dict[str, list[Place]] = {}
    for name, place in loops(pairs, loop_scores.exterior_unpaired.shape[1]):
        places.setdefault(name, []).append((row, *place))
    parts = [
        getattr(loop_scores, name)[tuple(zip(*found, strict=True))].sum()
        for name, found in places.items()
    ]
    return torch.stack(parts).sum() if parts else loop_scores.size.new_zeros(())
