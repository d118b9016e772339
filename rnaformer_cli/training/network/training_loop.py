"""The training loop of the network: steps, validation, and the state for resuming a run."""

from __future__ import annotations

import hashlib
import math
import random
import statistics
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from rnaformer_cli.dataset.records import LabelledRecord
from rnaformer_cli.errors import TrainingError
from rnaformer_cli.model.checkpoint import check_tensors, tensor_shapes
from rnaformer_cli.model.initialisation import initialise
from rnaformer_cli.model.network import RNAformer
from rnaformer_cli.training.batches.sampling import StreamPosition
from rnaformer_cli.training.network.batch_sources import (
    BatchSource,
    PaddedBatches,
    ResidentBatches,
    SampledBatch,
)
from rnaformer_cli.training.network.config import TrainConfig
from rnaformer_cli.training.network.distributed import ProcessGroup
from rnaformer_cli.training.network.optimiser import Optimiser, WeightAverage
from rnaformer_cli.training.network.run_folder import BEST, LAST_VALIDATED, RunFolder
from rnaformer_cli.training.network.step_queue import FinishedStep, StepQueue
from rnaformer_cli.training.network.targets import LabelledBatch, sum_loss
from rnaformer_cli.training.network.validation import Validation, validate

_SMOOTHING_STEPS = 100  # steps over which the reported loss is averaged
_PAUSE_FACTOR = 20.0  # a step counts for at most so many median durations
_MIN_MEDIAN_STEPS = 10  # steps before durations are limited


@dataclass(slots=True)
class TrainingProgress:
    """The progress of a run."""

    step: int = 0
    seconds: float = 0.0  # of training, without validation
    records: int = 0
    cells: int = 0  # of pair matrices, with padding
    position: StreamPosition = field(default_factory=StreamPosition)
    best_f1: float = -1.0

    def fraction_done(self, config: TrainConfig) -> float:
        """The fraction of the run from 0 to 1, by steps or by time."""
        run = config.run
        done = self.step / run.steps if run.steps else self.seconds / (60.0 * run.minutes)
        return min(done, 1.0)


@dataclass(frozen=True, slots=True)
class ComputeConfig:
    """Device, precision and other settings of the computation that do not change the model."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32
    compile: bool = False
    save_memory: bool = False  # recompute activations in the backward pass


class Trainer:
    """A training run of a network.

    `start` are the initial weights, and `folding` the scores of the folding model.

    Raises:
        TrainingError: batches_per_step that the number of processes does not divide, or folding
            scores for a network without a folding model.
        DatasetError: no record that is short enough.
        WeightsError: initial weights that do not fit the config.
    """

    def __init__(
        self,
        config: TrainConfig,
        records: Sequence[LabelledRecord],
        validation: Mapping[str, Sequence[LabelledRecord]],
        compute: ComputeConfig | None = None,
        process_group: ProcessGroup | None = None,
        start: Mapping[str, Tensor] | None = None,
        folding: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.config = config
        self.compute = compute or ComputeConfig()
        self.process_group = process_group or ProcessGroup()
        if config.batches.batches_per_step % self.process_group.world_size:
            raise TrainingError(
                f"batches_per_step ({config.batches.batches_per_step}) must be divisible by "
                f"the number of processes ({self.process_group.world_size})"
            )
        if self.compute.device.type == "cuda":
            torch.backends.cuda.enable_cudnn_sdp(False)  # slow for many short rows
        torch.manual_seed(config.run.seed)
        self.network = RNAformer(config.model)
        initialise(self.network)
        if start is not None:
            check_tensors(tensor_shapes(self.network.state_dict()), tensor_shapes(start))
            self.network.load_state_dict(dict(start))
        if folding is not None:
            self._load_folding_scores(folding)
        self.network.to(self.compute.device).train()
        self.network.save_memory = self.compute.save_memory
        self.optimiser = Optimiser(self.network, config.optimiser, self.compute.dtype)
        self.average = WeightAverage(self.network, config.optimiser.ema_decay)
        self.source = self._batch_source(records)
        self.validation = validation
        self._data = _checksum(records)
        self.progress = TrainingProgress()
        self._losses: list[float] = []
        self._queue = StepQueue(self.compute.device)
        self._durations: deque[float] = deque(maxlen=_SMOOTHING_STEPS)  # seconds of the last steps
        if self.compute.compile:
            for block in self.network.blocks:  # all lengths share one graph
                block.compile(dynamic=True)

    def _batch_source(self, records: Sequence[LabelledRecord]) -> BatchSource:
        batches, seed, device = self.config.batches, self.config.run.seed, self.compute.device
        if not batches.bucketed:
            return PaddedBatches(records, batches, seed, device)
        patch = self.config.model.patch
        return ResidentBatches(records, batches, patch, seed, device, self.network.folding)

    def _load_folding_scores(self, folding: Mapping[str, Tensor]) -> None:
        """Load the scores of the folding model, which do not change in training.

        Raises:
            TrainingError: a network without a folding model.
        """
        if self.network.folding is None:
            raise TrainingError("scores of a folding model, but the config has folding = false")
        self.network.folding.load_state_dict(dict(folding))

    def run(
        self,
        folder: RunFolder | None = None,
        should_stop: Callable[[], bool] = lambda: False,
        on_step: Callable[[TrainingProgress, float], None] = lambda *_: None,
    ) -> bool:
        """Train until the end or until `should_stop`, and return whether the end was reached.

        The state is saved at every validation and at the end. `on_step` is called after each step
        with the progress and the loss.

        Raises:
            TrainingError: the loss or a gradient is not finite.
        """
        interval = 60.0 * self.config.run.validate_every
        # Counted from the beginning of the run, so that runs in short pieces are validated too.
        next_validation = interval * (self.progress.seconds // interval + 1)
        while self.progress.fraction_done(self.config) < 1.0:
            if self.process_group.all_reduce_max(float(should_stop()), self.compute.device):
                self._save(folder)
                return False
            on_step(self.progress, self.step())
            is_due = self.progress.seconds >= next_validation
            if is_due and self.progress.fraction_done(self.config) < 1.0:
                next_validation += interval
                self._validate(folder)
                self._save(folder)
        self._validate(folder)
        self._save(folder)
        return True

    def step(self) -> float:
        """Take a step on the next batches, and return the loss per base of the last known step.

        On a GPU this is not yet the loss of this step, and NaN in the first steps.

        Raises:
            TrainingError: the loss or a gradient is not finite.
        """
        started = self._clock()
        fraction_done = self.progress.fraction_done(self.config)
        batches, position = self.source.draw(
            self.progress.position, fraction_done, self.config.batches.batches_per_step
        )
        loss = self._accumulate_gradients(batches)
        parameters = list(self.network.parameters())
        norm = torch.nn.utils.clip_grad_norm_(parameters, self.config.optimiser.max_gradient_norm)
        records = [record for batch in batches for record in batch.records]
        self._finish(self._queue.add(self.progress.step + 1, loss, norm, records))
        self.optimiser.step(fraction_done)
        self.network.zero_grad(set_to_none=True)
        self.progress.step += 1
        self.progress.records += len(records)
        self.progress.cells += sum(batch.cells for batch in batches)
        self.progress.position = position
        self.average.update(self.network, self.progress.step)
        spent = self.process_group.all_reduce_max(
            min(now - before for now, before in zip(self._clock(), started, strict=True)),
            self.compute.device,
        )
        self.progress.seconds += self.clip_pause(spent)
        return self._losses[-1] if self._losses else math.nan

    def _finish(self, steps: Sequence[FinishedStep]) -> None:
        """Check the losses of finished steps and keep them."""
        for step in steps:
            if not (math.isfinite(step.loss) and math.isfinite(step.gradient_norm)):
                ids = ", ".join(record.id for record in step.records)
                raise TrainingError(f"step {step.number}: the loss is {step.loss} with {ids}")
            self._losses = [*self._losses[1 - _SMOOTHING_STEPS :], step.loss]

    def _clock(self) -> list[float]:
        """Wall time and, on CPUs, processor time; the smaller difference is counted.

        With one thread, time of other processes on the same cores is thus not counted.
        """
        on_cpu = self.compute.device.type == "cpu"
        return [time.perf_counter(), *([time.process_time()] if on_cpu else [])]

    def clip_pause(self, seconds: float) -> float:
        """The seconds of a step, on a CPU at most _PAUSE_FACTOR times the median of the last steps.

        A pause of the process or the machine is therefore not counted. The limit is above the time
        of steps with the longest records. On a GPU all time counts, also that of compilation.
        """
        if self.compute.device.type != "cpu":
            return seconds
        median = statistics.median(self._durations) if self._durations else seconds
        has_median = len(self._durations) >= _MIN_MEDIAN_STEPS
        clipped = min(seconds, _PAUSE_FACTOR * median) if has_median else seconds
        self._durations.append(clipped)
        return clipped

    def _accumulate_gradients(self, batches: Sequence[SampledBatch]) -> Tensor:
        """Compute the gradients of the loss per base over the batches of all processes.

        Returns the loss per base, a scalar on the device.
        """
        step = self.progress.step
        cycles = random.Random(f"{self.config.run.seed} {step}").randint(
            1, self.config.model.cycles
        )
        total, bases = torch.zeros(1, device=self.compute.device), 0
        for index in self.process_group.own_indices(len(batches)):
            batch = batches[index].load()
            logits = self._logits(batch, cycles)
            negative_fraction = self.config.batches.negative_fraction
            seed = hash((self.config.run.seed, step, index))
            loss = sum_loss(logits.float(), batch, negative_fraction, seed)
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
            bases += batches[index].bases
        summed = self.process_group.all_reduce_sum(total)
        count = self.process_group.average_gradients(list(self.network.parameters()), float(bases))
        return (summed / count).squeeze()

    def _logits(self, batch: LabelledBatch, cycles: int) -> Tensor:
        """The pair logits of a batch (B, L, L)."""
        device, dtype = self.compute.device.type, self.compute.dtype
        flag = batch.flag if self.config.model.label_flag else None
        with torch.autocast(device, dtype, enabled=dtype != torch.float32):
            if self.config.batches.bucketed:
                return self.network.bucketed_logits(
                    batch.bases, batch.is_base, batch.folding, cycles, flag
                )
            logits: Tensor = self.network(batch.bases, batch.is_base, cycles, flag)
            return logits

    def _validate(self, folder: RunFolder | None) -> None:
        self._finish(self._queue.flush())
        if not self.process_group.is_main or not self.validation:
            return
        validation = self.validate()
        about = {"records_seen": self.progress.records, "f1": validation.f1}
        row = {
            "minutes": round(self.progress.seconds / 60.0, 2),
            "step": self.progress.step,
            "records": self.progress.records,
            "cells": self.progress.cells,
            "loss": sum(self._losses) / max(len(self._losses), 1),
            "threshold": validation.threshold,
            "f1": validation.f1,
        }
        is_best = validation.mean > self.progress.best_f1
        self.progress.best_f1 = max(validation.mean, self.progress.best_f1)
        if folder is None:
            return
        folder.add_metrics(row)
        folder.plot()
        for name in (LAST_VALIDATED, BEST) if is_best else (LAST_VALIDATED,):
            weights = self.average.tensors
            folder.save_weights(name, self.config.model, validation.threshold, weights, about)

    def validate(self) -> Validation:
        """Validate the averaged weights."""
        averaged = RNAformer(self.config.model).to(self.compute.device)
        averaged.load_state_dict(self.average.tensors)
        return validate(averaged, self.validation)

    def state_dict(self) -> dict[str, Any]:
        """The complete state of the run, for `load_state_dict`."""
        self._finish(self._queue.flush())
        progress = self.progress
        return {
            "network": self.network.state_dict(),
            "average": self.average.tensors,
            "optimiser": self.optimiser.state_dict(),
            "random": torch.get_rng_state(),
            "losses": self._losses,
            "step": progress.step,
            "seconds": progress.seconds,
            "records": progress.records,
            "cells": progress.cells,
            "position": [progress.position.round, progress.position.batch],
            "length_limit": self.source.stream.round_limit,
            "best_f1": progress.best_f1,
            "data": self._data,
            "validation": self._validation_checksums(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state of `state_dict`.

        Raises:
            TrainingError: the state of a run with other training or validation records.
        """
        if state.get("data", self._data) != self._data:  # not in states of earlier versions
            raise TrainingError("contains a run with other --data")
        checksums = self._validation_checksums()
        if self.process_group.is_main and state.get("validation", checksums) != checksums:
            raise TrainingError("contains a run with other --val")
        self.network.load_state_dict(state["network"])
        self.average.tensors = {
            name: tensor.to(self.compute.device) for name, tensor in state["average"].items()
        }
        self.optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["random"])
        self._losses = list(state["losses"])
        position = StreamPosition(*state["position"])
        self.progress = TrainingProgress(
            state["step"],
            state["seconds"],
            state["records"],
            state.get("cells", 0),  # not in states of earlier versions
            position,
            state["best_f1"],
        )
        self.source.stream.resume(position, state["length_limit"])

    def _validation_checksums(self) -> dict[str, str]:
        return {name: _checksum(records) for name, records in self.validation.items()}

    def _save(self, folder: RunFolder | None) -> None:
        if folder is not None and self.process_group.is_main:
            folder.save_state(self.state_dict())


def _checksum(records: Sequence[LabelledRecord]) -> str:
    """A checksum of the ids, sequences and sources of records in their order."""
    digest = hashlib.sha256()
    for record in records:
        digest.update(f"{record.id}\n{record.sequence}\n{record.source}\n".encode())
    return digest.hexdigest()
