"""The fit recovers the mixture from which labels were simulated."""

import numpy as np
import pytest
from factories.datasets import make_record

from rnaformer_cli.errors import TrainingError
from rnaformer_cli.families.mixture import FamilyMixture
from rnaformer_cli.families.profiles import N_KMERS, Profile
from rnaformer_cli.families.recognition import Hit, Region
from rnaformer_cli.training.release.mixture import fit_mixture

LENGTH = 40
WITHIN = (40, 100, 400)  # lengths of the whole sequences
TRUE_MIXTURE = FamilyMixture(
    0.8,
    10.0,
    network_coefficient=0.6,
    family_coefficient=0.7,
    interaction=-0.1,
    intercept=-0.3,
    ceiling=0.9,
    null_log_odds_slope=3.0,
)


def scores(random):
    """Random network scores, of which most are low."""
    logits = np.triu(random.normal(-2, 2, (LENGTH, LENGTH)), k=1)
    upper = np.triu(1 / (1 + np.exp(-logits)), k=1)
    return (upper + upper.T).astype(np.float32)


def hit(random, log_odds, columns=LENGTH):
    """A sequence whose first bases are a profile's own, column by column."""
    left, right = np.nonzero(np.triu(random.random((columns, columns)) < 0.2, k=1))
    chance = random.random(len(left)).astype(np.float32)
    letters = np.full((columns, 4), 0.25, np.float32)
    profile = Profile("x", letters, left, right, chance, np.zeros(N_KMERS, np.float32))
    return Hit(profile, log_odds, 0, np.eye(LENGTH, columns, dtype=np.float32))


def simulate(count, columns=LENGTH):
    """Records whose pairs are sampled with the probabilities of the mixture."""
    random = np.random.default_rng(5)
    for number in range(count):
        found = hit(random, random.uniform(0, 30), columns)
        network_scores, regions = scores(random), [Region((found,), random.choice(WITHIN))]
        likely = np.triu(TRUE_MIXTURE.apply(network_scores, regions), k=1)
        pairs = [tuple(pair) for pair in np.argwhere(random.random(likely.shape) < likely).tolist()]
        yield make_record(f"r{number}", "A" * LENGTH, pairs), network_scores, regions


def test_the_fit_recovers_the_true_mixture():
    found = fit_mixture(simulate(200))
    assert found.null_log_odds == pytest.approx(TRUE_MIXTURE.null_log_odds, abs=0.8)
    assert found.null_log_odds_slope == pytest.approx(TRUE_MIXTURE.null_log_odds_slope, abs=0.8)
    assert found.evidence_scale == pytest.approx(TRUE_MIXTURE.evidence_scale, abs=0.25)
    for name in (
        "network_coefficient",
        "family_coefficient",
        "interaction",
        "intercept",
        "ceiling",
    ):
        assert getattr(found, name) == pytest.approx(getattr(TRUE_MIXTURE, name), abs=0.08)


def test_pairs_without_coverage_do_not_count():
    found = fit_mixture(simulate(400, columns=28))
    assert found.network_coefficient == pytest.approx(TRUE_MIXTURE.network_coefficient, abs=0.08)
    assert found.family_coefficient == pytest.approx(TRUE_MIXTURE.family_coefficient, abs=0.08)


def test_records_without_regions_do_not_count():
    alone = [(make_record("x", "A" * LENGTH, [(0, 9)]), scores(np.random.default_rng(1)), [])]
    assert fit_mixture([*simulate(3), *alone]) == fit_mixture(simulate(3))


def test_a_library_that_matches_no_record_is_refused():
    with pytest.raises(TrainingError) as caught:
        fit_mixture([(make_record("x", "A" * LENGTH), scores(np.random.default_rng(1)), [])])
    assert str(caught.value) == "no validation record matches a family profile"


def test_labels_that_are_all_pairs_are_refused():
    random = np.random.default_rng(2)
    network_scores, regions = scores(random), [Region((hit(random, 20.0),), LENGTH)]
    every = [tuple(pair) for pair in np.argwhere(np.triu(np.ones((LENGTH, LENGTH)), 1)).tolist()]
    with pytest.raises(TrainingError) as caught:
        fit_mixture([(make_record("x", "A" * LENGTH, every), network_scores, regions)])
    message = "too few validation records match a family profile to fit the mixture"
    assert str(caught.value) == message
