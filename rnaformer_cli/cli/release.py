"""`rnaformer release`: calibrates trained weights and chooses their thresholds."""

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
    help="Validation set; may be repeated.",
)
@options.new_weights
@click.option("--card", metavar="FILE", type=options.PATH, help="Model card, copied to README.md.")
@click.option(
    "--max-length",
    type=click.IntRange(min=1),
    help="Longest record in bases; longer ones are skipped.",
)
@click.option(
    "--flag",
    type=options.FiniteRange(0, 1),
    help="Label flag of predictions: 1 imitates curated structures, 0 a folding program.",
)
@click.option(
    "--folding-weight",
    type=options.FiniteRange(min=0),
    help="Weight of the folding model's logits, for networks with a folding model.",
)
@click.option(
    "--families",
    metavar="FILE",
    type=options.PATH,
    help="Library of family profiles from `train-families`, to include in the weights.",
)
@click.option("--half", is_flag=True, help="Store the network's tensors as float16.")
@options.cycles
@options.threads
def command(weights: str, val: tuple[str, ...], output: str, **chosen: Any) -> None:
    """Calibrate weights, choose their thresholds, and write them as new weights.

    \b
    Example:
      rnaformer release runs/small/best --val val.jsonl.gz --val families.jsonl.gz -o small

    Logits are calibrated to probabilities on the validation records (Platt scaling). The parameters
    of the family profiles are fitted by maximum likelihood on the same records. Two thresholds are
    compared: a fixed one, and one that is a fraction of each record's expected F1. Each is the
    smallest whose F1, averaged over the validation sets, is within 0.001 of the best; the better
    of the two is used.
    """
    from rnaformer_cli.dataset.records import read_sets
    from rnaformer_cli.families.profiles import read_library
    from rnaformer_cli.files import make_folder, read_lines, text_name
    from rnaformer_cli.model.checkpoint import load_network, save_checkpoint, to_half_precision
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
    tensors = network.state_dict()
    if chosen["half"]:
        tensors = to_half_precision(tensors)
    save_checkpoint(output, name, network.config, tensors, about, card, families)
    if (
        done.mixture is not None
        and done.mixture.by_evidence is None
        and network.folding is not None
    ):
        message = (
            "too few validation records to fit the weights by family evidence; they are constant"
        )
        click.echo(f"rnaformer: note: {message}", err=True)
    print_result(f"{output}: scale {done.scale:.3f}, shift {done.shift:+.3f}")
    for kind, choice in (("threshold", done.validation), ("threshold_ratio", done.by_ratio)):
        figures = ", ".join(f"{key} F1 {value:.4f}" for key, value in choice.f1.items())
        click.echo(f"{kind} {choice.threshold}: {figures}")
