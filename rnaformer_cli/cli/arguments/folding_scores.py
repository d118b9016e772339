"""The scores of a folding model, from a file of `train-folding` or from weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rnaformer_cli.errors import WeightsError
from rnaformer_cli.weight_store.store import find_weights, list_weights

if TYPE_CHECKING:
    from torch import Tensor


def read_folding_scores(given: str) -> Mapping[str, Tensor]:
    """The loop scores in a file, or in weights given by their name or folder.

    Raises:
        InputError: a file that cannot be read.
        WeightsError: not a safetensors file, or one with other tensors; weights without scores.
    """
    from rnaformer_cli.model.checkpoint import load_network
    from rnaformer_cli.training.folding_model.fit import read_scores

    path = Path(given)
    if not path.is_dir() and (path.exists() or given not in list_weights()):
        return read_scores(path)
    network, _ = load_network(find_weights(given))
    if network.folding is None:
        raise WeightsError("these weights have no folding model", path=path)
    return network.folding.scores
