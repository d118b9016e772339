"""Invariants of every variant of the network: padding, batch neighbours and order."""

from dataclasses import replace

import pytest
import torch
from factories.networks import SMALL, VARIANTS, random_batch

from rnaformer_cli.model.network import MaskedGroupNorm, RNAformer


@pytest.fixture(params=VARIANTS.values(), ids=VARIANTS.keys())
def network(request):
    torch.manual_seed(3)
    return RNAformer(request.param).eval()


@torch.no_grad()
@pytest.mark.parametrize("length", [1, 2, 9, 12])
def test_padding_and_batch_neighbours_never_change_a_real_cell(network, length):
    bases, is_base = random_batch(length, 17)
    alone = network(bases[:1, :length], is_base[:1, :length])
    together = network(bases, is_base)
    torch.testing.assert_close(together[:1, :length, :length], alone, atol=2e-5, rtol=1e-4)


@torch.no_grad()
def test_values_at_padding_never_change_a_real_cell(network):
    bases, is_base = random_batch(9, 12)
    changed = bases.clone()
    changed[~is_base] = 1
    here = is_base[:, :, None] & is_base[:, None]
    torch.testing.assert_close(network(changed, is_base)[here], network(bases, is_base)[here])


@torch.no_grad()
def test_the_order_of_a_batch_never_changes_a_result(network):
    bases, is_base = random_batch(12, 9)
    torch.testing.assert_close(
        network(bases.flip(0), is_base.flip(0)).flip(0), network(bases, is_base)
    )


@torch.no_grad()
def test_logits_are_the_mean_of_both_triangles(network):
    bases, is_base = random_batch(9)
    directed = network.directed_logits(bases, is_base)
    logits = network(bases, is_base)
    assert torch.equal(logits, logits.transpose(1, 2))
    torch.testing.assert_close(logits[0, 2, 5], (directed[0, 2, 5] + directed[0, 5, 2]) / 2)


@torch.no_grad()
def test_every_base_of_the_sequence_reaches_every_cell(network):
    bases, is_base = random_batch(8)
    other = bases.clone()
    other[0, 6] = (other[0, 6] + 1) % 4
    assert (network(bases, is_base) != network(other, is_base)).all()


@torch.no_grad()
def test_recycling_changes_the_logits():
    network = RNAformer(SMALL).eval()
    bases, is_base = random_batch(9)
    assert not torch.allclose(network(bases, is_base, 1), network(bases, is_base, 2))
    torch.testing.assert_close(network(bases, is_base), network(bases, is_base, SMALL.cycles))


def test_only_the_last_pass_is_trained():
    """The first pass enters the gradient as a constant: detaching it by hand gives the same."""
    torch.manual_seed(3)
    network = RNAformer(SMALL)
    bases, is_base = random_batch(9)
    network(bases, is_base, 2).sum().backward()
    recycled = [parameter.grad.clone() for parameter in network.read_out.parameters()]
    embedding_gradient = network.embedding.row.letter.weight.grad.clone()
    network.zero_grad()

    bases, is_base, is_index = network.pad_to_patches(bases, is_base)
    embedded = network._embed(bases, is_base, None, None)
    first = network._refine(network._recycle(embedded, torch.zeros_like(embedded)), is_index)
    last = network._refine(network._recycle(embedded, first.detach()), is_index)
    logits = torch.pixel_shuffle(network.read_out(last).movedim(-1, 1), 2)[:, 0, :9, :9]
    logits.sum().backward()
    torch.testing.assert_close(network.embedding.row.letter.weight.grad, embedding_gradient)
    for parameter, gradient in zip(network.read_out.parameters(), recycled, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


@torch.no_grad()
def test_the_label_flag_is_curated_by_default():
    network = RNAformer(replace(SMALL, label_flag=True)).eval()
    bases, is_base = random_batch(9, 12)
    curated = network(bases, is_base, flag=torch.tensor([1.0, 1.0]))
    computed = network(bases, is_base, flag=torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(network(bases, is_base), curated)
    torch.testing.assert_close(computed[1], curated[1])
    assert not torch.allclose(computed[0], curated[0])


def test_dropout_acts_in_training_only():
    network = RNAformer(replace(SMALL, dropout=0.5))
    bases, is_base = random_batch(9)
    with torch.no_grad():
        assert not torch.equal(network(bases, is_base), network(bases, is_base))
        network.eval()
        assert torch.equal(network(bases, is_base), network(bases, is_base))


def test_the_masked_norm_is_group_norm_without_padding():
    norm = MaskedGroupNorm(4, affine=True)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    pair = torch.randn(2, 4, 5, 5)
    everything = torch.ones(2, 5, 5, dtype=torch.bool)
    torch.testing.assert_close(norm(pair, everything), norm(pair))


def test_the_masked_norm_counts_real_cells_only():
    is_cell = torch.tensor([[[True, False], [False, False]]])
    pair = torch.tensor([[[[1.0, 9.0], [9.0, 9.0]], [[3.0, 9.0], [9.0, 9.0]]]])
    normed = MaskedGroupNorm(2, affine=False)(pair, is_cell)
    expected = torch.zeros(1, 2, 2, 2)
    expected[0, :, 0, 0] = torch.tensor([-1.0, 1.0])  # mean 2, deviation 1
    torch.testing.assert_close(normed, expected)
