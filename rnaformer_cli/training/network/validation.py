"""Validation of a network: mean F1 at the best of several thresholds."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rnaformer_cli.dataset.records import LabelledRecord
from rnaformer_cli.model.network import RNAformer
from rnaformer_cli.prediction.batching import make_batches
from rnaformer_cli.prediction.decoding import decode, decode_adaptively
from rnaformer_cli.prediction.predictor import Predictor, Scores
from rnaformer_cli.scoring.counts import count_pairs
from rnaformer_cli.structure.structure import Structure
from rnaformer_cli.training.network.config import RunConfig

# A partly trained network gives low probabilities: the best threshold is well below one half.
THRESHOLDS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5)


@dataclass(frozen=True, slots=True)
class Validation:
    """Mean F1 of each validation set at the threshold (or ratio) of the best mean over sets."""

    f1: dict[str, float]
    threshold: float  # from choose_ratio: the ratio of threshold and expected F1

    @property
    def mean(self) -> float:
        """The mean F1 over the sets."""
        return sum(self.f1.values()) / len(self.f1)


def choose_records(records: Sequence[LabelledRecord], config: RunConfig) -> list[LabelledRecord]:
    """A random sample of a validation set, the same in every run."""
    short = [record for record in records if len(record) <= config.validate_length]
    return random.Random(1).sample(short, min(config.validate_records, len(short)))


def validate(
    network: RNAformer,
    sets: Mapping[str, Sequence[LabelledRecord]],
    thresholds: Sequence[float] = THRESHOLDS,
) -> Validation:
    """Predict each set and evaluate it at every threshold."""
    was_training = network.training
    validation = choose_threshold(
        {name: score_records(network, records) for name, records in sets.items()}, thresholds
    )
    network.train(was_training)
    return validation


def score_records(
    network: RNAformer, records: Sequence[LabelledRecord]
) -> Iterator[tuple[LabelledRecord, Scores]]:
    """Yield each record with its score matrix, longest first."""
    device = next(network.parameters()).device
    predictor = Predictor(network, "validation", device=device)
    for batch in make_batches([len(record) for record in records], predictor.options.max_cells):
        members = [records[index] for index in batch]
        scores = predictor.score([record.sequence for record in members])
        yield from zip(members, scores, strict=True)


def choose_threshold(
    sets: Mapping[str, Iterable[tuple[LabelledRecord, Scores]]],
    thresholds: Sequence[float],
    f1_tolerance: float = 0.0,
) -> Validation:
    """The first threshold whose mean F1 over the sets is within f1_tolerance of the best."""
    return _choose(sets, thresholds, f1_tolerance, decode)


def choose_ratio(
    sets: Mapping[str, Iterable[tuple[LabelledRecord, Scores]]],
    ratios: Sequence[float],
    f1_tolerance: float = 0.0,
) -> Validation:
    """The first ratio within f1_tolerance; a threshold is `ratio` times a record's expected F1."""
    return _choose(
        sets, ratios, f1_tolerance, lambda scores, ratio: decode_adaptively(scores, ratio)[0]
    )


def _choose(
    sets: Mapping[str, Iterable[tuple[LabelledRecord, Scores]]],
    values: Sequence[float],
    f1_tolerance: float,
    decoder: Callable[[Scores, float], Structure],
) -> Validation:
    table = {name: _mean_f1(records, values, decoder) for name, records in sets.items()}
    means = [sum(row[index] for row in table.values()) / len(table) for index in range(len(values))]
    first = next(index for index, mean in enumerate(means) if mean >= max(means) - f1_tolerance)
    return Validation({name: row[first] for name, row in table.items()}, values[first])


def _mean_f1(
    records: Iterable[tuple[LabelledRecord, Scores]],
    values: Sequence[float],
    decoder: Callable[[Scores, float], Structure],
) -> list[float]:
    """Mean F1 at each threshold or ratio."""
    sums, count = [0.0] * len(values), 0
    for record, scores in records:
        count += 1
        for index, value in enumerate(values):
            sums[index] += count_pairs(decoder(scores, value), record.structure).f1
    return [total / max(count, 1) for total in sums]
