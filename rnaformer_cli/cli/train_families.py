"""`rnaformer train-families`: data sets in, a library of family profiles out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rnaformer_cli.cli.arguments import options
from rnaformer_cli.cli.arguments.paths import check_paths

if TYPE_CHECKING:
    from rnaformer_cli.training.family_profiles.fit import RoundReport


@click.command()
@click.option(
    "--data",
    multiple=True,
    required=True,
    metavar="FILE",
    type=options.PATH,
    help="Records to learn from.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    type=options.PATH,
    help="Library (safetensors).",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@options.quiet
def command(data: tuple[str, ...], output: str, seed: int, **chosen: Any) -> None:
    """Learn profiles of RNA families, which tell a network what is known of an RNA's relatives.

    Records of a family that are alike in sequence and structure become one profile: how often each
    column holds which letter, and which columns pair. No profile stands for a single record.

    \b
    Example:
      rnaformer train-families --data train.jsonl.gz -o families.safetensors
      rnaformer release runs/small/best --val val.jsonl.gz --families families.safetensors -o small
    """
    check_paths({"--output": output}, data)
    from rnaformer_cli.dataset.records import read_dataset
    from rnaformer_cli.families.profiles import write_library
    from rnaformer_cli.training.family_profiles.fit import ProfileTrainingConfig, learn_library

    def report(done: RoundReport) -> None:
        if not chosen["quiet"]:
            counts = f"{done.profiles} profiles, {done.unassigned} records left"
            click.echo(f"rnaformer: round {done.round}: {counts}", err=True)

    records = [record for path in data for record in read_dataset(path)]
    write_library(output, learn_library(records, ProfileTrainingConfig(seed=seed), report))
