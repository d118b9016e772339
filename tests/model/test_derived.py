"""Networks derived from others."""

import pytest
import torch
from factories.networks import VARIANTS, random_batch

from rnaformer_cli.errors import ConfigError
from rnaformer_cli.model.derived import deepen_network, widen_network
from rnaformer_cli.model.network import RNAformer


@torch.no_grad()
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("doubled", "depth"), [((), 2), ((2,), 3), ((1, 2, 1), 4)])
def test_a_deeper_network_gives_the_same(variant, doubled, depth):
    torch.manual_seed(2)
    network = RNAformer(VARIANTS[variant]).eval()
    deeper = deepen_network(network, doubled)
    assert deeper.config.depth == depth
    assert len(deeper.blocks) == depth
    bases, is_base = random_batch(9, 14)
    assert torch.equal(deeper(bases, is_base), network(bases, is_base))


def test_a_copy_follows_its_block_and_can_be_trained(tiny_network):
    deeper = deepen_network(tiny_network, [1]).train()
    first, copy, last = deeper.blocks
    assert torch.equal(copy.transition.widen.weight, first.transition.widen.weight)
    assert torch.equal(copy.row_attention.qkv.weight, first.row_attention.qkv.weight)
    assert torch.equal(
        last.row_attention.qkv.weight, tiny_network.blocks[1].row_attention.qkv.weight
    )
    bases, is_base = random_batch(9, 14)
    deeper(bases, is_base).sum().backward()
    for layer in (copy.row_attention.out, copy.column_attention.out, copy.transition.narrow):
        assert not layer.weight.any()
        assert layer.weight.grad.any()


@pytest.mark.parametrize("number", [0, 3, -1])
def test_a_missing_block_is_refused(tiny_network, number):
    with pytest.raises(ConfigError) as caught:
        deepen_network(tiny_network, [number])
    assert str(caught.value) == f"no block {number}; the network has 2 blocks"


@torch.no_grad()
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_wider_network_gives_the_same(variant):
    torch.manual_seed(2)
    network = RNAformer(VARIANTS[variant]).eval()
    factor = 2 * network.config.ff_factor
    wider = widen_network(network, factor)
    assert wider.config.ff_factor == factor
    assert len(wider.blocks[0].transition.widen.weight) == wider.config.hidden_dim
    bases, is_base = random_batch(9, 14)
    torch.testing.assert_close(wider(bases, is_base), network(bases, is_base))


def test_new_channels_have_gradients(tiny_network):
    before = tiny_network.config.hidden_dim
    wider = widen_network(tiny_network, 5.0).train()
    bases, is_base = random_batch(9, 14)
    wider(bases, is_base).sum().backward()
    for block in wider.blocks:
        new = block.transition.widen.weight[before:].flatten(1)
        assert (new.norm(dim=1) > 0.3).all()
        assert not block.transition.narrow.weight[:, before:].any()
        assert block.transition.narrow.weight.grad[:, before:].any()


@pytest.mark.parametrize(("factor", "hidden"), [(2.0, 32), (1.0, 16)])
def test_a_wider_network_has_more_channels(tiny_network, factor, hidden):
    with pytest.raises(ConfigError) as caught:
        widen_network(tiny_network, factor)
    assert str(caught.value) == f"expected more than the present 32 hidden channels, not {hidden}"
