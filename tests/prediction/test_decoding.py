"""Decoding: structures are valid, optimal, and consist of candidate pairs."""

import itertools
import json

import numpy as np
import pytest
from conftest import DATA
from hypothesis import given, settings
from hypothesis import strategies as st

from rnaformer_cli.prediction.decoding import (
    EXTENSION_RATIO,
    ISOLATED_PAIR,
    MIN_CROSSING_PAIRS,
    MIN_CROSSING_PROBABILITY,
    MIN_LOOP,
    MIN_THRESHOLD,
    candidate_pairs,
    decode,
    decode_adaptively,
    expected_f1,
)
from rnaformer_cli.structure.brackets import format_dot_bracket
from rnaformer_cli.structure.structure import Structure

PUBLISHED = json.loads((DATA / "parity" / "published_pairs.json").read_text())
LEAST = {"Anolis trna2": 29, "Anolis trna3": 26, "Galaxy default": 25}


def matrix(length, scores):
    """A symmetric score matrix from a table of pairs."""
    made = np.zeros((length, length), dtype=np.float32)
    for (left, right), score in scores.items():
        made[left, right] = made[right, left] = score
    return made


@st.composite
def score_matrices(draw, max_length=11):
    length = draw(st.integers(1, max_length))
    pairs = list(itertools.combinations(range(length), 2))
    chosen = draw(st.lists(st.sampled_from(pairs), max_size=9, unique=True)) if pairs else []
    levels = st.integers(1, 99).map(lambda percent: percent / 100)
    return matrix(length, {pair: draw(levels) for pair in chosen})


def gain(pairs, scores, threshold):
    return sum(float(scores[pair]) - threshold for pair in pairs)


def best_gain(scores, threshold, may_cross):
    """The largest gain by trying every set of allowed pairs."""
    allowed = list(candidate_pairs(scores, threshold))
    best = 0.0
    for size in range(len(allowed) + 1):
        for chosen in itertools.combinations(allowed, size):
            bases = [base for pair in chosen for base in pair]
            crossing = any(a < c < b < d for (a, b), (c, d) in itertools.permutations(chosen, 2))
            if len(set(bases)) == len(bases) and (may_cross or not crossing):
                best = max(best, gain(chosen, scores, threshold))
    return best


def best_expected_f1(scores):
    """The largest expected F1 by trying every structure."""
    allowed = list(candidate_pairs(scores, MIN_THRESHOLD))
    best = 0.0
    for size in range(1, len(allowed) + 1):
        for chosen in itertools.combinations(allowed, size):
            bases = [base for pair in chosen for base in pair]
            if len(set(bases)) == len(bases):
                structure = Structure(len(scores), frozenset(chosen))
                best = max(best, expected_f1(scores, structure))
    return best


@settings(max_examples=100, deadline=None)
@given(score_matrices())
def test_half_of_the_expected_f1_is_the_best_threshold(scores):
    structure, threshold = decode_adaptively(scores, 0.5, "matching")
    assert structure.multiplets() == []
    assert decode(scores, threshold, "matching") == structure
    if structure.pairs:  # without any, something else is expected
        found = expected_f1(scores, structure)
        assert found == pytest.approx(best_expected_f1(scores), abs=0.01)
        assert threshold == pytest.approx(max(found / 2, MIN_THRESHOLD), abs=0.015)


@pytest.mark.parametrize("decoding", ["matching", "nested"])
def test_a_smaller_ratio_predicts_less_probable_pairs(decoding):
    scores = matrix(20, {(0, 19): 0.9, (1, 18): 0.9, (2, 17): 0.45, (3, 12): 0.25})
    pairs = [decode_adaptively(scores, ratio, decoding)[0].pairs for ratio in (0.9, 0.5, 0.25)]
    assert [len(found) for found in pairs] == [2, 3, 4]


def test_improbable_pairs_are_not_predicted():
    scores = matrix(30, {(n, 29 - n): MIN_THRESHOLD - 0.01 for n in range(10)})
    assert decode_adaptively(scores, 0.4) == (Structure(30), 0.24)


def test_expected_f1_by_hand():
    scores = matrix(9, {(0, 8): 0.8, (1, 7): 0.4})
    assert expected_f1(scores, Structure(9, frozenset({(0, 8)}))) == pytest.approx(1.6 / 2.2)


def test_a_structure_without_pairs_has_no_expected_f1():
    assert expected_f1(matrix(9, {(0, 8): 0.1}), Structure(9)) == 0.0
    assert expected_f1(matrix(9, {}), Structure(9)) == 0.0


@settings(max_examples=60, deadline=None)
@given(score_matrices(), st.sampled_from([0.0, 0.27, 0.5]))
def test_matching_has_the_largest_gain_of_all_structures(scores, threshold):
    structure = decode(scores, threshold, "matching")
    assert structure.multiplets() == []
    found = gain(structure.pairs, scores, threshold)
    assert found == pytest.approx(best_gain(scores, threshold, may_cross=True), abs=1e-4)


@settings(max_examples=60, deadline=None)
@given(score_matrices(), st.sampled_from([0.0, 0.27, 0.5]))
def test_nested_has_the_largest_gain_without_crossing(scores, threshold):
    structure = decode(scores, threshold, "nested")
    assert structure.crossing_pairs() == frozenset()
    found = gain(structure.pairs, scores, threshold)
    assert found == pytest.approx(best_gain(scores, threshold, may_cross=False), abs=1e-4)


@given(score_matrices())
def test_every_decoded_pair_is_a_candidate(scores):
    allowed = set(candidate_pairs(scores, 0.3))
    assert decode(scores, 0.3, "matching").pairs <= allowed
    assert decode(scores, 0.3, "nested").pairs <= allowed


def test_two_moderate_pairs_replace_a_probable_one_only_for_a_larger_gain():
    scores = matrix(20, {(0, 10): 0.9, (0, 15): 0.6, (5, 10): 0.6})
    assert decode(scores, 0.25, "matching").pairs == {(0, 15), (5, 10)}  # 0.35 + 0.35 > 0.65
    assert decode(scores, 0.5, "matching").pairs == {(0, 10)}  # 0.1 + 0.1 < 0.4


def test_matching_keeps_a_pseudoknot_that_nested_breaks():
    scores = matrix(20, {(0, 10): 0.9, (5, 15): 0.8})
    assert decode(scores, 0.5, "matching").pairs == {(0, 10), (5, 15)}
    assert decode(scores, 0.5, "nested").pairs == {(0, 10)}


def helix(left, right, pairs, score):
    return {(left + n, right - n): score for n in range(pairs)}


def test_mea_drops_an_improbable_isolated_pair():
    stem = helix(0, 19, 3, 0.9)
    assert decode(matrix(20, stem | {(6, 12): ISOLATED_PAIR - 0.01}), 0.2).pairs == set(stem)
    assert decode(matrix(20, stem | {(6, 12): ISOLATED_PAIR}), 0.2).pairs == {*stem, (6, 12)}


def test_mea_keeps_a_probable_crossing_helix():
    stem = helix(0, 14, MIN_CROSSING_PAIRS, 0.9)
    other = helix(7, 24, MIN_CROSSING_PAIRS, MIN_CROSSING_PROBABILITY + 0.01)
    assert decode(matrix(30, stem | other), 0.2).pairs == {*stem, *other}


@pytest.mark.parametrize(
    "other",
    [
        helix(7, 24, MIN_CROSSING_PAIRS, MIN_CROSSING_PROBABILITY - 0.01),
        helix(7, 24, MIN_CROSSING_PAIRS - 1, 0.8),
    ],
)
def test_mea_drops_an_improbable_or_short_crossing_helix(other):
    stem = helix(0, 14, MIN_CROSSING_PAIRS, 0.9)
    assert decode(matrix(30, stem | other), 0.2).pairs == set(stem)


@settings(max_examples=60, deadline=None)
@given(score_matrices(), st.sampled_from([0.0, 0.27, 0.5]))
def test_mea_gives_each_base_one_partner_and_only_candidates(scores, threshold):
    structure = decode(scores, threshold)
    assert structure.multiplets() == []
    assert structure.pairs <= set(candidate_pairs(scores, EXTENSION_RATIO * threshold))


def test_mea_extends_a_helix_by_pairs_slightly_below_the_threshold():
    stem = helix(1, 18, 3, 0.9)
    ends = {(0, 19): 0.15, (4, 15): 0.13}
    assert decode(matrix(20, stem | ends), 0.2).pairs == {*stem, (0, 19)}


def test_the_threshold_of_mea_rises_with_the_length():
    """Pairs of probability 0.14 are predicted for a short RNA, but not for a long one."""
    pairs = helix(0, 40, 8, 0.14)
    assert decode_adaptively(matrix(60, pairs), 0.4)[0].pairs == set(pairs)
    assert decode_adaptively(matrix(400, pairs), 0.4) == (Structure(400), 0.2)


def test_a_hairpin_loop_has_at_least_three_bases():
    scores = matrix(12, {(0, MIN_LOOP): 0.9, (6, 7 + MIN_LOOP): 0.9})
    assert decode(scores, 0.5, "matching").pairs == {(6, 7 + MIN_LOOP)}
    assert decode(scores, 0.5, "nested").pairs == {(6, 7 + MIN_LOOP)}


def test_raw_is_the_thresholded_matrix():
    scores = matrix(12, {(0, 1): 0.6, (0, 5): 0.9, (0, 8): 0.7, (1, 8): 0.5})
    assert decode(scores, 0.5, "raw").pairs == {(0, 1), (0, 5), (0, 8)}


@pytest.mark.parametrize("decoding", ["mea", "matching", "nested", "raw"])
def test_an_rna_without_candidates_is_unpaired(decoding):
    assert decode(np.zeros((4, 4), dtype=np.float32), 0.5, decoding).pairs == frozenset()


@pytest.mark.parametrize("case", PUBLISHED, ids=lambda case: case["name"])
def test_published_raw_output_becomes_a_valid_structure_of_its_own_pairs(case):
    raw = {(min(pair), max(pair)) for pair in case["raw"]}
    structure = decode(matrix(len(case["seq"]), dict.fromkeys(raw, 1.0)), 0.5, "matching")
    assert structure.multiplets() == []
    assert structure.pairs <= raw
    assert len(structure.pairs) >= LEAST[case["name"]]
    assert format_dot_bracket(structure).count("(") > 0


def test_a_dense_matrix_is_decoded_to_one_partner_a_base():
    random = np.random.default_rng(0)
    scores = random.random((120, 120), dtype=np.float32)
    scores = (scores + scores.T) / 2
    structure = decode(scores, 0.5, "matching")
    assert structure.multiplets() == []
    assert len(structure.pairs) == 60
