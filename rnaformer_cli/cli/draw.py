"""`rnaformer draw`: structures as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnaformer_cli.cli.arguments import options
from rnaformer_cli.cli.arguments.paths import check_paths
from rnaformer_cli.cli.formats.score_archive import ScoreArchive
from rnaformer_cli.cli.run.pictures import Drawer
from rnaformer_cli.errors import OutputError
from rnaformer_cli.files import UniqueFileNames, make_folder
from rnaformer_cli.scoring.compare import match
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
    help="Helices in the plane, arcs over the sequence, or a dot plot of scores.",
)
@click.option(
    "--ref", metavar="FILE", type=options.PATH, help="Structures to compare with (arcs, dots)."
)
@click.option(
    "--scores", metavar="FILE.npz", type=options.PATH, help="Of `predict --scores`, for dots."
)
@options.output
@click.option(
    "--out-dir",
    metavar="DIR",
    type=options.FOLDER,
    help="Write one picture for each record.",
)
@click.option(
    "-f",
    "--format",
    "image",
    type=click.Choice(["svg", "png", "pdf"]),
    help="Image format.  [default: the name's, or svg]",
)
@click.option("--from", "written_as", type=click.Choice(READ_FORMATS), help="IN's format.")
def command(source: str, **chosen: Any) -> None:
    """Draw the structures in IN (a file, a folder or `-`), in any structure format.

    Pseudoknots are drawn as curves over the helices. With --ref, pairs of both structures are
    blue, those only predicted orange, those only known grey.

    \b
    Examples:
      rnaformer draw trna.dbn -o trna.svg
      rnaformer draw predicted.dbn --ref known.ct --as arcs -o arcs.pdf
      rnaformer predict rnas.fasta -o rnas.dbn --scores rnas.npz
      rnaformer draw rnas.dbn --as dots --scores rnas.npz --out-dir pictures -f png
    """
    from rnaformer_cli.drawing.picture import image_format, save

    _check_usage(chosen)
    check_paths({"--output": chosen["output"]}, [source, chosen["ref"], chosen["scores"]])
    records = list(read_structures(source, chosen["written_as"]))
    references = _references(records, chosen["ref"]) if chosen["ref"] else None
    archive = ScoreArchive(chosen["scores"], records) if chosen["scores"] else None
    drawer = Drawer(chosen["kind"], references, archive)
    image: ImageFormat
    if chosen["out_dir"]:
        image = chosen["image"] or "svg"
        make_folder(chosen["out_dir"])
        names = UniqueFileNames()
        for place, record in enumerate(records):
            name = f"{names.take(record.id)}.{image}"
            target = Path(chosen["out_dir"]) / name
            save(drawer.draw(record, place), target, image, follow=False)
        return
    if len(records) > 1:
        message = f"holds {len(records)} structures, and a picture shows one; use --out-dir"
        raise OutputError(message, path=source)
    image = chosen["image"] or image_format(chosen["output"])
    save(drawer.draw(records[0]), chosen["output"], image)


def _check_usage(chosen: dict[str, Any]) -> None:
    if bool(chosen["output"]) == bool(chosen["out_dir"]):
        raise click.UsageError("give --output (a file) or --out-dir (a folder)")
    if chosen["kind"] == "plane" and chosen["ref"]:
        raise click.UsageError("--ref needs --as arcs or --as dots")
    if (chosen["kind"] == "dots") != bool(chosen["scores"]):
        raise click.UsageError("--as dots and --scores go together")


def _references(records: Sequence[StructureRecord], path: str) -> list[StructureRecord | None]:
    """The reference of each record, matched by id as `rnaformer score` does it."""
    known = list(read_structures(path))
    found: list[StructureRecord | None] = [None] * len(records)
    for reference, place in zip(known, match(records, known), strict=True):
        if place is not None:
            found[place] = reference
    return found
