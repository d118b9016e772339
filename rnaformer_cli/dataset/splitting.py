"""Training, validation and test sets that share no relatives."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal

from rnaformer_cli.dataset.records import LabelledRecord
from rnaformer_cli.dataset.similarity import cluster_by_similarity, find_leaks
from rnaformer_cli.errors import DatasetError

By = Literal["identity", "family"]
_SHOWN = 5  # leaks in a message


def split(
    records: Sequence[LabelledRecord], shares: Mapping[str, float], by: By, seed: int = 0
) -> tuple[dict[str, list[LabelledRecord]], str]:
    """Parts by name, the first with what the shares leave over, and how leaks were sought.

    Whole groups go to one part: sequences alike to each other, and `by` family also the
    members of a clan or family. MembersByFamily are drawn at random until a part has its share; one
    that is larger than the share is left to the first part.

    Raises:
        DatasetError: shares that make no sense, no group that is small enough for one of them,
            or parts that still share relatives.
    """
    if not 0.0 < sum(shares.values()) < 1.0 or min(shares.values()) < 0.0:
        raise DatasetError("the shares of validation and test must be positive and leave a rest")
    groups = _group_relatives(records, by)
    drawn = sorted(groups)
    random.Random(seed).shuffle(drawn)
    parts: dict[str, list[LabelledRecord]] = {"train": [], **{name: [] for name in shares}}
    wanted = {name: math.ceil(share * len(records)) for name, share in shares.items()}
    for group in drawn:
        size = len(groups[group])
        short = [name for name in shares if len(parts[name]) < wanted[name] >= size]
        parts[short[0] if short else "train"] += groups[group]
    for name in shares:
        if wanted[name] and not parts[name]:
            raise DatasetError(f"no group of relatives is small enough for {name}")
    method = ""
    for name in shares:
        method = check_leaks(parts["train"], parts[name], name, by)
    return parts, method


def check_leaks(
    train: Sequence[LabelledRecord], test: Sequence[LabelledRecord], name: str, by: By = "family"
) -> str:
    """The method that found no leak; `by` identity lets families stand on both sides.

    Raises:
        DatasetError: the first few leaks.
    """
    leaks, method = find_leaks(train, test)
    if by == "identity":
        leaks = [leak for leak in leaks if leak.reason not in ("the same family", "the same clan")]
    if leaks:
        listed = "; ".join(f"{k.test} like {k.train}: {k.reason}" for k in leaks[:_SHOWN])
        more = f" and {len(leaks) - _SHOWN} more" if len(leaks) > _SHOWN else ""
        raise DatasetError(f"{name} shares records with training: {listed}{more}")
    return method


def _group_relatives(records: Sequence[LabelledRecord], by: By) -> dict[int, list[LabelledRecord]]:
    """Records by group; sequences alike, and families and clans if asked for, stay together."""
    label = cluster_by_similarity([record.sequence for record in records])
    parent = {group: group for group in label}

    def root(group: int) -> int:
        while parent[group] != group:
            group = parent[group]
        return group

    if by == "family":
        first: dict[tuple[str, str], int] = {}
        for record, group in zip(records, label, strict=True):
            for kind, value in (("family", record.family), ("clan", record.clan)):
                if value is not None:
                    one, other = sorted((root(first.setdefault((kind, value), group)), root(group)))
                    parent[other] = one
    made: dict[int, list[LabelledRecord]] = defaultdict(list)
    for record, group in zip(records, label, strict=True):
        made[root(group)].append(record)
    return dict(made)
