"""Sample records by weight, and group records of similar lengths into batches.

The batches depend only on the seed and the position in the stream. A resumed run therefore sees
the same batches as an uninterrupted one, and all processes sample the same list and divide it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnaformer_cli.dataset.records import LabelledRecord
from rnaformer_cli.errors import DatasetError
from rnaformer_cli.training.batches.augmentation import augment
from rnaformer_cli.training.batches.config import BatchConfig

ROUND_RECORDS = 512  # records per round, which are sorted by length together
_SHORT = 100  # bases; only longer records have a lower weight because of their length
_LENGTH_JITTER = 8  # bases added at random before sorting, so that batches differ between rounds


@dataclass(frozen=True, slots=True)
class StreamPosition:
    """A position in a stream of batches."""

    round: int = 0
    batch: int = 0


class BatchStream:
    """An endless, reproducible stream of batches.

    Raises:
        DatasetError: no record that is short enough for the first part of the run.
    """

    def __init__(self, records: Sequence[LabelledRecord], config: BatchConfig, seed: int) -> None:
        longest = max(config.lengths)
        self._records = [record for record in records if len(record) <= longest]
        self._config = config
        self._seed = seed
        self._weights = record_weights(self._records, config)
        self._lengths = np.array([len(record) for record in self._records], dtype=np.int64)
        self._is_curated = np.array([r.is_curated for r in self._records], dtype=np.bool_)
        if not (self._weights[self._lengths <= min(config.lengths)] > 0).any():
            raise DatasetError(f"no record of at most {min(config.lengths)} bases to train on")
        self._batches: list[list[int]] = []
        self._drawn: tuple[int, int] | None = None  # round and length limit of _batches

    def batches(
        self, position: StreamPosition, progress: float
    ) -> Iterator[tuple[list[LabelledRecord], StreamPosition]]:
        """Yield batches from a position on, each with the next position.

        `progress` (0 to 1) sets the length limit of the rounds that begin now.
        """
        for place in self._positions(position, progress):
            yield self._batch(place), StreamPosition(place.round, place.batch + 1)

    def _positions(self, position: StreamPosition, progress: float) -> Iterator[StreamPosition]:
        """The positions of the batches from a position on; their rounds are drawn."""
        limit = self.length_limit(progress)
        while True:
            self._draw(position.round, limit)
            if position.batch < len(self._batches):
                yield position
                position = StreamPosition(position.round, position.batch + 1)
            else:
                position = StreamPosition(position.round + 1)

    def _batch(self, position: StreamPosition) -> list[LabelledRecord]:
        """The records of a batch, some of them augmented as configured."""
        records = [self._records[index] for index in self._batches[position.batch]]
        fraction, max_rate = self._config.augmented_fraction, self._config.max_mutation_rate
        random = np.random.default_rng((self._seed, position.round, position.batch))
        return [
            augment(record, random, max_rate)
            if record.is_curated and random.random() < fraction
            else record
            for record in records
        ]

    def resume(self, position: StreamPosition, limit: int) -> None:
        """Sample the round of a position again with the length limit under which it began."""
        self._draw(position.round, limit)

    @property
    def round_limit(self) -> int:
        """The length limit of the current round."""
        return self._drawn[1] if self._drawn else self.length_limit(0.0)

    def length_limit(self, progress: float) -> int:
        """The limit on the length of records at a progress from 0 to 1."""
        lengths = self._config.lengths
        return lengths[min(int(progress * len(lengths)), len(lengths) - 1)]

    def _draw(self, number: int, limit: int) -> None:
        """Make the batches of a round; a round that has begun keeps its length limit."""
        if self._drawn is not None and self._drawn[0] == number:
            return
        self._drawn = (number, limit)
        self._batches = self._make_round(np.random.default_rng((self._seed, number)), limit)

    def _make_round(self, random: np.random.Generator, limit: int) -> list[list[int]]:
        """The batches of a round, as indices of records."""
        chosen = self._choose(random, limit)
        jittered = self._lengths[chosen] + random.random(len(chosen)) * _LENGTH_JITTER
        order = [int(index) for index in chosen[np.argsort(-jittered, kind="stable")]]
        batches = self._make_batches(order)
        random.shuffle(batches)
        return batches

    def _choose(self, random: np.random.Generator, limit: int) -> NDArray[np.int64]:
        """Sample the indices of a round's records, up to a length limit."""
        allowed = np.where(self._lengths <= limit, self._weights, 0.0)
        parts = []
        computed = round(ROUND_RECORDS * self._config.computed_fraction)
        for is_curated, count in ((True, ROUND_RECORDS - computed), (False, computed)):
            weights = np.where(self._is_curated == is_curated, allowed, 0.0)
            if weights.sum() > 0:
                weights = weights / weights.sum()
                parts.append(random.choice(len(weights), count, p=weights))
        return np.concatenate(parts)

    def _make_batches(self, order: list[int]) -> list[list[int]]:
        """Divide indices, longest record first, into batches of up to max_cells cells."""
        batches: list[list[int]] = []
        longest = 0
        for index in order:
            length = int(self._lengths[index])
            longest = max(longest, length)
            if batches and (len(batches[-1]) + 1) * longest**2 <= self._config.max_cells:
                batches[-1].append(index)
            else:
                batches.append([index])
                longest = length
        return batches


def record_weights(records: Sequence[LabelledRecord], config: BatchConfig) -> NDArray[np.float64]:
    """The sampling weight of each record (N,), up to a common factor."""
    sizes = Counter(record.cluster for record in records)
    weights = np.ones(len(records))
    for index, record in enumerate(records):
        if record.cluster is not None:
            weights[index] = sizes[record.cluster] ** (config.cluster_exponent - 1.0)
        weights[index] *= config.source_weights.get(record.source, 1.0)
        weights[index] *= min(1.0, _SHORT / len(record)) ** config.length_exponent
    return weights
