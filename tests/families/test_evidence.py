"""Network and folding model, weighted by the evidence for a known family."""

import math

import numpy as np
import pytest
from factories.families import make_profile

from rnaformer_cli.errors import ConfigError
from rnaformer_cli.families.evidence import EvidenceGate, base_evidence
from rnaformer_cli.families.mixture import FamilyMixture
from rnaformer_cli.families.recognition import Hit, Region

LENGTH = 8
GATE = EvidenceGate(midpoint=14.0, width=2.0, scale=1.5, folding_weight=-0.4, intercept=0.3)


def region(*hits):
    """A region of hits, each of a log-odds, a first base and a number of bases."""
    found = []
    for log_odds, start, size in hits:
        posteriors = np.eye(size, dtype=np.float32)
        found.append(Hit(make_profile(["A" * size], "x", ()), log_odds, start, posteriors))
    return Region(tuple(found), LENGTH)


def matrix(seed):
    upper = np.triu(np.random.default_rng(seed).random((LENGTH, LENGTH)), 1).astype(np.float32)
    return upper + upper.T


def logit(value):
    return math.log(value / (1 - value))


def test_the_evidence_of_a_base_is_its_best_hit():
    found = base_evidence([region((9.0, 0, 4), (12.0, 2, 3)), region((5.0, 6, 1))], LENGTH)
    assert found.tolist() == [9.0, 9.0, 12.0, 12.0, 12.0, -np.inf, 5.0, -np.inf]


def test_without_hits_scores_stay_as_they_are():
    scores = matrix(0)
    assert GATE.apply(scores, matrix(1), []) is scores


def test_pairs_are_weighted_by_the_smaller_evidence_of_both_bases():
    scores, folding = matrix(0), matrix(1)
    found = GATE.apply(scores, folding, [region((17.0, 0, 4), (13.0, 3, 3))])
    for left, right, evidence in ((0, 2, 17.0), (0, 3, 17.0), (1, 4, 13.0), (4, 5, 13.0)):
        gate = 1 / (1 + math.exp(-(evidence - 14.0) / 2.0))
        known = logit(scores[left, right])
        change = 0.5 * known - 0.4 * logit(folding[left, right]) + 0.3
        assert logit(found[left, right]) == pytest.approx(known + gate * change, abs=1e-4)


def test_pairs_with_a_base_outside_of_all_windows_keep_their_score():
    scores = matrix(0)
    found = GATE.apply(scores, matrix(1), [region((30.0, 0, 4))])
    assert np.array_equal(found[4:], scores[4:])
    assert not np.array_equal(found[:4, :4], scores[:4, :4])


def test_weighted_scores_are_symmetric_with_an_empty_diagonal():
    found = GATE.apply(matrix(0), matrix(1), [region((20.0, 0, LENGTH))])
    assert np.array_equal(found, found.T)
    assert not found.diagonal().any()


def test_certain_scores_stay_finite():
    scores = np.ones((LENGTH, LENGTH), np.float32) - np.eye(LENGTH, dtype=np.float32)
    found = GATE.apply(scores, 1 - scores, [region((500.0, 0, LENGTH))])
    assert np.isfinite(found).all()


def test_a_mixture_weights_the_scores_before_the_families():
    scores, folding, regions = matrix(0), matrix(1), [region((20.0, 0, LENGTH))]
    plain, gated = FamilyMixture(null_log_odds=9), FamilyMixture(null_log_odds=9, by_evidence=GATE)
    expected = plain.apply(GATE.apply(scores, folding, regions), regions)
    assert np.array_equal(gated.apply(scores, regions, folding), expected)


def test_a_mixture_is_read_back_from_its_values():
    mixture = FamilyMixture(by_evidence=GATE)
    assert FamilyMixture.from_dict(mixture.to_dict() | {"by_evidence": vars_of(GATE)}) == mixture
    assert "by_evidence" not in FamilyMixture().to_dict()


def vars_of(gate):
    return {name: getattr(gate, name) for name in EvidenceGate.__slots__}


NAMES = "midpoint, width, scale, folding_weight, intercept"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 0.0}, "width of by_evidence must be above 0, not 0.0"),
        ({"scale": "1"}, "scale of by_evidence must be a number, not '1'"),
        ({"scale": True}, "scale of by_evidence must be a number, not True"),
        ({"midpoint": math.nan}, "midpoint of by_evidence must be from -1000 to 1000, not nan"),
        ({"midpoint": 1001}, "midpoint of by_evidence must be from -1000 to 1000, not 1001"),
    ],
)
def test_a_wrong_value_is_refused(change, message):
    with pytest.raises(ConfigError) as caught:
        FamilyMixture.from_dict({"by_evidence": vars_of(GATE) | change})
    assert str(caught.value) == message


@pytest.mark.parametrize("values", [[], "x", 3, {"midpoint": 1.0}])
def test_anything_but_the_five_numbers_is_refused(values):
    with pytest.raises(ConfigError) as caught:
        FamilyMixture.from_dict({"by_evidence": values})
    assert str(caught.value) == f"by_evidence must have the numbers {NAMES}, not {values!r}"
