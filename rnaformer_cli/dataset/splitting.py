"""Splits into training, validation and test sets of unrelated records."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal

from rnaformer_cli.dataset.records import LabelledRecord
from rnaformer_cli.dataset.similarity import Leak, cluster_by_similarity, find_leaks
from rnaformer_cli.errors import DatasetError

SplitBy = Literal["identity", "family"]
_SHOWN = 5  # leaks in a message
_MAX_ROUNDS = 100  # of joining groups that the leak check finds to be similar


def split(
    records: Sequence[LabelledRecord], fractions: Mapping[str, float], by: SplitBy, seed: int = 0
) -> tuple[dict[str, list[LabelledRecord]], str]:
    """The sets by name, and the method of the leak check. Remaining records are in "train".

    A group of related records is never divided. Similar sequences are related; with by="family",
    so are members of a family or clan. Groups are drawn at random until each set has its fraction
    of the records. A group with more records than that goes to the training set. Groups between
    which the leak check finds similar records are joined, and the sets are drawn again.

    Raises:
        DatasetError: no record, a negative fraction, fractions whose sum is not between 0 and 1, no
            group that is small enough for a set, or sets with related records.
    """
    if not 0.0 < sum(fractions.values()) < 1.0 or min(fractions.values()) < 0.0:
        message = "the fractions of validation and test must be positive, and their sum below 1"
        raise DatasetError(message)
    if not records:
        raise DatasetError("no record to split")
    groups = _group_relatives(records, by)
    order = sorted(groups)
    random.Random(seed).shuffle(order)
    for _ in range(_MAX_ROUNDS):
        parts = _draw([groups[number] for number in order if number in groups], fractions)
        leaks = [leak for name in fractions for leak in _leaks(parts["train"], parts[name], by)[0]]
        if not leaks:
            break
        groups = _join(groups, leaks)
    method = ""
    for name in fractions:
        method = check_leaks(parts["train"], parts[name], name, by)
    return parts, method


def _draw(
    groups: Sequence[list[LabelledRecord]], fractions: Mapping[str, float]
) -> dict[str, list[LabelledRecord]]:
    """The sets by name, filled with the groups in their order."""
    n_records = sum(map(len, groups))
    parts: dict[str, list[LabelledRecord]] = {"train": [], **{name: [] for name in fractions}}
    wanted = {name: math.ceil(part * n_records) for name, part in fractions.items()}
    for group in groups:
        size = len(group)
        open_sets = [name for name in fractions if len(parts[name]) < wanted[name] >= size]
        parts[open_sets[0] if open_sets else "train"] += group
    for name in fractions:
        if wanted[name] and not parts[name]:
            raise DatasetError(f"no group of related records is small enough for {name}")
    return parts


def _join(
    groups: Mapping[int, list[LabelledRecord]], leaks: Sequence[Leak]
) -> dict[int, list[LabelledRecord]]:
    """The groups, after joining those in which the leak check found similar records."""
    group_of = {record.id: number for number, group in groups.items() for record in group}
    parent = {number: number for number in groups}
    for leak in leaks:
        smaller, larger = sorted(_root(parent, group_of[name]) for name in (leak.train, leak.test))
        parent[larger] = smaller
    joined: dict[int, list[LabelledRecord]] = defaultdict(list)
    for number, group in groups.items():
        joined[_root(parent, number)] += group
    return dict(joined)


def _root(parent: Mapping[int, int], group: int) -> int:
    """The group that a group was joined to, directly or through others."""
    while parent[group] != group:
        group = parent[group]
    return group


def _leaks(
    train: Sequence[LabelledRecord], test: Sequence[LabelledRecord], by: SplitBy
) -> tuple[list[Leak], str]:
    """The leaks between two sets that count for this kind of split, and the method."""
    leaks, method = find_leaks(train, test)
    if by == "identity":
        leaks = [leak for leak in leaks if leak.reason not in ("the same family", "the same clan")]
    return leaks, method


def check_leaks(
    train: Sequence[LabelledRecord],
    test: Sequence[LabelledRecord],
    name: str,
    by: SplitBy = "family",
) -> str:
    """Check that no test record is related to a training record; return the method of comparison.

    With by="identity", both sets may have records of one family.

    Raises:
        DatasetError: there are leaks; the message lists the first few.
    """
    leaks, method = _leaks(train, test, by)
    if leaks:
        listed = "; ".join(
            f"{leak.test} like {leak.train}: {leak.reason}" for leak in leaks[:_SHOWN]
        )
        more = f" and {len(leaks) - _SHOWN} more" if len(leaks) > _SHOWN else ""
        raise DatasetError(f"{name} is related to the training set: {listed}{more}")
    return method


def _group_relatives(
    records: Sequence[LabelledRecord], by: SplitBy
) -> dict[int, list[LabelledRecord]]:
    """Related records by group: similar sequences and, with by="family", families and clans."""
    clusters = cluster_by_similarity([record.sequence for record in records])
    parent = {cluster: cluster for cluster in clusters}
    if by == "family":
        first_cluster: dict[tuple[str, str], int] = {}  # by family or clan
        for record, cluster in zip(records, clusters, strict=True):
            for kind, value in (("family", record.family_name), ("clan", record.clan)):
                if value is not None:
                    first = first_cluster.setdefault((kind, value), cluster)
                    smaller, larger = sorted((_root(parent, first), _root(parent, cluster)))
                    parent[larger] = smaller
    groups: dict[int, list[LabelledRecord]] = defaultdict(list)
    for record, cluster in zip(records, clusters, strict=True):
        groups[_root(parent, cluster)].append(record)
    return dict(groups)
