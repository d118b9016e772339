"""Networks made from others: the mean of two, and one with more blocks or channels."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import torch

from rnaformer_cli.errors import ConfigError, WeightsError
from rnaformer_cli.model.checkpoint import check_tensors, load_network, shapes
from rnaformer_cli.model.initial import initialise
from rnaformer_cli.model.network import RNAformer

# What a block adds to the matrix comes through these; with zeros it adds nothing.
_OUTPUT_LAYERS = ("row_attention.out", "column_attention.out", "transition.narrow")


def average_networks(one: str | Path, other: str | Path, share: float = 0.5) -> RNAformer:
    """The network of one folder with tensors that are, to that share, those of another.

    Raises:
        WeightsError: damaged weights, or those of two kinds of network.
    """
    network, _ = load_network(one)
    tensors = load_network(other)[0].state_dict()
    try:
        check_tensors(shapes(network.state_dict()), shapes(tensors))
    except WeightsError as error:
        raise error.at(other) from None
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            tensor.lerp_(tensors[name], share)
    return network


def deepen_network(network: RNAformer, doubled: Collection[int]) -> RNAformer:
    """A network that gives the same, with a copy behind each of these blocks (1 is the first).

    The copies add nothing yet, since the last layers in them are zero; training goes on from
    there. After Wu and others 2024, arXiv 2401.02415.

    Raises:
        ConfigError: a block that the network does not have.
    """
    depth = network.config.depth
    for number in doubled:
        if not 1 <= number <= depth:
            raise ConfigError(f"no block {number}; there are {depth}")
    sources = [
        (block, is_copy)
        for block in range(depth)
        for is_copy in ((False, True) if block + 1 in doubled else (False,))
    ]
    deeper = RNAformer(replace(network.config, depth=len(sources)))
    known = network.state_dict()
    with torch.no_grad():
        for name, tensor in deeper.state_dict().items():
            kind, _, rest = name.partition(".")
            if kind != "blocks":
                tensor.copy_(known[name])
                continue
            place, _, within = rest.partition(".")
            block, is_copy = sources[int(place)]
            tensor.copy_(known[f"blocks.{block}.{within}"])
            if is_copy and within.rpartition(".")[0] in _OUTPUT_LAYERS:
                tensor.zero_()
    return deeper.eval()


def widen_network(network: RNAformer, ff_factor: float) -> RNAformer:
    """A network that gives the same, with more hidden channels in every transition.

    What leads into the new channels is random, as in a new network; what leads out of them is
    zero. Training goes on from there. After Chen and others 2016, arXiv 1511.05641.

    Raises:
        ConfigError: no more hidden channels than the network has.
    """
    wider = RNAformer(replace(network.config, ff_factor=ff_factor))
    before, after = network.config.hidden_dim, wider.config.hidden_dim
    if after <= before:
        raise ConfigError(f"{after} hidden channels are not more than the {before} there are")
    initialise(wider)
    with torch.no_grad():
        for name, tensor in wider.state_dict().items():
            known = network.state_dict()[name]
            if known.shape == tensor.shape:
                tensor.copy_(known)
            elif ".narrow." in name:
                tensor[:, :before] = known  # what comes after is zero, see initialise
            else:
                tensor[:before] = known
    return wider.eval()
