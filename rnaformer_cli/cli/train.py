"""`rnaformer train`: data sets in, a run folder with weights out."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnaformer_cli.cli.arguments import options
from rnaformer_cli.cli.main import EXIT_INTERRUPTED
from rnaformer_cli.dataset.records import LabelledRecord, read_dataset, read_sets
from rnaformer_cli.errors import TrainingError, WeightsError
from rnaformer_cli.training.network.config import TrainConfig, read_config

if TYPE_CHECKING:
    from torch import Tensor

    from rnaformer_cli.training.network.distributed import ProcessGroup
    from rnaformer_cli.training.network.training_loop import (
        ComputeConfig,
        Trainer,
        TrainingProgress,
    )

_TELL_EVERY = 20.0  # seconds


@click.command()
@click.argument("config", metavar="CONFIG.toml", type=options.PATH)
@click.option(
    "--data",
    multiple=True,
    required=True,
    metavar="FILE",
    type=options.PATH,
    help="Records to train on.",
)
@click.option(
    "--val",
    multiple=True,
    metavar="FILE",
    type=options.PATH,
    help="Records to choose the best weights by.",
)
@click.option("--out", required=True, metavar="RUN", type=options.FOLDER, help="Run folder.")
@click.option("--resume", is_flag=True, help="Go on with the run in RUN, if there is one.")
@click.option(
    "--start-from",  # "--start" would be taken by torchrun, as short for an option of its own
    metavar="NAME|DIR",
    shell_complete=options.complete_weights,
    help="Weights to begin with instead of random ones.",
)
@click.option(
    "--folding", metavar="FILE", type=options.PATH, help="Scores for a config with folding = true."
)
@click.option(
    "--minutes",
    type=options.FiniteRange(min=0, min_open=True),
    help="Length of the whole run; the schedule ends with it.  [default: the config's]",
)
@click.option(
    "--stop-after",
    type=options.FiniteRange(min=0, min_open=True),
    help="Minutes after which this process saves and leaves, to be resumed.",
)
@options.device
@options.precision
@options.threads
@click.option("--compile", "compiled", is_flag=True, help="Compile the network (slow to start).")
@click.option("--save-memory", is_flag=True, help="Recompute activations instead of keeping them.")
@options.quiet
def command(config: str, **chosen: Any) -> None:
    """Train a network as CONFIG.toml says, or go on with a run.

    The run folder gets the config, the environment, metrics.jsonl, curves.svg, last.json with its
    parts (to go on from), best/ (weights for `rnaformer predict --weights RUN/best`) and latest/
    (those of the last validation). Ctrl-C and SIGTERM save first.

    Several processes or GPUs: torchrun --nproc-per-node N -m rnaformer_cli train ...

    \b
    Examples:
      rnaformer train small.toml --data train.jsonl.gz --val val.jsonl.gz --out runs/small
      rnaformer train small.toml --data train.jsonl.gz --out runs/small --resume --stop-after 9
    """
    from rnaformer_cli.prediction.device import set_threads
    from rnaformer_cli.training.network.distributed import join_process_group
    from rnaformer_cli.training.network.run_folder import RunFolder

    set_threads(chosen["threads"])
    options.warn_slow_bf16(chosen["precision"], chosen["device"], chosen["quiet"])
    plan = _read_train_config(config, chosen["minutes"])
    compute = _compute_config(chosen)
    with (
        join_process_group(compute.device) as process_group,
        stop_requests(chosen["stop_after"]) as wants_stop,
    ):
        trainer = _trainer(plan, chosen, compute, process_group)
        folder = RunFolder(chosen["out"], plan, chosen["resume"]) if process_group.is_main else None
        if chosen["resume"]:
            _resume(trainer, Path(chosen["out"]))
        tell = TrainingReporter(trainer, chosen["quiet"] or not process_group.is_main)
        is_done = trainer.run(folder, wants_stop, tell)
        tell.say("done" if is_done else "stopped; --resume goes on")
    if not is_done and wants_stop.was_signalled:
        raise click.exceptions.Exit(EXIT_INTERRUPTED)


def _read_train_config(path: str, minutes: float | None) -> TrainConfig:
    plan = read_config(path)
    if minutes is None:
        return plan
    return replace(plan, run=replace(plan.run, minutes=minutes, steps=0))


def _compute_config(chosen: dict[str, Any]) -> ComputeConfig:
    from rnaformer_cli.prediction.device import choose_device, choose_dtype
    from rnaformer_cli.training.network.distributed import local_device
    from rnaformer_cli.training.network.training_loop import ComputeConfig

    device = choose_device(local_device(choose_device(chosen["device"]).type))
    dtype = choose_dtype(chosen["precision"], device)
    return ComputeConfig(device, dtype, chosen["compiled"], chosen["save_memory"])


def _trainer(
    plan: TrainConfig, chosen: dict[str, Any], compute: ComputeConfig, process_group: ProcessGroup
) -> Trainer:
    from rnaformer_cli.training.network.training_loop import Trainer
    from rnaformer_cli.training.network.validation import choose_records

    found = read_sets(chosen["val"] if process_group.is_main else ())
    sets = {name: choose_records(records, plan.run) for name, records in found.items()}
    start, folding = _start(chosen["start_from"]), _folding(plan, chosen)
    try:
        return Trainer(plan, _read(chosen["data"]), sets, compute, process_group, start, folding)
    except WeightsError as error:
        raise error.at(chosen["start_from"]) from None


def _read(files: tuple[str, ...]) -> list[LabelledRecord]:
    return [record for path in files for record in read_dataset(path)]


def _start(weights: str | None) -> dict[str, Tensor] | None:
    if weights is None:
        return None
    from rnaformer_cli.model.checkpoint import load_network
    from rnaformer_cli.weight_store.store import find_weights

    return dict(load_network(find_weights(weights))[0].state_dict())


def _folding(plan: TrainConfig, chosen: dict[str, Any]) -> dict[str, Tensor] | None:
    if chosen["folding"] is not None:
        from rnaformer_cli.training.folding_model.fit import read_scores

        return read_scores(chosen["folding"])
    if plan.model.folding and not (chosen["start_from"] or chosen["resume"]):
        raise TrainingError("folding = true needs --folding with scores of `train-folding`")
    return None


def _resume(trainer: Trainer, folder: Path) -> None:
    """Every process reads the same state; only the leader writes it."""
    from rnaformer_cli.training.network.run_folder import load_state

    state = load_state(folder)
    if state is not None:
        trainer.load_state_dict(state)


class StopRequest:
    """Whether to stop: after a signal, or when this process's time is over."""

    def __init__(self, minutes: float | None) -> None:
        self.was_signalled = False
        self._end = None if minutes is None else time.monotonic() + 60.0 * minutes

    def __call__(self) -> bool:
        """Whether it is time."""
        return self.was_signalled or (self._end is not None and time.monotonic() >= self._end)


@contextmanager
def stop_requests(minutes: float | None) -> Iterator[StopRequest]:
    """A request that Ctrl-C and SIGTERM set; a second Ctrl-C acts as usual."""
    request = StopRequest(minutes)

    def remember(*_: Any) -> None:
        request.was_signalled = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class TrainingReporter:
    """Tells on stderr how a run goes, a line every so often."""

    def __init__(self, trainer: Trainer, quiet: bool) -> None:
        self._trainer = trainer
        self._quiet = quiet
        self._last = time.monotonic()

    def __call__(self, progress: TrainingProgress, loss: float) -> None:
        """Hear of a step."""
        if time.monotonic() - self._last >= _TELL_EVERY:
            self._last = time.monotonic()
            self.say(f"loss {loss:.3f}")

    def say(self, text: str) -> None:
        """One line with where the run is."""
        if not self._quiet:
            progress = self._trainer.progress
            share = progress.fraction_done(self._trainer.config)
            minutes = f"{progress.seconds / 60:.1f} min"
            counts = f"step {progress.step}, {progress.records} records, {minutes}"
            click.echo(f"rnaformer: {share:.0%}, {counts}: {text}", err=True)
