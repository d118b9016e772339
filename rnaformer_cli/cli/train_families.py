"""`rnaformer train-families`: builds a library of family profiles from data sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rnaformer_cli.cli.arguments import options
from rnaformer_cli.cli.arguments.paths import check_folders, check_paths

if TYPE_CHECKING:
    from rnaformer_cli.training.family_profiles.fit import RoundReport


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
    help="Profile library to write (safetensors).",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Seed of the random choices.",
)
@options.quiet
def command(data: tuple[str, ...], output: str, seed: int, **chosen: Any) -> None:
    """Build a library of RNA family profiles, which `release` adds to weights.

    \b
    Examples:
      rnaformer train-families --data train.jsonl.gz -o families.safetensors
      rnaformer release runs/small/best --val val.jsonl.gz --families families.safetensors -o small

    Records of a family with similar sequences and structures form one profile. It holds the base
    frequencies of each alignment column and the paired columns. Each profile represents at
    least two records.
    """
    check_paths({"--output": output}, data)
    check_folders(output)
    from rnaformer_cli.dataset.records import read_structure_set
    from rnaformer_cli.families.profiles import write_library
    from rnaformer_cli.training.family_profiles.fit import ProfileTrainingConfig, learn_library

    def report_round(done: RoundReport) -> None:
        if not chosen["quiet"]:
            counts = f"{done.profiles} profiles, {done.unassigned} records left"
            click.echo(f"rnaformer: round {done.round}: {counts}", err=True)

    records = [record for path in data for record in read_structure_set(path)]
    write_library(output, learn_library(records, ProfileTrainingConfig(seed=seed), report_round))
