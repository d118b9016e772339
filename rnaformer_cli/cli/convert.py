"""`rnaformer convert`: converts structures between file formats."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from rnaformer_cli.cli.arguments import options
from rnaformer_cli.cli.arguments.paths import check_paths
from rnaformer_cli.cli.formats.text import escape_for_terminal
from rnaformer_cli.errors import OutputError, RnaformerError
from rnaformer_cli.files import UniqueFileNames, make_folder, write_text
from rnaformer_cli.structure.formats import (
    READ_FORMATS,
    SINGLE_RECORD_FORMATS,
    WRITE_FORMATS,
    WRITERS,
    ReadFormat,
    WriteFormat,
    read_structures,
)
from rnaformer_cli.structure.structure import StructureRecord


@click.command()
@click.argument("source", metavar="IN", type=options.PATH)
@click.option(
    "-t",
    "--to",
    "target",
    type=click.Choice(WRITE_FORMATS),
    help="Output format.  [default: by the suffix of --output, else dbn]",
)
@click.option(
    "--from",
    "source_format",
    type=click.Choice(READ_FORMATS),
    help="Format of IN.  [default: detected from the content]",
)
@options.output
@click.option(
    "--out-dir",
    metavar="DIR",
    type=options.FOLDER,
    help="Write one file per record into DIR.",
)
def command(
    source: str,
    target: WriteFormat | None,
    source_format: ReadFormat | None,
    output: str | None,
    out_dir: str | None,
) -> None:
    """Convert the structures in IN (a file, a folder or `-`) to another format.

    \b
    Examples:
      rnaformer convert known.ct
      rnaformer convert family.sto -t jsonl -o family.jsonl
      rnaformer convert predicted.dbn -t bpseq --out-dir bpseq

    A CT or BPSEQ file holds one record, so several records need --out-dir.
    """
    if output and out_dir:
        raise click.UsageError("--output and --out-dir exclude each other")
    check_paths({"--output": output}, [source])
    if output and Path(output).suffix.lower() == ".gz":
        raise click.UsageError("structures are not written compressed; give --output without .gz")
    chosen = target or _format_by_name(output)
    records = read_structures(source, source_format)
    if out_dir:
        make_folder(out_dir)
        names = UniqueFileNames()
        for record in records:
            path = Path(out_dir) / f"{names.add(record.id)}.{chosen}"
            write_text(path, _format(record, chosen), follow=False)
        return
    texts: list[str] = []
    for record in records:
        if texts and chosen in SINGLE_RECORD_FORMATS:
            message = f"a {chosen} file holds one record; use --out-dir"
            raise OutputError(message, record=record.id)
        texts.append(_format(record, chosen))
    if output:
        write_text(output, "".join(texts))
    else:
        sys.stdout.write(escape_for_terminal("".join(texts), sys.stdout))


def _format(record: StructureRecord, chosen: WriteFormat) -> str:
    try:
        return WRITERS[chosen](record)
    except RnaformerError as error:
        raise type(error)(error.message, record=record.id) from None


def _format_by_name(output: str | None) -> WriteFormat:
    suffix = Path(output).suffix.removeprefix(".").lower() if output else ""
    return next((name for name in WRITE_FORMATS if name == suffix), "dbn")
