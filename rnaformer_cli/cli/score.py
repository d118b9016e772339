"""`rnaformer score`: scores predicted structures against references."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from rnaformer_cli.cli.arguments import options
from rnaformer_cli.cli.arguments.paths import check_paths
from rnaformer_cli.cli.formats.multiqc import format_multiqc
from rnaformer_cli.cli.formats.tables import print_table
from rnaformer_cli.cli.formats.text import escape_controls, print_result
from rnaformer_cli.cli.run.progress import format_count
from rnaformer_cli.files import write_text
from rnaformer_cli.scoring.compare import RecordScore, ScoringRules, compare
from rnaformer_cli.scoring.counts import PairCounts
from rnaformer_cli.scoring.summary import Summary, difference_interval, sign_flip_test, summarise
from rnaformer_cli.structure.formats import READ_FORMATS, read_structures
from rnaformer_cli.structure.structure import StructureRecord


@click.command()
@click.argument("predicted", metavar="PRED", type=options.PATH)
@click.option(
    "--ref",
    metavar="REF",
    required=True,
    type=options.PATH,
    help="File or folder of reference structures.",
)
@click.option(
    "--vs", metavar="OTHER", type=options.PATH, help="A second prediction to compare with PRED."
)
@click.option("--canonical", is_flag=True, help="Ignore all pairs but A-U, G-C and G-U.")
@click.option(
    "--tolerance",
    type=click.IntRange(0, 5),
    default=0,
    help="Also count pairs with one end off by up to N bases as matches.  [default: 0, exact only]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with all figures.")
@click.option("--tsv", "as_tsv", is_flag=True, help="Print one row per record and no summary.")
@click.option(
    "--multiqc",
    metavar="FILE",
    type=options.PATH,
    help="Also write a table for MultiQC, which reads files whose names end in _mqc.tsv.",
)
@click.option(
    "--from",
    "source_format",
    type=click.Choice(READ_FORMATS),
    help="Format of PRED.  [default: detected from the content]",
)
@click.option(
    "--ref-from",
    type=click.Choice(READ_FORMATS),
    help="Format of REF.  [default: detected from the content]",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Seed of the bootstrap intervals and of the significance test.",
)
def command(predicted: str, ref: str, **chosen: Any) -> None:
    """Score the structures in PRED against those in REF, matched by id.

    \b
    Examples:
      rnaformer score predicted.dbn --ref known.ct
      rnaformer score predicted.jsonl --ref refs/ --tolerance 1 --canonical
      rnaformer score ours.dbn --ref known.dbn --vs rnafold.dbn

    PRED, REF and OTHER may be dot-bracket, CT, BPSEQ, JSON Lines or Stockholm; a folder stands for
    all structure files in it. A pair counts once and must match exactly. A missing prediction has
    F1 0.
    """
    if chosen["as_json"] and chosen["as_tsv"]:
        raise click.UsageError("--json and --tsv cannot be combined")
    check_paths({"--multiqc": chosen["multiqc"]}, [predicted, ref, chosen["vs"]])
    rules = ScoringRules(chosen["canonical"], chosen["tolerance"])
    references = list(read_structures(ref, chosen["ref_from"]))
    ours, extra = compare(read_structures(predicted, chosen["source_format"]), references, rules)
    theirs: list[RecordScore] | None = None
    other_extra: list[str] = []
    if chosen["vs"]:
        theirs, other_extra = compare(read_structures(chosen["vs"]), references, rules)
    warn_unmatched(ours, extra)
    if theirs:
        warn_unmatched(theirs, other_extra, f" in {chosen['vs']}")
    if chosen["multiqc"]:
        write_text(chosen["multiqc"], format_multiqc(ours))
        if not chosen["multiqc"].endswith("_mqc.tsv"):
            hint = "MultiQC finds only files whose names end in _mqc.tsv"
            click.echo(f"rnaformer: warning: {hint}", err=True)
    if chosen["as_json"]:
        values = _as_json(ours, theirs, extra, chosen["seed"])
        print_result(json.dumps(values, ensure_ascii=False))
    elif chosen["as_tsv"]:
        _print_tsv(ours, theirs)
    else:
        _print(ours, theirs, chosen["seed"], rules.tolerance)


def print_scores(
    predicted: list[StructureRecord],
    references: list[StructureRecord],
    err: bool,
    quiet: bool = False,
) -> None:
    """Print the table of `rnaformer score` with its default rules.

    Raises:
        ScoreError: a prediction and its reference are not the same RNA.
    """
    scores, extra = compare(predicted, references)
    if not quiet:
        warn_unmatched(scores, extra)
    _print(scores, None, seed=0, tolerance=0, err=err)


def warn_unmatched(scores: list[RecordScore], extra: list[str], where: str = "") -> None:
    """Warn of references without a prediction and of predictions without a reference.

    `where` names the file of the predictions, if there are several.
    """
    missing = [score.id for score in scores if score.is_missing]
    for ids, what in ((missing, "no prediction for"), (extra, "no reference for")):
        if ids:
            listed = ", ".join(escape_controls(name) for name in ids[:5])
            more = f" and {len(ids) - 5} more" if len(ids) > 5 else ""
            click.echo(
                f"rnaformer: warning: {what} {listed}{more}{escape_controls(where)}", err=True
            )


def _print(
    ours: list[RecordScore],
    theirs: list[RecordScore] | None,
    seed: int,
    tolerance: int,
    err: bool = False,
) -> None:
    summary = summarise(ours, seed)
    has_tolerance = summary.tolerant_f1 is not None
    head = ["id", "length", "precision", "recall", "F1", "MCC"]
    head += [f"F1 ±{tolerance}"] if has_tolerance else []
    head += ["F1 other"] if theirs else []
    rows = []
    for index, score in enumerate(ours):
        row = [escape_controls(score.id), str(score.length), *_figures(score)]
        row += [f"{score.tolerant_f1:.3f}"] if score.tolerant_f1 is not None else []
        row += [f"{theirs[index].f1:.3f}"] if theirs else []
        rows.append(row)
    footer = [_mean_row(summary, theirs), _pooled_row(summary, len(head))]
    print_table(head, rows, footer, err)
    for line in _notes(summary, ours, theirs, seed):
        click.echo(line, err=err)


def _figures(score: RecordScore) -> list[str]:
    if score.is_missing:
        return ["missing", "missing", "0.000", "missing"]
    counts = score.exact
    return [f"{n:.3f}" for n in (counts.precision, counts.recall, counts.f1, counts.mcc)]


def _mean_row(summary: Summary, theirs: list[RecordScore] | None) -> list[str]:
    figures = [summary.precision, summary.recall, summary.f1, summary.mcc]
    figures += [summary.tolerant_f1] if summary.tolerant_f1 is not None else []
    figures += [summarise(theirs).f1] if theirs else []
    return [f"mean of {summary.records}", "", *(f"{figure:.3f}" for figure in figures)]


def _pooled_row(summary: Summary, width: int) -> list[str]:
    counts = summary.pooled
    figures = [f"{n:.3f}" for n in (counts.precision, counts.recall, counts.f1, counts.mcc)]
    return ["pooled", "", *figures, *[""] * (width - 6)]


def _notes(
    summary: Summary, ours: list[RecordScore], theirs: list[RecordScore] | None, seed: int
) -> list[str]:
    notes = []
    if summary.f1_interval is not None:
        low, high = summary.f1_interval
        interval = f"95 % interval {low:.3f} to {high:.3f} (bootstrap)"
        notes.append(f"mean F1 {summary.f1:.3f}, {interval}")
    if summary.missing:
        notes.append(f"F1 is 0 for {format_count(summary.missing, 'missing prediction')}")
    if summary.pseudoknot_records:
        notes.append(
            f"pseudoknots: pooled F1 {summary.pseudoknot.f1:.3f} over the crossing pairs "
            f"of {format_count(summary.pseudoknot_records, 'reference')}"
        )
    if theirs:
        missing = sum(score.is_missing for score in theirs)
        if missing:
            notes.append(f"F1 other is 0 for {format_count(missing, 'missing prediction')}")
        difference, (low, high), p = _difference(ours, theirs, seed)
        notes.append(
            f"mean F1 difference {difference:+.3f}, 95 % interval {low:+.3f} to {high:+.3f} "
            f"(paired bootstrap), p = {p:.2g} (paired sign flips)"
        )
    return notes


def _difference(
    ours: list[RecordScore], theirs: list[RecordScore], seed: int
) -> tuple[float, tuple[float, float], float]:
    """The mean difference of F1, its 95 % interval, and the p-value of no difference."""
    f1, other_f1 = [score.f1 for score in ours], [score.f1 for score in theirs]
    mean = sum(f1) / len(f1) - sum(other_f1) / len(other_f1)
    interval = difference_interval(f1, other_f1, seed)
    return mean, interval, sign_flip_test(f1, other_f1, seed)


def _print_tsv(ours: list[RecordScore], theirs: list[RecordScore] | None) -> None:
    columns = ["id", "length", "predicted", "reference", "matched", "precision", "recall"]
    columns += ["f1", "mcc"] + (["f1_tolerant"] if ours[0].tolerant else [])
    columns += ["f1_other"] if theirs else []
    click.echo("\t".join(columns))
    for index, score in enumerate(ours):
        counts = score.exact
        numbers = [score.length, counts.predicted, counts.reference, counts.reference_matched]
        ratios = [score.precision, score.recall, score.f1, score.mcc]
        ratios += [score.tolerant_f1] if score.tolerant_f1 is not None else []
        ratios += [theirs[index].f1] if theirs else []
        cells = [
            escape_controls(score.id),
            *map(str, numbers),
            *(f"{ratio:.4f}" for ratio in ratios),
        ]
        click.echo("\t".join(cells))


def _as_json(
    ours: list[RecordScore], theirs: list[RecordScore] | None, extra: list[str], seed: int
) -> dict[str, Any]:
    summary = summarise(ours, seed)
    values = {
        **asdict(summary),
        "pooled": _json_counts(summary.pooled),
        "pseudoknot": _json_counts(summary.pseudoknot),
        "without_reference": extra,
        "per_record": [_json_record(score) for score in ours],
    }
    if theirs:
        difference, interval, p = _difference(ours, theirs, seed)
        values["other"] = {
            "f1": summarise(theirs, seed).f1,
            "difference": difference,
            "difference_interval": interval,
            "p": p,
            "per_record": [_json_record(score) for score in theirs],
        }
    return values


def _json_record(score: RecordScore) -> dict[str, Any]:
    return {
        "id": score.id,
        "length": score.length,
        "missing": score.is_missing,
        **_json_counts(score.exact),
        "precision": score.precision,
        "recall": score.recall,
        "f1": score.f1,
        "mcc": score.mcc,
        "tolerant": _tolerant(score),
    }


def _tolerant(score: RecordScore) -> dict[str, Any] | None:
    if score.tolerant is None:
        return None
    figures = dict.fromkeys(("precision", "recall", "f1", "mcc"), 0.0) if score.is_missing else {}
    return {**_json_counts(score.tolerant), **figures}


def _json_counts(counts: PairCounts) -> dict[str, Any]:
    return {
        "predicted": counts.predicted,
        "reference": counts.reference,
        "matched": counts.reference_matched,
        "precision": counts.precision,
        "recall": counts.recall,
        "f1": counts.f1,
        "mcc": counts.mcc,
    }
