"""`rnaformer train-folding`: fits the scores of the folding model to data sets."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from rnaformer_cli.cli.arguments import options
from rnaformer_cli.cli.arguments.folding_scores import read_folding_scores
from rnaformer_cli.cli.arguments.paths import check_folders, check_paths

if TYPE_CHECKING:
    from rnaformer_cli.training.folding_model.fit import StepReport

_REPORT_INTERVAL = 20.0  # seconds


@click.command()
@click.option(
    "--data",
    multiple=True,
    required=True,
    metavar="FILE",
    type=options.PATH,
    help="Data set to learn from; may be repeated.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    type=options.PATH,
    help="Scores to write (safetensors).",
)
@click.option(
    "--start-from",
    metavar="FILE|NAME|DIR",
    type=options.NonEmptyText(),
    shell_complete=options.complete_weights,
    help="Initial scores: a file, or weights.  [default: built-in initial values]",
)
@click.option(
    "--reactivities",
    multiple=True,
    metavar="FILE",
    type=options.PATH,
    help="Chemical probing profiles to learn from as well (JSON Lines); may be repeated.",
)
@click.option(
    "--reactivity-weight",
    type=options.FiniteRange(min=0),
    default=0.3,
    show_default=True,
    help="Weight of the loss per reactivity, relative to the loss per base of the records.",
)
@click.option(
    "--minutes",
    type=options.FiniteRange(min=0, min_open=True),
    default=8.0,
    show_default=True,
    help="Training time in minutes.",
)
@click.option(
    "--max-length",
    type=click.IntRange(min=1),
    default=200,
    show_default=True,
    help="Longest record in bases; longer ones are skipped.",
)
@click.option(
    "--computed-fraction",
    type=options.FiniteRange(0, 1),
    default=0.0,
    show_default=True,
    help="Fraction of the training records with structures from a folding program.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Seed of the random choices.",
)
@options.threads
@options.quiet
def command(data: tuple[str, ...], output: str, **chosen: Any) -> None:
    """Train the folding model that a network with `folding = true` is built on.

    \b
    Examples:
      rnaformer train-folding --data train.jsonl.gz -o scores.safetensors
      rnaformer train small.toml --folding scores.safetensors --data train.jsonl.gz --out runs/small
    """
    inputs = (*data, *chosen["reactivities"], chosen["start_from"])
    check_paths({"--output": output}, inputs)
    check_folders(output)
    from rnaformer_cli.dataset.reactivities import read_reactivities
    from rnaformer_cli.dataset.records import read_structure_set
    from rnaformer_cli.prediction.device import set_threads
    from rnaformer_cli.training.folding_model.fit import (
        FoldingTrainingConfig,
        fit_scores,
        write_scores,
    )

    set_threads(chosen["threads"])
    records = [record for path in data for record in read_structure_set(path)]
    paths = chosen["reactivities"]
    profiles = [profile for path in paths for profile in read_reactivities(path)]
    start = read_folding_scores(chosen["start_from"]) if chosen["start_from"] else None
    config = FoldingTrainingConfig(
        minutes=chosen["minutes"],
        max_length=chosen["max_length"],
        computed_fraction=chosen["computed_fraction"],
        seed=chosen["seed"],
        reactivity_weight=chosen["reactivity_weight"],
    )
    last = time.monotonic()

    def report_progress(done: StepReport) -> None:
        nonlocal last
        if not chosen["quiet"] and (
            time.monotonic() - last >= _REPORT_INTERVAL or done.fraction_done == 1.0
        ):
            last = time.monotonic()
            counts = f"step {done.step}, {done.records} records"
            values = (
                ""
                if done.reactivity_loss is None
                else f", reactivity loss {done.reactivity_loss:.3f}"
            )
            line = f"rnaformer: {done.fraction_done:.0%}, {counts}: loss {done.loss:.3f}{values}"
            click.echo(line, err=True)

    write_scores(
        output, fit_scores(records, config, report_progress, profiles=profiles, start=start)
    )
