"""`rnaformer draw`: draws structures as SVG, PNG or PDF."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from rnaformer_cli.drawing.picture import ImageFormat


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
    "image",
    type=click.Choice(["svg", "png", "pdf"]),
    help="Image format.  [default: by the suffix of --output, else svg]",
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

    Pseudoknots are curves over the helices. With --ref, pairs in both structures are blue, pairs
    only in the prediction orange, pairs only in the reference grey.
    """
    from rnaformer_cli.drawing.picture import image_format, save_figure

    _check_usage(chosen)
    check_paths({"--output": chosen["output"]}, [source, chosen["ref"], chosen["scores"]])
    records = list(read_structures(source, chosen["source_format"]))
    references = _references(records, chosen["ref"]) if chosen["ref"] else None
    archive = ScoreArchiveReader(chosen["scores"], records) if chosen["scores"] else None
    drawer = Drawer(chosen["kind"], references, archive)
    image: ImageFormat
    if chosen["out_dir"]:
        image = chosen["image"] or "svg"
        make_folder(chosen["out_dir"])
        names = UniqueFileNames()
        for index, record in enumerate(records):
            name = f"{names.add(record.id)}.{image}"
            target = Path(chosen["out_dir"]) / name
            save_figure(drawer.draw(record, index), target, image, follow=False)
        return
    if len(records) > 1:
        message = f"holds {len(records)} structures, but a picture shows one; use --out-dir"
        raise OutputError(message, path=source)
    if chosen["output"] in options.STDOUT:
        save_figure(drawer.draw(records[0]), sys.stdout.buffer, chosen["image"] or "svg")
        return
    image = chosen["image"] or image_format(chosen["output"])
    save_figure(drawer.draw(records[0]), chosen["output"], image)


def _check_usage(chosen: dict[str, Any]) -> None:
    if bool(chosen["output"]) == bool(chosen["out_dir"]):
        raise click.UsageError("give --output (a file) or --out-dir (a folder)")
    if chosen["kind"] == "plane" and chosen["ref"]:
        raise click.UsageError("--ref needs --as arcs or --as dots")
    if (chosen["kind"] == "dots") != bool(chosen["scores"]):
        raise click.UsageError("--as dots and --scores go together")


def _references(records: Sequence[StructureRecord], path: str) -> list[StructureRecord | None]:
    """The reference of each record, or None; matched by id as in `rnaformer score`."""
    references = list(read_structures(path))
    matched: list[StructureRecord | None] = [None] * len(records)
    for reference, index in zip(references, match_ids(records, references), strict=True):
        if index is not None:
            matched[index] = reference
    return matched
