"""Products by oneDNN against PyTorch's."""

import torch

from rnaformer_cli.model.products import Linear, linear


@torch.no_grad()
def test_both_ways_give_the_same():
    torch.manual_seed(5)
    layer = Linear(48, 144)
    values = torch.randn(2, 7, 9, 48)
    expected = torch.nn.functional.linear(values, layer.weight, layer.bias)
    torch.testing.assert_close(layer(values), expected, atol=1e-5, rtol=1e-5)
    parts = values.transpose(1, 2)[:, 1:5]
    torch.testing.assert_close(layer(parts), expected.transpose(1, 2)[:, 1:5], atol=1e-5, rtol=1e-5)
    plain = linear(values, layer.weight)
    torch.testing.assert_close(plain, expected - layer.bias, atol=1e-5, rtol=1e-5)


def test_gradients_pass():
    layer = Linear(4, 3)
    layer(torch.ones(2, 4)).sum().backward()
    assert layer.weight.grad.tolist() == [[2.0] * 4] * 3


def test_half_precision_is_asked_for():
    layer = Linear(4, 3)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert layer(torch.ones(2, 4)).dtype == torch.bfloat16
