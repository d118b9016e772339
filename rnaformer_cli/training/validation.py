"""How good a network is while it is trained: F1 at the best of some thresholds."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rnaformer_cli.dataset.records import LabelledRecord
from rnaformer_cli.model.network import RNAformer
from rnaformer_cli.prediction.batching import batches
from rnaformer_cli.prediction.decoding import decode
from rnaformer_cli.prediction.predictor import Predictor, Scores
from rnaformer_cli.scoring.counts import count_pairs
from rnaformer_cli.training.config import RunConfig

# A half-trained network is shy: F1 is best well below one half.
THRESHOLDS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5)


@dataclass(frozen=True, slots=True)
class Validation:
    """Mean F1 of each validation set at the threshold that is best for all together."""

    f1: dict[str, float]
    threshold: float

    @property
    def mean(self) -> float:
        """The mean over the sets, which decides what is best."""
        return sum(self.f1.values()) / len(self.f1)


def choose_records(records: Sequence[LabelledRecord], config: RunConfig) -> list[LabelledRecord]:
    """The records of a set that are validated with: drawn once, the same for every run."""
    short = [record for record in records if len(record) <= config.validate_length]
    return random.Random(1).sample(short, min(config.validate_records, len(short)))


def validate(
    network: RNAformer,
    sets: Mapping[str, Sequence[LabelledRecord]],
    thresholds: Sequence[float] = THRESHOLDS,
) -> Validation:
    """Predict each set and score it at every threshold."""
    was_training = network.training
    found = choose_threshold(
        {name: scored(network, records) for name, records in sets.items()}, thresholds
    )
    network.train(was_training)
    return found


def scored(
    network: RNAformer, records: Sequence[LabelledRecord]
) -> Iterator[tuple[LabelledRecord, Scores]]:
    """Yield each record with its score matrix, longest first."""
    device = next(network.parameters()).device
    predictor = Predictor(network, "validation", device=device)
    for batch in batches([len(record) for record in records], predictor.options.max_cells):
        chosen = [records[index] for index in batch]
        found = predictor.score([record.sequence for record in chosen])
        yield from zip(chosen, found, strict=True)


def choose_threshold(
    sets: Mapping[str, Iterable[tuple[LabelledRecord, Scores]]], thresholds: Sequence[float]
) -> Validation:
    """The threshold with the best mean F1 over the sets, each counted once."""
    table = {name: _f1_by_threshold(records, thresholds) for name, records in sets.items()}
    means = [sum(row[place] for row in table.values()) for place in range(len(thresholds))]
    best = max(range(len(thresholds)), key=means.__getitem__)
    return Validation({name: row[best] for name, row in table.items()}, thresholds[best])


def _f1_by_threshold(
    records: Iterable[tuple[LabelledRecord, Scores]], thresholds: Sequence[float]
) -> list[float]:
    """Mean F1 at each threshold."""
    sums, count = [0.0] * len(thresholds), 0
    for record, scores in records:
        count += 1
        for place, threshold in enumerate(thresholds):
            sums[place] += count_pairs(decode(scores, threshold), record.structure).f1
    return [total / max(count, 1) for total in sums]
