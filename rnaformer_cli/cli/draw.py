"""`rnaformer draw`: draws structures as SVG, PNG, PDF or RNA 2D JSON."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from rnaformer_cli.cli.arguments import options
from rnaformer_cli.cli.arguments.paths import check_paths
from rnaformer_cli.cli.arguments.record_data import (
    complete_reagent,
    parse_reagent,
    relative_reactivities_of,
)
from rnaformer_cli.cli.formats.score_archive import ScoreArchiveReader
from rnaformer_cli.cli.run.pictures import Drawer
from rnaformer_cli.errors import OutputError
from rnaformer_cli.files import UniqueFileNames, make_folder
from rnaformer_cli.probing.formats import SUFFIXES as PROBING_SUFFIXES
from rnaformer_cli.scoring.compare import match_ids
from rnaformer_cli.sequence.reactivities import REAGENTS
from rnaformer_cli.structure.formats import READ_FORMATS, read_structures
from rnaformer_cli.structure.structure import StructureRecord


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
    help="Reference structures to compare with (--as arcs or dots).",
)
@click.option(
    "--scores",
    metavar="FILE.npz",
    type=options.PATH,
    help="Base-pair probabilities written by `predict --scores` (--as dots).",
)
@click.option(
    "--reactivities",
    metavar="FILE|DIR",
    multiple=True,
    type=options.PATH,
    help="Chemical probing data by which bases are coloured (--as plane); may be repeated.",
)
@click.option(
    "--reagent",
    metavar="|".join(REAGENTS),
    callback=parse_reagent,
    shell_complete=complete_reagent,
    help="Reagent of the probing data.  [default: what their files say]",
)
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
      rnaformer draw predicted.dbn --ref known.ct --as arcs -o arcs.pdf
      rnaformer draw predicted.dbn --reactivities probed.rdat -o probed.svg
      rnaformer predict rnas.fasta -o rnas.dbn --scores rnas.npz
      rnaformer draw rnas.dbn --as dots --scores rnas.npz --out-dir pictures -f png
      rnaformer draw trna.dbn -o trna.json   # to edit in RNAcanvas or XRNA

    Pseudoknots are curves over the helices. With --ref, pairs in both structures are blue, pairs
    only in the prediction orange, pairs only in the reference grey. With --reactivities, bases are
    white for 0 to orange for the 90th percentile of the record, and grey without a value.
    """
    from rnaformer_cli.drawing.picture import drawing_format

    _check_usage(chosen)
    target_format = chosen["target_format"]
    if target_format is None:
        is_named = chosen["output"] and chosen["output"] not in options.STDOUT
        target_format = drawing_format(chosen["output"]) if is_named else "svg"
    if target_format == "rna2d" and chosen["kind"] != "plane":
        raise click.UsageError("RNA 2D JSON needs --as plane")
    check_paths({"--output": chosen["output"]}, [source, chosen["ref"], chosen["scores"]])
    check_paths({"--output": chosen["output"]}, chosen["reactivities"], PROBING_SUFFIXES)
    records = list(read_structures(source, chosen["source_format"]))
    references = _references(records, chosen["ref"]) if chosen["ref"] else None
    archive = ScoreArchiveReader(chosen["scores"], records) if chosen["scores"] else None
    relative = None
    if chosen["reactivities"]:
        data = chosen["reactivities"], chosen["reagent"]
        relative = relative_reactivities_of(records, *data)
    drawer = Drawer(chosen["kind"], references, archive, relative)
    if chosen["out_dir"]:
        make_folder(chosen["out_dir"])
        names = UniqueFileNames()
        suffix = "json" if target_format == "rna2d" else target_format
        for index, record in enumerate(records):
            target = Path(chosen["out_dir"]) / f"{names.add(record.id)}.{suffix}"
            drawer.save(record, target, target_format, index, follow=False)
        return
    if len(records) > 1:
        message = f"holds {len(records)} structures, but a picture shows one; use --out-dir"
        raise OutputError(message, path=source)
    if chosen["output"] in options.STDOUT:
        drawer.save(records[0], sys.stdout.buffer, target_format)
        return
    drawer.save(records[0], chosen["output"], target_format)


def _check_usage(chosen: dict[str, Any]) -> None:
    if bool(chosen["output"]) == bool(chosen["out_dir"]):
        raise click.UsageError("give --output (a file) or --out-dir (a folder)")
    if chosen["kind"] == "plane" and chosen["ref"]:
        raise click.UsageError("--ref needs --as arcs or --as dots")
    if (chosen["kind"] == "dots") != bool(chosen["scores"]):
        raise click.UsageError("--as dots and --scores must be given together")
    if chosen["reactivities"] and chosen["kind"] != "plane":
        raise click.UsageError("--reactivities needs --as plane")
    if chosen["reagent"] and not chosen["reactivities"]:
        raise click.UsageError("--reagent needs --reactivities")


def _references(records: Sequence[StructureRecord], path: str) -> list[StructureRecord | None]:
    """The reference of each record, or None; matched by id as in `rnaformer score`."""
    references = list(read_structures(path))
    matched: list[StructureRecord | None] = [None] * len(records)
    for reference, index in zip(references, match_ids(records, references), strict=True):
        if index is not None:
            matched[index] = reference
    return matched
