"""The fit by evidence recovers the values from which labels were simulated."""

import numpy as np
import pytest
from factories.datasets import make_record
from factories.families import make_profile

from rnaformer_cli.errors import TrainingError
from rnaformer_cli.families.evidence import EvidenceGate
from rnaformer_cli.families.recognition import Hit, Region
from rnaformer_cli.training.release.evidence import fit_by_evidence

LENGTH = 40
SCALE, SHIFT, FOLDING_WEIGHT = 0.8, -0.3, 0.5
GATE = EvidenceGate(midpoint=14.0, width=2.5, scale=1.5, folding_weight=-0.4, intercept=0.4)


def symmetric(values):
    upper = np.triu(values, k=1).astype(np.float32)
    return upper + upper.T


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits))


def simulate(count):
    """Records whose pairs are sampled with the probabilities of the true values."""
    random = np.random.default_rng(5)
    profile = make_profile(["A" * LENGTH], "x", ())
    for number in range(count):
        hit = Hit(profile, random.uniform(0, 30), 0, np.eye(LENGTH, dtype=np.float32))
        regions = [Region((hit,), LENGTH)] if number % 3 else []
        logits = symmetric(random.normal(-2, 2, (LENGTH, LENGTH)))
        folding_logits = symmetric(random.normal(-2, 2, (LENGTH, LENGTH)))
        folding = sigmoid(folding_logits).astype(np.float32)
        scores = sigmoid(SCALE * logits + FOLDING_WEIGHT * folding_logits + SHIFT)
        likely = np.triu(GATE.apply(symmetric(scores), folding, regions), k=1)
        pairs = [tuple(pair) for pair in np.argwhere(random.random(likely.shape) < likely).tolist()]
        yield make_record(f"r{number}", "A" * LENGTH, pairs), logits, folding, regions


def test_the_fit_recovers_the_true_values():
    found = fit_by_evidence(simulate(300))
    assert found.scale == pytest.approx(SCALE, abs=0.03)
    assert found.shift == pytest.approx(SHIFT, abs=0.05)
    assert found.folding_weight == pytest.approx(FOLDING_WEIGHT, abs=0.03)
    for name, tolerance in (("midpoint", 1.0), ("width", 0.8)):
        assert getattr(found.gate, name) == pytest.approx(getattr(GATE, name), abs=tolerance)
    for name in ("scale", "folding_weight", "intercept"):
        assert getattr(found.gate, name) == pytest.approx(getattr(GATE, name), abs=0.08)


def test_without_regions_the_gate_keeps_its_start():
    examples = [(*example[:3], []) for example in simulate(60)]
    found = fit_by_evidence(examples)
    assert found.gate.midpoint == pytest.approx(14.0, abs=0.01)


def test_labels_that_are_all_the_same_are_refused():
    examples = [(make_record("x", "A" * LENGTH, []), *example[1:3], []) for example in simulate(2)]
    with pytest.raises(TrainingError) as caught:
        fit_by_evidence(examples)
    assert str(caught.value) == "too few validation records to fit the weights by family evidence"
