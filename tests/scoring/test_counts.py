"""Counts and ratios, worked out by hand."""

import pytest
from conftest import any_structures
from hypothesis import given, settings

from rnaformer_cli.errors import ScoreError
from rnaformer_cli.scoring.counts import NO_COUNTS, PairCounts, count_pair_sets, count_pairs
from rnaformer_cli.structure.brackets import parse_dot_bracket
from rnaformer_cli.structure.structure import Structure


def compare(predicted, reference, tolerance=0):
    return count_pairs(parse_dot_bracket(predicted), parse_dot_bracket(reference), tolerance)


def test_each_pair_counts_once():
    assert compare("((...))...", "((...)).()") == PairCounts(2, 2, 3, 2, possible=45)


def test_precision_and_recall_are_fractions_of_matching_pairs():
    counts = compare("((..).)...", "((...))().")
    assert (counts.precision, counts.recall) == (1 / 2, 1 / 3)


def test_f1_is_their_harmonic_mean():
    assert compare("((..).)...", "((...))().").f1 == pytest.approx(0.4)  # 2 · 1 / (2 + 3)


def test_pseudoknots_count_like_other_pairs():
    counts = compare("((..[[..))..]]", "((..{{..))..}}")
    assert (counts.reference_matched, counts.f1) == (4, 1.0)


@pytest.mark.parametrize(
    ("predicted", "reference", "precision", "recall", "f1", "mcc"),
    [
        (".....", ".....", 1.0, 1.0, 1.0, 1.0),
        ("(...)", ".....", 0.0, 0.0, 0.0, 0.0),
        (".....", "(...)", 0.0, 0.0, 0.0, 0.0),
        ("(...)", ".(.).", 0.0, 0.0, 0.0, -1 / 9),
        ("(...)", "(...)", 1.0, 1.0, 1.0, 1.0),
        ("()", "()", 1.0, 1.0, 1.0, 0.0),
        ("", "", 1.0, 1.0, 1.0, 1.0),
    ],
)
def test_ratios_with_little_to_count(predicted, reference, precision, recall, f1, mcc):
    counts = compare(predicted, reference)
    assert (counts.precision, counts.recall, counts.f1) == (precision, recall, f1)
    assert counts.mcc == pytest.approx(mcc)


def test_mcc_is_a_correlation_over_all_possible_pairs():
    # hits 1, false 1, missed 2, rest 45 - 4 = 41; (1·41 - 1·2) / √(2 · 3 · 42 · 43)
    counts = compare("((..).)...", "((...))().")
    assert counts.mcc == pytest.approx(39 / (2 * 3 * 42 * 43) ** 0.5)


def test_without_a_tolerance_a_shifted_stem_matches_nowhere():
    assert compare("((...))..", ".((...)).").predicted_matched == 0


def test_a_stem_that_lost_a_base_on_one_side_matches_within_one():
    # (0, 7) and (1, 6) against (0, 8) and (1, 7): each right end is off by one
    assert compare("((....)).", "((.....))", 1).f1 == 1.0


@pytest.mark.parametrize(
    ("pair", "tolerance", "matches"),
    [
        ((4, 12), 0, True),
        ((5, 12), 0, False),
        ((5, 12), 1, True),
        ((3, 12), 1, True),
        ((4, 11), 1, True),
        ((4, 13), 1, True),
        ((5, 11), 1, False),  # both ends shifted
        ((5, 13), 1, False),
        ((6, 12), 1, False),
        ((6, 12), 2, True),
        ((4, 10), 2, True),
        ((5, 11), 2, False),
    ],
)
def test_with_a_tolerance_one_end_may_shift(pair, tolerance, matches):
    counts = count_pair_sets({pair}, {(4, 12)}, 20, tolerance)
    assert (counts.predicted_matched, counts.reference_matched) == (matches, matches)


def test_with_a_tolerance_two_pairs_may_match_the_same_one():
    counts = count_pair_sets({(4, 12), (5, 12)}, {(4, 12)}, 20, tolerance=1)
    assert (counts.predicted_matched, counts.reference_matched) == (2, 1)
    assert (counts.precision, counts.recall) == (1.0, 1.0)


def test_counts_add_up_as_if_they_were_one_structure():
    total = compare("(..)", "(..)") + compare("(...)", "().()")
    assert total == PairCounts(2, 1, 3, 1, possible=6 + 10)


def test_nothing_is_added_by_no_counts():
    counts = compare("(..)", "()..")
    assert counts + NO_COUNTS == counts


@settings(max_examples=50, deadline=None)
@given(any_structures())
def test_a_structure_is_a_perfect_prediction_of_itself(structure):
    counts = count_pairs(structure, structure)
    assert counts.f1 == 1.0
    assert counts.reference_matched == len(structure.pairs)


def test_structures_of_two_lengths_cannot_be_compared():
    with pytest.raises(ScoreError) as caught:
        count_pairs(Structure(4), Structure(5))
    assert str(caught.value) == "the prediction has 4 bases, the reference 5"
