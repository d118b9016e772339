"""Learn the densities of reactivities that `rnaformer_cli/probing/likelihood.py` holds.

    python benches/reactivity_densities.py reactivity.jsonl.gz

Expectation maximisation: the folding model of the shipped weights gives the probability that each
base is unpaired, with the densities of the previous round as soft constraints. One profile of
each of 1,200 clusters is used. The output is a row of log(density if unpaired / density if paired)
for each letter.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Sequence

import torch

from rnaformer_cli.dataset.reactivities import ReactivityProfile, read_reactivities
from rnaformer_cli.folding.model import FoldingModel
from rnaformer_cli.model.checkpoint import load_network
from rnaformer_cli.prediction.batching import to_tensors
from rnaformer_cli.training.folding_model.reactivity_likelihood import (
    NO_VALUE,
    Densities,
    bin_reactivities,
)
from rnaformer_cli.weight_store.store import DEFAULT, find_weights

BATCH, ROUNDS = 40, 3


def sample_profiles(
    profiles: Sequence[ReactivityProfile], count: int, seed: int
) -> list[ReactivityProfile]:
    """One profile of each of `count` random clusters, sorted by length."""
    clusters: dict[object, ReactivityProfile] = {}
    for profile in profiles:
        key = profile.id if profile.cluster is None else profile.cluster
        clusters.setdefault(key, profile)
    names = sorted(clusters, key=str)
    random.Random(seed).shuffle(names)
    return sorted((clusters[name] for name in names[:count]), key=len)


def batches(profiles: Sequence[ReactivityProfile]) -> Iterator[Sequence[ReactivityProfile]]:
    """Yield batches of profiles of similar lengths."""
    return (profiles[start : start + BATCH] for start in range(0, len(profiles), BATCH))


@torch.no_grad()
def estimate_densities(
    folding: FoldingModel, profiles: Sequence[ReactivityProfile], known: Densities
) -> Densities:
    """The densities by the posteriors under `known`, the densities of the previous round."""
    counted = Densities()
    for batch in batches(profiles):
        bases, _ = to_tensors([profile.sequence for profile in batch])
        bins = bin_reactivities(batch)
        scores = known.log_ratio(bases, bins) if known.counts.any() else None
        unpaired = (1.0 - folding(bases, scores).sum(2)).clamp(0.0, 1.0).double()
        measured = (bins != NO_VALUE) & (bases < len(counted.counts[0]))
        index = (bases[measured].long(), bins[measured])
        counted.counts[1].index_put_(index, unpaired[measured], accumulate=True)
        counted.counts[0].index_put_(index, 1.0 - unpaired[measured], accumulate=True)
    return counted


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("profiles", help="reactivity profiles, JSON Lines")
    parser.add_argument("--clusters", type=int, default=1200)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    network, _ = load_network(find_weights(DEFAULT))
    assert network.folding is not None
    profiles = sample_profiles(
        list(read_reactivities(chosen.profiles)), chosen.clusters, chosen.seed
    )
    densities = Densities()
    for _ in range(ROUNDS):
        densities = estimate_densities(network.folding, profiles, densities)
    counts = densities.counts + 2.0
    logs = (counts / counts.sum(2, keepdim=True)).log()
    for letter, row in zip("ACGU", (logs[1] - logs[0]).tolist(), strict=True):
        print(letter, " ".join(f"{ratio:.2f}" for ratio in row))


if __name__ == "__main__":
    main()
