"""`rnaformer weights`: what the network can be loaded with."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnaformer_cli.cli.arguments import options
from rnaformer_cli.cli.formats.text import escape_controls
from rnaformer_cli.cli.run.progress import Report
from rnaformer_cli.errors import RnaformerError, WeightsError
from rnaformer_cli.sequence.record import RnaRecord

if TYPE_CHECKING:
    from rnaformer_cli.model.network import RNAformer
    from rnaformer_cli.weight_store.fetch import ImportedCheckpoint

_HAIRPIN = RnaRecord("hairpin", "GGGGAAAACCCC")


@click.group(context_settings={"max_content_width": 100})
def command() -> None:
    """List, check, average, grow, import and fetch weights.

    Imported and fetched weights go to $RNAFORMER_HOME/weights, else to the XDG cache folder
    (~/.cache/rnaformer/weights). Nothing is downloaded unless `fetch` is called.

    \b
    Examples:
      rnaformer weights list
      rnaformer weights import state.pth --config config.yml -o my-weights
      rnaformer predict seqs.fasta --weights my-weights
    """


@command.command("list")
def list_() -> None:
    """List the weights that can be used, and the published ones that can be fetched."""
    from rnaformer_cli.cli.formats.tables import print_table
    from rnaformer_cli.weight_store.fetch import PUBLISHED
    from rnaformer_cli.weight_store.store import DEFAULT, list_weights, shipped_folder

    rows = []
    known = list_weights()
    for name, folder in known.items():
        origin = "shipped" if folder.parent == shipped_folder() else "yours"
        rows.append([name, origin + (", default" if name == DEFAULT else ""), str(folder)])
    for name in PUBLISHED:
        if name not in known:
            rows.append([name, "published", f"rnaformer weights fetch {name}"])
    print_table(["name", "origin", "where"], rows, left=3)


@command.command()
@click.argument("name", shell_complete=options.complete_weights)
def show(name: str) -> None:
    """Show the config of weights as JSON, with where they come from."""
    from rnaformer_cli.model.checkpoint import read_checkpoint
    from rnaformer_cli.weight_store.store import find_weights

    folder = find_weights(name)
    values = {"folder": str(folder), **asdict(read_checkpoint(folder))}
    click.echo(json.dumps(values, indent=2, ensure_ascii=False, default=dict))


@command.command()
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=options.complete_weights)
def verify(names: tuple[str, ...]) -> None:
    """Read weights whole and check names, shapes, values and checksums; all if none is named.

    A hairpin is predicted too, whose scores must be finite.

    Exits with 1 if any of them is damaged.
    """
    from rnaformer_cli.model.checkpoint import load_families, load_network
    from rnaformer_cli.prediction.predictor import Predictor
    from rnaformer_cli.weight_store.store import find_weights, list_weights

    report = Report()
    for name in names or tuple(list_weights()):
        try:
            folder = find_weights(name)
            network, checkpoint = load_network(folder)
            load_families(folder, checkpoint)
            [answer] = Predictor(network, checkpoint.name).predict([_HAIRPIN])
            if isinstance(answer, RnaformerError):
                raise WeightsError(answer.message, path=folder)
            covered = "" if checkpoint.config == "covered" else "\tconfig.json has no checksum"
            click.echo(f"{escape_controls(name)}\tok\t{checkpoint.sha256}{covered}")
        except RnaformerError as error:
            report.fail(error)
    if report.failures:
        raise click.exceptions.Exit(1)


@command.command()
@click.argument("name", shell_complete=options.complete_weights)
def path(name: str) -> None:
    """Print the folder of weights."""
    from rnaformer_cli.weight_store.store import find_weights

    click.echo(find_weights(name))


@command.command()
@click.argument("one", metavar="NAME|DIR", shell_complete=options.complete_weights)
@click.argument("other", metavar="NAME|DIR", shell_complete=options.complete_weights)
@click.option(
    "--share",
    type=options.FiniteRange(0, 1),
    default=0.5,
    show_default=True,
    help="Of the second weights in the mean.",
)
@options.new_weights
def average(one: str, other: str, share: float, output: str) -> None:
    """Write the mean of two sets of weights, which must come from one network.

    Weights of one run, or of runs that began with the same weights, are often better on average
    than each of them. The mean has the config of the first; `rnaformer release` calibrates it.
    """
    from rnaformer_cli.model.checkpoint import read_checkpoint
    from rnaformer_cli.model.derived import average_networks
    from rnaformer_cli.weight_store.store import find_weights

    first, second = find_weights(one), find_weights(other)
    network = average_networks(first, second, share)
    origins = [read_checkpoint(folder).sha256 for folder in (first, second)]
    _save(output, network, {"mean_of": origins, "share": share})


@command.command()
@click.argument("name", metavar="NAME|DIR", shell_complete=options.complete_weights)
@click.option(
    "--double",
    type=click.IntRange(min=1),
    multiple=True,
    metavar="N",
    help="Put a copy behind the N-th block; may be repeated.",
)
@click.option(
    "--ff-factor",
    type=options.FiniteRange(min=0, min_open=True),
    metavar="F",
    help="Hidden channels of each transition, for each channel; more than there are.",
)
@options.new_weights
def grow(name: str, double: tuple[int, ...], ff_factor: float | None, output: str) -> None:
    """Write weights of a larger network that gives the same scores.

    New blocks and new channels add nothing yet; `rnaformer train --start-from` teaches them to.
    """
    import torch

    from rnaformer_cli.model.checkpoint import load_network
    from rnaformer_cli.model.derived import deepen_network, widen_network
    from rnaformer_cli.weight_store.store import find_weights

    if not double and ff_factor is None:
        raise click.UsageError("give --double, --ff-factor or both")
    network, origin = load_network(find_weights(name))
    about: dict[str, Any] = {"grown": origin.sha256}
    if double:
        network = deepen_network(network, double)
        about["doubled"] = sorted(set(double))
    if ff_factor is not None:
        torch.manual_seed(0)  # the same weights every time
        network = widen_network(network, ff_factor)
    _save(output, network, about)


def _save(output: str, network: RNAformer, about: dict[str, Any]) -> None:
    from rnaformer_cli.files import make_folder, text_name
    from rnaformer_cli.model.checkpoint import save_checkpoint

    make_folder(output)
    name = text_name(output)
    save_checkpoint(output, name, network.config, network.state_dict(), about, f"# {name}\n")
    click.echo(output)


@command.command("import")
@click.argument("state", metavar="STATE.pth", type=options.PATH)
@click.option(
    "--config",
    required=True,
    metavar="CONFIG.yml",
    type=options.PATH,
    help="The config published with it.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="NAME|DIR",
    type=options.FOLDER,
    help="A name in your own store, or a folder (with a `/`).",
)
def import_(state: str, config: str, output: str) -> None:
    """Translate a published checkpoint (automl/RNAformer) into weights for this program.

    Nothing in the file is executed. LoRA layers are merged; what the config leaves open is
    decided by the tensors and said on stderr.
    """
    from rnaformer_cli.weight_store.fetch import import_published

    _tell(import_published(state, config, output))


def _checksum(ctx: click.Context, parameter: click.Parameter, text: str | None) -> str | None:
    if text is not None and not re.fullmatch("[0-9a-fA-F]{64}", text):
        raise click.BadParameter("expected 64 hexadecimal digits")
    return text and text.lower()


@command.command()
@click.argument("name")
@click.option("--from", "base_url", metavar="URL", help="Another server with the same files.")
@click.option(
    "--sha256",
    metavar="HEX",
    callback=_checksum,
    help="Refuse a state dict (.pth) with another checksum. The authors publish none: use the one"
    " that `weights show` tells after a fetch that you trust.",
)
def fetch(name: str, base_url: str | None, sha256: str | None) -> None:
    """Download published weights into your own store and record their checksums."""
    from rnaformer_cli.weight_store.fetch import PUBLISHED_URL
    from rnaformer_cli.weight_store.fetch import fetch as fetch_weights

    def tell(url: str) -> None:
        click.echo(f"rnaformer: fetching {url}", err=True)

    _tell(fetch_weights(name, base_url or PUBLISHED_URL, sha256, tell))


def _tell(imported: ImportedCheckpoint) -> None:
    for note in imported.notes:
        click.echo(f"rnaformer: note: {note}", err=True)
    click.echo(Path(imported.folder))
