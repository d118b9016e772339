"""Figures of a set, with intervals and a test that can be repeated."""

import pytest

from rnaformer_cli.errors import ScoreError
from rnaformer_cli.scoring.compare import RecordScore, ScoringRules, compare
from rnaformer_cli.scoring.counts import NO_COUNTS, PairCounts
from rnaformer_cli.scoring.summary import bootstrap_interval, sign_flip_test, summarise
from rnaformer_cli.structure.brackets import parse_dot_bracket
from rnaformer_cli.structure.structure import StructureRecord

F1 = [0.2, 0.9, 0.5, 1.0, 0.7, 0.6]


def record(name, signs):
    return StructureRecord(str(name), "N" * len(signs), parse_dot_bracket(signs))


def scores_of(*structures, rules=None):
    """Scores of (prediction or None, reference) pairs."""
    predictions = [record(name, ours) for name, (ours, _) in enumerate(structures) if ours]
    references = [record(name, theirs) for name, (_, theirs) in enumerate(structures)]
    return compare(predictions, references, rules)[0]


def test_macro_figures_are_means_over_records():
    summary = summarise(scores_of(("(())", "(())"), ("(..)", "(())"), ("....", "(())")))
    assert (summary.records, summary.missing) == (3, 0)
    assert summary.precision == pytest.approx(2 / 3)
    assert summary.recall == pytest.approx(1.5 / 3)
    assert summary.f1 == pytest.approx((1 + 2 / 3) / 3)
    # of 6 possible pairs 1 hit, 1 missed, 4 rest: 1 · 4 / √(1 · 2 · 4 · 5)
    assert summary.mcc == pytest.approx((1 + 4 / 40**0.5) / 3)


def test_pooled_figures_count_all_pairs_as_one_structure():
    summary = summarise(scores_of(("(())", "(())"), ("(..)", "(())")))
    assert summary.pooled == PairCounts(3, 3, 4, 3, possible=12)


def test_a_missing_prediction_scores_zero_in_every_mean():
    summary = summarise(scores_of(("....", "...."), (None, "....")))
    assert (summary.missing, summary.precision, summary.recall) == (1, 0.5, 0.5)
    assert (summary.f1, summary.mcc) == (0.5, 0.5)


def test_a_tolerant_mean_is_given_only_on_request():
    pair = ("(...).", ".(..).")
    assert summarise(scores_of(pair)).tolerant_f1 is None
    assert (
        summarise(scores_of(pair, (None, "......"), rules=ScoringRules(tolerance=1))).tolerant_f1
        == 0.5
    )


def test_pseudoknot_figures_are_of_references_that_have_one():
    summary = summarise(scores_of(("([)]", "([)]"), ("([)]", "(..)"), ("....", "([)]")))
    assert summary.pseudoknot_records == 2
    assert summary.pseudoknot == PairCounts(2, 2, 4, 2, possible=12)


def test_no_pseudoknot_leaves_no_counts():
    summary = summarise(scores_of(("()", "()")))
    assert (summary.pseudoknot_records, summary.pseudoknot) == (0, NO_COUNTS)


def test_the_interval_of_a_summary_is_that_of_its_f1():
    scores = [
        RecordScore(str(value), 4, PairCounts(10, value, 10, value, 100), None, NO_COUNTS)
        for value in (1, 5, 9)
    ]
    assert summarise(scores, seed=3).f1_interval == bootstrap_interval([0.1, 0.5, 0.9], seed=3)


def test_nothing_cannot_be_summarised():
    with pytest.raises(ScoreError) as caught:
        summarise([])
    assert str(caught.value) == "nothing to score"


def test_the_interval_lies_around_the_mean_and_within_the_values():
    low, high = bootstrap_interval(F1)
    assert min(F1) <= low < sum(F1) / len(F1) < high <= max(F1)


def test_the_interval_of_many_values_is_nearly_the_normal_one():
    # 400 zeros and ones, half each: 0.5 ± 1.96 · 0.5 / √400
    assert bootstrap_interval([0.0, 1.0] * 200) == pytest.approx((0.451, 0.549), abs=0.004)


def test_the_interval_of_equal_values_has_no_width():
    assert bootstrap_interval([0.25] * 5) == (0.25, 0.25)


def test_the_interval_is_repeated_by_its_seed():
    values = [value**0.5 for value in range(50)]
    assert bootstrap_interval(values, seed=1) == bootstrap_interval(values, seed=1)
    assert bootstrap_interval(values, seed=1) != bootstrap_interval(values, seed=2)


def test_equal_predictors_have_a_p_value_of_one():
    assert sign_flip_test(F1, F1) == 1.0


def test_one_record_has_a_p_value_of_one():
    assert sign_flip_test([1.0], [0.0]) == 1.0


def test_a_constant_difference_over_many_records_is_no_chance():
    # all 30 signs must agree: 2 / 2**30, so that no resample of 10,000 shows it
    assert sign_flip_test([0.9] * 30, [0.5] * 30) == pytest.approx(1 / 10_001)


def test_a_constant_difference_over_few_records_has_its_exact_chance():
    # 4 of 4 signs agree in 2 of 16 cases
    assert sign_flip_test([0.9] * 4, [0.5] * 4) == pytest.approx(2 / 16, abs=0.01)


def test_the_test_is_two_sided():
    theirs = [value - 0.1 for value in F1]
    assert sign_flip_test(F1, theirs) == sign_flip_test(theirs, F1)


def test_the_test_is_repeated_by_its_seed():
    theirs = [0.3, 0.7, 0.5, 0.8, 0.8, 0.1]
    assert sign_flip_test(F1, theirs, seed=1) == sign_flip_test(F1, theirs, seed=1)
    assert sign_flip_test(F1, theirs, seed=1) != sign_flip_test(F1, theirs, seed=2)


@pytest.mark.parametrize(
    ("ours", "theirs", "message"),
    [
        ([0.5], [0.5, 0.5], "cannot pair 1 with 2 records"),
        ([], [], "cannot pair 0 with 0 records"),
    ],
)
def test_lists_that_cannot_be_paired_are_refused(ours, theirs, message):
    with pytest.raises(ScoreError) as caught:
        sign_flip_test(ours, theirs)
    assert str(caught.value) == message
