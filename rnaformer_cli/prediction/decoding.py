"""Scores -> base pairs: at most one partner a base, unless the raw matrix is asked for."""

from __future__ import annotations

from collections import Counter
from typing import Literal, get_args

import numpy as np
import rustworkx
from numpy.typing import NDArray

from rnaformer_cli.structure.nesting import heaviest_nested
from rnaformer_cli.structure.structure import BasePair, Structure

Decoding = Literal["matching", "nested", "raw"]
DECODINGS: tuple[Decoding, ...] = get_args(Decoding)

MIN_LOOP = 3  # unpaired bases that a hairpin needs to turn; folding programs refuse fewer
LOWEST = 0.05  # threshold of a record of which nearly nothing is known
_ROUNDS = 6  # nearly all records settle in three
_UNITS = 1_000_000  # gains are integers in these, so that sums are exact in any order


def decode(
    scores: NDArray[np.float32], threshold: float, decoding: Decoding = "matching"
) -> Structure:
    """Symmetric scores (L, L) from 0 to 1 -> the structure they speak for.

    A pair above the threshold gains its score less the threshold. `matching` takes the pairs
    with the largest sum of gains in which no base has two partners; `nested` the same without
    crossing pairs; `raw` takes every pair above the threshold, as the published code does.
    With the threshold 1 / (gamma + 1), this is the gamma-centroid estimate (Hamada 2009).
    """
    if decoding == "raw":
        return Structure(len(scores), frozenset(candidates(scores, threshold, min_loop=0)))
    gains = {
        pair: max(1, round((score - threshold) * _UNITS))
        for pair, score in candidates(scores, threshold).items()
    }
    pairs = _nested(gains) if decoding == "nested" else _matching(gains)
    return Structure(len(scores), frozenset(pairs))


def decode_by_share(
    scores: NDArray[np.float32], share: float, decoding: Decoding = "matching"
) -> tuple[Structure, float]:
    """The structure at the threshold that is this share of the F1 to expect of it; both.

    Where scores are probabilities the largest expected F1 is had with one half (Lipton and others
    2014, arXiv 1402.1892), if pairs were independent. They come and go together, in stems, for
    which a smaller share is better: release chooses it on validation records. Thresholds are whole
    hundredths, so that the last digits of scores do not matter.
    """
    following = _threshold(share, 0.5)
    for _ in range(_ROUNDS):
        threshold = following
        structure = decode(scores, threshold, decoding)
        following = _threshold(share, expected_f1(scores, structure))
        if following == threshold:
            break
    return structure, threshold


def _threshold(share: float, f1: float) -> float:
    return max(round(share * f1, 2), LOWEST)


def expected_f1(scores: NDArray[np.float32], structure: Structure) -> float:
    """The F1 to expect if each score is the probability of its pair; 1 for no pairs at all.

    Twice the expected matches over the pairs predicted and the pairs expected.
    """
    expected = float(np.triu(scores, k=1).sum(dtype=np.float64))
    matches = sum(float(scores[pair]) for pair in structure.pairs)
    total = len(structure.pairs) + expected
    return 2 * matches / total if structure.pairs else max(0.0, 1.0 - expected)


def candidates(
    scores: NDArray[np.float32], threshold: float, min_loop: int = MIN_LOOP
) -> dict[BasePair, float]:
    """The pairs above the threshold with their scores, by left and right base."""
    left, right = np.nonzero(np.triu(scores > threshold, k=min_loop + 1))
    found = zip(left.tolist(), right.tolist(), scores[left, right].tolist(), strict=True)
    return {(i, j): score for i, j, score in found}


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
