"""Networks derived from others: the mean of two, and a network with more blocks or channels."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields, replace
from pathlib import Path

import torch

from rnaformer_cli.errors import ConfigError, WeightsError
from rnaformer_cli.model.checkpoint import load_network
from rnaformer_cli.model.config import ModelConfig
from rnaformer_cli.model.initialisation import initialise
from rnaformer_cli.model.network import RNAformer

# The last layers of a block's residual branches; with zero weights a block is the identity.
_OUTPUT_LAYERS = ("row_attention.out", "column_attention.out", "transition.narrow")
# Settings that may differ between two networks of which the mean is taken.
_CHOSEN_LATER = frozenset(
    ["cycles", "dropout", "flag", "folding_logit_weight", "threshold", "threshold_ratio"]
)


def average_networks(first: str | Path, second: str | Path, fraction: float = 0.5) -> RNAformer:
    """The weighted mean of two networks: (1 - fraction) · first + fraction · second.

    Raises:
        WeightsError: damaged weights, or networks that differ in a setting that is not chosen after
            training.
    """
    network, other = load_network(first)[0], load_network(second)[0]
    _check_same_kind(network.config, other.config, second)
    tensors = other.state_dict()
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            tensor.lerp_(tensors[name], fraction)
    return network


def _check_same_kind(config: ModelConfig, other: ModelConfig, path: str | Path) -> None:
    differences = [
        f"{field.name} is {getattr(other, field.name)}, not {getattr(config, field.name)}"
        for field in fields(config)
        if field.name not in _CHOSEN_LATER
        and getattr(other, field.name) != getattr(config, field.name)
    ]
    if differences:
        message = f"is another kind of network than the first: {'; '.join(differences)}"
        raise WeightsError(message, path=path)


def deepen_network(network: RNAformer, doubled: Collection[int]) -> RNAformer:
    """A network with the same output and a copy after each of the `doubled` blocks (1-based).

    The last layers of the copies are zero, so that they add nothing before further training (block
    expansion, Wu et al. 2024, arXiv 2401.02415).

    Raises:
        ConfigError: a block that the network does not have.
    """
    depth = network.config.depth
    for number in doubled:
        if not 1 <= number <= depth:
            raise ConfigError(f"no block {number}; the network has {depth} blocks")
    sources = [
        (block, is_copy)
        for block in range(depth)
        for is_copy in ((False, True) if block + 1 in doubled else (False,))
    ]
    deeper = RNAformer(replace(network.config, depth=len(sources)))
    old_tensors = network.state_dict()
    with torch.no_grad():
        for name, tensor in deeper.state_dict().items():
            kind, _, rest = name.partition(".")
            if kind != "blocks":
                tensor.copy_(old_tensors[name])
                continue
            index, _, within = rest.partition(".")
            block, is_copy = sources[int(index)]
            tensor.copy_(old_tensors[f"blocks.{block}.{within}"])
            if is_copy and within.rpartition(".")[0] in _OUTPUT_LAYERS:
                tensor.zero_()
    return deeper.eval()


def widen_network(network: RNAformer, ff_factor: float) -> RNAformer:
    """A network with the same output and more hidden channels in every transition.

    The weights into the new channels are random, as in a new network; those out of them are zero
    (similar to Net2Net, Chen et al. 2016, arXiv 1511.05641).

    Raises:
        ConfigError: not more hidden channels than the network has.
    """
    wider = RNAformer(replace(network.config, ff_factor=ff_factor))
    before, after = network.config.hidden_dim, wider.config.hidden_dim
    if after <= before:
        raise ConfigError(f"expected more than the present {before} hidden channels, not {after}")
    initialise(wider)
    with torch.no_grad():
        for name, tensor in wider.state_dict().items():
            old_tensor = network.state_dict()[name]
            if old_tensor.shape == tensor.shape:
                tensor.copy_(old_tensor)
            elif ".narrow." in name:
                tensor[:, :before] = old_tensor  # `initialise` sets the others to zero
            else:
                tensor[:before] = old_tensor
    return wider.eval()
