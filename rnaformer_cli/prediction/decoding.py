"""Scores -> base pairs.

The default, `mea`, is a nested structure of maximum expected accuracy without lonely pairs, and
then crossing helices that are probable by themselves, in the manner of IPknot (Sato 2011).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import numpy as np
import rustworkx
from numpy.typing import NDArray

from rnaformer_cli.prediction.helices import best_helices, extended, helices
from rnaformer_cli.structure.nesting import heaviest_nested
from rnaformer_cli.structure.structure import BasePair, Structure

Decoding = Literal["mea", "matching", "nested", "raw"]
DECODINGS: tuple[Decoding, ...] = get_args(Decoding)

MIN_LOOP = 3  # unpaired bases that a hairpin needs to turn; folding programs refuse fewer
LOWEST = 0.05  # threshold of a record of which nearly nothing is known
LONELY = 0.4  # probability from which a pair may stand alone
CROSSING_PAIRS = 3  # pairs of a helix that crosses others, at the least
CROSSING = 0.35  # their mean probability, at the least
EXTENSION = 0.7  # part of the threshold that is enough for the next pair of a helix
_CROSSING_LAYERS = 2
_LOWEST_PER_BASE = 0.0006  # long RNAs have many partners to choose from, few of them right
_LOWEST_OF_LONG = 0.2
_ROUNDS = 6  # nearly all records settle in three
_UNITS = 1_000_000  # gains are integers in these, so that sums are exact in any order


def decode(scores: NDArray[np.float32], threshold: float, decoding: Decoding = "mea") -> Structure:
    """Symmetric scores (L, L) from 0 to 1 -> the structure they speak for.

    A pair above the threshold gains its score less the threshold. `mea` takes the nested pairs
    with the largest sum of gains, each stacked on another one unless it is at least LONELY, then
    helices that cross these: CROSSING_PAIRS at least, with a mean score of CROSSING at least. All
    helices go on while the next pair has EXTENSION of the threshold.
    `matching` takes the pairs with the largest sum of gains in which no base has two partners;
    `nested` the same without crossing pairs; `raw` takes every pair above the threshold, as the
    published code does. With the threshold 1 / (gamma + 1), the sum of gains is that of the
    gamma-centroid estimate (Hamada 2009).
    """
    if decoding == "raw":
        return Structure(len(scores), frozenset(candidates(scores, threshold, min_loop=0)))
    found = candidates(scores, threshold)
    if decoding == "mea":
        pairs = _most_accurate(found, threshold)
        weaker = candidates(scores, EXTENSION * threshold)
        longer = extended({pair: found[pair] for pair in pairs}, weaker)
        return Structure(len(scores), frozenset(longer))
    gains = _gains(found, threshold)
    pairs = _nested(gains) if decoding == "nested" else _matching(gains)
    return Structure(len(scores), frozenset(pairs))


def decode_adaptively(
    scores: NDArray[np.float32], share: float, decoding: Decoding = "mea"
) -> tuple[Structure, float]:
    """The structure at the threshold that is this share of the F1 to expect of it; both.

    Where scores are probabilities the largest expected F1 is had with one half (Lipton and others
    2014, arXiv 1402.1892), if pairs were independent. They come and go together, in stems, for
    which a smaller share is better: release chooses it on validation records. With `mea` the
    threshold is _LOWEST_PER_BASE for each base at the least, up to _LOWEST_OF_LONG. Thresholds are
    whole hundredths, so that the last digits of scores do not matter.
    """
    lowest = LOWEST
    if decoding == "mea":
        lowest = max(round(min(_LOWEST_PER_BASE * len(scores), _LOWEST_OF_LONG), 2), LOWEST)
    following = _threshold(share, 0.5, lowest)
    for _ in range(_ROUNDS):
        threshold = following
        structure = decode(scores, threshold, decoding)
        following = _threshold(share, _expected(scores, structure), lowest)
        if following == threshold:
            break
    return structure, threshold


def _expected(scores: NDArray[np.float32], structure: Structure) -> float:
    """The expected F1; without pairs, roughly how likely it is that there are none."""
    if structure.pairs:
        return expected_f1(scores, structure)
    return max(0.0, 1.0 - float(np.triu(scores, k=1).sum(dtype=np.float64)))


def _threshold(share: float, f1: float, lowest: float) -> float:
    return max(round(share * f1, 2), lowest)


def expected_f1(scores: NDArray[np.float32], structure: Structure) -> float:
    """The F1 to expect if each score is the probability of its pair.

    Twice the expected matches over the pairs predicted and the pairs expected; 0 for a structure
    without pairs, which matches none of a reference that has some.
    """
    expected = float(np.triu(scores, k=1).sum(dtype=np.float64))
    matches = sum(float(scores[pair]) for pair in structure.pairs)
    return 2 * matches / (len(structure.pairs) + expected) if structure.pairs else 0.0


def candidates(
    scores: NDArray[np.float32], threshold: float, min_loop: int = MIN_LOOP
) -> dict[BasePair, float]:
    """The pairs above the threshold with their scores, by left and right base."""
    left, right = np.nonzero(np.triu(scores > threshold, k=min_loop + 1))
    found = zip(left.tolist(), right.tolist(), scores[left, right].tolist(), strict=True)
    return {(i, j): score for i, j, score in found}


def _gains(found: Mapping[BasePair, float], threshold: float) -> dict[BasePair, int]:
    return {pair: max(1, round((score - threshold) * _UNITS)) for pair, score in found.items()}


def _most_accurate(found: Mapping[BasePair, float], threshold: float) -> list[BasePair]:
    """Nested helices, then the helices that cross these, layer by layer."""
    lonely = {pair for pair, score in found.items() if score >= LONELY}
    pairs = best_helices(_gains(found, threshold), lonely)
    for _ in range(_CROSSING_LAYERS):
        layer = _crossing_helices(found, threshold, pairs)
        if not layer:
            break
        pairs += layer
    return pairs


def _crossing_helices(
    found: Mapping[BasePair, float], threshold: float, pairs: Sequence[BasePair]
) -> list[BasePair]:
    """One more layer: probable helices of free bases, all of which cross some of the pairs."""
    taken = {base for pair in pairs for base in pair}
    free = {pair: score for pair, score in found.items() if taken.isdisjoint(pair)}
    partners = np.full(1 + max((right for _, right in found), default=0), -1)
    for left, right in pairs:
        partners[left], partners[right] = right, left
    return [
        pair
        for helix in helices(best_helices(_gains(free, threshold)))
        if len(helix) >= CROSSING_PAIRS
        and sum(free[pair] for pair in helix) >= CROSSING * len(helix)
        and _crosses(helix[0], partners)
        for pair in helix
    ]


def _crosses(pair: BasePair, partners: NDArray[np.int64]) -> bool:
    """Whether a base between the two is paired with one that is not."""
    left, right = pair
    inside = partners[left + 1 : right]
    inside = inside[inside >= 0]
    return bool(((inside < left) | (inside > right)).any())


def _matching(gains: dict[BasePair, int]) -> list[BasePair]:
    uses = Counter(base for pair in gains for base in pair)
    alone = [pair for pair in gains if uses[pair[0]] == uses[pair[1]] == 1]
    settled = set(alone)
    rivals = [(*pair, gain) for pair, gain in gains.items() if pair not in settled]
    bases = sorted({base for left, right, _ in rivals for base in (left, right)})
    node = {base: index for index, base in enumerate(bases)}
    graph: rustworkx.PyGraph[int, int] = rustworkx.PyGraph(multigraph=False)
    graph.add_nodes_from(bases)
    graph.add_edges_from([(node[left], node[right], gain) for left, right, gain in rivals])
    matched = rustworkx.max_weight_matching(graph, weight_fn=int)
    pairs = (sorted((bases[one], bases[other])) for one, other in matched)
    return alone + [(left, right) for left, right in pairs]


def _nested(gains: dict[BasePair, int]) -> list[BasePair]:
    arcs = list(gains)
    return [arcs[index] for index in heaviest_nested(arcs, list(gains.values()))]
