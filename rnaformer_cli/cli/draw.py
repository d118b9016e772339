"""`rnaformer draw`: draws structures as SVG, PNG, PDF or RNA 2D JSON."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from rnaformer_cli.cli.arguments import options
from rnaformer_cli.cli.arguments.paths import check_paths
from rnaformer_cli.cli.arguments.record_data import (
    reagent_option,
    relative_reactivities_of,
)
from rnaformer_cli.cli.formats.score_archive import ScoreArchiveReader
from rnaformer_cli.cli.run.pictures import Drawer
from rnaformer_cli.drawing.style import COLOURINGS, DEFAULT_DPI, Style
from rnaformer_cli.errors import OutputError
from rnaformer_cli.files import UniqueFileNames, make_folder
from rnaformer_cli.probing.formats import SUFFIXES as PROBING_SUFFIXES
from rnaformer_cli.scoring.compare import match_ids
from rnaformer_cli.structure.formats import (
    READ_FORMATS,
    read_prediction_files,
    read_structures,
)
from rnaformer_cli.structure.structure import BasePair, StructureRecord

# Options that have no effect on RNA 2D JSON, with which they are refused.
_PICTURES_ONLY = (
    *("ref", "scores", "colour", "title", "number_every", "no_letters"),
    *("reactivities", "reagent"),
)


@click.command()
@click.argument("source", metavar="IN", type=options.PATH)
@click.option(
    "--as",
    "kind",
    type=click.Choice(["plane", "arcs", "dots"]),
    default="plane",
    show_default=True,
    help="Draw helices in the plane, arcs over the sequence, or a dot plot of probabilities.",
)
@click.option(
    "--ref",
    metavar="FILE",
    type=options.PATH,
    help="Reference structures to compare with.",
)
@click.option(
    "--scores",
    metavar="FILE.npz",
    type=options.PATH,
    help="Base-pair probabilities written by `predict --scores`, "
    "for --as dots or --colour probability.",
)
@click.option(
    "--colour",
    "--color",
    type=click.Choice(COLOURINGS),
    help="Colour bases by their letter, by the base-pair probability, or not at all.  "
    "[default: base; by reactivity with --reactivities]",
)
@click.option("--title", metavar="TEXT", default="", help="Title above the picture.")
@click.option(
    "--number-every",
    metavar="N",
    type=click.IntRange(min=1),
    help="Interval between numbered bases.  [default: 10; more for RNAs of more than 200 nt]",
)
@click.option("--no-letters", is_flag=True, help="Draw bases without letters.")
@click.option(
    "--dpi",
    type=click.IntRange(10, 2400),
    default=DEFAULT_DPI,
    show_default=True,
    help="Resolution of PNG files, in dots per inch.",
)
@click.option(
    "--reactivities",
    metavar="FILE|DIR",
    multiple=True,
    type=options.PATH,
    help="Colour bases by chemical probing data (--as plane); may be repeated.",
)
@reagent_option
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=options.PATH,
    help="File to write; `-` is stdout.",
)
@click.option(
    "--out-dir",
    metavar="DIR",
    type=options.FOLDER,
    help="Write one picture per record into DIR.",
)
@click.option(
    "-f",
    "--format",
    "target_format",
    type=click.Choice(["svg", "png", "pdf", "rna2d"]),
    help="Image format, or the coordinates as RNA 2D JSON (.json).  "
    "[default: by the suffix of --output, else svg]",
)
@click.option(
    "--from",
    "source_format",
    type=click.Choice(READ_FORMATS),
    help="Format of IN.  [default: detected from the content]",
)
def command(source: str, **chosen: Any) -> None:
    """Draw the structures in IN (a file, a folder or `-`), in any structure format.

    \b
    Examples:
      rnaformer draw trna.dbn -o trna.svg
      rnaformer draw predicted.jsonl --colour probability -o probability.svg
      rnaformer draw predicted.dbn --ref known.ct --as arcs -o arcs.pdf
      rnaformer draw predicted.dbn --reactivities probed.rdat -o probed.svg
      rnaformer predict rnas.fasta -o rnas.dbn --scores rnas.npz
      rnaformer draw rnas.dbn --as dots --scores rnas.npz --out-dir pictures -f png
      rnaformer draw trna.dbn -o trna.json   # to edit in RNAcanvas or XRNA

    Pseudoknots are drawn as curves around the helices. A dot marks a G-U pair, a circle a
    non-canonical pair. With --ref, pairs in both structures are blue, pairs only in the prediction
    orange, pairs only in the reference grey. --colour probability needs predictions in JSON Lines,
    or --scores, which also colours unpaired bases. With --reactivities, the colour of a base runs
    from white (0) to orange (90th percentile of the record); bases without a value are grey. The
    layers of SVG files have names.
    """
    from rnaformer_cli.drawing.canvas import drawing_format

    _check_usage(chosen)
    written = {"--output": None if chosen["output"] in options.STDOUT else chosen["output"]}
    check_paths(written, [source, chosen["ref"], chosen["scores"]])
    check_paths(written, chosen["reactivities"], PROBING_SUFFIXES)
    target_format = chosen["target_format"]
    if target_format is None:
        is_named = chosen["output"] and chosen["output"] not in options.STDOUT
        target_format = drawing_format(chosen["output"]) if is_named else "svg"
    if target_format == "rna2d":
        _check_coordinates(chosen)
    records, pair_scores = _read(source, chosen)
    references = _references(records, chosen["ref"]) if chosen["ref"] else None
    archive = ScoreArchiveReader(chosen["scores"], records) if chosen["scores"] else None
    relative = None
    if chosen["reactivities"]:
        data = chosen["reactivities"], chosen["reagent"]
        relative = relative_reactivities_of(records, *data)
    style = Style(
        title=chosen["title"],
        number_every=chosen["number_every"],
        has_letters=not chosen["no_letters"],
        colours_letters=chosen["colour"] in (None, "base"),
    )
    drawer = Drawer(chosen["kind"], references, archive, style, pair_scores, relative)
    if chosen["out_dir"]:
        make_folder(chosen["out_dir"])
        names = UniqueFileNames()
        suffix = "json" if target_format == "rna2d" else target_format
        for index, record in enumerate(records):
            target = Path(chosen["out_dir"]) / f"{names.add(record.id)}.{suffix}"
            drawer.save(record, target, target_format, index, follow=False, dpi=chosen["dpi"])
        return
    if len(records) > 1:
        message = f"holds {len(records)} structures, but a picture shows one; use --out-dir"
        raise OutputError(message, path=source)
    to_stdout = chosen["output"] in options.STDOUT
    place = sys.stdout.buffer if to_stdout else chosen["output"]
    drawer.save(records[0], place, target_format, dpi=chosen["dpi"])


def _check_usage(chosen: dict[str, Any]) -> None:
    if bool(chosen["output"]) == bool(chosen["out_dir"]):
        raise click.UsageError("give --output (a file) or --out-dir (a folder)")
    is_plot = chosen["kind"] == "dots"
    if is_plot and not chosen["scores"]:
        raise click.UsageError("--as dots needs --scores")
    if is_plot and chosen["colour"]:
        raise click.UsageError("--as dots and --colour cannot be combined")
    if chosen["scores"] and not is_plot and chosen["colour"] != "probability":
        raise click.UsageError("--scores needs --as dots or --colour probability")
    if chosen["colour"] == "probability" and not chosen["scores"] and chosen["source_format"]:
        _check_probabilities(chosen["source_format"])
    _check_reactivities(chosen)


def _check_reactivities(chosen: dict[str, Any]) -> None:
    if chosen["reactivities"] and chosen["kind"] != "plane":
        raise click.UsageError("--reactivities needs --as plane")
    if chosen["reactivities"] and chosen["colour"]:
        raise click.UsageError("--reactivities and --colour cannot be combined")
    if chosen["reagent"] and not chosen["reactivities"]:
        raise click.UsageError("--reagent needs --reactivities")


def _check_coordinates(chosen: dict[str, Any]) -> None:
    """Refuse options without effect on RNA 2D JSON, which holds a structure and coordinates."""
    if chosen["kind"] != "plane":
        raise click.UsageError("RNA 2D JSON needs --as plane")
    for name in _PICTURES_ONLY:
        if chosen[name]:
            option = name.replace("_", "-")
            raise click.UsageError(f"RNA 2D JSON and --{option} cannot be combined")


def _check_probabilities(source_format: str) -> None:
    if source_format != "jsonl":
        message = "has no base-pair probabilities; give --scores or a file of predict -f jsonl"
        raise click.UsageError(f"--from {source_format} {message}")


def _read(
    source: str, chosen: dict[str, Any]
) -> tuple[list[StructureRecord], list[Mapping[BasePair, float]] | None]:
    """The records, and the probabilities of their pairs if these colour the bases."""
    if chosen["colour"] != "probability" or chosen["scores"]:
        return list(read_structures(source, chosen["source_format"])), None
    predictions = list(read_prediction_files(source))
    records = [prediction.structure_record for prediction in predictions]
    return records, [prediction.pair_scores for prediction in predictions]


def _references(records: Sequence[StructureRecord], path: str) -> list[StructureRecord | None]:
    """The reference of each record, or None; matched by id as in `rnaformer score`."""
    references = list(read_structures(path))
    matched: list[StructureRecord | None] = [None] * len(records)
    for reference, index in zip(references, match_ids(records, references), strict=True):
        if index is not None:
            matched[index] = reference
    return matched
