"""The optimiser, its schedule, and weight averages."""

import copy

import pytest
import torch

from rnaformer_cli.model.config import ModelConfig
from rnaformer_cli.model.initialisation import initialise
from rnaformer_cli.model.network import RNAformer
from rnaformer_cli.training.network.config import OptimiserConfig
from rnaformer_cli.training.network.optimiser import Optimiser, WeightAverage, rate_factor


@pytest.fixture
def network():
    torch.manual_seed(0)
    made = RNAformer(ModelConfig(dim=8, depth=1, heads=1))
    initialise(made)
    return made


def backward(network):
    bases = torch.tensor([[0, 1, 2, 3, 0, 1]])
    network(bases, torch.ones_like(bases, dtype=torch.bool)).square().sum().backward()


def test_the_rate_rises_and_falls():
    config = OptimiserConfig(warmup=0.1, final_learning_rate_fraction=0.2)
    factors = [rate_factor(config, progress) for progress in (0.0, 0.05, 0.1, 0.55, 1.0, 1.5)]
    assert factors == pytest.approx([0.001, 0.5, 1.0, 0.6, 0.2, 0.2])


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_a_step_changes_every_parameter(network, kind):
    before = {name: parameter.clone() for name, parameter in network.named_parameters()}
    optimiser = Optimiser(network, OptimiserConfig(kind=kind, learning_rate=0.01))
    for _ in range(3):  # read-out and residuals begin at zero: what is behind them learns later
        backward(network)
        optimiser.step(0.5)
        network.zero_grad()
    same = [n for n, p in network.named_parameters() if torch.equal(p, before[n])]
    assert same == []


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_a_restored_optimiser_takes_the_same_steps(network, kind):
    config = OptimiserConfig(kind=kind)
    twin = RNAformer(network.config)
    first = Optimiser(network, config)
    backward(network)
    first.step(0.5)
    twin.load_state_dict(network.state_dict())
    second = Optimiser(twin, config)
    second.load_state_dict(copy.deepcopy(first.state_dict()))  # as from a file
    for one, optimiser in ((network, first), (twin, second)):
        one.zero_grad()
        backward(one)
        optimiser.step(0.5)
    for one, other in zip(network.parameters(), twin.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_average_follows_the_weights():
    layer = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(layer.weight, 0.0)
    average = WeightAverage(layer, decay=0.5)
    torch.nn.init.constant_(layer.weight, 1.0)
    average.update(layer, step=1)  # decay 2 / 11: the young average forgets fast
    assert float(average.tensors["weight"]) == pytest.approx(9 / 11)
    average.update(layer, step=1000)
    assert float(average.tensors["weight"]) == pytest.approx(1 - 1 / 11)


def test_a_new_network_expects_pairs_to_be_rare(network):
    bases = torch.tensor([[0, 1, 2, 3, 0, 1]])
    with torch.no_grad():
        logits = network(bases, torch.ones_like(bases, dtype=torch.bool))
    assert logits.max() < -2


def test_residuals_begin_at_zero(network):
    for name, parameter in network.named_parameters():
        if name.endswith(("out.weight", "narrow.weight")):
            assert not parameter.any()


def test_networks_of_two_outputs_have_no_bias_to_set():
    initialise(RNAformer(ModelConfig(dim=8, depth=1, heads=1, patch=1, outputs=2)))
