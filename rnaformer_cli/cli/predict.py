"""`rnaformer predict`: FASTA in, structures out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnaformer_cli.cli.arguments import options
from rnaformer_cli.cli.arguments.inputs import Inputs, standard_input
from rnaformer_cli.cli.arguments.paths import check_paths
from rnaformer_cli.cli.arguments.reactivities import read_profiles
from rnaformer_cli.cli.run.output import Destination, open_destination
from rnaformer_cli.cli.run.pictures import check_drawing
from rnaformer_cli.cli.run.progress import FailureTable, Report
from rnaformer_cli.errors import ProbingError, RnaformerError
from rnaformer_cli.probing.formats import SUFFIXES as PROBING_SUFFIXES
from rnaformer_cli.probing.matching import ProfileIndex
from rnaformer_cli.sequence.fasta import SUFFIXES
from rnaformer_cli.sequence.reactivities import REAGENTS, find_reagent
from rnaformer_cli.sequence.record import RnaRecord
from rnaformer_cli.structure.structure import StructureRecord

if TYPE_CHECKING:
    from rnaformer_cli.prediction.workers import ParallelPredictor

FORMATS = ("dbn", "ct", "bpseq", "jsonl", "tsv")
MULTIPLET_FORMATS = {"jsonl", "tsv"}


def _parse_reagent(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    try:
        return None if value is None else find_reagent(value)
    except ProbingError as error:
        raise click.BadParameter(str(error)) from None


@click.command()
@click.argument("files", nargs=-1, metavar="[FILES | -]...", type=options.PATH)
@options.output
@click.option(
    "--out-dir",
    metavar="DIR",
    type=options.FOLDER,
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
@click.option(
    "--ref",
    metavar="FILE",
    type=options.PATH,
    help="Print precision, recall and F1 against structures.",
)
@click.option(
    "--draw", metavar="DIR", type=options.FOLDER, help="Draw each structure as DIR/ID.svg."
)
@click.option(
    "--table",
    metavar="FILE.tsv",
    type=options.PATH,
    help="Write length, pairs and confidence of each record.",
)
@click.option(
    "--scores",
    metavar="FILE.npz",
    type=options.PATH,
    help="Write each record's score matrix, float32.",
)
@click.option(
    "--reactivities",
    metavar="FILE|DIR",
    multiple=True,
    type=options.PATH,
    help="Chemical probing data (SHAPE, DMS), repeatable: read, checked and matched to the "
    "records. They do not change predictions yet.",
)
@click.option(
    "--reagent",
    metavar="|".join(REAGENTS),
    callback=_parse_reagent,
    help="Reagent of the probing data.  [default: what their files say]",
)
@click.option(
    "--decode",
    "decoding",
    type=click.Choice(["mea", "matching", "nested", "raw"]),
    default="mea",
    show_default=True,
    help="mea: maximum expected accuracy, helices of two pairs or more, probable pseudoknots. "
    "matching: best mean F1, any pairs with one partner a base. nested: without pseudoknots. "
    "raw: every pair above the threshold.",
)
@click.option(
    "--threshold",
    type=options.FiniteRange(0, 1),
    help="Score above which a pair is considered, in all records.  [default: the weights' choice]",
)
@click.option(
    "--min-score",
    type=options.FiniteRange(0, 1),
    help="Lowest score in TSV.  [default: the threshold]",
)
@click.option(
    "--plain-headers",
    is_flag=True,
    help="Write headers of dot-bracket without the confidence.",
)
@options.cycles_or_auto
@options.weights
@options.like
@options.no_families
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
@click.option(
    "--failures",
    metavar="FILE.tsv",
    type=options.PATH,
    help="Write a table of the records that failed.",
)
@click.option("--strict", is_flag=True, help="Refuse ambiguous letters instead of reading N.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first bad record.")
@options.quiet
def command(files: tuple[str, ...], **chosen: Any) -> None:
    """Predict the secondary structures of the RNAs in FASTA FILES.

    Structures go to stdout, everything else to stderr. Files may be gzip-compressed; of a folder,
    all FASTA files are read; `-` or no file at all reads standard input. A bad record is
    reported, the others are written, and the exit code is then 1.

    \b
    Examples:
      rnaformer predict seqs.fasta
      rnaformer predict seqs.fasta --ref known.dbn
      rnaformer predict seqs.fasta -f jsonl -o out.jsonl
      rnaformer predict seqs.fasta --out-dir out -f dbn -f ct -f bpseq
      zcat seqs.fa.gz | rnaformer predict - | head
    """
    _check_usage(chosen)
    outputs = ("output", "table", "failures", "scores")
    written = {f"--{name}": chosen[name] for name in outputs}
    check_paths(written, files, SUFFIXES)
    check_paths(written, [chosen["ref"]])
    check_paths(written, chosen["reactivities"], PROBING_SUFFIXES)
    report = _report(chosen)
    references = _read_references(chosen["ref"])
    inputs = _inputs(files or standard_input(), chosen, report)
    predicted = _predict(inputs, chosen, report, keep=references is not None)
    report.warn_ambiguous()
    report.report_skipped()
    report.report_data()
    report.report_low_confidence()
    report.report_summary()
    if references is not None:
        from rnaformer_cli.cli.score import print_scores

        err = not (chosen["output"] or chosen["out_dir"])
        print_scores(predicted, references, err, quiet=chosen["quiet"])
    if report.failures or report.data_failures:
        raise click.exceptions.Exit(1)


def _predict(
    inputs: Inputs, chosen: dict[str, Any], report: Report, keep: bool
) -> list[StructureRecord]:
    """Write a prediction for every record; with `keep`, give them back as well."""
    predictor = _load(chosen, report)
    names: deque[str] = deque()  # of the records on their way through the network
    predicted: list[StructureRecord] = []
    expected = inputs.expected() if report.shows_progress else None
    with open_destination(chosen, predictor.predictor) as destination, report.progress(expected):
        records = _queue_names(inputs.records(report, destination.has), names)
        for answer in predictor.predict(records):
            name = names.popleft()
            if isinstance(answer, RnaformerError):
                _fail(answer, chosen["fail_fast"], report)
                continue
            _write(destination, answer, name, chosen["fail_fast"], report)
            if keep:
                predicted.append(answer.structure_record)
        report.report_unlisted()
        if report.ended_by is not None:
            raise report.ended_by
        if report.failures and not report.written:
            raise click.exceptions.Exit(1)  # within the block: an empty file must not appear
    return predicted


def _queue_names(found: Iterator[tuple[RnaRecord, str]], names: deque[str]) -> Iterator[RnaRecord]:
    for record, name in found:
        names.append(name)
        yield record


def _inputs(files: tuple[str, ...], chosen: dict[str, Any], report: Report) -> Inputs:
    input_options = ("strict", "max_length", "shard", "fail_fast")
    needs_names = any(chosen[to] for to in ("out_dir", "scores", "draw"))
    profiles = _profiles(chosen, report)
    found = {name: chosen[name] for name in input_options}
    return Inputs(files, **found, named=needs_names, profiles=profiles)


def _profiles(chosen: dict[str, Any], report: Report) -> ProfileIndex | None:
    if chosen["reactivities"]:
        data = chosen["reactivities"], chosen["reagent"]
        return read_profiles(*data, report, chosen["fail_fast"])
    if chosen["reagent"]:
        raise click.UsageError("--reagent needs --reactivities")
    return None


def _check_usage(chosen: dict[str, Any]) -> None:
    """Refuse what cannot be done before any work is."""
    chosen["formats"] = chosen["formats"] or (_format_by_name(chosen["output"]),)
    if chosen["output"] and chosen["out_dir"]:
        raise click.UsageError("--output and --out-dir exclude each other")
    if len(chosen["formats"]) > 1 and not chosen["out_dir"]:
        raise click.UsageError("several formats need --out-dir")
    if chosen["resume"] and not chosen["out_dir"]:
        raise click.UsageError("--resume needs --out-dir")
    whole = next((name for name in ("ref", "scores", "table") if chosen[name]), None)
    if chosen["resume"] and whole:
        raise click.UsageError(f"--resume and --{whole} exclude each other: it is of all records")
    if chosen["decoding"] == "raw" and chosen["draw"]:
        raise click.UsageError(
            "--draw shows one partner a base, which a raw structure may not have"
        )
    if chosen["draw"]:
        check_drawing()
    lossy = [name for name in chosen["formats"] if name not in MULTIPLET_FORMATS]
    if chosen["decoding"] == "raw" and lossy:
        raise click.UsageError(
            f"a raw structure may give a base several partners, which {lossy[0]} cannot hold; "
            "use -f jsonl or -f tsv"
        )


def _report(chosen: dict[str, Any]) -> Report:
    path = chosen["failures"]
    table = FailureTable(path) if path else None
    if table is not None:
        click.get_current_context().call_on_close(table.close)
    return Report(chosen["quiet"], table)


def _format_by_name(output: str | None) -> str:
    """The format that a file name asks for; dbn if none."""
    suffix = Path(output).suffix.removeprefix(".") if output else ""
    return suffix if suffix in FORMATS else "dbn"


def _read_references(path: str | None) -> list[StructureRecord] | None:
    if path is None:
        return None
    from rnaformer_cli.structure.formats import read_structures

    return list(read_structures(path))


def _load(chosen: dict[str, Any], report: Report) -> ParallelPredictor:
    from rnaformer_cli.prediction import device
    from rnaformer_cli.prediction.predictor import Options, load
    from rnaformer_cli.prediction.workers import ParallelPredictor, Source

    device.set_threads(chosen["threads"])
    options.warn_slow_bf16(chosen["precision"], chosen["device"], chosen["quiet"])
    how = Options(
        decoding=chosen["decoding"],
        threshold=chosen["threshold"],
        cycles=chosen["cycles"],
        min_score=chosen["min_score"],
        keep_scores=chosen["scores"] is not None,
        like=chosen["like"],
        families=not chosen["no_families"],
        max_memory=chosen["max_memory"],
    )
    weights = options.or_default(chosen["weights"])
    predictor = load(weights, how, chosen["device"], chosen["precision"])
    source = Source(weights, how, chosen["precision"])
    return ParallelPredictor(predictor, source, chosen["jobs"], report.warn)


def _write(
    destination: Destination, prediction: Any, name: str, fail_fast: bool, report: Report
) -> None:
    try:
        destination.write(prediction, name)
        report.advance(len(prediction.record))
        report.count_confidence(prediction.confidence)
    except RnaformerError as error:
        _fail(error, fail_fast, report)


def _fail(error: RnaformerError, fail_fast: bool, report: Report) -> None:
    if fail_fast:
        raise error
    report.fail(error)
