"""A predictor with family profiles: matching sequences get the pairs of their family."""

import math

import numpy as np
import pytest
import torch
from factories.datasets import random_rna
from factories.families import PAIRS, SIZE, make_library, make_members, make_profile

from rnaformer_cli.errors import ConfigError
from rnaformer_cli.families.evidence import EvidenceGate
from rnaformer_cli.families.mixture import FamilyMatch, FamilyMixture, FamilyModel
from rnaformer_cli.families.recognition import ProfileSearch
from rnaformer_cli.model.config import ModelConfig
from rnaformer_cli.model.network import RNAformer
from rnaformer_cli.prediction.batching import to_tensors
from rnaformer_cli.prediction.predictor import Options, Predictor
from rnaformer_cli.sequence.record import RnaRecord

FAMILY_ONLY = FamilyMixture(
    evidence_scale=1.0, null_log_odds=10.0, network_coefficient=0.0, family_coefficient=1.0
)
FOUND = make_members(1, 9)
RECORDS = [
    RnaRecord("member", FOUND[-1]),
    RnaRecord("unrelated", random_rna(SIZE, 77)),
    RnaRecord("within", random_rna(30, 5) + FOUND[-2] + random_rna(25, 6)),
    RnaRecord("tiny", "GAAA"),
]


@pytest.fixture(scope="module")
def families():
    library = make_library(make_profile(FOUND[:6], "RF1"), make_profile(make_members(2, 6), "RF2"))
    return FamilyModel(ProfileSearch(library), FAMILY_ONLY)


@pytest.fixture
def predictor(tiny_network, families):
    options = Options(keep_scores=True, threshold=0.5)
    return Predictor(tiny_network, "tiny", options, families=families)


def test_a_member_has_the_pairs_of_its_family(predictor):
    [member] = predictor.predict(RECORDS[:1])
    assert member.structure.pairs == set(PAIRS)
    assert (member.family, member.confidence > 0.75) == ("RF1", True)
    assert member.recognised > 0.99
    assert member.matches == (FamilyMatch("RF1", 0, SIZE, member.recognised),)


def test_a_member_within_others_has_its_pairs_and_they_keep_theirs(predictor, tiny_network):
    [answer] = predictor.predict(RECORDS[2:3])
    there = {(left + 30, right + 30) for left, right in PAIRS}
    assert len(answer.structure.pairs & there) >= len(there) - 2  # the outermost may be open
    assert answer.family == "RF1"
    assert answer.recognised > 0.99
    assert (answer.matches[0].start, answer.matches[0].stop) == pytest.approx(
        (30, 30 + SIZE), abs=2
    )
    [alone] = Predictor(tiny_network, "tiny", Options(keep_scores=True)).predict(RECORDS[2:3])
    flanks = [*range(27), *range(97, 119)]
    outside = np.ix_(flanks, flanks)
    np.testing.assert_allclose(answer.scores[outside], alone.scores[outside], atol=0.02)


def test_a_sequence_without_a_match_is_predicted_by_the_network(predictor, tiny_network):
    alone = Predictor(tiny_network, "tiny", Options(keep_scores=True, threshold=0.5))
    for number in (1, 3):
        [unrelated] = predictor.predict([RECORDS[number]])
        [expected] = alone.predict([RECORDS[number]])
        assert unrelated.family is None
        assert unrelated.recognised < 0.01
        assert np.array_equal(unrelated.scores, expected.scores)


def test_families_can_be_switched_off(tiny_network, families):
    without = Options(keep_scores=True, families=False)
    [answer] = Predictor(tiny_network, "t", without, families=families).predict(RECORDS[:1])
    [expected] = Predictor(tiny_network, "t", Options(keep_scores=True)).predict(RECORDS[:1])
    assert np.array_equal(answer.scores, expected.scores)
    assert (answer.family, answer.recognised) == (None, 0.0)


def test_computed_labels_are_predicted_without_families(families):
    network = RNAformer(ModelConfig(dim=8, depth=1, heads=1, label_flag=True)).eval()
    computed = Options(like="computed", keep_scores=True)
    [answer] = Predictor(network, "t", computed, families=families).predict(RECORDS[:1])
    [expected] = Predictor(network, "t", computed).predict(RECORDS[:1])
    assert np.array_equal(answer.scores, expected.scores)


def test_a_prediction_does_not_depend_on_other_records(predictor):
    together = list(predictor.predict(RECORDS))
    for record, among in zip(RECORDS, together, strict=True):
        [alone] = predictor.predict([record])
        np.testing.assert_allclose(among.scores, alone.scores, atol=1e-5)
        assert (among.structure, among.family) == (alone.structure, alone.family)
        assert among.recognised == pytest.approx(alone.recognised, abs=1e-4)


def test_scores_are_those_of_predictions(predictor):
    [scores] = predictor.score([RECORDS[0].sequence])
    [answer] = predictor.predict(RECORDS[:1])
    np.testing.assert_allclose(scores, answer.scores, atol=1e-6)


def test_each_keeps_its_family_when_a_batch_does_not_fit(predictor, monkeypatch):
    expected = list(predictor.predict(RECORDS))
    engine, whole = predictor.engine, predictor.engine.logits

    def too_small(bases, *more):
        if len(bases) > 1:
            raise MemoryError
        return whole(bases, *more)

    monkeypatch.setattr(engine, "logits", too_small)
    for one, other in zip(predictor.predict(RECORDS), expected, strict=True):
        assert (one.structure, one.family) == (other.structure, other.family)


def test_another_library_is_another_config(tiny_network):
    """A resumed run must not mix answers of two libraries with one mixture."""
    library = make_library(make_profile(FOUND[:6], "RF1"))
    models = [FamilyModel(ProfileSearch(library), FAMILY_ONLY, text) for text in ("a", "b", "b")]
    found = [Predictor(tiny_network, "x", families=model).config_digest for model in models]
    assert found[0] != found[1] == found[2]


def test_evidence_changes_scores_alone_and_in_a_batch_alike(families):
    torch.manual_seed(2)
    network = RNAformer(ModelConfig(dim=8, depth=1, heads=1, cycles=1, folding=True))
    network.folding.stack.fill_(1.0)
    network.folding.hairpin_length.fill_(-3.0)
    gate = EvidenceGate(midpoint=0.0, width=1.0, scale=1.0, folding_weight=2.0, intercept=0.0)
    mixture = FamilyMixture(null_log_odds=900.0, by_evidence=gate)  # no pairs of the families
    gated = FamilyModel(families.search, mixture)
    options = Options(keep_scores=True)
    plain = [answer.scores for answer in Predictor(network, "x", options).predict(RECORDS)]
    predictor = Predictor(network, "x", options, families=gated)
    found = [answer.scores for answer in predictor.predict(RECORDS)]
    for record, scores in zip(RECORDS, found, strict=True):
        [single] = predictor.predict([record])
        np.testing.assert_allclose(single.scores, scores, atol=1e-6)
    changed = [not np.array_equal(one, other) for one, other in zip(plain, found, strict=True)]
    assert changed == [True, False, True, False]
    folding = network.folding(to_tensors([RECORDS[0].sequence])[0])[0].numpy()
    expected = logit(plain[0][0, SIZE - 1]) + 2.0 * logit(folding[0, SIZE - 1])
    assert logit(found[0][0, SIZE - 1]) == pytest.approx(expected, abs=0.01)


def logit(value):
    value = min(max(float(value), 1e-4), 1 - 1e-4)
    return math.log(value / (1 - value))


def test_evidence_needs_a_folding_model(tiny_network, families):
    gate = EvidenceGate(midpoint=0.0, width=1.0, scale=1.0, folding_weight=2.0, intercept=0.0)
    gated = FamilyModel(families.search, FamilyMixture(by_evidence=gate))
    with pytest.raises(ConfigError) as caught:
        Predictor(tiny_network, "x", families=gated)
    message = "by_evidence of families needs a network with a folding model"
    assert str(caught.value) == message
