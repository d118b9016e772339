"""`rnaformer weights`: manages the weights of the network."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from rnaformer_cli.cli.arguments import options
from rnaformer_cli.cli.formats.text import escape_controls, print_result
from rnaformer_cli.cli.run.progress import RunReporter
from rnaformer_cli.errors import RnaformerError, WeightsError
from rnaformer_cli.files import read_bytes
from rnaformer_cli.json_text import parse_json
from rnaformer_cli.limits import MAX_CONFIG_BYTES
from rnaformer_cli.model.config import CONFIG_FILE
from rnaformer_cli.sequence.record import RnaRecord

if TYPE_CHECKING:
    from pathlib import Path

    from rnaformer_cli.families.mixture import FamilyMixture
    from rnaformer_cli.families.profiles import Library
    from rnaformer_cli.model.network import RNAformer
    from rnaformer_cli.weight_store.fetch import ImportedCheckpoint

_UNKNOWN = "-"
_HAIRPIN = RnaRecord("hairpin", "GGGGAAAACCCC")


@click.group(context_settings={"max_content_width": 100})
def command() -> None:
    """List, verify, average, grow, import and fetch weights.

    \b
    Examples:
      rnaformer weights list
      rnaformer weights import state.pth --config config.yml -o my-weights
      rnaformer predict seqs.fasta --weights my-weights

    Imported and fetched weights are stored in $RNAFORMER_HOME/weights, or else in the XDG cache
    folder (~/.cache/rnaformer/weights). Only `fetch` downloads anything.
    """


@command.command("list")
def list_() -> None:
    """List the installed weights and the published weights that can be fetched.

    The time is the duration of a prediction relative to the default weights. F1 is the mean over
    the validation sets with which the weights were calibrated. Both are `-` if unknown.
    """
    from rnaformer_cli.cli.formats.tables import print_table
    from rnaformer_cli.weight_store.fetch import PUBLISHED
    from rnaformer_cli.weight_store.store import DEFAULT, list_weights, shipped_folder

    rows = []
    installed = list_weights()
    for name, folder in installed.items():
        origin = "shipped" if folder.parent == shipped_folder() else "yours"
        origin += ", default" if name == DEFAULT else ""
        rows.append([name, origin, *_figures(folder), str(folder)])
    for name in PUBLISHED:
        if name not in installed:
            fetch_it = f"rnaformer weights fetch {name}"
            rows.append([name, "published", _UNKNOWN, _UNKNOWN, _UNKNOWN, fetch_it])
    print_table(["name", "origin", "size", "time", "F1", "where"], rows, left=6)


def _figures(folder: Path) -> tuple[str, str, str]:
    """The size, relative time and validation F1 of weights, as text."""
    try:
        size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
        about = parse_json(read_bytes(folder / CONFIG_FILE, MAX_CONFIG_BYTES))["about"]
        time, f1 = about.get("relative_time"), about.get("validation_f1", {})
        return (
            f"{size:.1f} MB",
            _UNKNOWN if time is None else f"{time:.1f}",
            f"{sum(f1.values()) / len(f1):.3f}" if f1 else _UNKNOWN,
        )
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RnaformerError):
        return _UNKNOWN, _UNKNOWN, _UNKNOWN  # `weights verify` says what is wrong


@command.command()
@click.argument("name", shell_complete=options.complete_weights)
def show(name: str) -> None:
    """Print the config and the origin of weights as JSON."""
    from rnaformer_cli.model.checkpoint import read_checkpoint
    from rnaformer_cli.weight_store.store import find_weights

    folder = find_weights(name)
    values = {"folder": str(folder), **asdict(read_checkpoint(folder))}
    print_result(json.dumps(values, indent=2, ensure_ascii=False, default=dict))


@command.command()
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=options.complete_weights)
def verify(names: tuple[str, ...]) -> None:
    """Check the files of weights; without NAME, of all installed weights.

    The names, shapes, values and checksums of the tensors are checked, and a hairpin is predicted
    with finite probabilities. The exit code is 1 if any weights are damaged.
    """
    from rnaformer_cli.model.checkpoint import load_families, load_network
    from rnaformer_cli.prediction.predictor import Predictor
    from rnaformer_cli.weight_store.store import find_weights, list_weights

    report = RunReporter()
    for name in names or tuple(list_weights()):
        try:
            folder = find_weights(name)
            network, checkpoint = load_network(folder)
            load_families(folder, checkpoint)
            [result] = Predictor(network, checkpoint.name).predict([_HAIRPIN])
            if isinstance(result, RnaformerError):
                raise WeightsError(result.message, path=folder)
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

    print_result(find_weights(name))


@command.command()
@click.argument("first", metavar="NAME|DIR", shell_complete=options.complete_weights)
@click.argument("second", metavar="NAME|DIR", shell_complete=options.complete_weights)
@click.option(
    "--weight",
    type=options.FiniteRange(0, 1),
    default=0.5,
    show_default=True,
    help="Weight of the second network in the mean; that of the first is 1 minus this value.",
)
@options.new_weights
def average(first: str, second: str, weight: float, output: str) -> None:
    """Write the mean of two sets of weights with the same architecture.

    The mean of two checkpoints of one run, or of runs with the same initial weights, is often more
    accurate than either. It has the config of the first weights; calibrate it with `rnaformer
    release`.
    """
    from rnaformer_cli.model.checkpoint import read_checkpoint
    from rnaformer_cli.model.derived import average_networks
    from rnaformer_cli.weight_store.store import find_weights

    folders = find_weights(first), find_weights(second)
    network = average_networks(*folders, weight)
    origins = [read_checkpoint(folder) for folder in folders]
    _save(output, network, {"mean_of": [origin.sha256 for origin in origins], "weight": weight})
    if any(origin.families for origin in origins):
        message = "the mean has no family profiles; `rnaformer release --families` adds them"
        click.echo(f"rnaformer: note: {message}", err=True)


@command.command()
@click.argument("name", metavar="NAME|DIR", shell_complete=options.complete_weights)
@click.option(
    "--double",
    type=click.IntRange(min=1),
    multiple=True,
    metavar="N",
    help="Insert a copy after the N-th block (N from 1); may be repeated.",
)
@click.option(
    "--ff-factor",
    type=options.FiniteRange(min=0, min_open=True),
    metavar="F",
    help="New ratio of hidden to input channels in the transitions; larger than the current one.",
)
@options.new_weights
def grow(name: str, double: tuple[int, ...], ff_factor: float | None, output: str) -> None:
    """Write weights of a larger network with the same predictions.

    New blocks and channels contribute zero until they are trained (`rnaformer train --start-from`).
    """
    import torch

    from rnaformer_cli.model.checkpoint import load_families, load_network
    from rnaformer_cli.model.derived import deepen_network, widen_network
    from rnaformer_cli.weight_store.store import find_weights

    if not double and ff_factor is None:
        raise click.UsageError("give --double, --ff-factor or both")
    folder = find_weights(name)
    network, origin = load_network(folder)
    families = load_families(folder, origin)
    about: dict[str, Any] = {"grown": origin.sha256}
    if double:
        network = deepen_network(network, double)
        about["doubled"] = sorted(set(double))
    if ff_factor is not None:
        torch.manual_seed(0)  # reproducible weights
        network = widen_network(network, ff_factor)
    library = None if families is None else (families.search.library, families.mixture)
    _save(output, network, about, library)


def _save(
    output: str,
    network: RNAformer,
    about: dict[str, Any],
    families: tuple[Library, FamilyMixture] | None = None,
) -> None:
    from rnaformer_cli.files import make_folder, text_name
    from rnaformer_cli.model.checkpoint import save_checkpoint

    make_folder(output)
    name = text_name(output)
    card = f"# {name}\n"
    save_checkpoint(output, name, network.config, network.state_dict(), about, card, families)
    print_result(output)


@command.command("import")
@click.argument("state", metavar="STATE.pth", type=options.PATH)
@click.option(
    "--config",
    required=True,
    metavar="CONFIG.yml",
    type=options.PATH,
    help="Config published with the checkpoint.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="NAME|DIR",
    type=options.FOLDER,
    help="Name in the weight store, or a folder (with a `/`).",
)
def import_(state: str, config: str, output: str) -> None:
    """Convert a published checkpoint (automl/RNAformer) to weights for this program.

    Nothing in the file is executed. LoRA layers are merged. Settings that the config leaves open
    are read from the tensors and reported on stderr.
    """
    from rnaformer_cli.weight_store.fetch import import_published

    _report_import(import_published(state, config, output))


def _checksum(ctx: click.Context, parameter: click.Parameter, text: str | None) -> str | None:
    if text is not None and not re.fullmatch("[0-9a-fA-F]{64}", text):
        raise click.BadParameter("expected 64 hexadecimal digits")
    return text and text.lower()


@command.command()
@click.argument("name")
@click.option(
    "--from",
    "base_url",
    metavar="URL",
    type=options.NonEmptyText(),
    help="Base URL of a mirror.  [default: the authors' server]",
)
@click.option(
    "--sha256",
    metavar="HEX",
    callback=_checksum,
    help="Expected checksum of the state dict (.pth); any other file is rejected. The authors "
    "publish no checksums: use the one that `weights show` printed after an earlier download.",
)
def fetch(name: str, base_url: str | None, sha256: str | None) -> None:
    """Download published weights into the weight store and record their checksums.

    \b
    NAME is one of:
      rnaformer-32m-biophysical
      rnaformer-32m-bprna
      rnaformer-32m-intra-family
      rnaformer-32m-inter-family
    """
    from rnaformer_cli.weight_store.fetch import PUBLISHED_URL
    from rnaformer_cli.weight_store.fetch import fetch as fetch_weights

    def report_url(url: str) -> None:
        click.echo(f"rnaformer: fetching {escape_controls(url)}", err=True)

    _report_import(fetch_weights(name, base_url or PUBLISHED_URL, sha256, report_url))


def _report_import(imported: ImportedCheckpoint) -> None:
    for note in imported.notes:
        click.echo(f"rnaformer: note: {escape_controls(note)}", err=True)
    print_result(imported.folder)
