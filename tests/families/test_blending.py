"""Scores of a network and pairs of families, together."""

import math

import numpy as np
import pytest
from family_makers import profile_of

from rnaformer_cli.errors import ConfigError
from rnaformer_cli.families.blending import CLIPPED, Blend, logit
from rnaformer_cli.families.recognition import Hit, Site

SIZE = 6
UNEVEN = Blend(0.3, 5.0, 0.7, 1.2, -0.08, -0.4, 0.8)
KNOWN = "trust, needed, network, families, together, shift, most, length"


def hit(evidence, name="x", pairs=((0, 5), (1, 4)), chance=0.9):
    """A hit whose columns are the bases."""
    aligned = np.eye(SIZE, dtype=np.float32)
    return Hit(profile_of(["ACGUAC"], name, pairs, chance), evidence, 0, aligned)


def site(*hits):
    return Site(hits, SIZE)


def scores(seed=0):
    """Symmetric scores from 0 to 1, the lowest and the highest among them."""
    upper = np.triu(np.random.default_rng(seed).random((SIZE, SIZE)), 1).astype(np.float32)
    upper[0, 5], upper[2, 3] = 1.0, 0.0
    return upper + upper.T


def test_without_hits_scores_stay_as_they_are():
    given = scores()
    assert Blend().apply(given, []) is given
    assert Blend().verdicts([]) == ()


def test_hits_that_are_hardly_believed_change_nothing():
    given = scores()
    assert Blend(trust=0.5, needed=14).apply(given, [site(hit(4.0))]) is given


def test_beliefs_and_the_rest_add_up_to_one():
    blend = Blend(trust=0.4, needed=12)
    found = blend.beliefs(site(hit(10.0), hit(14.0), hit(11.5)))
    odds = [math.exp(0.4 * evidence) for evidence in (10.0, 14.0, 11.5, 12)]
    assert found.tolist() == pytest.approx([one / sum(odds) for one in odds[:-1]], rel=1e-5)


def test_a_family_with_the_evidence_needed_is_as_likely_as_none():
    assert Blend(needed=9).beliefs(site(hit(9.0))).tolist() == [0.5]


def test_a_long_sequence_needs_more_evidence():
    blend = Blend(trust=1.0, needed=9, length=2.0)
    [short], [long] = (blend.beliefs(Site((hit(9.0),), length)) for length in (100, 272))
    assert short == 0.5
    assert long == pytest.approx(1 / (1 + math.exp(2.0 * math.log(2.72))), rel=1e-5)


def test_more_evidence_is_more_belief():
    found = [Blend().beliefs(site(hit(evidence)))[0] for evidence in (5.0, 10.0, 14.0, 20.0, 40.0)]
    assert found == sorted(set(found))
    assert Blend().beliefs(site(hit(3000.0))).tolist() == [1.0]


def odds(value):
    value = min(max(value, CLIPPED), 1 - CLIPPED)
    return math.log(value / (1 - value))


def told(blend, score, chance):
    """The formula of a family that is sure."""
    own, family = odds(score), odds(chance)
    total = blend.network * own + blend.families * family + blend.together * own * family
    return blend.most / (1 + math.exp(-total - blend.shift))


@pytest.mark.parametrize("blend", [Blend(), UNEVEN])
def test_scores_of_a_sure_family_follow_the_formula(blend):
    given = scores()
    found = blend.apply(given, [site(hit(500.0))])
    for left, right in np.argwhere(given >= CLIPPED).tolist():
        chance = 0.9 if (min(left, right), max(left, right)) in ((0, 5), (1, 4)) else 0.0
        expected = told(blend, float(given[left, right]), chance)
        assert found[left, right] == pytest.approx(expected, abs=1e-5)


def test_pairs_that_neither_knows_keep_their_scores():
    given = scores()
    given[2, 4] = given[4, 2] = CLIPPED / 2
    found = Blend(shift=3.0).apply(given, [site(hit(500.0))])
    assert found[2, 4] == found[4, 2] == given[2, 4]
    assert found[2, 3] == found[3, 2] == 0.0
    given[0, 5] = given[5, 0] = 0.0
    assert Blend().apply(given, [site(hit(500.0))])[0, 5] > 0.01


def test_scores_that_are_given_are_not_written_to():
    given = scores()
    assert not np.array_equal(Blend().apply(given, [site(hit(500.0))]), given)
    np.testing.assert_array_equal(given, scores())


def test_scores_lie_between_those_of_the_network_and_of_a_sure_family():
    given = scores()
    sure = Blend().apply(given, [site(hit(500.0))])
    half = Blend(needed=20).apply(given, [site(hit(20.0))])
    np.testing.assert_allclose(half, (given + sure) / 2, atol=1e-6)


def test_hits_tell_pairs_for_as_much_as_they_are_believed():
    blend = Blend(trust=1.0, needed=-100.0, network=0.0, families=1.0)
    hits = [hit(30.0, pairs=[(0, 5)]), hit(30.0 + math.log(2), pairs=[(1, 4)])]
    found = blend.apply(scores(), [site(*hits)])
    assert found[0, 5] == pytest.approx(0.9 / 3, abs=1e-4)
    assert found[1, 4] == pytest.approx(0.9 * 2 / 3, abs=1e-4)


@pytest.mark.parametrize("evidence", [8.0, 14.0, 17.0, 60.0])
@pytest.mark.parametrize("blend", [Blend(), Blend(1.0, 10.0, 3.0, 3.0, -0.5, 8.0)])
def test_blended_scores_are_symmetric_probabilities_without_a_diagonal(blend, evidence):
    hits = [hit(evidence), hit(evidence - 1, pairs=[(0, 5), (0, 4)], chance=1.0)]
    found = blend.apply(scores(), [site(*hits)])
    assert found.dtype == np.float32
    assert np.array_equal(found, found.T)
    assert not found.diagonal().any()
    assert 0.0 <= found.min() <= found.max() <= 1.0


def test_logits_are_cut_off_at_both_sides():
    found = logit(np.array([0.0, CLIPPED, 0.25, 0.5, 1.0], np.float32))
    expected = [odds(CLIPPED), odds(CLIPPED), -math.log(3), 0.0, -odds(CLIPPED)]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def verdict(blend, *hits):
    [found] = blend.verdicts([site(*hits)])
    return found


def test_the_verdict_is_the_likeliest_family():
    found = verdict(Blend(needed=10), hit(30.0, "tRNA"), hit(26.0, "RNaseP"))
    assert found.family == "tRNA"
    assert found.recognised == pytest.approx(1.0, abs=1e-3)
    assert found.recognised <= 1.0
    assert (found.start, found.stop) == (0, SIZE)


def test_the_verdict_counts_profiles_of_one_family_together():
    hits = [hit(30.0, "a"), hit(30.0, "b"), hit(30.0, "b")]
    assert verdict(Blend(), *hits).family == "b"
    assert verdict(Blend(), *hits).recognised == pytest.approx(1.0, abs=1e-3)
    assert verdict(Blend(), *hits[:2]).family is None  # half each, and a little for none


@pytest.mark.parametrize(("evidence", "name"), [(9.9, None), (10.1, "a")])
def test_a_family_is_named_if_it_is_more_likely_than_not(evidence, name):
    found = verdict(Blend(needed=10), hit(evidence, "a"))
    assert found.family == name
    assert found.recognised == pytest.approx(1 / (1 + math.exp(0.5 * (10 - evidence))), rel=1e-5)


def test_a_profile_without_a_name_counts_but_is_not_told():
    found = verdict(Blend(needed=10), hit(40.0, ""), hit(30.0, "a"))
    assert found.family is None
    assert found.recognised == pytest.approx(1.0, abs=1e-3)


def test_the_surest_verdict_comes_first():
    found = Blend(needed=10).verdicts([site(hit(9.0, "a")), site(hit(20.0, "b"))])
    assert [one.family for one in found] == ["b", None]


def embedded(count, start, chance=0.9):
    """A hit of SIZE bases from `start` on, and scores of `count` bases."""
    one = hit(500.0, chance=chance)
    upper = np.triu(np.random.default_rng(4).random((count, count)), 1).astype(np.float32)
    return Hit(one.profile, 500.0, start, one.aligned), upper + upper.T


def test_pairs_of_a_base_without_a_counterpart_keep_their_scores_unless_the_other_is_paired():
    """Bases beside the RNA may be the partner that this RNA brings along."""
    found_hit, given = embedded(20, 8, chance=1.0)
    found = UNEVEN.apply(given, [site(found_hit)])
    inner, paired = range(8, 8 + SIZE), (8, 9, 12, 13)
    for left, right in zip(*np.triu_indices(20, 1), strict=True):
        before = float(given[left, right])
        is_known = (left in inner and right in inner) or left in paired or right in paired
        if is_known:
            chance = 1.0 if (left, right) in ((8, 13), (9, 12)) else 0.0
            before = told(UNEVEN, before, chance)
        assert found[left, right] == found[right, left] == pytest.approx(before, abs=1e-5)


def test_pairs_of_a_strand_that_is_inserted_keep_their_scores():
    """Twenty bases between two halves of a family that leaves its last bases unpaired."""
    profile = profile_of(["ACGUAC" * 4], "x", ((0, 5), (1, 4)), 1.0)
    aligned = np.zeros((44, 24), np.float32)
    aligned[np.arange(12), np.arange(12)] = aligned[np.arange(32, 44), np.arange(12, 24)] = 1.0
    given = np.full((44, 44), 0.4, np.float32)
    np.fill_diagonal(given, 0.0)
    found = UNEVEN.apply(given, [Site((Hit(profile, 500.0, 0, aligned),), 44)])
    assert found[20, 40] == found[20, 25] == pytest.approx(0.4, abs=0.01)  # inserted
    assert found[8, 42] == pytest.approx(told(UNEVEN, 0.4, 0.0), abs=0.01)  # unpaired in both
    assert found[0, 20] == pytest.approx(told(UNEVEN, 0.4, 0.0), abs=1e-5)  # has another partner


def test_sites_change_their_own_pairs():
    first, given = embedded(20, 0)
    second, _ = embedded(20, 12)
    both = Blend().apply(given, [site(first), site(second)])
    one, other = (Blend().apply(given, [site(single)]) for single in (first, second))
    assert np.array_equal(both[:6, :6], one[:6, :6])
    assert np.array_equal(both[12:18, 12:18], other[12:18, 12:18])
    assert np.array_equal(both[6:12, 6:12], given[6:12, 6:12])


def test_hits_of_a_site_may_lie_in_different_windows():
    first, given = embedded(20, 3)
    padded = np.vstack([np.zeros((2, SIZE)), first.aligned, np.zeros((5, SIZE))])
    moved = Hit(first.profile, 500.0, 1, padded.astype(np.float32))
    alone = Blend().apply(given, [site(first)])
    np.testing.assert_allclose(Blend().apply(given, [site(first, moved)]), alone, atol=1e-6)
    np.testing.assert_allclose(Blend().apply(given, [site(moved, first)]), alone, atol=1e-6)


def test_settings_are_read_from_a_mapping():
    assert Blend.from_dict({}) == Blend()
    assert Blend.from_dict({"trust": 1, "shift": -0.5}) == Blend(trust=1, shift=-0.5)


@pytest.mark.parametrize("most", [-0.1, 1.5])
def test_a_highest_score_that_is_none_is_refused(most):
    with pytest.raises(ConfigError) as caught:
        Blend(most=most)
    assert str(caught.value) == f"most of families must be from 0 to 1, not {most}"


def test_an_unknown_setting_is_refused():
    with pytest.raises(ConfigError) as caught:
        Blend.from_dict({"trust": 0.5, "belief": 1.0})
    assert str(caught.value) == f"unknown setting of families 'belief'; known: {KNOWN}"


@pytest.mark.parametrize("name", KNOWN.split(", "))
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("0.5", "a number, not '0.5'"),
        (None, "a number, not None"),
        (True, "a number, not True"),
        ([1.0], "a number, not [1.0]"),
        (math.nan, "of usual size, not nan"),
        (math.inf, "of usual size, not inf"),
        (-1000.5, "of usual size, not -1000.5"),
        (10**400, f"of usual size, not 1{'0' * 37}...{'0' * 39}"),
    ],
)
def test_settings_that_are_no_usual_numbers_are_refused(name, value, message):
    with pytest.raises(ConfigError) as caught:
        Blend.from_dict({name: value})
    assert str(caught.value) == f"{name} of families must be {message}"
