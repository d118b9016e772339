"""Random subsets of a data set, by clusters, length and number of records."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from rnaformer_cli.dataset.records import LabelledRecord
from rnaformer_cli.errors import DatasetError


def choose_subset(
    records: Sequence[LabelledRecord],
    fraction: float = 1.0,
    count: int | None = None,
    max_length: int | None = None,
    seed: int = 0,
) -> list[LabelledRecord]:
    """A random subset in file order: whole clusters are drawn, then single records from them.

    Records of more than `max_length` bases are left out first. `fraction` is that of the clusters,
    rounded up; a record without a cluster is a cluster by itself. A smaller fraction with the same
    seed gives a subset of a larger one.

    Raises:
        DatasetError: no record.
    """
    short = [record for record in records if max_length is None or len(record) <= max_length]
    if not short:
        limit = "" if max_length is None else f" of at most {max_length} bases"
        raise DatasetError(f"no record{limit} to choose from")
    keys = [_cluster_key(index, record) for index, record in enumerate(short)]
    clusters = list(dict.fromkeys(keys))
    random.Random(seed).shuffle(clusters)
    kept = set(clusters[: math.ceil(fraction * len(clusters))])
    chosen = [record for key, record in zip(keys, short, strict=True) if key in kept]
    if count is None or count >= len(chosen):
        return chosen
    indices = sorted(random.Random(seed).sample(range(len(chosen)), count))
    return [chosen[index] for index in indices]


def _cluster_key(index: int, record: LabelledRecord) -> tuple[str, int]:
    """The cluster of a record; its index if it has none."""
    return ("index", index) if record.cluster is None else ("cluster", record.cluster)
