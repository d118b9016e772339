"""`rnaformer predict`: FASTA in, structures out."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnaformer_cli.cli import options
from rnaformer_cli.cli.draw import check_drawing
from rnaformer_cli.cli.output import Destination, open_destination
from rnaformer_cli.cli.run_report import Report
from rnaformer_cli.errors import RnaformerError, SequenceError
from rnaformer_cli.files import STDIN, SafeNames
from rnaformer_cli.sequence.fasta import read_fasta_file
from rnaformer_cli.sequence.record import RnaRecord
from rnaformer_cli.structure.structure import StructureRecord

if TYPE_CHECKING:
    from rnaformer_cli.prediction.predictor import Predictor
    from rnaformer_cli.prediction.workers import Source

FORMATS = ("dbn", "ct", "bpseq", "jsonl", "tsv")
HOLD_MULTIPLETS = {"jsonl", "tsv"}


@click.command()
@click.argument("files", nargs=-1, metavar="[FILES | -]...")
@options.output
@click.option(
    "--out-dir",
    metavar="DIR",
    type=click.Path(file_okay=False),
    help="Write one file for each record and format.",
)
@click.option(
    "-f",
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(FORMATS),
    help="Output format, with --out-dir several.  [default: dbn]",
)
@click.option("--ref", metavar="FILE", help="Print precision, recall and F1 against structures.")
@click.option("--draw", metavar="DIR", help="Draw each structure as DIR/ID.svg.")
@click.option("--scores", metavar="FILE.npz", help="Write each record's score matrix, float32.")
@click.option(
    "--decode",
    "decoding",
    type=click.Choice(["matching", "nested", "raw"]),
    default="matching",
    show_default=True,
    help="One partner a base with pseudoknots, or without, or every pair above the threshold.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    help="Score above which a pair is considered.  [default: the weights']",
)
@click.option(
    "--min-score",
    type=click.FloatRange(0, 1),
    help="Lowest score in TSV.  [default: the threshold]",
)
@options.cycles_or_auto
@options.weights
@options.like
@options.device
@options.precision
@options.threads
@options.jobs
@options.max_memory
@options.shard
@click.option(
    "--resume", is_flag=True, help="Go on with a run into --out-dir: leave out what it has done."
)
@click.option("--max-length", type=click.IntRange(min=1), help="Refuse longer records.")
@click.option("--strict", is_flag=True, help="Refuse ambiguous letters instead of reading N.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first bad record.")
@options.quiet
def command(files: tuple[str, ...], **chosen: Any) -> None:
    """Predict the secondary structures of the RNAs in FASTA FILES.

    Structures go to stdout, everything else to stderr. Files may be gzip-compressed; `-` or no
    file at all reads standard input. A bad record is reported, the others are written, and the
    exit code is then 1.

    \b
    Examples:
      rnaformer predict seqs.fasta
      rnaformer predict seqs.fasta --ref known.dbn
      rnaformer predict seqs.fasta -f jsonl -o out.jsonl
      rnaformer predict seqs.fasta --out-dir out -f dbn -f ct -f bpseq
      zcat seqs.fa.gz | rnaformer predict - | head
    """
    from rnaformer_cli.prediction.workers import predict_with_workers

    _check_usage(chosen)
    report = Report(quiet=chosen["quiet"])
    references = _read_references(chosen["ref"])
    predictor, source = _load(chosen)
    min_score = predictor.threshold if chosen["min_score"] is None else chosen["min_score"]
    names: deque[str] = deque()  # of the records on their way through the network
    predicted: list[StructureRecord] = []
    with open_destination(chosen, predictor, min_score) as destination, report.progress():
        records = _records(files or _stdin(), chosen, report, names, destination)
        answers = predict_with_workers(predictor, source, records, chosen["jobs"], report.warn)
        for prediction in answers:
            name = names.popleft()
            if isinstance(prediction, RnaformerError):
                _fail(prediction, chosen["fail_fast"], report)
            else:
                _write(destination, prediction, name, chosen["fail_fast"], report)
                if references is not None:
                    predicted.append(prediction.structure_record)
        if report.ended_by is not None:
            raise report.ended_by
        if report.failures and not report.written:
            raise click.exceptions.Exit(1)  # within the block: an empty file must not appear
    report.warn_ambiguous()
    report.tell_left_out()
    if references is not None:
        from rnaformer_cli.cli.score import print_scores

        err = not (chosen["output"] or chosen["out_dir"])
        print_scores(predicted, references, err, quiet=chosen["quiet"])
    if report.failures:
        raise click.exceptions.Exit(1)


def _check_usage(chosen: dict[str, Any]) -> None:
    """Refuse what cannot be done before any work is."""
    chosen["formats"] = chosen["formats"] or (_format_by_name(chosen["output"]),)
    if chosen["output"] and chosen["out_dir"]:
        raise click.UsageError("--output and --out-dir exclude each other")
    if len(chosen["formats"]) > 1 and not chosen["out_dir"]:
        raise click.UsageError("several formats need --out-dir")
    if chosen["resume"] and (not chosen["out_dir"] or chosen["scores"] or chosen["ref"]):
        raise click.UsageError("--resume needs --out-dir, and goes with neither --scores nor --ref")
    if chosen["decoding"] == "raw" and chosen["draw"]:
        raise click.UsageError(
            "--draw shows one partner a base, which a raw structure may not have"
        )
    if chosen["draw"]:
        check_drawing()
    lossy = [name for name in chosen["formats"] if name not in HOLD_MULTIPLETS]
    if chosen["decoding"] == "raw" and lossy:
        raise click.UsageError(
            f"a raw structure may give a base several partners, which {lossy[0]} cannot hold; "
            "use -f jsonl or -f tsv"
        )


def _format_by_name(output: str | None) -> str:
    """The format that a file name asks for; dbn if none."""
    suffix = Path(output).suffix.removeprefix(".") if output else ""
    return suffix if suffix in FORMATS else "dbn"


def _stdin() -> tuple[str, ...]:
    if sys.stdin is not None and sys.stdin.isatty():
        raise click.UsageError("no FASTA file given (`-` reads standard input)")
    return (STDIN,)


def _read_references(path: str | None) -> list[StructureRecord] | None:
    if path is None:
        return None
    from rnaformer_cli.structure.formats import read_structures

    return list(read_structures(path))


def _load(chosen: dict[str, Any]) -> tuple[Predictor, Source]:
    from rnaformer_cli.prediction import device
    from rnaformer_cli.prediction.predictor import Options, load
    from rnaformer_cli.prediction.store import DEFAULT
    from rnaformer_cli.prediction.workers import Source

    device.set_threads(chosen["threads"])
    options.warn_of_bf16(chosen["precision"], chosen["device"], chosen["quiet"])
    how = Options(
        decoding=chosen["decoding"],
        threshold=chosen["threshold"],
        cycles=chosen["cycles"],
        min_score=chosen["min_score"],
        keep_scores=chosen["scores"] is not None,
        like=chosen["like"],
        max_memory=chosen["max_memory"],
    )
    weights = chosen["weights"] or DEFAULT
    predictor = load(weights, how, chosen["device"], chosen["precision"])
    return predictor, Source(weights, how, chosen["precision"])


def _records(
    files: tuple[str, ...],
    chosen: dict[str, Any],
    report: Report,
    names: deque[str],
    destination: Destination,
) -> Iterator[RnaRecord]:
    """The good records of all files, each with a name that no other has; the bad ones are reported.

    With --fail-fast the first bad one ends the input; those before it still go to stdout.
    """
    part, parts = chosen["shard"] or (1, 1)
    taken = SafeNames() if any(chosen[to] for to in ("out_dir", "scores", "draw")) else None
    for number, found in enumerate(_scan(files, chosen["strict"])):
        # Names are those of a whole run, so those of other parts are taken too.
        name = taken.take(found.id) if taken and isinstance(found, RnaRecord) else ""
        if number % parts != part - 1:
            continue
        error = _refusal(found, chosen["max_length"])
        if isinstance(found, RnaRecord) and error is None:
            if destination.has(found, name):
                report.leave_out()
                continue
            report.count(found)
            names.append(name)
            yield found
        elif chosen["fail_fast"]:
            report.ended_by = error
            return
        elif error is not None:
            report.fail(error)


def _scan(files: tuple[str, ...], strict: bool) -> Iterator[RnaRecord | RnaformerError]:
    for file in files:
        try:
            yield from read_fasta_file(file, strict)
        except RnaformerError as error:
            yield error


def _refusal(found: RnaRecord | RnaformerError, limit: int | None) -> RnaformerError | None:
    """Why something that was read is not predicted; None for a good record."""
    if not isinstance(found, RnaRecord):
        return found
    if limit is None or len(found) <= limit:
        return None
    message = f"{len(found)} bases are more than --max-length {limit}"
    return SequenceError(message, record=found.id)


def _write(
    destination: Destination, prediction: Any, name: str, fail_fast: bool, report: Report
) -> None:
    try:
        destination.write(prediction, name)
        report.advance()
    except RnaformerError as error:
        _fail(error, fail_fast, report)


def _fail(error: RnaformerError, fail_fast: bool, report: Report) -> None:
    if fail_fast:
        raise error
    report.fail(error)
