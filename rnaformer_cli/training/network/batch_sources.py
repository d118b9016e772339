"""Where the training loop takes its batches from: records on the host, or data on the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import torch

from rnaformer_cli.dataset.records import LabelledRecord
from rnaformer_cli.folding.model import FoldingModel
from rnaformer_cli.training.batches.bucketed import Bucket, BucketedStream
from rnaformer_cli.training.batches.config import BatchConfig
from rnaformer_cli.training.batches.sampling import BatchStream, StreamPosition
from rnaformer_cli.training.network.resident import ResidentRecords
from rnaformer_cli.training.network.targets import LabelledBatch, to_batch


@dataclass(frozen=True, slots=True)
class SampledBatch:
    """A batch whose tensors are made when they are needed."""

    records: Sequence[LabelledRecord]
    length: int  # bases to which the records are padded
    load: Callable[[], LabelledBatch]  # on the device

    @property
    def bases(self) -> int:
        """The number of bases, without padding."""
        return sum(map(len, self.records))

    @property
    def cells(self) -> int:
        """The number of cells of the pair matrices, with padding."""
        return len(self.records) * self.length**2


class BatchSource(Protocol):
    """An endless, reproducible sequence of batches."""

    @property
    def stream(self) -> BatchStream:
        """The stream of indices."""
        ...

    def draw(
        self, position: StreamPosition, progress: float, count: int
    ) -> tuple[list[SampledBatch], StreamPosition]:
        """The next batches from a position on, and the position after them."""
        ...


class PaddedBatches:
    """Batches of similar lengths, made from records on the host and moved to the device."""

    def __init__(
        self,
        records: Sequence[LabelledRecord],
        config: BatchConfig,
        seed: int,
        device: torch.device,
    ) -> None:
        self.stream = BatchStream(records, config, seed)
        self._device = device

    def draw(
        self, position: StreamPosition, progress: float, count: int
    ) -> tuple[list[SampledBatch], StreamPosition]:
        """The next batches; see BatchSource."""
        sampled = list(islice(self.stream.batches(position, progress), count))
        return [self._batch(records) for records, _ in sampled], sampled[-1][1]

    def _batch(self, records: Sequence[LabelledRecord]) -> SampledBatch:
        longest = max(map(len, records))
        return SampledBatch(records, longest, lambda: to_batch(records).to(self._device))


class ResidentBatches:
    """Batches of one latent side, gathered on the device from data that stay there."""

    def __init__(
        self,
        records: Sequence[LabelledRecord],
        config: BatchConfig,
        patch: int,
        seed: int,
        device: torch.device,
        folding: FoldingModel | None,
    ) -> None:
        self.stream = BucketedStream(records, config, patch, seed)
        self._resident = ResidentRecords(self.stream.records, device, folding)

    def draw(
        self, position: StreamPosition, progress: float, count: int
    ) -> tuple[list[SampledBatch], StreamPosition]:
        """The next batches; see BatchSource."""
        sampled = list(islice(self.stream.buckets(position, progress), count))
        return [self._batch(bucket) for bucket, _ in sampled], sampled[-1][1]

    def _batch(self, bucket: Bucket) -> SampledBatch:
        records = [self.stream.records[index] for index in bucket.indices]
        return SampledBatch(records, bucket.length, lambda: self._resident.batch(bucket))
