"""The pair embedding and its positions."""

from dataclasses import replace

import torch
from factories.networks import SMALL

from rnaformer_cli.model.embedding import LayerNorm, PairEmbedding, outer_and, sinusoids


@torch.no_grad()
def test_relative_positions_beyond_the_table_are_clipped():
    embedding = PairEmbedding(replace(SMALL, max_positions=2))
    pair = embedding(torch.zeros(1, 9, dtype=torch.long))
    torch.testing.assert_close(pair[0, 0, 2], pair[0, 0, 8])
    assert not torch.allclose(pair[0, 0, 1], pair[0, 0, 2])
    assert not torch.allclose(pair[0, 0, 2], pair[0, 2, 0])


def test_sinusoids_begin_with_sine_zero_and_cosine_one():
    waves = sinusoids(torch.arange(2), 4)
    torch.testing.assert_close(waves[0], torch.tensor([0.0, 1.0, 0.0, 1.0]))
    torch.testing.assert_close(waves[1, 0], torch.tensor(1.0).sin())
    torch.testing.assert_close(waves[1, 3], torch.tensor(0.01).cos())


def test_a_cell_is_real_if_its_row_and_column_are():
    is_cell = outer_and(torch.tensor([[True, False]]))
    assert is_cell.tolist() == [[[True, False], [False, False]]]


def test_gradients_of_a_norm_in_half_precision_are_summed_in_fp32():
    """One large gradient and thousands of small ones, which a sum in half precision loses."""
    norm = LayerNorm(8)
    pair = torch.randn(90, 90, 8).bfloat16()
    grad = torch.full((90, 90, 8), 0.5).bfloat16()
    grad[0, 0] = 256.0
    norm(pair).backward(grad.float())
    assert norm.bias.grad.tolist() == [256.0 + 0.5 * 8_099] * 8
    expected = (grad.double() * torch.nn.functional.layer_norm(pair.double(), (8,))).sum((0, 1))
    torch.testing.assert_close(norm.weight.grad.double(), expected, rtol=1e-3, atol=1e-2)


def test_a_norm_keeps_half_precision_in_prediction():
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert LayerNorm(8)(torch.ones(3, 8).bfloat16()).dtype == torch.bfloat16
