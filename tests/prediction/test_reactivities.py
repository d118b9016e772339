"""Reactivities guide a prediction by way of the folding model."""

import numpy as np
import pytest

from rnaformer_cli import load
from rnaformer_cli.errors import ConfigError
from rnaformer_cli.prediction.predictor import Options, Predictor
from rnaformer_cli.sequence.reactivities import Reactivities
from rnaformer_cli.sequence.record import RnaRecord

# Two hairpins exclude each other: bases 1-6 pair with 11-16, or 11-16 with 21-26.
SEQUENCE = "GGGACCAAAAGGUCCCAAAAGGGACC"
LEFT = {(i, 15 - i) for i in range(6)}
RIGHT = {(10 + i, 25 - i) for i in range(6)}


@pytest.fixture(scope="module")
def predictor():
    return load(options=Options(families=False))


def probed(pairs):
    """A record whose unpaired bases are reactive."""
    paired = {base for pair in pairs for base in pair}
    values = tuple(0.05 if base in paired else 1.0 for base in range(len(SEQUENCE)))
    return RnaRecord("x", SEQUENCE, reactivities=Reactivities(values, "1M7"))


@pytest.mark.parametrize("pairs", [LEFT, RIGHT])
def test_the_hairpin_that_agrees_with_the_data_is_predicted(predictor, pairs):
    [answer] = predictor.predict([probed(pairs)])
    assert len(answer.structure.pairs & pairs) >= 5


def test_scores_with_data_are_symmetric_probabilities_without_a_diagonal(predictor):
    scores = predictor.score([SEQUENCE])[0]
    guided = predictor._condition(probed(LEFT), scores)
    np.testing.assert_array_equal(guided, guided.T)
    assert (guided.diagonal() == 0.0).all()
    assert ((guided >= 0.0) & (guided <= 1.0)).all()


def test_a_profile_without_values_changes_nothing(predictor):
    empty = RnaRecord("x", SEQUENCE, reactivities=Reactivities((None,) * len(SEQUENCE)))
    plain = RnaRecord("x", SEQUENCE)
    [with_data], [without] = predictor.predict([empty]), predictor.predict([plain])
    assert with_data.structure == without.structure
    assert with_data.confidence == pytest.approx(without.confidence, abs=1e-5)


def test_other_records_keep_their_predictions(predictor):
    plain = RnaRecord("y", SEQUENCE)
    [alone] = predictor.predict([plain])
    _, other = predictor.predict([probed(LEFT), plain])
    assert other.structure == alone.structure
    assert other.confidence == pytest.approx(alone.confidence, abs=1e-5)


def test_weights_without_a_folding_model_refuse_reactivities(tiny_network):
    with pytest.raises(ConfigError) as caught:
        list(Predictor(tiny_network, "tiny").predict([probed(LEFT)]))
    assert str(caught.value) == "these weights have no folding model, which reactivities need"


def test_a_record_among_others_is_guided_as_alone(predictor):
    longer = RnaRecord("z", SEQUENCE + "AAAAGGGACC")
    _, _, together = predictor.predict([longer, RnaRecord("y", SEQUENCE), probed(RIGHT)])
    [alone] = predictor.predict([probed(RIGHT)])
    assert together.structure == alone.structure
    assert together.confidence == pytest.approx(alone.confidence, abs=1e-4)
