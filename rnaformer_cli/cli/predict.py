"""`rnaformer predict`: predicts the structures of FASTA records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from rnaformer_cli.cli.arguments import options
from rnaformer_cli.cli.arguments.inputs import Inputs, standard_input
from rnaformer_cli.cli.arguments.paths import check_paths
from rnaformer_cli.cli.arguments.record_data import (
    read_constraint_files,
    read_profiles,
    reagent_option,
)
from rnaformer_cli.cli.run.log import LogError
from rnaformer_cli.cli.run.output import Destination, SingleRecordError, open_destination
from rnaformer_cli.cli.run.pictures import check_drawing
from rnaformer_cli.cli.run.progress import FailureTable, RunReporter
from rnaformer_cli.cli.run.startup import without_garbage_collection
from rnaformer_cli.constraints.formats import SUFFIXES as CONSTRAINT_SUFFIXES
from rnaformer_cli.constraints.matching import ConstraintIndex
from rnaformer_cli.errors import ConstraintError, DeviceError, RnaformerError, ScoreError
from rnaformer_cli.files import is_gzip_name, suffix_of
from rnaformer_cli.probing.formats import SUFFIXES as PROBING_SUFFIXES
from rnaformer_cli.probing.matching import ProfileIndex
from rnaformer_cli.scoring.compare import check_same_rna, match_ids
from rnaformer_cli.sequence.fasta import SUFFIXES
from rnaformer_cli.sequence.record import RnaRecord
from rnaformer_cli.structure.formats import SINGLE_RECORD_FORMATS
from rnaformer_cli.structure.structure import Structure, StructureRecord

if TYPE_CHECKING:
    from rnaformer_cli.prediction.predictor import Prediction
    from rnaformer_cli.prediction.workers import ParallelPredictor

FORMATS = ("dbn", "ct", "bpseq", "jsonl", "tsv")
MAX_LISTED_BASES = 20  # of those that must pair and have no partner
MULTIPLET_FORMATS = {"jsonl", "tsv"}
PROBABILITY_FORMATS = {"jsonl", "tsv"}
ALTERNATIVE_FORMATS = {"dbn", "jsonl"}
MAX_ALTERNATIVES = 100
MAX_SEED = 2**32 - 1
MIN_WINDOW = 30  # bases, as in prediction.windows, which imports NumPy


OPTION_GROUPS = {
    "Input": (
        *("--seq", "--reactivities", "--reagent", "--constraints", "--constraints-in-fasta"),
        *("--max-length", "--strict"),
    ),
    "Output": (
        *("--output", "--out-dir", "--format", "--table", "--scores", "--draw", "--ref"),
        "--draw-format",
        *("--min-score", "--unpaired", "--ensemble", "--plain-headers", "--quiet"),
    ),
    "Decoding": (
        *("--decode", "--threshold", "--cycles", "--like", "--no-families"),
        *("--no-pseudoknots", "--alternatives", "--seed", "--window", "--step"),
    ),
    "Compute": ("--weights", "--device", "--precision", "--threads", "--jobs", "--max-memory"),
    "Many records": ("--resume", "--shard", "--failures", "--fail-fast"),
}


@click.command(cls=options.GroupedCommand, groups=OPTION_GROUPS)
@click.argument("files", nargs=-1, metavar="[FILES | -]...", type=options.PATH)
@click.option(
    "--seq",
    "sequences",
    metavar="SEQUENCE",
    multiple=True,
    type=options.SequenceText(),
    help="A sequence to predict, named sequence_1 and so on; may be repeated.",
)
@options.output
@click.option(
    "--out-dir",
    metavar="DIR",
    type=options.FOLDER,
    help="Write one file per record and format into DIR.",
)
@click.option(
    "-f",
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(FORMATS),
    help="Output format; with --out-dir it may be repeated.  "
    "[default: by the suffix of --output, else dbn]",
)
@click.option(
    "--ref",
    metavar="FILE",
    type=options.PATH,
    help="Print precision, recall and F1 against the reference structures in FILE.",
)
@click.option(
    "--draw", metavar="DIR", type=options.FOLDER, help="Draw each structure as DIR/ID.svg."
)
@click.option(
    "--draw-format",
    type=click.Choice(["svg", "png", "pdf"]),
    default="svg",
    show_default=True,
    help="Image format of --draw.",
)
@click.option(
    "--table",
    metavar="FILE.tsv",
    type=options.PATH,
    help="Write a table of the length, pairs, confidence and family of each record, "
    "and of its F1 with --ref.",
)
@click.option(
    "--scores",
    metavar="FILE.npz",
    type=options.PATH,
    help="Write the matrix of base-pair probabilities of each record (float32).",
)
@click.option(
    "--reactivities",
    metavar="FILE|DIR",
    multiple=True,
    type=options.PATH,
    help="Chemical probing data (SHAPE, DMS) that guide the predictions; may be repeated.",
)
@reagent_option
@click.option(
    "--constraints",
    metavar="FILE|DIR",
    multiple=True,
    type=options.PATH,
    help="Structure constraints in RNAfold's notation, or .CON files of RNAstructure; may be "
    "repeated.",
)
@click.option(
    "--constraints-in-fasta",
    is_flag=True,
    help="Read constraints from the line below each sequence of FILES.",
)
@click.option(
    "--decode",
    "decoding",
    type=click.Choice(["mea", "matching", "nested", "raw"]),
    default="mea",
    show_default=True,
    help="mea: maximum expected accuracy, helices of two or more pairs, probable pseudoknots. "
    "matching: highest mean F1, at most one partner per base. nested: no pseudoknots. "
    "raw: every pair above the threshold.",
)
@click.option(
    "--threshold",
    type=options.FiniteRange(0, 1),
    help="Base-pair probability above which a pair is a candidate, in all records.  "
    "[default: set by the weights]",
)
@click.option(
    "--min-score",
    type=options.FiniteRange(0, 1),
    help="Lowest base-pair probability in TSV output.  [default: the threshold]",
)
@click.option(
    "--unpaired",
    is_flag=True,
    help="Add the probability of each base of being unpaired (-f jsonl or tsv).",
)
@click.option(
    "--ensemble",
    is_flag=True,
    help="Add the folding model's scores of the structure and of the ensemble in kT, and the "
    "diversity (-f jsonl, or --table).",
)
@click.option(
    "--alternatives",
    metavar="N",
    type=click.IntRange(1, MAX_ALTERNATIVES),
    help="Write up to N different structures of each record, the best first (-f dbn or jsonl).",
)
@click.option(
    "--seed",
    metavar="N",
    type=click.IntRange(0, MAX_SEED),
    help="Seed of the sample from which --alternatives are taken.  [default: 0]",
)
@click.option(
    "--window",
    metavar="N",
    type=click.IntRange(min=MIN_WINDOW),
    help="Predict longer records in overlapping windows of N bases; pairs are at most as long.",
)
@click.option(
    "--step",
    metavar="M",
    type=click.IntRange(min=1),
    help="Bases from the start of a window to that of the next.  [default: a quarter of --window]",
)
@click.option(
    "--plain-headers",
    is_flag=True,
    help="Leave the confidence out of dot-bracket headers.",
)
@options.cycles_or_auto
@options.weights
@options.like
@options.no_families
@options.no_pseudoknots
@options.device
@options.precision
@options.threads
@options.jobs
@options.max_memory
@options.shard
@click.option(
    "--resume", is_flag=True, help="Continue a run into --out-dir; skip its finished records."
)
@click.option(
    "--max-length", type=click.IntRange(min=1), help="Longest record in bases; longer ones fail."
)
@click.option(
    "--failures",
    metavar="FILE.tsv",
    type=options.PATH,
    help="Write a table of the records that failed.",
)
@click.option(
    "--strict", is_flag=True, help="Reject ambiguous letters instead of reading them as N."
)
@click.option("--fail-fast", is_flag=True, help="Stop at the first bad record.")
@options.quiet
def command(files: tuple[str, ...], **chosen: Any) -> None:
    """Predict the secondary structures of the RNAs in FASTA FILES.

    \b
    Examples:
      rnaformer predict seqs.fasta
      rnaformer predict seqs.fasta --ref known.dbn
      rnaformer predict seqs.fasta -f jsonl -o out.jsonl
      rnaformer predict seqs.fasta --out-dir out -f dbn -f ct -f bpseq
      rnaformer predict --seq GGGGAAAACCCC
      zcat seqs.fa.gz | rnaformer predict - | head

    Structures are written to stdout, messages to stderr. FILES may be gzip-compressed. A folder
    stands for all FASTA files in it; `-` or no file reads standard input, which may also hold bare
    sequences, one per line. Bad records are reported, all others are predicted, and the exit code
    is 1. Output files whose names end in .gz are compressed.
    """
    _check_usage(chosen)
    outputs = ("output", "table", "failures", "scores")
    written = {f"--{name}": chosen[name] for name in outputs}
    check_paths(written, files, SUFFIXES)
    check_paths(written, [chosen["ref"]])
    check_paths(written, chosen["reactivities"], PROBING_SUFFIXES)
    check_paths(written, chosen["constraints"], CONSTRAINT_SUFFIXES)
    report = _report(chosen)
    references = _read_references(chosen["ref"])
    if not files and chosen["sequences"] and chosen["constraints_in_fasta"]:
        raise click.UsageError("--constraints-in-fasta needs FILES; use --constraints with --seq")
    if not files and not chosen["sequences"]:
        files = standard_input()
    inputs = _inputs(files, chosen, report)
    _check_single(inputs, chosen)
    _check_references(inputs, references)
    predicted = _predict(inputs, chosen, report, references)
    report.warn_ambiguous()
    report.report_skipped()
    report.report_data()
    report.report_constraints()
    report.report_low_confidence()
    report.report_summary()
    if references is not None:
        from rnaformer_cli.cli.score import print_scores

        references = _of_given(references, predicted, report)
        err = not (chosen["output"] or chosen["out_dir"])
        try:
            print_scores(predicted, references, err, quiet=chosen["quiet"])
        except ScoreError as error:
            message = f"{error.message}; the predictions are written, without scores"
            raise ScoreError(message, record=error.location.record) from None
    if report.failures or report.data_failures:
        raise click.exceptions.Exit(1)


def _predict(
    inputs: Inputs,
    chosen: dict[str, Any],
    report: RunReporter,
    references: list[StructureRecord] | None,
) -> list[StructureRecord]:
    """Write a prediction for every record; with references, return the structures as well."""
    predictor = _load(chosen, report)
    names: dict[int, str] = {}  # file names of the records that are being predicted, by index
    predicted: list[StructureRecord] = []
    workload = inputs.workload() if report.shows_progress else None

    def report_unmet(record: RnaRecord, bases: Sequence[int]) -> None:
        report.fail_data(_unmet_error(record.id, bases))

    destinations = open_destination(chosen, predictor.predictor, report_unmet, references)
    with destinations as destination, report.progress(workload):
        records = _queue_names(inputs.records(report, destination.is_done), names)
        for index, result in _results(predictor, records, chosen, report):
            name = names.pop(index)
            if isinstance(result, RnaformerError):
                _fail(result, chosen["fail_fast"], report)
                continue
            _write(destination, result, name, chosen["fail_fast"], report)
            if references is not None:
                predicted.append(result.structure_record)
        report.report_unlisted()
        if report.ended_by is not None:
            raise report.ended_by
        if report.failures and not report.written:
            raise click.exceptions.Exit(1)  # inside the block, so that no empty file is written
    return predicted


def _queue_names(
    named_records: Iterator[tuple[RnaRecord, str]], names: dict[int, str]
) -> Iterator[RnaRecord]:
    for index, (record, name) in enumerate(named_records):
        names[index] = name
        yield record


def _results(
    predictor: ParallelPredictor,
    records: Iterator[RnaRecord],
    chosen: dict[str, Any],
    report: RunReporter,
) -> Iterator[tuple[int, Prediction | DeviceError]]:
    """The results with their indices: in input order, or for --out-dir alone as they are done."""
    from rnaformer_cli.prediction.predictor import reorder

    done = _count_done(predictor.predict_as_done(records), report)
    has_order = any(chosen[name] for name in ("ref", "scores", "table", "fail_fast"))
    return done if chosen["out_dir"] and not has_order else enumerate(reorder(done))


def _count_done(
    results: Iterator[tuple[int, Prediction | DeviceError]], report: RunReporter
) -> Iterator[tuple[int, Prediction | DeviceError]]:
    for index, result in results:
        report.show_done(0 if isinstance(result, DeviceError) else len(result.record))
        yield index, result


def _inputs(files: tuple[str, ...], chosen: dict[str, Any], report: RunReporter) -> Inputs:
    input_options = (
        *("strict", "max_length", "shard", "fail_fast", "sequences"),
        "constraints_in_fasta",
    )
    needs_names = any(chosen[option] for option in ("out_dir", "scores", "draw"))
    profiles, constraints = _profiles(chosen, report), _constraints(chosen, report)
    found = {name: chosen[name] for name in input_options}
    return Inputs(
        files, **found, needs_names=needs_names, profiles=profiles, constraints=constraints
    )


def _constraints(chosen: dict[str, Any], report: RunReporter) -> ConstraintIndex | None:
    if not chosen["constraints"]:
        return None
    if chosen["constraints_in_fasta"]:
        raise click.UsageError("--constraints and --constraints-in-fasta cannot be combined")
    return read_constraint_files(chosen["constraints"], report, chosen["fail_fast"])


def _check_single(inputs: Inputs, chosen: dict[str, Any]) -> None:
    """Refuse a second record where the format holds one, before anything is predicted.

    Raises:
        OutputError: naming the record.
    """
    if chosen["out_dir"] or chosen["formats"][0] not in SINGLE_RECORD_FORMATS:
        return
    second = inputs.second_record()
    if second is not None:
        raise SingleRecordError(chosen["formats"][0], second.id)


def _check_references(inputs: Inputs, references: list[StructureRecord] | None) -> None:
    """Refuse references of other RNAs before anything is predicted, if inputs can be read twice.

    Raises:
        ScoreError: no id is in common, or a record and its reference are not the same RNA.
    """
    records = inputs.valid_records() if references else None
    if records is None or references is None:
        return
    given = [
        StructureRecord(record.id, record.sequence, Structure(len(record))) for record in records
    ]
    for index, reference in zip(match_ids(given, references), references, strict=True):
        if index is not None:
            check_same_rna(given[index], reference)


def _profiles(chosen: dict[str, Any], report: RunReporter) -> ProfileIndex | None:
    if chosen["reactivities"]:
        data = chosen["reactivities"], chosen["reagent"]
        return read_profiles(*data, report, chosen["fail_fast"])
    if chosen["reagent"]:
        raise click.UsageError("--reagent needs --reactivities")
    return None


def _check_usage(chosen: dict[str, Any]) -> None:
    """Reject options that contradict each other, before any record is read."""
    chosen["formats"] = chosen["formats"] or (_format_by_name(chosen["output"]),)
    if chosen["output"] and chosen["out_dir"]:
        raise click.UsageError("--output and --out-dir cannot be combined")
    if len(chosen["formats"]) > 1 and not chosen["out_dir"]:
        raise click.UsageError("several formats need --out-dir")
    if chosen["resume"] and not chosen["out_dir"]:
        raise click.UsageError("--resume needs --out-dir")
    excluded = next((name for name in ("ref", "scores", "table") if chosen[name]), None)
    if chosen["resume"] and excluded:
        raise click.UsageError(
            f"--resume and --{excluded} cannot be combined: --{excluded} needs all records"
        )
    if chosen["decoding"] == "raw" and chosen["draw"]:
        raise click.UsageError(
            "--draw needs at most one partner per base; a raw structure may have several"
        )
    _check_formats(chosen)
    _check_windows(chosen)
    if chosen["draw"]:
        check_drawing()
    lossy = [name for name in chosen["formats"] if name not in MULTIPLET_FORMATS]
    if chosen["decoding"] == "raw" and lossy:
        raise click.UsageError(
            f"a base of a raw structure may have several partners, which {lossy[0]} cannot hold; "
            "use -f jsonl or -f tsv"
        )


def _check_windows(chosen: dict[str, Any]) -> None:
    """Reject windows that do not overlap, and options that need the matrix of the whole RNA."""
    window, step = chosen["window"], chosen["step"]
    if window is None and step is not None:
        raise click.UsageError("--step needs --window")
    if window is not None and step is not None and step >= window:
        raise click.UsageError(
            f"--step {step} leaves windows of {window} bases without an overlap; use a smaller one"
        )
    for name in ("scores", "alternatives", "ensemble"):
        if window is not None and chosen[name] not in (None, False):
            raise click.UsageError(
                f"--{name} and --window cannot be combined: --{name} needs the whole matrix"
            )


def _check_formats(chosen: dict[str, Any]) -> None:
    """Reject options for values that no chosen format, or not every one, can hold."""
    if chosen["scores"] and is_gzip_name(chosen["scores"]):
        raise click.UsageError("--scores writes .npz files, which are compressed; leave out .gz")
    if chosen["unpaired"] and not PROBABILITY_FORMATS.intersection(chosen["formats"]):
        raise click.UsageError("--unpaired needs -f jsonl or -f tsv")
    if chosen["ensemble"] and "jsonl" not in chosen["formats"] and not chosen["table"]:
        raise click.UsageError("--ensemble needs -f jsonl or --table")
    if chosen["seed"] is not None and chosen["alternatives"] is None:
        raise click.UsageError("--seed needs --alternatives")
    single = [name for name in chosen["formats"] if name not in ALTERNATIVE_FORMATS]
    if chosen["alternatives"] is not None and single:
        raise click.UsageError(
            f"--alternatives needs -f dbn or -f jsonl; {single[0]} holds one structure of a record"
        )


def _report(chosen: dict[str, Any]) -> RunReporter:
    path = chosen["failures"]
    table = FailureTable(path) if path else None
    if table is not None:
        click.get_current_context().call_on_close(table.close)
    uses_stdout = not (chosen["output"] or chosen["out_dir"])
    return RunReporter(chosen["quiet"], table, uses_stdout)


def _format_by_name(output: str | None) -> str:
    """The output format that the suffix names, else dbn."""
    suffix = suffix_of(output).removeprefix(".") if output else ""
    return suffix if suffix in FORMATS else "dbn"


def _read_references(path: str | None) -> list[StructureRecord] | None:
    if path is None:
        return None
    from rnaformer_cli.structure.formats import read_structures

    return list(read_structures(path))


def _of_given(
    references: list[StructureRecord], predicted: list[StructureRecord], report: RunReporter
) -> list[StructureRecord]:
    """The references of the records of the input; the others are counted in a note.

    All of them if there is none, or if one record and one reference are compared.
    """
    given = Counter([*(record.id for record in predicted), *report.failed_ids])
    if len(predicted) == len(references) == 1:
        return references
    kept = []
    for reference in references:
        if given[reference.id] > 0:
            given[reference.id] -= 1
            kept.append(reference)
    if not kept:
        return references
    report.note_references(len(references) - len(kept))
    return kept


@without_garbage_collection()
def _load(chosen: dict[str, Any], report: RunReporter) -> ParallelPredictor:
    from rnaformer_cli.prediction import device
    from rnaformer_cli.prediction.predictor import Options, load
    from rnaformer_cli.prediction.workers import ParallelPredictor, WorkerConfig

    device.set_threads(chosen["threads"])
    options.warn_slow_bf16(chosen["precision"], chosen["device"], chosen["quiet"])
    prediction_options = Options(
        decoding=chosen["decoding"],
        threshold=chosen["threshold"],
        cycles=chosen["cycles"],
        min_score=chosen["min_score"],
        keep_scores=chosen["scores"] is not None,
        like=chosen["like"],
        families=not chosen["no_families"],
        pseudoknots=not chosen["no_pseudoknots"],
        max_memory=chosen["max_memory"],
        alternatives=chosen["alternatives"],
        seed=chosen["seed"] or 0,
        ensemble=chosen["ensemble"],
        window=chosen["window"],
        step=chosen["step"],
    )
    weights = options.or_default(chosen["weights"])
    predictor = load(weights, prediction_options, chosen["device"], chosen["precision"])
    source = WorkerConfig(weights, prediction_options, chosen["precision"])
    return ParallelPredictor(predictor, source, chosen["jobs"], report.warn)


def _write(
    destination: Destination, prediction: Any, name: str, fail_fast: bool, report: RunReporter
) -> None:
    try:
        destination.write(prediction, name)
        report.count_written(len(prediction.record))
        report.count_confidence(prediction.confidence)
    except (SingleRecordError, LogError):
        raise  # as would all records after it
    except RnaformerError as error:
        _fail(error.of(prediction.record.id), fail_fast, report)
        return
    if not prediction.unmet:
        return
    unmet = _unmet_error(prediction.record.id, prediction.unmet)
    if fail_fast:
        raise unmet
    report.fail_data(unmet)


def _unmet_error(name: str, unmet: Sequence[int]) -> ConstraintError:
    """The bases that must pair and have no partner in a structure that is written."""
    bases = ", ".join(str(base + 1) for base in unmet[:MAX_LISTED_BASES])
    more = ", ..." if len(unmet) > MAX_LISTED_BASES else ""
    which = "base that must pair has" if len(unmet) == 1 else "bases that must pair have"
    return ConstraintError(f"{len(unmet)} {which} no partner: {bases}{more}", record=name)


def _fail(error: RnaformerError, fail_fast: bool, report: RunReporter) -> None:
    if fail_fast:
        raise error
    report.fail(error)
