"""Candidates of pseudoknots and their probabilities."""

import itertools
import math

import numpy as np
import pytest
import torch
from factories.foldings import nested_structures, random_loop_tables

from rnaformer_cli.folding.model import FoldingModel
from rnaformer_cli.folding.pseudoknots import (
    FEATURES,
    INTERCEPT,
    MIN_HELIX,
    Candidates,
    Helices,
    Pseudoknot,
    add_pseudoknots,
    pseudoknot_probabilities,
)
from rnaformer_cli.folding.scores import score_loops
from rnaformer_cli.folding.structure_loops import score_structure

# Frameshifting pseudoknot of beet western yellows virus, PDB 437D.
BWYV = "GGCGCGGCACCGUCCGCGGAACAAACGG"
SHORT = "GGGAAGGGACCCACCC"
CANONICAL = {"AU", "UA", "CG", "GC", "GU", "UG"}


def codes(sequence):
    return torch.tensor([["ACGUN".index(letter) for letter in sequence]])


def folding(tables=None):
    model = FoldingModel()
    for name, table in (tables or random_loop_tables()).items():
        getattr(model, name).copy_(table)
    return model


def find(sequence, model=None):
    model = model or folding()
    (candidates,) = model.pseudoknot_candidates(codes(sequence), [len(sequence)])
    return candidates


def strong_stacks():
    """Loop scores of zero but for those of stacks, so that every helix is considered."""
    tables = {name: torch.zeros_like(table) for name, table in random_loop_tables().items()}
    tables["stack"] = torch.full_like(tables["stack"], 1.5)
    return tables


def feature(candidates, name):
    return candidates.features[:, list(FEATURES).index(name)]


def runs(sequence):
    """All runs of at least three stacked canonical pairs with three bases or more inside."""
    for left, right in itertools.combinations(range(len(sequence)), 2):
        for size in range(MIN_HELIX, len(sequence)):
            pairs = [(left + step, right - step) for step in range(size)]
            if pairs[-1][1] - pairs[-1][0] <= 3:
                break
            if any(sequence[i] + sequence[j] not in CANONICAL for i, j in pairs):
                break
            yield tuple(pairs)


def crossed(first, second):
    """Whether the strands are in the order first, second, first, second, with loops between."""
    loop_1 = second[0][0] - first[-1][0] - 1
    loop_2 = first[-1][1] - second[-1][0] - 1
    loop_3 = second[-1][1] - first[0][1] - 1
    return min(loop_1, loop_2, loop_3) >= 0 and loop_1 + loop_3 >= 2


def test_every_pair_of_crossing_runs_is_a_candidate():
    sequence = "GGCGAACCGUACGCCAAAUACGGA"
    model = folding(strong_stacks())
    candidates = find(sequence, model)
    stacked = {
        helices
        for helices in map(candidates.pairs, range(len(candidates)))
        if all(len({i + j for i, j in helix}) == 1 for helix in helices)
    }
    expected = {
        (first, second)
        for first, second in itertools.permutations(runs(sequence), 2)
        if crossed(first, second)
    }
    assert len(expected) > 10
    assert stacked == expected


def test_helices_may_have_a_bulge_or_a_mismatch():
    model = folding(strong_stacks())
    sequence = "GGAGGAAAACCCCUCCUAAAGGGG"
    helices = {
        candidates.pairs(row)[0]
        for candidates in [find(sequence, model)]
        for row in range(len(candidates))
    }
    steps = {
        (second[0] - first[0], first[1] - second[1])
        for pairs in helices
        for first, second in itertools.pairwise(pairs)
    }
    assert steps <= {(1, 1), (1, 2), (2, 1), (2, 2)}
    assert len(steps) > 1
    for pairs in helices:
        assert all(sequence[i] + sequence[j] in CANONICAL for i, j in pairs)


def test_the_context_is_the_sum_over_all_structures_outside():
    # The score of the unpaired bases from i to l is left out, as that of the loops inside a pair.
    tables = random_loop_tables()
    for name in ("unpaired_exterior", "unpaired_multi"):
        tables[name].zero_()
    tables["stack"].fill_(1.5)
    tables["stack_room"].zero_()
    candidates = find(SHORT, folding(tables))
    assert len(candidates)
    loops = score_loops(codes(SHORT), tables)
    scores = {pairs: score_structure(loops, 0, pairs) for pairs in nested_structures(SHORT)}
    total = math.log(sum(map(math.exp, scores.values())))
    for row in range(len(candidates)):
        first, second = candidates.pairs(row)
        begin, end = first[0][0], second[0][1]
        outside = [
            math.exp(score)
            for pairs, score in scores.items()
            if all(right < begin or left > end for left, right in pairs)
        ]
        # No pair of so short a sequence encloses a candidate, so that it is never in a multiloop.
        expected = math.log(sum(outside)) - total
        assert feature(candidates, "context")[row] == pytest.approx(expected, abs=1e-5)


def test_features_describe_the_loops():
    candidates = find(BWYV, folding(strong_stacks()))
    wanted = ((2, 17), (3, 16), (4, 15), (5, 14), (6, 13)), ((9, 27), (10, 26), (11, 25))
    rows = [row for row in range(len(candidates)) if candidates.pairs(row) == wanted]
    (row,) = rows
    values = dict(zip(FEATURES, candidates.features[row].tolist(), strict=True))
    assert values["stacking"] == pytest.approx(6 * 1.5)
    assert values["log_loop_1"] == pytest.approx(math.log(2.5))
    assert (values["no_loop_2"], values["one_base_loop_2"]) == (0, 1)
    assert (values["three_pairs_1"], values["three_pairs_2"]) == (0, 1)
    assert values["adenines_loop_3"] == 5  # GAACAAA
    assert values["uridines_loop_1"] == 0
    assert values["log_length"] == pytest.approx(math.log(28 / 80))


def test_padding_and_neighbours_change_nothing():
    model = folding(strong_stacks())
    bases = torch.full((2, len(BWYV)), 4)
    bases[0], bases[1, : len(SHORT)] = codes(BWYV)[0], codes(SHORT)[0]
    together = model.pseudoknot_candidates(bases, [len(BWYV), len(SHORT)])
    for candidates, sequence in zip(together, (BWYV, SHORT), strict=True):
        alone = find(sequence, model)
        assert len(alone)
        np.testing.assert_allclose(candidates.features, alone.features, atol=1e-9)
        assert [*map(candidates.pairs, range(len(candidates)))] == [
            *map(alone.pairs, range(len(alone)))
        ]


@pytest.mark.parametrize("sequence", ["A", "GC", "GAAAC", "A" * 60, "N" * 40])
def test_sequences_without_crossing_helices_have_no_candidates(sequence):
    assert pseudoknot_probabilities(find(sequence)) == []


def test_probabilities_are_those_of_one_pseudoknot_or_none():
    candidates = find(BWYV, folding(strong_stacks()))
    odds = np.exp(candidates.log_odds())
    found = pseudoknot_probabilities(candidates)
    # In so short a sequence, all candidates overlap.
    expected = np.sort(odds / (1.0 + odds.sum()))[::-1]
    probabilities = [pseudoknot.probability for pseudoknot in found]
    np.testing.assert_allclose(probabilities, expected[: len(found)])
    assert (expected[len(found) :] < 1e-3).all()


def test_only_overlapping_pseudoknots_exclude_each_other():
    # Spans 0 to 9, 20 to 29, and 5 to 25, which overlaps with both; the odds of each are 1.
    ends = np.array([[0, 5], [3, 9], [20, 25], [23, 29], [5, 15], [12, 25]])
    helices = Helices(*ends.T, *ends.T, *np.ones((2, 6), dtype=np.int64), np.zeros(6))
    features = np.zeros((3, len(FEATURES)))
    features[:, 0] = -INTERCEPT / FEATURES["context"]
    candidates = Candidates(helices, np.array([0, 2, 4]), np.array([1, 3, 5]), features)
    found = {p.first: p.probability for p in pseudoknot_probabilities(candidates)}
    assert found == {
        ((0, 5),): pytest.approx(1 / 3),
        ((20, 25),): pytest.approx(1 / 3),
        ((5, 15),): pytest.approx(1 / 4),
    }


def test_pseudoknots_are_added_to_the_scores():
    scores = np.zeros((8, 8), dtype=np.float32)
    scores[0, 7] = scores[7, 0] = 0.5
    scores[1, 4] = scores[4, 1] = 0.8
    pseudoknots = [
        Pseudoknot(((1, 4),), ((2, 6),), 0.25),
        Pseudoknot(((1, 5),), ((2, 6),), 0.125),
    ]
    added = add_pseudoknots(scores, pseudoknots)
    assert added[2, 6] == added[6, 2] == pytest.approx(0.375)
    assert added[1, 5] == pytest.approx(0.125)
    assert added[1, 4] == pytest.approx(0.25 + (1 - 0.375) * 0.8)
    assert added[0, 7] == pytest.approx(0.5)  # its bases are in no pseudoknot
    assert (added == added.T).all()
    assert add_pseudoknots(scores, []) is scores
