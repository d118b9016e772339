"""Base-pair probabilities -> a structure.

The default, `mea`, is the nested structure of maximum expected accuracy without isolated pairs, to
which probable crossing helices are added, similar to IPknot (Sato 2011).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Literal, get_args

import numpy as np
import rustworkx
from numpy.typing import NDArray

from rnaformer_cli.errors import StructureError
from rnaformer_cli.prediction.banded import BandedScores, PairScores
from rnaformer_cli.prediction.constraints import PairConstraints, add_bonus
from rnaformer_cli.prediction.helices import best_helices, extend_helices, split_into_helices
from rnaformer_cli.sequence.constraints import MIN_LOOP
from rnaformer_cli.structure.crossing import crosses
from rnaformer_cli.structure.nesting import heaviest_nested
from rnaformer_cli.structure.structure import BasePair, Structure

Decoding = Literal["mea", "matching", "nested", "raw"]
DECODINGS: tuple[Decoding, ...] = get_args(Decoding)

MIN_THRESHOLD = 0.05
ISOLATED_PAIR = 0.4  # minimum probability of a pair without a stacked neighbour
MIN_CROSSING_PAIRS = 3  # of a helix that crosses others
MIN_CROSSING_PROBABILITY = 0.35  # mean over the pairs of such a helix
EXTENSION_RATIO = 0.7  # a pair above this fraction of the threshold can extend a helix
_CROSSING_LAYERS = 2
_MIN_THRESHOLD_PER_BASE = 0.0006  # long RNAs have more false candidates
_MAX_MIN_THRESHOLD = 0.2
_MAX_ITERATIONS = 6  # of the threshold's fixed-point iteration; most records converge in three
_GAIN_UNITS = 1_000_000  # gains are integers in these units, so that sums are exact in any order


def decode(
    scores: PairScores,
    threshold: float,
    decoding: Decoding = "mea",
    constraints: PairConstraints | None = None,
) -> Structure:
    """Base-pair probabilities (L, L), symmetric or banded -> a structure.

    The gain of a pair is its probability minus the threshold; pairs below it are not candidates.

    - `mea`: the nested pairs of largest total gain, in which every pair is stacked on another one
      or has a probability of at least ISOLATED_PAIR. Then helices that cross these, of at least
      MIN_CROSSING_PAIRS pairs with a mean of at least MIN_CROSSING_PROBABILITY. All helices are
      extended while the next pair reaches EXTENSION_RATIO of the threshold.
    - `matching`: the pairs of largest total gain with at most one partner for each base.
    - `nested`: the same without crossing pairs.
    - `raw`: every pair above the threshold, as in the published code.

    With the threshold 1 / (gamma + 1), the total gain is that of the gamma-centroid estimator
    (Hamada 2009).

    With constraints, forced pairs are in the structure and excluded pairs are not. Required bases
    have canonical pairs below the threshold as candidates, too; see _decode_constrained.

    Raises:
        StructureError: forced pairs that cross, with `nested`.
    """
    if constraints is not None:
        pairs = _decode_constrained(constraints.apply(scores), threshold, decoding, constraints)
        return Structure(len(scores), frozenset(pairs))
    if decoding == "raw":
        return Structure(len(scores), frozenset(candidate_pairs(scores, threshold, min_loop=0)))
    found = candidate_pairs(scores, threshold)
    if decoding == "mea":
        pairs = _mea_pairs(found, threshold)
        weaker = candidate_pairs(scores, EXTENSION_RATIO * threshold)
        longer = extend_helices({pair: found[pair] for pair in pairs}, weaker)
        return Structure(len(scores), frozenset(longer))
    gains = _gains(found, threshold)
    pairs = _nested(gains) if decoding == "nested" else _max_weight_matching(gains)
    return Structure(len(scores), frozenset(pairs))


def decode_adaptively(
    scores: PairScores,
    ratio: float,
    decoding: Decoding = "mea",
    constraints: PairConstraints | None = None,
) -> tuple[Structure, float]:
    """The structure at a threshold of `ratio` times its expected F1, and that threshold.

    For independent pairs with known probabilities, one half maximises the expected F1 (Lipton et
    al. 2014, arXiv 1402.1892). Pairs of a helix are correlated, for which a smaller ratio is
    better; `rnaformer release` chooses it on validation records. With `mea` the threshold is at
    least _MIN_THRESHOLD_PER_BASE for each base (of a window), up to _MAX_MIN_THRESHOLD. Thresholds
    are rounded to hundredths, so that rounding errors of the probabilities do not change a
    structure.
    """
    minimum = MIN_THRESHOLD
    if decoding == "mea":
        length = scores.width if isinstance(scores, BandedScores) else len(scores)
        by_length = min(_MIN_THRESHOLD_PER_BASE * length, _MAX_MIN_THRESHOLD)
        minimum = max(round(by_length, 2), MIN_THRESHOLD)
    next_threshold = _threshold(ratio, 0.5, minimum)
    for _ in range(_MAX_ITERATIONS):
        threshold = next_threshold
        structure = decode(scores, threshold, decoding, constraints)
        next_threshold = _threshold(ratio, _expected_f1_or_empty(scores, structure), minimum)
        if next_threshold == threshold:
            break
    return structure, threshold


def _expected_f1_or_empty(scores: PairScores, structure: Structure) -> float:
    """The expected F1; without pairs, a lower bound of the probability that there are none."""
    if structure.pairs:
        return expected_f1(scores, structure)
    return max(0.0, 1.0 - _expected_pairs(scores))


def _expected_pairs(scores: PairScores) -> float:
    """The sum of the scores of all pairs."""
    if isinstance(scores, BandedScores):
        return scores.total()
    return float(np.triu(scores, k=1).sum(dtype=np.float64))


def _threshold(ratio: float, f1: float, minimum: float) -> float:
    return max(round(ratio * f1, 2), minimum)


def expected_f1(scores: PairScores, structure: Structure) -> float:
    """The expected F1 of a structure if each score is the probability of its pair.

    This is twice the expected true positives over the sum of predicted and expected pairs, and 0
    for a structure without pairs.
    """
    expected = _expected_pairs(scores)
    matches = sum(float(scores[pair]) for pair in structure.pairs)
    return 2 * matches / (len(structure.pairs) + expected) if structure.pairs else 0.0


def unpaired_probabilities(scores: PairScores) -> NDArray[np.float32]:
    """The probability that each base (L,) is unpaired: 1 - the sum of its scores, at least 0."""
    if isinstance(scores, BandedScores):
        sums = scores.sums_by_base()
    else:
        sums = scores.sum(1, dtype=np.float64)
    unpaired: NDArray[np.float32] = np.clip(1.0 - sums, 0.0, 1.0).astype(np.float32)
    return unpaired


def candidate_pairs(
    scores: PairScores, threshold: float, min_loop: int = MIN_LOOP
) -> dict[BasePair, float]:
    """The pairs above the threshold, with at least `min_loop` bases between, and their scores."""
    if isinstance(scores, BandedScores):
        return scores.above(threshold, min_loop)
    left, right = np.nonzero(np.triu(scores > threshold, k=min_loop + 1))
    pairs = zip(left.tolist(), right.tolist(), scores[left, right].tolist(), strict=True)
    return {(i, j): score for i, j, score in pairs}


def _gains(found: Mapping[BasePair, float], threshold: float) -> dict[BasePair, int]:
    return {pair: max(1, round((score - threshold) * _GAIN_UNITS)) for pair, score in found.items()}


def _mea_pairs(found: Mapping[BasePair, float], threshold: float) -> list[BasePair]:
    """Nested helices, then layers of helices that cross them."""
    isolated = {pair for pair, score in found.items() if score >= ISOLATED_PAIR}
    return _with_crossing_helices(
        found, threshold, best_helices(_gains(found, threshold), isolated)
    )


def _with_crossing_helices(
    found: Mapping[BasePair, float], threshold: float, pairs: list[BasePair]
) -> list[BasePair]:
    """The pairs, and layers of helices that cross them."""
    for _ in range(_CROSSING_LAYERS):
        layer = _crossing_helices(found, threshold, pairs)
        if not layer:
            break
        pairs += layer
    return pairs


def _crossing_helices(
    found: Mapping[BasePair, float], threshold: float, pairs: Sequence[BasePair]
) -> list[BasePair]:
    """One layer: probable helices of unpaired bases that cross some of the pairs."""
    taken = {base for pair in pairs for base in pair}
    free = {pair: score for pair, score in found.items() if taken.isdisjoint(pair)}
    partners = np.full(1 + max((right for _, right in (*found, *pairs)), default=0), -1)
    for left, right in pairs:
        partners[left], partners[right] = right, left
    return [
        pair
        for helix in split_into_helices(best_helices(_gains(free, threshold)))
        if len(helix) >= MIN_CROSSING_PAIRS
        and sum(free[pair] for pair in helix) >= MIN_CROSSING_PROBABILITY * len(helix)
        and _crosses(helix[0], partners)
        for pair in helix
    ]


def _crosses(pair: BasePair, partners: NDArray[np.int64]) -> bool:
    """Whether a base between the two bases of the pair has a partner outside of them."""
    left, right = pair
    inner = partners[left + 1 : right]
    inner = inner[inner >= 0]
    return bool(((inner < left) | (inner > right)).any())


def _decode_constrained(
    scores: PairScores,
    threshold: float,
    decoding: Decoding,
    constraints: PairConstraints,
) -> list[BasePair]:
    """The pairs of a structure under constraints, which were applied to the scores.

    `matching` and `nested` pair as many required bases as possible (`nested`: without crossing
    pairs), and then maximise the total gain. `raw` adds the best pair of each required base
    without one. `mea` is described at _constrained_mea.
    """
    forced = sorted(constraints.forced)
    if decoding == "mea":
        return _constrained_mea(scores, threshold, constraints)
    if decoding == "raw":
        above = [*forced, *candidate_pairs(scores, threshold, min_loop=0)]
        return above + constraints.best_partners(constraints.unmet(above), scores)
    gains = _required_gains(scores, threshold, constraints, constraints.required)
    if decoding == "matching":
        return forced + _max_weight_matching(gains)
    crossing = crosses(forced)
    if crossing.any():
        left, right = forced[int(crossing.argmax())]
        message = f"the forced pair of bases {left + 1} and {right + 1} crosses another, which"
        raise StructureError(f"{message} nested decoding cannot hold")
    return forced + _nested({pair: gains[pair] for pair in constraints.uncrossed(gains)})


def _required_gains(
    scores: PairScores,
    threshold: float,
    constraints: PairConstraints,
    bases: Collection[int],
) -> dict[BasePair, int]:
    """Gains of the candidates and of all canonical pairs of `bases`, without forced pairs.

    Each of the bases in a pair adds a bonus that is larger than the total gain of any structure.
    """
    found = candidate_pairs(scores, threshold)
    others = constraints.partner_pairs(bases, scores) if bases else {}
    below = {
        pair: round((score - threshold) * _GAIN_UNITS)
        for pair, score in others.items()
        if pair not in found
    }
    gains = add_bonus(_gains(found, threshold) | below, bases, _GAIN_UNITS * (len(scores) + 1))
    return {pair: gain for pair, gain in gains.items() if pair not in constraints.forced}


def _constrained_mea(
    scores: PairScores, threshold: float, constraints: PairConstraints
) -> list[BasePair]:
    """The pairs of `mea` with forced pairs; nested pairs do not cross constraints.nested_forced.

    If required bases have no partner, the nested pairs are chosen again with a bonus for these
    bases, until a nested structure can pair no more of them. Then as many of the remaining ones as
    possible pair with unpaired bases; these pairs may cross others.
    """
    wanted: frozenset[int] = frozenset()
    while True:
        pairs = _mea_round(scores, threshold, constraints, wanted)
        unmet = frozenset(constraints.unmet(pairs))
        if unmet <= wanted:
            break
        wanted |= unmet
    taken = {base for pair in pairs for base in pair}
    gains = _required_gains(scores, threshold, constraints, unmet) if unmet else {}
    free = {
        pair: gain
        for pair, gain in gains.items()
        if taken.isdisjoint(pair) and not unmet.isdisjoint(pair)
    }
    return pairs + _max_weight_matching(free)


def _mea_round(
    scores: PairScores,
    threshold: float,
    constraints: PairConstraints,
    wanted: Collection[int],
) -> list[BasePair]:
    """The pairs of `mea`, if as many wanted bases are paired as a nested structure can pair."""
    found = candidate_pairs(scores, threshold) | dict.fromkeys(constraints.forced, 1.0)
    gains = _required_gains(scores, threshold, constraints, wanted)
    nested = {pair: gains[pair] for pair in constraints.uncrossed(gains)}
    nested |= dict.fromkeys(constraints.nested_forced, 1)  # in conflict with no other pair
    isolated = {pair for pair in nested if found.get(pair, 0.0) >= ISOLATED_PAIR}
    isolated |= {pair for pair in nested if not set(wanted).isdisjoint(pair)}
    pairs = best_helices(nested, isolated)
    pairs += sorted(constraints.forced.difference(pairs))
    pairs = _with_crossing_helices(found, threshold, pairs)
    weaker = candidate_pairs(scores, EXTENSION_RATIO * threshold)
    return extend_helices({pair: float(scores[pair]) for pair in pairs}, weaker)


def _max_weight_matching(gains: dict[BasePair, int]) -> list[BasePair]:
    """The pairs of largest total gain with at most one partner for each base."""
    degree = Counter(base for pair in gains for base in pair)
    isolated_edges = [pair for pair in gains if degree[pair[0]] == degree[pair[1]] == 1]
    excluded = set(isolated_edges)
    edges = [(*pair, gain) for pair, gain in gains.items() if pair not in excluded]
    bases = sorted({base for left, right, _ in edges for base in (left, right)})
    node = {base: index for index, base in enumerate(bases)}
    graph: rustworkx.PyGraph[int, int] = rustworkx.PyGraph(multigraph=False)
    graph.add_nodes_from(bases)
    graph.add_edges_from([(node[left], node[right], gain) for left, right, gain in edges])
    matched = rustworkx.max_weight_matching(graph, weight_fn=int)
    pairs = (sorted((bases[first], bases[second])) for first, second in matched)
    return isolated_edges + [(left, right) for left, right in pairs]


def _nested(gains: dict[BasePair, int]) -> list[BasePair]:
    arcs = list(gains)
    return [arcs[index] for index in heaviest_nested(arcs, list(gains.values()))]
