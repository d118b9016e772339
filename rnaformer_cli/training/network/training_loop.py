"""The training loop of the network, which can be stopped and resumed at any step."""

from __future__ import annotations

import math
import random
import statistics
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from rnaformer_cli.dataset.records import LabelledRecord
from rnaformer_cli.errors import TrainingError
from rnaformer_cli.model.checkpoint import check_tensors, shapes
from rnaformer_cli.model.initial import initialise
from rnaformer_cli.model.network import RNAformer
from rnaformer_cli.training.batches.sampling import BatchStream, Position
from rnaformer_cli.training.network.config import TrainConfig
from rnaformer_cli.training.network.distributed import Team
from rnaformer_cli.training.network.optimiser import Average, Optimiser
from rnaformer_cli.training.network.run_folder import BEST, LATEST, RunFolder
from rnaformer_cli.training.network.targets import sum_loss, to_batch
from rnaformer_cli.training.network.validation import Validation, validate

_SMOOTHING_STEPS = 100  # steps in the reported loss
_PAUSE_FACTOR = 20.0  # times the median; longer steps were pauses of the process
_MIN_DURATIONS = 10  # steps before the median is used


@dataclass(slots=True)
class Progress:
    """The position of a run, as stored for resuming."""

    step: int = 0
    seconds: float = 0.0  # of training, without validation
    records: int = 0
    position: Position = field(default_factory=Position)
    best_f1: float = -1.0

    def fraction(self, config: TrainConfig) -> float:
        """The completed fraction of the run, by steps or by time."""
        run = config.run
        done = self.step / run.steps if run.steps else self.seconds / (60.0 * run.minutes)
        return min(done, 1.0)


@dataclass(frozen=True, slots=True)
class ComputeOptions:
    """Device, number format and memory options of a run."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32
    compile: bool = False
    save_memory: bool = False  # recompute activations in the backward pass


class Trainer:
    """Trains a network.

    Raises:
        TrainingError: a number of batches that the processes cannot divide evenly, or scores for
            a folding model that the config does not have.
        DatasetError: no record that is short enough.
        WeightsError: initial weights that do not fit the config.
    """

    def __init__(
        self,
        config: TrainConfig,
        records: Sequence[LabelledRecord],
        validation: Mapping[str, Sequence[LabelledRecord]],
        compute: ComputeOptions | None = None,
        team: Team | None = None,
        start: Mapping[str, Tensor] | None = None,
        folding: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.config = config
        self.compute = compute or ComputeOptions()
        self.team = team or Team()
        if config.batches.batches_per_step % self.team.size:
            raise TrainingError(
                f"batches_per_step ({config.batches.batches_per_step}) must be divisible by "
                f"the number of processes ({self.team.size})"
            )
        torch.manual_seed(config.run.seed)
        self.network = RNAformer(config.model)
        initialise(self.network)
        if start is not None:
            check_tensors(shapes(self.network.state_dict()), shapes(start))
            self.network.load_state_dict(dict(start))
        if folding is not None:
            self._load_folding_scores(folding)
        self.network.to(self.compute.device).train()
        self.network.save_memory = self.compute.save_memory
        self.optimiser = Optimiser(self.network, config.optimiser, self.compute.dtype)
        self.average = Average(self.network, config.optimiser.ema_decay)
        self.stream = BatchStream(records, config.batches, config.run.seed)
        self.validation = validation
        self.progress = Progress()
        self._losses: list[float] = []
        self._durations: deque[float] = deque(maxlen=_SMOOTHING_STEPS)  # seconds of the last steps
        self._forward = self._compile() if self.compute.compile else self.network

    def _compile(self) -> Callable[..., Tensor]:
        """Compile the network without its folding model, whose loops would be unrolled."""
        module = self.network.folding
        if module is not None:
            # PyTorch's own function, which it leaves untyped; of this one module, not of its class.
            module.forward = torch.compiler.disable(module.forward)  # type: ignore[method-assign,no-untyped-call]
        return torch.compile(self.network)

    def _load_folding_scores(self, folding: Mapping[str, Tensor]) -> None:
        """Load the scores of the folding model, which are not trained in this run.

        Raises:
            TrainingError: a network without a folding model.
        """
        if self.network.folding is None:
            raise TrainingError("scores of a folding model, but the config has folding = false")
        self.network.folding.load_state_dict(dict(folding))

    def run(
        self,
        folder: RunFolder | None = None,
        wants_stop: Callable[[], bool] = lambda: False,
        on_step: Callable[[Progress, float], None] = lambda *_: None,
    ) -> bool:
        """Train until the end or until `wants_stop`. Returns whether the end was reached.

        Saves at every validation and at the end. `on_step` is called with the loss of each step.

        Raises:
            TrainingError: the loss or a gradient is not finite.
        """
        interval = 60.0 * self.config.run.validate_every
        # Counted from the start of the run, so that short sessions validate too.
        next_validation = interval * (self.progress.seconds // interval + 1)
        while self.progress.fraction(self.config) < 1.0:
            if self.team.largest(float(wants_stop()), self.compute.device):
                self._save(folder)
                return False
            on_step(self.progress, self.step())
            is_due = self.progress.seconds >= next_validation
            if is_due and self.progress.fraction(self.config) < 1.0:
                next_validation += interval
                self._validate(folder)
                self._save(folder)
        self._validate(folder)
        self._save(folder)
        return True

    def step(self) -> float:
        """Take a step on the next batches. Returns the loss per base."""
        started = time.perf_counter()
        fraction = self.progress.fraction(self.config)
        source = self.stream.batches(self.progress.position, fraction)
        drawn = list(islice(source, self.config.batches.batches_per_step))
        batches = [records for records, _ in drawn]
        loss = self._accumulate_gradients(batches)
        parameters = list(self.network.parameters())
        norm = torch.nn.utils.clip_grad_norm_(parameters, self.config.optimiser.max_gradient_norm)
        if not (math.isfinite(loss) and math.isfinite(float(norm))):
            ids = ", ".join(record.id for records in batches for record in records)
            raise TrainingError(f"step {self.progress.step + 1}: the loss is {loss} with {ids}")
        self.optimiser.step(fraction)
        self.network.zero_grad(set_to_none=True)
        self.progress.step += 1
        self.progress.records += sum(map(len, batches))
        self.progress.position = drawn[-1][1]
        self.average.update(self.network, self.progress.step)
        self._losses = [*self._losses[1 - _SMOOTHING_STEPS :], loss]
        spent = self.team.largest(time.perf_counter() - started, self.compute.device)
        self.progress.seconds += self.clip_pause(spent)
        return loss

    def clip_pause(self, seconds: float) -> float:
        """The duration of a step in seconds, limited to _PAUSE_FACTOR times the median.

        A suspended process or a sleeping laptop does not use up the time of the run.
        """
        median = statistics.median(self._durations) if self._durations else seconds
        counted = (
            min(seconds, _PAUSE_FACTOR * median)
            if len(self._durations) >= _MIN_DURATIONS
            else seconds
        )
        self._durations.append(counted)
        return counted

    def _accumulate_gradients(self, batches: list[list[LabelledRecord]]) -> float:
        """Accumulate gradients of the loss per base over all processes. Returns the loss."""
        step = self.progress.step
        cycles = random.Random(f"{self.config.run.seed} {step}").randint(
            1, self.config.model.cycles
        )
        total, bases = 0.0, 0
        for place in self.team.assigned(len(batches)):
            batch = to_batch(batches[place]).to(self.compute.device)
            with torch.autocast(
                self.compute.device.type,
                self.compute.dtype,
                enabled=self.compute.dtype != torch.float32,
            ):
                flag = batch.flag if self.config.model.label_flag else None
                logits = self._forward(batch.bases, batch.is_base, cycles, flag)
            fraction = self.config.batches.negative_fraction
            seed = hash((self.config.run.seed, step, place))
            loss = sum_loss(logits.float(), batch, fraction, seed)
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
            bases += sum(map(len, batches[place]))
        summed = self.team.add(torch.tensor([total], device=self.compute.device))
        count = self.team.average_gradients(list(self.network.parameters()), float(bases))
        return float(summed) / count

    def _validate(self, folder: RunFolder | None) -> None:
        if not self.team.leads or not self.validation:
            return
        found = self.validate()
        about = {"records_seen": self.progress.records, "f1": found.f1}
        row = {
            "minutes": round(self.progress.seconds / 60.0, 2),
            "step": self.progress.step,
            "records": self.progress.records,
            "loss": sum(self._losses) / max(len(self._losses), 1),
            "threshold": found.threshold,
            "f1": found.f1,
        }
        is_best = found.mean > self.progress.best_f1
        self.progress.best_f1 = max(found.mean, self.progress.best_f1)
        if folder is None:
            return
        folder.add_metrics(row)
        folder.plot()
        for name in (LATEST, BEST) if is_best else (LATEST,):
            weights = self.average.tensors
            folder.save_weights(name, self.config.model, found.threshold, weights, about)

    def validate(self) -> Validation:
        """Validate the averaged weights."""
        averaged = RNAformer(self.config.model).to(self.compute.device)
        averaged.load_state_dict(self.average.tensors)
        return validate(averaged, self.validation)

    def state_dict(self) -> dict[str, Any]:
        """The complete state of the run, for resuming."""
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
            "position": [progress.position.round, progress.position.batch],
            "length_limit": self.stream.round_limit,
            "best_f1": progress.best_f1,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a stored state."""
        self.network.load_state_dict(state["network"])
        self.average.tensors = {
            name: tensor.to(self.compute.device) for name, tensor in state["average"].items()
        }
        self.optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["random"])
        self._losses = list(state["losses"])
        position = Position(*state["position"])
        self.progress = Progress(
            state["step"], state["seconds"], state["records"], position, state["best_f1"]
        )
        self.stream.resume(position, state["length_limit"])

    def _save(self, folder: RunFolder | None) -> None:
        if folder is not None and self.team.leads:
            folder.save_state(self.state_dict())
