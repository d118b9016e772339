"""Release: calibration on hand-made labels and the choice of the threshold."""

import numpy as np
import pytest
import torch
from factories.datasets import make_hairpin
from factories.families import make_labelled_members, make_library, make_members, make_profile

from rnaformer_cli.errors import ConfigError, TrainingError
from rnaformer_cli.model.config import ModelConfig
from rnaformer_cli.model.network import RNAformer
from rnaformer_cli.prediction.batching import to_tensors
from rnaformer_cli.prediction.predictor import Predictor
from rnaformer_cli.training.network.validation import Validation
from rnaformer_cli.training.release.evidence import Calibration
from rnaformer_cli.training.release.release import (
    RATIOS,
    THRESHOLDS,
    collect_scored_pairs,
    fit_platt_scaling,
    release,
)

RECORDS = [make_hairpin(f"h{n}", 6 + n, n) for n in range(4)]


def simulate_logits(scale, shift, count=200_000):
    """Logits, and labels whose logits are `scale` times these plus `shift`."""
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, count)
    likely = 1 / (1 + np.exp(-(scale * logits + shift)))
    return logits, random.random(count) < likely


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (2.0, -1.0), (0.5, 0.7)])
def test_the_fit_recovers_scale_and_shift(scale, shift):
    found = fit_platt_scaling(*simulate_logits(scale, shift))
    assert found == pytest.approx((scale, shift), abs=0.03)


@pytest.mark.parametrize("value", [True, False])
def test_labels_that_are_all_the_same_are_refused(value):
    with pytest.raises(TrainingError) as caught:
        fit_platt_scaling(np.array([0.0, 1.0]), np.array([value, value]))
    message = "calibration needs both pairs and non-pairs in the validation records"
    assert str(caught.value) == message


def test_scored_pairs_are_those_of_the_upper_triangle(tiny_network):
    found = collect_scored_pairs(tiny_network, RECORDS)
    assert sorted(one.record.id for one in found) == sorted(record.id for record in RECORDS)
    for one in found:
        assert one.matrix.shape == (len(one.record), len(one.record))
        assert np.array_equal(one.matrix, one.matrix.T)
        assert len(one.logits) == len(one.record) * (len(one.record) - 1) // 2
        assert one.is_pair.sum() == len(one.record.pairs)


def pooled(found):
    logits = np.concatenate([one.logits for one in found])
    return logits, np.concatenate([one.is_pair for one in found])


def test_the_threshold_is_chosen_on_calibrated_scores(tiny_network):
    torch.manual_seed(5)
    network = RNAformer(ModelConfig(dim=8, depth=1, heads=1))
    found = collect_scored_pairs(network, RECORDS)
    done = release(network, {"hairpins": RECORDS})
    for one in found:
        [after] = Predictor(network, "x").score([one.record.sequence])
        np.testing.assert_allclose(
            one.scores(Calibration(done.scale, done.shift), ()), after, atol=1e-5
        )


def logit(score):
    return np.log(score / (1 - score))


def test_release_scales_and_shifts_every_logit():
    torch.manual_seed(5)
    network = RNAformer(ModelConfig(dim=8, depth=1, heads=1, cycles=1))
    [before] = Predictor(network, "x").score([RECORDS[0].sequence])
    done = release(network, {"hairpins": RECORDS})
    [after] = Predictor(network, "x").score([RECORDS[0].sequence])
    expected = done.scale * logit(before[0, 5]) + done.shift
    assert logit(after[0, 5]) == pytest.approx(expected, abs=1e-3)
    again = fit_platt_scaling(*pooled(collect_scored_pairs(network, RECORDS)))
    assert again == pytest.approx((1.0, 0.0), abs=0.05)


def test_release_keeps_threshold_and_cycles_with_the_weights():
    torch.manual_seed(5)
    network = RNAformer(ModelConfig(dim=8, depth=1, heads=1))
    done = release(network, {"hairpins": RECORDS}, cycles=3)
    assert network.config.cycles == 3
    assert network.config.threshold == done.validation.threshold
    assert done.validation.threshold in THRESHOLDS
    assert done.by_ratio.threshold in RATIOS
    assert set(done.validation.f1) == {"hairpins"}


def test_a_read_out_without_bias_is_refused():
    network = RNAformer(ModelConfig(dim=8, depth=1, heads=1, patch=1, outputs=2))
    with pytest.raises(TrainingError, match=r"^a read-out without a bias cannot be calibrated$"):
        release(network, {"hairpins": RECORDS})


def test_release_calibrates_with_the_given_flag():
    torch.manual_seed(5)
    network = RNAformer(ModelConfig(dim=8, depth=1, heads=1, cycles=1, label_flag=True))
    release(network, {"hairpins": RECORDS}, flag=0.5)
    assert network.config.flag == 0.5
    again = fit_platt_scaling(*pooled(collect_scored_pairs(network, RECORDS)))
    assert again == pytest.approx((1.0, 0.0), abs=0.05)


def test_the_weight_of_the_folding_logits_is_scaled_too():
    torch.manual_seed(5)
    network = RNAformer(ModelConfig(dim=8, depth=1, heads=1, cycles=1, folding=True))
    network.folding.stack.fill_(1.0)
    network.folding.hairpin_length.fill_(-3.0)
    sequence = RECORDS[0].sequence
    [plain] = Predictor(network, "x").score([sequence])
    likely = network.folding(to_tensors([sequence])[0])[0].clamp(1e-4, 1 - 1e-4).numpy()
    done = release(network, {"hairpins": RECORDS}, folding_logit_weight=0.5)
    assert network.config.folding_logit_weight == pytest.approx(0.5 * done.scale)
    [after] = Predictor(network, "x").score([sequence])
    for pair in ((0, 15), (3, 12), (2, 9)):
        expected = done.scale * (logit(plain[pair]) + 0.5 * logit(likely[pair])) + done.shift
        assert logit(after[pair]) == pytest.approx(expected, abs=2e-2)


def test_a_network_that_is_worse_than_chance_gets_no_weights_by_evidence():
    torch.manual_seed(5)
    network = RNAformer(ModelConfig(dim=8, depth=1, heads=1, cycles=1, folding=True))
    members = [one for family in (1, 2) for one in make_labelled_members(family, 4, start=8)]
    scale, _ = fit_platt_scaling(*pooled(collect_scored_pairs(network, members)))
    if scale > 0:
        network.read_out.weight.data.neg_()
    library = make_library(*(make_profile(make_members(family, 8)) for family in (1, 2)))
    done = release(network, {"members": members}, library=library)
    assert done.scale < 0
    assert done.mixture.by_evidence is None


def test_a_weight_needs_a_folding_model():
    network = RNAformer(ModelConfig(dim=8, depth=1, heads=1))
    with pytest.raises(
        ConfigError, match=r"^folding_logit_weight \(0.5\) must be 0 without folding$"
    ):
        release(network, {"hairpins": RECORDS}, folding_logit_weight=0.5)


@pytest.mark.parametrize("is_better", [True, False])
def test_the_threshold_of_higher_f1_is_used(is_better, monkeypatch):
    torch.manual_seed(5)
    network = RNAformer(ModelConfig(dim=8, depth=1, heads=1))
    by_ratio = Validation({"hairpins": 0.6 if is_better else 0.5}, 0.4)
    monkeypatch.setattr("rnaformer_cli.training.release.release.choose_ratio", lambda *_: by_ratio)
    monkeypatch.setattr(
        "rnaformer_cli.training.release.release.choose_threshold",
        lambda *_: Validation({"hairpins": 0.5}, 0.2),
    )
    done = release(network, {"hairpins": RECORDS})
    assert network.config.threshold == 0.2
    assert network.config.threshold_ratio == (0.4 if is_better else 0.0)
    assert (done.best is by_ratio) == is_better
