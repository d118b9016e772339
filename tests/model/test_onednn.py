"""Matrix products and attention agree with those of PyTorch."""

import pytest
import torch

from rnaformer_cli.model import onednn
from rnaformer_cli.model.onednn import Linear, attend, linear


@torch.no_grad()
def test_both_implementations_agree():
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


def test_autocast_gives_half_precision():
    layer = Linear(4, 3)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert layer(torch.ones(2, 4)).dtype == torch.bfloat16


@torch.no_grad()
@pytest.mark.parametrize("scale", [None, 1.0])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("at_once", [1, 1 << 22])
def test_attention_in_half_precision_agrees(scale, masked, at_once, monkeypatch):
    monkeypatch.setattr(onednn, "_ATTENTION_BYTES", at_once)
    torch.manual_seed(6)
    parts = [torch.randn(5, 9, 2, 8).bfloat16().transpose(1, 2) for _ in range(3)]
    mask = torch.arange(9) < torch.tensor([9, 1, 4, 8, 2])[:, None, None, None] if masked else None
    expected = torch.nn.functional.scaled_dot_product_attention(
        *(part.double() for part in parts), attn_mask=mask, scale=scale
    )
    found = attend(*parts, mask, scale)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.double(), expected, atol=0.04, rtol=0)
    torch.testing.assert_close(
        attend(*(part.float() for part in parts), mask, scale).double(), expected, atol=1e-6, rtol=0
    )


@torch.no_grad()
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("size", [0.1, 1.0, 30.0])  # 30: exponentials that overflow
@pytest.mark.parametrize("at_once", [1, 1 << 19])
def test_attention_of_short_rows_agrees(masked, size, at_once, monkeypatch):
    monkeypatch.setattr(onednn, "_SHORT_SCORES", at_once)
    torch.manual_seed(7)
    qkv = torch.randn(5, 9, 3, 2, 16) * size
    query, key, value = (part.transpose(1, 2) for part in qkv.unbind(2))
    mask = torch.arange(9) < torch.tensor([9, 1, 4, 8, 2])[:, None, None, None] if masked else None
    expected = torch.nn.functional.scaled_dot_product_attention(
        query.double(), key.double(), value.double(), attn_mask=mask
    )
    found = onednn._attend_short(query, key, value, mask, None)
    assert (found is None) == (size == 30.0)
    found = attend(query, key, value, mask, None)
    torch.testing.assert_close(found.double(), expected, atol=3e-5 * size, rtol=0)


@pytest.mark.parametrize("scale", [None, 1.0])
@pytest.mark.parametrize("masked", [False, True])
def test_attention_in_half_precision_has_its_gradients(scale, masked):
    torch.manual_seed(6)
    parts = [torch.randn(5, 9, 2, 8).bfloat16().transpose(1, 2) for _ in range(3)]
    mask = torch.arange(9) < torch.tensor([9, 1, 4, 8, 2])[:, None, None, None] if masked else None
    exact = [part.double().requires_grad_() for part in parts]
    halves = [part.clone().requires_grad_() for part in parts]
    expected = torch.nn.functional.scaled_dot_product_attention(*exact, attn_mask=mask, scale=scale)
    found = attend(*halves, mask, scale)
    torch.testing.assert_close(found.double(), expected, atol=0.04, rtol=0)
    weights = torch.randn(found.shape)
    (expected * weights).sum().backward()
    (found.float() * weights).sum().backward()
    for half, one in zip(halves, exact, strict=True):
        assert half.grad.dtype == torch.bfloat16
        torch.testing.assert_close(half.grad.double(), one.grad, atol=0.08, rtol=0.02)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_scores_of_any_size_have_gradients(sign):
    query = (torch.full((1, 1, 3, 8), 10.0) + torch.arange(3)[:, None]).bfloat16().requires_grad_()
    key = (query.detach() * sign).requires_grad_()
    value = torch.eye(3, 8).bfloat16()[None, None].requires_grad_()
    found = attend(query, key, value, None, 1.0)  # scores of 800 to 1152, which differ by up to 192
    highest = 2 if sign > 0 else 0
    torch.testing.assert_close(found[0, 0, :, highest], torch.ones(3).bfloat16())
    found.sum().backward()
    for part in (query, key, value):
        assert part.grad.isfinite().all()
