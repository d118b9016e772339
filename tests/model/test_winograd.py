"""Winograd convolution agrees with that of PyTorch."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import torch.nn.functional as F

from rnaformer_cli.model import engine, winograd
from rnaformer_cli.model.config import ModelConfig
from rnaformer_cli.model.engine import Engine
from rnaformer_cli.model.network import RNAformer


@torch.no_grad()
@pytest.mark.parametrize(
    ("dtype", "products", "tolerance"),
    [(torch.float32, 36, 2e-5), (torch.float64, 16, 1e-13), (torch.bfloat16, 16, 0.03)],
)
@pytest.mark.parametrize(
    ("batch", "height", "width"), [(1, 1, 1), (2, 4, 5), (1, 9, 8), (1, 45, 90), (300, 3, 3)]
)
def test_it_agrees_with_the_convolution(batch, height, width, dtype, products, tolerance):
    torch.manual_seed(7)
    conv = torch.nn.Conv2d(6, 10, 3).double()
    rows = torch.randn(batch, height + 2, width, 6).to(dtype).double()
    padded = F.pad(rows.permute(0, 3, 1, 2), (1, 1, 0, 0))
    expected = conv(padded).permute(0, 2, 3, 1)
    filters = winograd.transform_filter(conv.weight, dtype)
    assert filters.shape == (products, 10, 6)
    found = winograd.convolve(rows.to(dtype), filters, conv.bias)
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), expected, atol=tolerance, rtol=0)


@torch.no_grad()
def test_named_memory_is_reused_and_unnamed_results_are_not():
    torch.manual_seed(7)
    conv = torch.nn.Conv2d(5, 5, 3, padding=(0, 1))
    filters, scratch = winograd.transform_filter(conv.weight), winograd.Scratch()
    kept = []
    for size in (9, 4, 11):  # smaller than before: what stood there must not be seen
        rows = torch.randn(1, size + 2, size, 5)
        expected = conv(rows.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        for name in (None, "out"):
            found = winograd.convolve(rows, filters, conv.bias, scratch, name)
            torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)
            kept.append((found, expected, name))
    nameless = [(found, expected) for found, expected, name in kept if name is None]
    for found, expected in nameless:
        torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)
    named = [found.untyped_storage().data_ptr() for found, _, name in kept if name]
    assert named[0] == named[1]


@torch.no_grad()
def test_threads_do_not_share_memory():
    scratch = winograd.Scratch()
    like = torch.zeros(1)
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(scratch.take, "x", like, 7).result()
    assert scratch.take("x", like, 7).data_ptr() != other.data_ptr()


def test_a_filter_without_bias_adds_none():
    torch.manual_seed(7)
    conv = torch.nn.Conv2d(3, 3, 3, bias=False)
    rows = torch.zeros(1, 7, 5, 3)
    assert not winograd.convolve(rows, winograd.transform_filter(conv.weight), None).any()


@torch.no_grad()
@pytest.mark.parametrize("strip_bytes", [1, 30_000, 1 << 30])
def test_the_engine_agrees_with_winograd_switched_off(strip_bytes, monkeypatch):
    calls = []
    convolve = winograd.convolve

    def counted(*arguments):
        calls.append(arguments[0].shape)
        return convolve(*arguments)

    monkeypatch.setattr(engine, "WINOGRAD_MIN_CHANNELS", 16)
    monkeypatch.setattr(engine, "_MIN_WINOGRAD_ROWS", 5)
    monkeypatch.setattr(winograd, "convolve", counted)
    torch.manual_seed(3)
    network = RNAformer(ModelConfig(dim=16, depth=2, heads=2, ff_factor=2.0, patch=1)).eval()
    bases = torch.randint(0, 4, (2, 19))
    is_base = torch.ones_like(bases, dtype=torch.bool)
    is_base[1, 13:] = False
    here = is_base[:, :, None] & is_base[:, None]
    expected = network(bases, is_base)[here]
    found = Engine(network, strip_bytes).logits(bases, is_base)[here]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)
    assert len(calls) >= 8  # two for each block and pass
    with torch.autocast("cpu", torch.bfloat16):
        rounded = Engine(network, strip_bytes).logits(bases, is_base)[here]
    torch.testing.assert_close(rounded.float(), expected, atol=0.05, rtol=0)
    assert not torch.equal(rounded.float(), found)
