"""Predictions find their references."""

import pytest

from rnaformer_cli.errors import ScoreError
from rnaformer_cli.scoring.compare import ScoringRules, compare, match_ids, pool_counts
from rnaformer_cli.scoring.counts import NO_COUNTS, PairCounts
from rnaformer_cli.structure.brackets import parse_dot_bracket
from rnaformer_cli.structure.structure import StructureRecord


def record(name, signs, sequence=None):
    return StructureRecord(name, sequence or "N" * len(signs), parse_dot_bracket(signs))


def test_scores_come_in_the_order_of_the_references():
    predictions = [record("a", "(...)"), record("b", ".....")]
    references = [record("b", "(...)"), record("a", "(...)")]
    scores, extra = compare(predictions, references)
    assert [(score.id, score.f1) for score in scores] == [("b", 0.0), ("a", 1.0)]
    assert extra == []


def test_a_missing_prediction_scores_zero_even_where_nothing_pairs():
    scores, _ = compare([record("b", "....")], [record("a", "...."), record("b", "....")])
    assert [(score.is_missing, score.f1) for score in scores] == [(True, 0.0), (False, 1.0)]


def test_a_missing_prediction_counts_as_an_empty_structure():
    [score], _ = compare([], [record("a", "(())")])
    assert score.exact == PairCounts(0, 0, 2, 0, possible=6)


def test_predictions_without_a_reference_are_listed():
    predictions = [record("a", "()"), record("c", "()"), record("a", "()")]
    _, extra = compare(predictions, [record("a", "()"), record("b", "()")])
    assert extra == ["c", "a"]


def test_records_with_the_same_id_are_matched_in_their_order():
    predictions = [record("a", "(...)"), record("a", ".....")]
    references = [record("a", "(...)"), record("a", "(...)")]
    scores, extra = compare(predictions, references)
    assert ([score.f1 for score in scores], extra) == ([1.0, 0.0], [])


def test_a_single_pair_of_records_belongs_together_whatever_its_names():
    [score], extra = compare([record("sequence_1", "(...)")], [record("tRNA", "(...)")])
    assert (score.id, score.f1, score.is_missing, extra) == ("tRNA", 1.0, False, [])


def test_two_predictions_for_one_reference_are_matched_by_name():
    predictions = [record("x", "....."), record("tRNA", "(...)")]
    [score], extra = compare(predictions, [record("tRNA", "(...)")])
    assert (score.f1, extra) == (1.0, ["x"])


def test_predictions_may_come_from_a_stream():
    [score], _ = compare(iter([record("a", "()")]), [record("a", "()")])
    assert score.f1 == 1.0


@pytest.mark.parametrize(
    ("ours", "theirs"), [("GAC", "GAC"), ("GNC", "GAC"), ("GAC", "NNN"), ("GTC", "GUC")]
)
def test_ambiguous_letters_agree_with_every_base(ours, theirs):
    [score], _ = compare([record("a", "(.)", ours)], [record("a", "(.)", theirs)])
    assert score.f1 == 1.0


@pytest.mark.parametrize(
    ("ours", "theirs", "message"),
    [
        ("GAC", "GGC", "record 'a': base 2 is A in the prediction, G in the reference"),
        ("NAC", "GAG", "record 'a': base 3 is C in the prediction, G in the reference"),
        ("GA", "GAC", "record 'a': the prediction has 2 bases, the reference 3"),
    ],
)
def test_another_rna_is_refused(ours, theirs, message):
    dots = [record("a", "." * len(ours), ours)], [record("a", "." * len(theirs), theirs)]
    with pytest.raises(ScoreError) as caught:
        compare(*dots)
    assert str(caught.value) == message


def test_non_canonical_pairs_can_be_left_out_on_both_sides():
    prediction, reference = record("a", "(())", "GACC"), record("a", "(..)", "GACC")
    with_all = compare([prediction], [reference])[0][0].exact
    canonical = compare([prediction], [reference], ScoringRules(canonical=True))[0][0].exact
    assert (with_all.predicted, canonical.predicted, canonical.f1) == (2, 1, 1.0)


def test_non_canonical_pairs_of_the_reference_can_be_left_out():
    prediction, reference = record("a", "(..)", "GACC"), record("a", "(())", "GACC")
    [score], _ = compare([prediction], [reference], ScoringRules(canonical=True))
    assert score.exact.reference == 1


def test_a_tolerance_adds_a_second_column_and_leaves_the_exact_one():
    prediction, reference = record("a", "(...)."), record("a", ".(..).")
    assert compare([prediction], [reference])[0][0].tolerant is None
    [score], _ = compare([prediction], [reference], ScoringRules(tolerance=1))
    assert (score.exact.f1, score.tolerant.f1) == (0.0, 1.0)


def test_pseudoknots_are_counted_apart_by_the_pairs_that_cross():
    prediction, reference = record("a", "((.[.)].)"), record("a", "(([..)].)")
    [score], _ = compare([prediction], [reference])
    assert (score.exact.predicted, score.pseudoknot) == (3, PairCounts(2, 1, 2, 1, possible=36))


def test_pooled_counts_are_those_of_all_records_as_one():
    scores, _ = compare(
        [record("a", "()"), record("b", "..")], [record("a", "()"), record("b", "()")]
    )
    assert pool_counts(score.exact for score in scores) == PairCounts(1, 1, 2, 1, possible=2)
    assert pool_counts([]) == NO_COUNTS


def test_predictions_and_references_without_a_common_id_are_refused():
    predictions = [record(name, "....") for name in "abc"]
    with pytest.raises(ScoreError) as caught:
        compare(predictions, [record("x", "...."), record("y", "....")])
    message = "no id in common: predictions 'a', 'b', …; references 'x', 'y'"
    assert str(caught.value) == message


def test_each_reference_gets_the_index_of_its_prediction():
    predictions = [record("a", "()"), record("b", "()"), record("a", "..")]
    references = [record(name, "()") for name in ("b", "a", "c", "a")]
    assert match_ids(predictions, references) == [1, 0, None, 2]
