"""`rnaformer release`: trained weights made ready for use."""

from __future__ import annotations

from typing import Any

import click

from rnaformer_cli.cli.arguments import options
from rnaformer_cli.cli.formats.text import print_result


@click.command()
@click.argument("weights", metavar="NAME|DIR", shell_complete=options.complete_weights)
@click.option(
    "--val",
    multiple=True,
    required=True,
    metavar="FILE",
    type=options.PATH,
    help="Validation records.",
)
@options.new_weights
@click.option("--card", metavar="FILE", type=options.PATH, help="Their README.md.")
@click.option("--max-length", type=click.IntRange(min=1), help="Leave out longer records.")
@click.option(
    "--flag",
    type=options.FiniteRange(0, 1),
    help="Label flag to predict with, from 1 (like curated) to 0 (like computed).",
)
@click.option(
    "--folding-weight",
    type=options.FiniteRange(min=0),
    help="Of the folding model in the scores, for networks that have one.",
)
@click.option(
    "--families",
    metavar="FILE",
    type=options.PATH,
    help="A library of `train-families`, to become a part of the weights.",
)
@options.cycles
@options.threads
def command(weights: str, val: tuple[str, ...], output: str, **chosen: Any) -> None:
    """Calibrate weights, choose their thresholds, and write them as new weights.

    Scores become probabilities on the validation records (Platt scaling). How far a library of
    families is believed is what makes these records likeliest. The threshold, and the
    share of a record's expected F1 that is its own threshold, are the smallest whose mean F1 over
    the validation sets, each counted once, is within 0.001 of the best; the better one of the two
    is used.

    \b
    Example:
      rnaformer release runs/small/best --val val.jsonl.gz --val families.jsonl.gz -o small
    """
    from rnaformer_cli.dataset.records import read_sets
    from rnaformer_cli.families.profiles import read_library
    from rnaformer_cli.files import make_folder, read_lines, text_name
    from rnaformer_cli.model.checkpoint import load_network, save_checkpoint
    from rnaformer_cli.prediction.device import set_threads
    from rnaformer_cli.training.release.release import release
    from rnaformer_cli.weight_store.store import find_weights

    set_threads(chosen["threads"])
    network, origin = load_network(find_weights(weights))
    sets = read_sets(val, chosen["max_length"])
    library = read_library(chosen["families"]) if chosen["families"] else None
    name = text_name(output)
    card = "\n".join([*read_lines(chosen["card"]), ""]) if chosen["card"] else f"# {name}\n"
    done = release(
        network, sets, chosen["cycles"], chosen["flag"], chosen["folding_weight"], library
    )
    about = {
        **origin.about,
        "released_from": origin.sha256,
        "logit_scale": done.scale,
        "logit_shift": done.shift,
        "validation_f1": done.best.f1,
    }
    make_folder(output)
    families = (library, done.mixture) if library and done.mixture else None
    save_checkpoint(output, name, network.config, network.state_dict(), about, card, families)
    print_result(f"{output}: scale {done.scale:.3f}, shift {done.shift:+.3f}")
    for what, found in (("threshold", done.validation), ("threshold_ratio", done.by_ratio)):
        figures = ", ".join(f"{key} F1 {value:.4f}" for key, value in found.f1.items())
        click.echo(f"{what} {found.threshold}: {figures}")
