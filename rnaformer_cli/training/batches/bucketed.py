"""Length bucketing: a batch has records of one latent side, and each side has one batch size.

Nothing is padded but one base of odd lengths, and no batch needs a mask of its cells. A GPU sees
one shape for each side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnaformer_cli.dataset.records import LabelledRecord
from rnaformer_cli.training.batches.augmentation import augment
from rnaformer_cli.training.batches.config import BatchConfig
from rnaformer_cli.training.batches.sampling import BatchStream, StreamPosition

ROUND_BATCHES = 64  # batches that are sampled at once
MAX_RECORDS = 384  # of a batch


@dataclass(frozen=True, slots=True)
class Bucket:
    """A batch: indices into `BucketedStream.records`, and the padded length of all of them."""

    indices: NDArray[np.int64]
    length: int


class BucketedStream(BatchStream):
    """A stream of batches of one latent side, sampled by weight with replacement.

    With `augmented_fraction`, each curated record has one copy with mutated bases, the same in all
    batches, so that the data of a run can stay on a device.

    Raises:
        DatasetError: no record that is short enough for the first part of the run.
    """

    def __init__(
        self, records: Sequence[LabelledRecord], config: BatchConfig, patch: int, seed: int
    ) -> None:
        super().__init__(records, config, seed)
        if config.augmented_fraction:
            self._add_augmented(np.random.default_rng((seed, len(self._records))))
        self._patch = patch
        self._sides = -(-self._lengths // patch)

    @property
    def records(self) -> Sequence[LabelledRecord]:
        """The records that batches may have, with augmented copies."""
        return self._records

    def buckets(
        self, position: StreamPosition, progress: float
    ) -> Iterator[tuple[Bucket, StreamPosition]]:
        """Yield batches from a position on, each with the next position; see `batches`."""
        for place in self._positions(position, progress):
            indices = np.array(self._batches[place.batch])
            bucket = Bucket(indices, int(self._sides[indices[0]]) * self._patch)
            yield bucket, StreamPosition(place.round, place.batch + 1)

    def batch_size(self, side: int) -> int:
        """The number of records in a batch of this latent side."""
        cells = (side * self._patch) ** 2
        return max(1, min(MAX_RECORDS, self._config.max_cells // cells))

    def _add_augmented(self, random: np.random.Generator) -> None:
        fraction, max_rate = self._config.augmented_fraction, self._config.max_mutation_rate
        curated = np.flatnonzero(self._is_curated)
        copies = [augment(self._records[index], random, max_rate) for index in curated]
        added = self._weights[curated] * fraction
        self._weights[curated] *= 1.0 - fraction
        self._records = [*self._records, *copies]
        self._weights = np.concatenate([self._weights, added])
        self._lengths = np.concatenate([self._lengths, self._lengths[curated]])
        self._is_curated = np.concatenate([self._is_curated, self._is_curated[curated]])

    def _make_round(self, random: np.random.Generator, limit: int) -> list[list[int]]:
        """A side is drawn by the weight of its records over its batch size, then its records."""
        weights = self._probabilities(limit)
        sides = np.unique(self._sides[weights > 0])
        members = {
            int(side): np.flatnonzero((self._sides == side) & (weights > 0)) for side in sides
        }
        totals = np.array(
            [weights[members[side]].sum() / self.batch_size(side) for side in members]
        )
        drawn = random.choice(list(members), ROUND_BATCHES, p=totals / totals.sum())
        batches = []
        for side in map(int, drawn):
            own = weights[members[side]]
            chosen = random.choice(members[side], self.batch_size(side), p=own / own.sum())
            batches.append([int(index) for index in chosen])
        return batches

    def _probabilities(self, limit: int) -> NDArray[np.float64]:
        """How often each record is drawn (N,), relative to the others."""
        probabilities = np.zeros(len(self._weights))
        computed = self._config.computed_fraction
        for is_curated, fraction in ((True, 1.0 - computed), (False, computed)):
            is_allowed = (self._is_curated == is_curated) & (self._lengths <= limit)
            allowed = np.where(is_allowed, self._weights, 0.0)
            if allowed.sum() > 0:
                probabilities += fraction * allowed / allowed.sum()
        return probabilities
