"""The mixture of the network's scores with the pairs of family profiles."""

import math

import numpy as np
import pytest
from factories.families import make_profile

from rnaformer_cli.errors import ConfigError
from rnaformer_cli.families.mixture import MIN_PROBABILITY, FamilyMixture, logit
from rnaformer_cli.families.recognition import Hit, Region

SIZE = 6
MIXTURE = FamilyMixture(0.3, 5.0, 0.7, 1.2, -0.08, -0.4, 0.8)
KNOWN = (
    "evidence_scale, null_log_odds, network_coefficient, family_coefficient, interaction, "
    "intercept, ceiling, null_log_odds_slope, by_evidence"
)


def hit(log_odds, name="x", pairs=((0, 5), (1, 4)), pair_frequency=0.9):
    """A hit whose columns are the bases."""
    posteriors = np.eye(SIZE, dtype=np.float32)
    return Hit(make_profile(["ACGUAC"], name, pairs, pair_frequency), log_odds, 0, posteriors)


def region(*hits):
    return Region(hits, SIZE)


def scores(seed=0):
    """Symmetric scores from 0 to 1, the lowest and the highest among them."""
    upper = np.triu(np.random.default_rng(seed).random((SIZE, SIZE)), 1).astype(np.float32)
    upper[0, 5], upper[2, 3] = 1.0, 0.0
    return upper + upper.T


def test_without_hits_scores_stay_as_they_are():
    given = scores()
    assert FamilyMixture().apply(given, []) is given
    assert FamilyMixture().matches([]) == ()


def test_hits_of_low_posterior_change_nothing():
    given = scores()
    assert (
        FamilyMixture(evidence_scale=0.5, null_log_odds=14).apply(given, [region(hit(4.0))])
        is given
    )


def test_posteriors_and_the_null_model_add_up_to_one():
    mixture = FamilyMixture(evidence_scale=0.4, null_log_odds=12)
    found = mixture.posteriors(region(hit(10.0), hit(14.0), hit(11.5)))
    odds = [math.exp(0.4 * log_odds) for log_odds in (10.0, 14.0, 11.5, 12)]
    assert found.tolist() == pytest.approx([one / sum(odds) for one in odds[:-1]], rel=1e-5)


def test_a_hit_at_the_null_log_odds_has_posterior_one_half():
    assert FamilyMixture(null_log_odds=9).posteriors(region(hit(9.0))).tolist() == [0.5]


def test_a_long_sequence_needs_higher_log_odds():
    mixture = FamilyMixture(evidence_scale=1.0, null_log_odds=9, null_log_odds_slope=2.0)
    [short], [long] = (mixture.posteriors(Region((hit(9.0),), length)) for length in (100, 272))
    assert short == 0.5
    assert long == pytest.approx(1 / (1 + math.exp(2.0 * math.log(2.72))), rel=1e-5)


def test_the_posterior_grows_with_the_log_odds():
    found = [
        FamilyMixture().posteriors(region(hit(log_odds)))[0]
        for log_odds in (5.0, 10.0, 14.0, 20.0, 40.0)
    ]
    assert found == sorted(set(found))
    assert FamilyMixture().posteriors(region(hit(3000.0))).tolist() == [1.0]


def odds(value):
    value = min(max(value, MIN_PROBABILITY), 1 - MIN_PROBABILITY)
    return math.log(value / (1 - value))


def combined(mixture, score, pair_frequency):
    """The score of a pair, given a family with posterior 1."""
    own, family = odds(score), odds(pair_frequency)
    total = (
        mixture.network_coefficient * own
        + mixture.family_coefficient * family
        + mixture.interaction * own * family
    )
    return mixture.ceiling / (1 + math.exp(-total - mixture.intercept))


@pytest.mark.parametrize("mixture", [FamilyMixture(), MIXTURE])
def test_scores_of_a_certain_family_follow_the_formula(mixture):
    given = scores()
    found = mixture.apply(given, [region(hit(500.0))])
    for left, right in np.argwhere(given >= MIN_PROBABILITY).tolist():
        pair_frequency = 0.9 if (min(left, right), max(left, right)) in ((0, 5), (1, 4)) else 0.0
        expected = combined(mixture, float(given[left, right]), pair_frequency)
        assert found[left, right] == pytest.approx(expected, abs=1e-5)


def test_pairs_that_both_find_impossible_keep_their_scores():
    given = scores()
    given[2, 4] = given[4, 2] = MIN_PROBABILITY / 2
    found = FamilyMixture(intercept=3.0).apply(given, [region(hit(500.0))])
    assert found[2, 4] == found[4, 2] == given[2, 4]
    assert found[2, 3] == found[3, 2] == 0.0
    given[0, 5] = given[5, 0] = 0.0
    assert FamilyMixture().apply(given, [region(hit(500.0))])[0, 5] > 0.01


def test_the_scores_of_the_network_are_not_changed_in_place():
    given = scores()
    assert not np.array_equal(FamilyMixture().apply(given, [region(hit(500.0))]), given)
    np.testing.assert_array_equal(given, scores())


def test_scores_are_interpolated_by_the_posterior():
    given = scores()
    sure = FamilyMixture().apply(given, [region(hit(500.0))])
    half = FamilyMixture(null_log_odds=20).apply(given, [region(hit(20.0))])
    np.testing.assert_allclose(half, (given + sure) / 2, atol=1e-6)


def test_pairs_of_hits_are_weighted_by_their_posteriors():
    mixture = FamilyMixture(
        evidence_scale=1.0, null_log_odds=-100.0, network_coefficient=0.0, family_coefficient=1.0
    )
    hits = [hit(30.0, pairs=[(0, 5)]), hit(30.0 + math.log(2), pairs=[(1, 4)])]
    found = mixture.apply(scores(), [region(*hits)])
    assert found[0, 5] == pytest.approx(0.9 / 3, abs=1e-4)
    assert found[1, 4] == pytest.approx(0.9 * 2 / 3, abs=1e-4)


@pytest.mark.parametrize("log_odds", [8.0, 14.0, 17.0, 60.0])
@pytest.mark.parametrize(
    "mixture", [FamilyMixture(), FamilyMixture(1.0, 10.0, 3.0, 3.0, -0.5, 8.0)]
)
def test_mixed_scores_are_symmetric_probabilities_without_a_diagonal(mixture, log_odds):
    hits = [hit(log_odds), hit(log_odds - 1, pairs=[(0, 5), (0, 4)], pair_frequency=1.0)]
    found = mixture.apply(scores(), [region(*hits)])
    assert found.dtype == np.float32
    assert np.array_equal(found, found.T)
    assert not found.diagonal().any()
    assert 0.0 <= found.min() <= found.max() <= 1.0


def test_logits_are_clipped_on_both_sides():
    found = logit(np.array([0.0, MIN_PROBABILITY, 0.25, 0.5, 1.0], np.float32))
    expected = [
        odds(MIN_PROBABILITY),
        odds(MIN_PROBABILITY),
        -math.log(3),
        0.0,
        -odds(MIN_PROBABILITY),
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def match(mixture, *hits):
    [found] = mixture.matches([region(*hits)])
    return found


def test_the_match_is_the_family_of_highest_posterior():
    found = match(FamilyMixture(null_log_odds=10), hit(30.0, "tRNA"), hit(26.0, "RNaseP"))
    assert found.family == "tRNA"
    assert found.recognised == pytest.approx(1.0, abs=1e-3)
    assert found.recognised <= 1.0
    assert (found.start, found.stop) == (0, SIZE)


def test_posteriors_of_profiles_of_one_family_are_added():
    hits = [hit(30.0, "a"), hit(30.0, "b"), hit(30.0, "b")]
    assert match(FamilyMixture(), *hits).family == "b"
    assert match(FamilyMixture(), *hits).recognised == pytest.approx(1.0, abs=1e-3)
    assert match(FamilyMixture(), *hits[:2]).family is None  # half each, and a little for none


@pytest.mark.parametrize(("log_odds", "name"), [(9.9, None), (10.1, "a")])
def test_a_family_is_named_above_posterior_one_half(log_odds, name):
    found = match(FamilyMixture(null_log_odds=10), hit(log_odds, "a"))
    assert found.family == name
    assert found.recognised == pytest.approx(1 / (1 + math.exp(0.5 * (10 - log_odds))), rel=1e-5)


def test_a_profile_without_a_name_counts_but_is_not_named():
    found = match(FamilyMixture(null_log_odds=10), hit(40.0, ""), hit(30.0, "a"))
    assert found.family is None
    assert found.recognised == pytest.approx(1.0, abs=1e-3)


def test_matches_are_sorted_by_falling_posterior():
    found = FamilyMixture(null_log_odds=10).matches([region(hit(9.0, "a")), region(hit(20.0, "b"))])
    assert [one.family for one in found] == ["b", None]


def embedded(count, start, pair_frequency=0.9):
    """A hit of SIZE bases from `start` on, and scores of `count` bases."""
    one = hit(500.0, pair_frequency=pair_frequency)
    upper = np.triu(np.random.default_rng(4).random((count, count)), 1).astype(np.float32)
    return Hit(one.profile, 500.0, start, one.posteriors), upper + upper.T


def test_pairs_of_a_base_without_a_counterpart_keep_their_scores_unless_the_other_is_paired():
    """Bases outside of the hit may pair with unpaired bases of the family."""
    found_hit, given = embedded(20, 8, pair_frequency=1.0)
    found = MIXTURE.apply(given, [region(found_hit)])
    inner, paired = range(8, 8 + SIZE), (8, 9, 12, 13)
    for left, right in zip(*np.triu_indices(20, 1), strict=True):
        before = float(given[left, right])
        is_covered = (left in inner and right in inner) or left in paired or right in paired
        if is_covered:
            pair_frequency = 1.0 if (left, right) in ((8, 13), (9, 12)) else 0.0
            before = combined(MIXTURE, before, pair_frequency)
        assert found[left, right] == found[right, left] == pytest.approx(before, abs=1e-5)


def test_pairs_of_a_strand_that_is_inserted_keep_their_scores():
    """Twenty bases between two halves of a family that leaves its last bases unpaired."""
    profile = make_profile(["ACGUAC" * 4], "x", ((0, 5), (1, 4)), 1.0)
    posteriors = np.zeros((44, 24), np.float32)
    posteriors[np.arange(12), np.arange(12)] = posteriors[np.arange(32, 44), np.arange(12, 24)] = (
        1.0
    )
    given = np.full((44, 44), 0.4, np.float32)
    np.fill_diagonal(given, 0.0)
    found = MIXTURE.apply(given, [Region((Hit(profile, 500.0, 0, posteriors),), 44)])
    assert found[20, 40] == found[20, 25] == pytest.approx(0.4, abs=0.01)  # inserted
    assert found[8, 42] == pytest.approx(combined(MIXTURE, 0.4, 0.0), abs=0.01)  # unpaired in both
    assert found[0, 20] == pytest.approx(
        combined(MIXTURE, 0.4, 0.0), abs=1e-5
    )  # has another partner


def test_regions_change_their_own_pairs():
    first, given = embedded(20, 0)
    second, _ = embedded(20, 12)
    both = FamilyMixture().apply(given, [region(first), region(second)])
    one, other = (FamilyMixture().apply(given, [region(single)]) for single in (first, second))
    assert np.array_equal(both[:6, :6], one[:6, :6])
    assert np.array_equal(both[12:18, 12:18], other[12:18, 12:18])
    assert np.array_equal(both[6:12, 6:12], given[6:12, 6:12])


def test_hits_of_a_region_may_lie_in_different_windows():
    first, given = embedded(20, 3)
    padded = np.vstack([np.zeros((2, SIZE)), first.posteriors, np.zeros((5, SIZE))])
    moved = Hit(first.profile, 500.0, 1, padded.astype(np.float32))
    alone = FamilyMixture().apply(given, [region(first)])
    np.testing.assert_allclose(
        FamilyMixture().apply(given, [region(first, moved)]), alone, atol=1e-6
    )
    np.testing.assert_allclose(
        FamilyMixture().apply(given, [region(moved, first)]), alone, atol=1e-6
    )


def test_settings_are_read_from_a_mapping():
    assert FamilyMixture.from_dict({}) == FamilyMixture()
    assert FamilyMixture.from_dict({"evidence_scale": 1, "intercept": -0.5}) == FamilyMixture(
        evidence_scale=1, intercept=-0.5
    )


@pytest.mark.parametrize("ceiling", [-0.1, 1.5])
def test_a_ceiling_that_is_no_probability_is_refused(ceiling):
    with pytest.raises(ConfigError) as caught:
        FamilyMixture(ceiling=ceiling)
    assert str(caught.value) == f"ceiling of families must be from 0 to 1, not {ceiling}"


def test_an_unknown_setting_is_refused():
    with pytest.raises(ConfigError) as caught:
        FamilyMixture.from_dict({"evidence_scale": 0.5, "belief": 1.0})
    assert str(caught.value) == f"unknown setting of families 'belief'; known: {KNOWN}"


@pytest.mark.parametrize("name", KNOWN.split(", ")[:-1])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("0.5", "a number, not '0.5'"),
        (None, "a number, not None"),
        (True, "a number, not True"),
        ([1.0], "a number, not [1.0]"),
        (math.nan, "from -1000 to 1000, not nan"),
        (math.inf, "from -1000 to 1000, not inf"),
        (-1000.5, "from -1000 to 1000, not -1000.5"),
        (10**400, f"from -1000 to 1000, not 1{'0' * 37}...{'0' * 39}"),
    ],
)
def test_settings_out_of_range_are_refused(name, value, message):
    with pytest.raises(ConfigError) as caught:
        FamilyMixture.from_dict({name: value})
    assert str(caught.value) == f"{name} of families must be {message}"
