"""Statistics of a data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from rnaformer_cli.dataset.records import LabelledRecord
from rnaformer_cli.structure.structure import is_canonical

QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.95, 1.0)


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts and fractions of a data set."""

    records: int
    bases: int
    pairs: int
    length_quantiles: tuple[int, ...]  # at QUANTILES
    sources: dict[str, int]
    families: int
    clans: int
    clusters: int
    noncanonical_fraction: float  # of pairs
    pseudoknot_fraction: float  # of records
    multiplet_fraction: float  # of records
    unknown_fraction: float  # of bases; unknown bases are N


def compute_stats(records: Iterable[LabelledRecord]) -> Stats:
    """The statistics of the records, in one pass."""
    lengths: list[int] = []
    pairs = noncanonical = with_pseudoknots = with_multiplets = unknown = 0
    sources: Counter[str] = Counter()
    names: dict[str, set[object]] = {"family_name": set(), "clan": set(), "cluster": set()}
    for record in records:
        lengths.append(len(record))
        structure = record.structure  # without duplicates of a pair
        pairs += len(structure.pairs)
        noncanonical += sum(not is_canonical(record.sequence, pair) for pair in structure.pairs)
        with_pseudoknots += bool(structure.crossing_pairs())
        with_multiplets += bool(structure.multiplets())
        unknown += record.sequence.count("N")
        sources[record.source] += 1
        for field, values in names.items():
            values.add(getattr(record, field))
    count, bases = len(lengths), sum(lengths)
    quantiles = np.quantile(lengths, QUANTILES) if lengths else np.zeros(len(QUANTILES))
    return Stats(
        records=count,
        bases=bases,
        pairs=pairs,
        length_quantiles=tuple(int(value) for value in quantiles),
        sources=dict(sources.most_common()),
        families=len(names["family_name"] - {None}),
        clans=len(names["clan"] - {None}),
        clusters=len(names["cluster"] - {None}),
        noncanonical_fraction=noncanonical / max(pairs, 1),
        pseudoknot_fraction=with_pseudoknots / max(count, 1),
        multiplet_fraction=with_multiplets / max(count, 1),
        unknown_fraction=unknown / max(bases, 1),
    )
