"""Networks made from others."""

import pytest
import torch
from network_variants import VARIANTS, sequences

from rnaformer_cli.errors import ConfigError
from rnaformer_cli.model.derived import deeper_network
from rnaformer_cli.model.network import RNAformer


@torch.no_grad()
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("doubled", "depth"), [((), 2), ((2,), 3), ((1, 2, 1), 4)])
def test_a_deeper_network_gives_the_same(variant, doubled, depth):
    torch.manual_seed(2)
    network = RNAformer(VARIANTS[variant]).eval()
    deeper = deeper_network(network, doubled)
    assert deeper.config.depth == depth
    assert len(deeper.blocks) == depth
    bases, is_base = sequences(9, 14)
    assert torch.equal(deeper(bases, is_base), network(bases, is_base))


def test_a_copy_stands_behind_its_block_and_learns(tiny_network):
    deeper = deeper_network(tiny_network, [1]).train()
    first, copy, last = deeper.blocks
    assert torch.equal(copy.transition.widen.weight, first.transition.widen.weight)
    assert torch.equal(copy.row_attention.qkv.weight, first.row_attention.qkv.weight)
    assert torch.equal(
        last.row_attention.qkv.weight, tiny_network.blocks[1].row_attention.qkv.weight
    )
    bases, is_base = sequences(9, 14)
    deeper(bases, is_base).sum().backward()
    for layer in (copy.row_attention.out, copy.column_attention.out, copy.transition.narrow):
        assert not layer.weight.any()
        assert layer.weight.grad.any()


@pytest.mark.parametrize("number", [0, 3, -1])
def test_only_blocks_that_are_there_are_doubled(tiny_network, number):
    with pytest.raises(ConfigError) as caught:
        deeper_network(tiny_network, [number])
    assert str(caught.value) == f"no block {number}; there are 2"
