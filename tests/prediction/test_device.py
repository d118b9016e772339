"""Devices and precisions, and errors for those that this machine does not have."""

import pytest
import torch

from rnaformer_cli.errors import DeviceError
from rnaformer_cli.prediction.device import choose_device, choose_dtype, has_bf16, set_threads


def test_auto_prefers_a_cuda_device():
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gpu", "unknown device 'gpu'; expected auto, cpu, cuda, cuda:N or mps"),
        ("cuda:x", "unknown device 'cuda:x'; expected auto, cpu, cuda, cuda:N or mps"),
        ("cpu:1", "unknown device 'cpu:1'; expected auto, cpu, cuda, cuda:N or mps"),
        ("", "unknown device ''; expected auto, cpu, cuda, cuda:N or mps"),
        (
            "cuda:99",
            f"no device 'cuda:99': this machine has {torch.cuda.device_count()} CUDA devices",
        ),
    ],
)
def test_a_missing_device_is_refused(name, message):
    with pytest.raises(DeviceError) as caught:
        choose_device(name)
    assert str(caught.value) == message


def test_auto_precision_is_fp32():
    assert choose_dtype("auto", torch.device("cpu")) == torch.float32
    assert choose_dtype("bf16", torch.device("cpu")) == torch.bfloat16


def test_bf16_on_a_device_without_it_is_refused(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(DeviceError) as caught:
        choose_device("mps")
    assert str(caught.value) == "no device 'mps' on this machine"

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    with pytest.raises(DeviceError) as caught:
        choose_dtype("bf16", torch.device("cuda:0"))
    assert str(caught.value) == "device 'cuda:0' does not support bf16; use --precision fp32"


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"architecture": "x86_64", "avx2": True}, False),
        ({"architecture": "x86_64", "avx512_bf16": True}, True),
        ({"architecture": "x86_64", "amx_bf16": True, "avx512_bf16": False}, True),
        ({"architecture": "aarch64"}, True),  # not known
    ],
)
def test_has_bf16_follows_the_processor(known, expected, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known)
    assert has_bf16(torch.device("cpu")) is expected


def test_threads_are_set_if_given():
    before = torch.get_num_threads()
    try:
        set_threads(1)
        set_threads(None)
        assert torch.get_num_threads() == 1
    finally:
        set_threads(before)
