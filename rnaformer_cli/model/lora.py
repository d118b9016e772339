"""LoRA layers of published checkpoints, merged into the weights that they adapt.

Hu et al. 2021, in the layout of the package loralib.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from rnaformer_cli.errors import ConfigError, WeightsError

Tensors = dict[str, Tensor]


def merge_lora(tensors: Tensors, raw: Mapping[str, Any]) -> tuple[Tensors, str]:
    """Add each low-rank update to the weight that it adapts.

    Returns the merged tensors and a note for the user. A state dict that was saved in evaluation
    mode already contains the updates, without a mark. A weight without its update is nearly
    uncorrelated with it, while a merged weight contains it about once, so the projection of weights
    on updates, summed over all layers, decides.

    Raises:
        ConfigError: no rank or scale in the config.
        WeightsError: an update with one factor only, or of another shape than its weight.
    """
    rank, alpha = raw.get("r"), raw.get("lora_alpha")
    if not isinstance(rank, int) or not isinstance(alpha, (int, float)) or rank < 1:
        raise ConfigError("the weights have LoRA layers, but r and lora_alpha are not given")
    updates = _lora_updates(tensors, alpha / rank)
    weights = {name: tensor for name, tensor in tensors.items() if ".lora_" not in name}
    overlap = sum(float((weights[name] * update).sum()) for name, update in updates.items())
    energy = sum(float(update.square().sum()) for update in updates.values())
    if overlap > energy / 2:
        return weights, "the LoRA layers were merged before saving; dropped them"
    for name, update in updates.items():
        weights[name] = weights[name] + update
    return weights, "merged the LoRA layers into their weights"


def _lora_updates(tensors: Tensors, scale: float) -> Tensors:
    """The update of each adapted weight, by the name of the weight."""
    updates = {}
    for name in tensors:
        if not name.endswith((".lora_A", ".lora_B")):
            continue
        stem = name.rpartition(".")[0]
        parts = [tensors.get(f"{stem}.{part}") for part in ("lora_A", "lora_B", "weight")]
        if any(part is None for part in parts):
            raise WeightsError(f"{name!r} has no matching LoRA matrix or no base weight")
        down, up, weight = (part for part in parts if part is not None)
        updates[f"{stem}.weight"] = _lora_update(down, up, weight, stem.endswith(".qkv")) * scale
    return updates


def _lora_update(down: Tensor, up: Tensor, weight: Tensor, is_qkv: bool) -> Tensor:
    """The update of `weight` from its factors; qkv has separate factors for q, k and v."""
    try:
        if is_qkv:
            thirds = zip(up.chunk(3), down.chunk(3), strict=True)
            return torch.cat([b @ a for b, a in thirds]).reshape(weight.shape)
        return (up @ down).reshape(weight.shape)
    except RuntimeError:
        shapes = f"{tuple(up.shape)} and {tuple(down.shape)}"
        raise WeightsError(
            f"LoRA factors of shapes {shapes} do not fit a weight of shape {tuple(weight.shape)}"
        ) from None
