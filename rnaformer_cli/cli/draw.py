"""`rnaformer draw`: draws structures as SVG, PNG, PDF or RNA 2D JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from rnaformer_cli.cli.arguments import options
from rnaformer_cli.cli.arguments.paths import check_paths
from rnaformer_cli.cli.formats.score_archive import ScoreArchiveReader
from rnaformer_cli.cli.run.pictures import Drawer
from rnaformer_cli.errors import OutputError
from rnaformer_cli.files import UniqueFileNames, make_folder
from rnaformer_cli.scoring.compare import match_ids
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
@options.output
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
      rnaformer predict rnas.fasta -o rnas.dbn --scores rnas.npz
      rnaformer draw rnas.dbn --as dots --scores rnas.npz --out-dir pictures -f png
      rnaformer draw trna.dbn -o trna.json   # to edit in RNAcanvas or XRNA

    Pseudoknots are curves over the helices. With --ref, pairs in both structures are blue, pairs
    only in the prediction orange, pairs only in the reference grey.
    """
    from rnaformer_cli.drawing.picture import drawing_format

    _check_usage(chosen)
    target_format = chosen["target_format"]
    if target_format is None:
        target_format = drawing_format(chosen["output"]) if chosen["output"] else "svg"
    if target_format == "rna2d" and chosen["kind"] != "plane":
        raise click.UsageError("RNA 2D JSON needs --as plane")
    check_paths({"--output": chosen["output"]}, [source, chosen["ref"], chosen["scores"]])
    records = list(read_structures(source, chosen["source_format"]))
    references = _references(records, chosen["ref"]) if chosen["ref"] else None
    archive = ScoreArchiveReader(chosen["scores"], records) if chosen["scores"] else None
    drawer = Drawer(chosen["kind"], references, archive)
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
    drawer.save(records[0], chosen["output"], target_format)


def _check_usage(chosen: dict[str, Any]) -> None:
    if bool(chosen["output"]) == bool(chosen["out_dir"]):
        raise click.UsageError("give --output (a file) or --out-dir (a folder)")
    if chosen["kind"] == "plane" and chosen["ref"]:
        raise click.UsageError("--ref needs --as arcs or --as dots")
    if (chosen["kind"] == "dots") != bool(chosen["scores"]):
        raise click.UsageError("--as dots and --scores must be given together")


def _references(records: Sequence[StructureRecord], path: str) -> list[StructureRecord | None]:
    """The reference of each record, or None; matched by id as in `rnaformer score`."""
    references = list(read_structures(path))
    matched: list[StructureRecord | None] = [None] * len(records)
    for reference, index in zip(references, match_ids(records, references), strict=True):
        if index is not None:
            matched[index] = reference
    return matched
