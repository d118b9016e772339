"""`rnaformer train`: trains a network on data sets, in a run folder."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnaformer_cli.cli.arguments import options
from rnaformer_cli.cli.arguments.folding_scores import read_folding_scores
from rnaformer_cli.cli.formats.text import escape_controls
from rnaformer_cli.cli.main import EXIT_INTERRUPTED
from rnaformer_cli.dataset.records import LabelledRecord, check_labels, read_dataset, read_sets
from rnaformer_cli.errors import TrainingError, WeightsError
from rnaformer_cli.model.config import PREDICTION_SETTINGS, ModelConfig
from rnaformer_cli.training.network.config import TrainConfig, read_config

if TYPE_CHECKING:
    from torch import Tensor

    from rnaformer_cli.training.network.distributed import ProcessGroup
    from rnaformer_cli.training.network.training_loop import (
        ComputeConfig,
        Trainer,
        TrainingProgress,
    )

_REPORT_INTERVAL = 20.0  # seconds


@click.command()
@click.argument("config", metavar="CONFIG.toml", type=options.PATH)
@click.option(
    "--data",
    multiple=True,
    required=True,
    metavar="FILE",
    type=options.PATH,
    help="Data set to train on; may be repeated.",
)
@click.option(
    "--val",
    multiple=True,
    metavar="FILE",
    type=options.PATH,
    help="Validation set that selects the best weights; may be repeated.",
)
@click.option(
    "--out", required=True, metavar="RUN", type=options.FOLDER, help="Run folder to write."
)
@click.option("--resume", is_flag=True, help="Continue the run in RUN, if there is one.")
@click.option(
    "--start-from",  # torchrun takes "--start" as an abbreviation of its own option
    metavar="NAME|DIR",
    type=options.NonEmptyText(),
    shell_complete=options.complete_weights,
    help="Initial weights.  [default: random]",
)
@click.option(
    "--folding",
    metavar="FILE|NAME|DIR",
    type=options.NonEmptyText(),
    shell_complete=options.complete_weights,
    help="Scores of `train-folding`, or weights with a folding model; for folding = true.",
)
@click.option(
    "--minutes",
    type=options.FiniteRange(min=0, min_open=True),
    help="Minutes of the whole run and its learning rate schedule.  [default: set by the config]",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    help="Seed of the initial weights and of the batches.  [default: set by the config]",
)
@click.option(
    "--stop-after",
    type=options.FiniteRange(min=0, min_open=True),
    help="Minutes after which this process saves the run and exits; continue with --resume.",
)
@options.device
@options.precision
@options.threads
@click.option(
    "--compile",
    "compiled",
    is_flag=True,
    help="Compile the network, which delays the start.",
)
@click.option(
    "--save-memory",
    is_flag=True,
    help="Recompute activations in the backward pass instead of storing them.",
)
@options.quiet
def command(config: str, **chosen: Any) -> None:
    """Train a network with the settings in CONFIG.toml.

    \b
    Examples:
      rnaformer train small.toml --data train.jsonl.gz --val val.jsonl.gz --out runs/small
      rnaformer train small.toml --data train.jsonl.gz --out runs/small --resume --stop-after 9

    The run folder holds the config, the environment, metrics.jsonl, curves.svg, the state that
    --resume reads (last.json and its parts), best/ (weights for `predict --weights RUN/best`) and
    latest/ (weights of the last validation). Ctrl-C and SIGTERM save the state before they stop
    the run.

    For several processes or GPUs: torchrun --nproc-per-node N -m rnaformer_cli train ...
    """
    from rnaformer_cli.prediction.device import set_threads
    from rnaformer_cli.training.network.distributed import join_process_group
    from rnaformer_cli.training.network.run_folder import RunFolder

    # Batches have many shapes; without this setting the memory of PyTorch is soon in fragments.
    os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
    set_threads(chosen["threads"])
    options.warn_slow_bf16(chosen["precision"], chosen["device"], chosen["quiet"])
    train_config = _read_train_config(config, chosen["minutes"], chosen["seed"])
    compute = _compute_config(chosen)
    with (
        join_process_group(compute.device) as process_group,
        stop_requests(chosen["stop_after"]) as wants_stop,
    ):
        trainer = _trainer(train_config, chosen, compute, process_group)
        folder = (
            RunFolder(chosen["out"], train_config, chosen["resume"])
            if process_group.is_main
            else None
        )
        if chosen["resume"]:
            _resume(trainer, Path(chosen["out"]))
        reporter = TrainingReporter(trainer, chosen["quiet"] or not process_group.is_main)
        is_done = trainer.run(folder, wants_stop, reporter)
        reporter.report("done" if is_done else "stopped; continue with --resume")
    if not is_done and wants_stop.was_signalled:
        raise click.exceptions.Exit(EXIT_INTERRUPTED)


def _read_train_config(path: str, minutes: float | None, seed: int | None) -> TrainConfig:
    train_config = read_config(path)
    run = train_config.run
    if minutes is not None:
        run = replace(run, minutes=minutes, steps=0)
    if seed is not None:
        run = replace(run, seed=seed)
    return replace(train_config, run=run)


def _compute_config(chosen: dict[str, Any]) -> ComputeConfig:
    from rnaformer_cli.prediction.device import choose_device, choose_dtype
    from rnaformer_cli.training.network.distributed import local_device
    from rnaformer_cli.training.network.training_loop import ComputeConfig

    device = choose_device(local_device(choose_device(chosen["device"]).type))
    dtype = choose_dtype(chosen["precision"], device)
    return ComputeConfig(device, dtype, chosen["compiled"], chosen["save_memory"])


def _trainer(
    train_config: TrainConfig,
    chosen: dict[str, Any],
    compute: ComputeConfig,
    process_group: ProcessGroup,
) -> Trainer:
    from rnaformer_cli.training.network.training_loop import Trainer
    from rnaformer_cli.training.network.validation import choose_records

    all_sets = read_sets(chosen["val"] if process_group.is_main else ())
    sets = {name: choose_records(records, train_config.run) for name, records in all_sets.items()}
    start, folding = None, _folding(train_config, chosen)
    if chosen["start_from"] is not None:
        is_quiet = chosen["quiet"] or not process_group.is_main
        start = _initial_tensors(chosen["start_from"], train_config.model, is_quiet)
    return Trainer(
        train_config, _read(chosen["data"]), sets, compute, process_group, start, folding
    )


def _read(files: tuple[str, ...]) -> list[LabelledRecord]:
    records = []
    for path in files:
        of_file = list(read_dataset(path))
        check_labels(of_file, path)
        records += of_file
    return records


def _initial_tensors(weights: str, model: ModelConfig, is_quiet: bool) -> dict[str, Tensor]:
    """The tensors of the initial weights.

    Raises:
        WeightsError: tensors that do not fit the config; the message names the settings.
    """
    from rnaformer_cli.model.checkpoint import check_tensors, load_network, tensor_shapes
    from rnaformer_cli.model.network import RNAformer
    from rnaformer_cli.weight_store.store import find_weights

    network, checkpoint = load_network(find_weights(weights))
    tensors = dict(network.state_dict())
    try:
        expected = tensor_shapes(RNAformer(model).state_dict())
        check_tensors(expected, tensor_shapes(tensors))
    except WeightsError as error:
        differing = _differing_settings(checkpoint.model, model)
        raise WeightsError(f"{error.message}; {differing}", path=weights) from None
    if checkpoint.families is not None and not is_quiet:
        name = escape_controls(weights)
        message = "its family profiles are not part of the run; `release --families` adds profiles"
        click.echo(f"rnaformer: note: {name}: {message}", err=True)
    return tensors


def _differing_settings(weights: ModelConfig, config: ModelConfig) -> str:
    """The settings of [model] that the tensors of the weights require, as the end of a message."""
    differing = [
        f"{field.name} = {_to_toml(getattr(weights, field.name))}"
        for field in fields(config)
        if field.name not in PREDICTION_SETTINGS
        and getattr(weights, field.name) != getattr(config, field.name)
    ]
    return f"the weights need these settings in [model]: {', '.join(differing)}"


def _to_toml(value: object) -> str:
    return json.dumps(value)  # the same for booleans, numbers and names


def _folding(train_config: TrainConfig, chosen: dict[str, Any]) -> Mapping[str, Tensor] | None:
    if chosen["folding"] is not None:
        return read_folding_scores(chosen["folding"])
    if train_config.model.folding and not (chosen["start_from"] or chosen["resume"]):
        raise TrainingError("folding = true needs --folding with scores of `train-folding`")
    return None


def _resume(trainer: Trainer, folder: Path) -> None:
    """Load the state of a run; every process reads it, only the main process writes it."""
    from rnaformer_cli.training.network.run_folder import load_state

    state = load_state(folder)
    if state is not None:
        try:
            trainer.load_state_dict(state)
        except TrainingError as error:
            raise error.at(folder) from None


class StopRequest:
    """Requests a stop after a signal or when the time of this process is over."""

    def __init__(self, minutes: float | None) -> None:
        self.was_signalled = False
        self._end = None if minutes is None else time.monotonic() + 60.0 * minutes

    def __call__(self) -> bool:
        """Whether to stop now."""
        return self.was_signalled or (self._end is not None and time.monotonic() >= self._end)


@contextmanager
def stop_requests(minutes: float | None) -> Iterator[StopRequest]:
    """A StopRequest that Ctrl-C, SIGTERM and SIGHUP set.

    A second Ctrl-C raises KeyboardInterrupt. A SIGHUP that nohup ignores stays ignored.
    """
    request = StopRequest(minutes)

    def on_signal(*_: Any) -> None:
        request.was_signalled = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    numbers = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    previous = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class TrainingReporter:
    """Prints the progress of a run on stderr, one line every _REPORT_INTERVAL seconds."""

    def __init__(self, trainer: Trainer, quiet: bool) -> None:
        self._trainer = trainer
        self._quiet = quiet
        self._last = time.monotonic()

    def __call__(self, progress: TrainingProgress, loss: float) -> None:
        """Report a training step, if the last report is old enough."""
        if time.monotonic() - self._last >= _REPORT_INTERVAL:
            self._last = time.monotonic()
            self.report(f"loss {loss:.3f}")

    def report(self, text: str) -> None:
        """Print one line with the progress of the run and a text."""
        if self._quiet:
            return
        progress = self._trainer.progress
        fraction = progress.fraction_done(self._trainer.config)
        minutes = progress.seconds / 60
        time_left = f" ({minutes / fraction - minutes:.1f} left)" if 0 < fraction < 1 else ""
        speed = progress.cells / max(progress.seconds, 1e-9) / 1e6
        click.echo(
            f"rnaformer: {fraction:.0%}, step {progress.step}, {progress.records} records, "
            f"{minutes:.1f} min{time_left}, {speed:.2f} million cells/s: {text}",
            err=True,
        )
