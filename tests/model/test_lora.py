"""LoRA layers that do not fit are refused; that they are merged is tested with published logits."""

import pytest
import torch

from rnaformer_cli.errors import ConfigError, WeightsError
from rnaformer_cli.model.lora import merge_lora

LORA = {"r": 2, "lora_alpha": 4}


@pytest.mark.parametrize(
    ("tensors", "raw", "error", "message"),
    [
        (
            {"a.lora_A": torch.ones(2, 3)},
            {},
            ConfigError,
            "the weights have LoRA layers, but r and lora_alpha are not given",
        ),
        (
            {"a.lora_A": torch.ones(2, 3), "a.weight": torch.ones(3, 3)},
            LORA,
            WeightsError,
            "'a.lora_A' has no matching LoRA matrix or no base weight",
        ),
        (
            {
                "a.lora_A": torch.ones(2, 3),
                "a.lora_B": torch.ones(3, 2),
                "a.weight": torch.ones(4, 4),
            },
            LORA,
            WeightsError,
            "LoRA factors of shapes (3, 2) and (2, 3) do not fit a weight of shape (4, 4)",
        ),
    ],
)
def test_lora_layers_that_do_not_fit_are_refused(tensors, raw, error, message):
    with pytest.raises(error) as caught:
        merge_lora(tensors, raw)
    assert str(caught.value) == message
