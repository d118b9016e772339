"""`rnaformer report`: writes predictions as one HTML page."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnaformer_cli import __version__
from rnaformer_cli.cli.arguments import options
from rnaformer_cli.cli.arguments.paths import check_paths
from rnaformer_cli.cli.run.progress import format_count
from rnaformer_cli.cli.score import warn_unmatched
from rnaformer_cli.drawing.style import COLOURINGS
from rnaformer_cli.errors import DependencyError
from rnaformer_cli.files import STDIN, text_name, write_text

if TYPE_CHECKING:
    from rnaformer_cli.reporting.entries import ReportEntry
    from rnaformer_cli.reporting.pictures import PictureReader

DEFAULT_PICTURES = 100  # records
MAX_PICTURE_BASES = 100_000  # of these; 1,000 bases take about 1 s and 0.4 MB of the page


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="PREDICTED...", type=options.PATH)
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE.html",
    type=options.PATH,
    help="HTML file to write; `-` is stdout.",
)
@click.option(
    "--ref", metavar="REF", type=options.PATH, help="File or folder of reference structures."
)
@click.option(
    "--failures",
    metavar="FILE.tsv",
    type=options.PATH,
    help="Count and list the failed records in FILE.tsv, which `predict --failures` writes.",
)
@click.option(
    "--title", metavar="TEXT", help="Heading of the page.  [default: the name of the input]"
)
@click.option(
    "--pictures",
    type=click.IntRange(min=0),
    help="Number of records to draw, starting with the first.  "
    f"[default: {DEFAULT_PICTURES}, of at most {MAX_PICTURE_BASES:,} bases together]",
)
@click.option("--no-pictures", is_flag=True, help="Draw no pictures.")
@click.option(
    "--colour",
    "--color",
    type=click.Choice([*COLOURINGS, "reactivity"]),
    default="probability",
    show_default=True,
    help="Colour bases by the base-pair probability, by their letter, by their reactivity in "
    "records with probing data, or not at all.",
)
@click.option(
    "--scores",
    metavar="FILE.npz",
    type=options.PATH,
    help="Base-pair probabilities written by `predict --scores`, for dot plots and colours.",
)
@click.option(
    "--links",
    is_flag=True,
    help="Add links that open structures in forna and RNAcanvas, and families in Rfam.",
)
def command(files: tuple[str, ...], **chosen: Any) -> None:
    """Write predictions as one HTML page.

    \b
    Examples:
      rnaformer predict seqs.fasta -f jsonl | rnaformer report - -o report.html
      rnaformer report predicted.jsonl --ref known.ct -o report.html
      rnaformer report parts/ --no-pictures --title "All parts" -o report.html

    PREDICTED are files written by `predict -f jsonl`, folders of them, or `-`. The page has a table
    of the records, which can be sorted and filtered, and shows the picture, the structure and the
    pair probabilities of each record. With --ref it also shows precision, recall and F1, and both
    structures in each picture. The page loads nothing from the internet.
    """
    from rnaformer_cli.reporting.entries import ReportEntry, add_pictures, compare_entries
    from rnaformer_cli.reporting.failures import read_failures
    from rnaformer_cli.reporting.page import ReportPage, render
    from rnaformer_cli.scoring.summary import summarise
    from rnaformer_cli.structure.formats import read_prediction_files, read_structures

    inputs = [*files, chosen["ref"], chosen["scores"], chosen["failures"]]
    to_stdout = chosen["output"] in options.STDOUT
    check_paths({"--output": None if to_stdout else chosen["output"]}, inputs)
    failures = read_failures(chosen["failures"]) if chosen["failures"] else []
    predictions = [prediction for file in files for prediction in read_prediction_files(file)]
    entries, summary, missing = [ReportEntry(prediction) for prediction in predictions], None, []
    if chosen["ref"]:
        entries, scores = compare_entries(predictions, list(read_structures(chosen["ref"])))
        extra = [entry.record.id for entry in entries if entry.reference is None]
        warn_unmatched(scores, extra)
        summary = summarise(scores)
        missing = [score.id for score in scores if score.is_missing]
    try:
        limit = 0 if chosen["no_pictures"] else _picture_limit(chosen["pictures"], entries)
        entries = add_pictures(entries, limit, chosen["colour"], _matrices(chosen, entries))
    except DependencyError as error:
        click.echo(f"rnaformer: warning: no pictures: {error.message}, or --no-pictures", err=True)
    title = chosen["title"] or _title(files)
    links = chosen["links"]
    page = render(ReportPage(title, entries, summary, missing, failures, __version__, links))
    if to_stdout:
        sys.stdout.write(page)
    else:
        write_text(chosen["output"], page)


def _picture_limit(given: int | None, entries: Sequence[ReportEntry]) -> int:
    """The number of records that are drawn; a note tells that long ones make it smaller."""
    if given is not None:
        return given
    lengths = [entry.record.structure.length for entry in entries[:DEFAULT_PICTURES]]
    limit = sum(total <= MAX_PICTURE_BASES for total in itertools.accumulate(lengths))
    if limit < len(lengths):
        count = f"{limit} of {format_count(len(entries), 'record')}"
        bases = f"the first {limit + 1} have more than {MAX_PICTURE_BASES:,} bases"
        message = f"the page has pictures of {count}: {bases} (--pictures N draws N)"
        click.echo(f"rnaformer: note: {message}", err=True)
    return limit


def _matrices(chosen: dict[str, Any], entries: Sequence[ReportEntry]) -> PictureReader | None:
    """A function that reads the matrix of a record, if there is an archive of them."""
    if not chosen["scores"]:
        return None
    from rnaformer_cli.cli.formats.score_archive import ScoreArchiveReader

    return ScoreArchiveReader(chosen["scores"], [entry.record for entry in entries]).matrix


def _title(files: tuple[str, ...]) -> str:
    """The name of the first input and the number of others."""
    first = "standard input" if files[0] == STDIN else text_name(Path(files[0]).resolve())
    return first if len(files) == 1 else f"{first} and {len(files) - 1} more"
