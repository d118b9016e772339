"""`rnaformer evaluate`: measures the accuracy of weights on labelled data sets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from rnaformer_cli.cli.arguments import options
from rnaformer_cli.cli.arguments.paths import check_folders, check_paths
from rnaformer_cli.cli.formats.tables import print_table
from rnaformer_cli.cli.formats.text import escape_controls
from rnaformer_cli.cli.run.progress import RunReporter
from rnaformer_cli.errors import DependencyError
from rnaformer_cli.files import write_atomically
from rnaformer_cli.scoring.summary import Summary

if TYPE_CHECKING:
    from rnaformer_cli.evaluation.evaluate import Evaluation, GroupBy
    from rnaformer_cli.prediction.predictor import Predictor
    from rnaformer_cli.prediction.workers import ParallelPredictor


@click.command()
@click.option(
    "--data",
    multiple=True,
    required=True,
    metavar="FILE",
    type=options.PATH,
    help="Data set of labelled records; may be repeated.",
)
@options.weights
@options.like
@options.no_families
@options.no_pseudoknots
@click.option(
    "--decode",
    "decoding",
    type=click.Choice(["mea", "matching", "nested"]),
    default="mea",
    show_default=True,
    help="Decoding method, as in `predict`.",
)
@click.option(
    "--threshold",
    type=options.FiniteRange(0, 1),
    help="Base-pair probability above which a pair is a candidate, for all records.  "
    "[default: set by the weights]",
)
@options.cycles_or_auto
@click.option(
    "--max-length",
    type=click.IntRange(min=1),
    help="Longest record in bases; longer ones are skipped.",
)
@click.option(
    "--sample", type=click.IntRange(min=1), help="Number of records to draw from each set."
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="Seed of --sample and of the confidence intervals.",
)
@click.option(
    "--by",
    type=click.Choice(["length", "family"]),
    help="Print a second table, by length or family.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per data set.")
@click.option("--tsv", "as_tsv", is_flag=True, help="Print one row per record.")
@click.option(
    "--plot",
    metavar="FILE.svg",
    type=options.PATH,
    help="Draw the calibration curves (needs the extra `train`).",
)
@options.device
@options.precision
@options.threads
@options.jobs
@options.quiet
def command(**chosen: Any) -> None:
    """Predict labelled data sets and score the predictions.

    \b
    Examples:
      rnaformer evaluate --data test.jsonl.gz
      rnaformer evaluate --data test.jsonl.gz --weights runs/small/best --by length

    F1 is the mean over records; pairs must match exactly. Its 95 % CI is from a bootstrap over
    records. F1 ±1 also accepts pairs in which one base is shifted by one position. F1 canonical
    ignores the non-canonical pairs of both structures. F1 by family is the mean over families; a
    record without a family counts as one. Crossing F1 is pooled over the crossing pairs
    (pseudoknots) of all records. ECE is the expected calibration error over pairs with a
    probability of 0.01 or more; Spearman is the rank correlation of confidence and F1.
    """
    from rnaformer_cli.dataset.records import set_names
    from rnaformer_cli.prediction.device import set_threads

    if chosen["as_json"] and chosen["as_tsv"]:
        raise click.UsageError("--json and --tsv cannot be combined")
    check_paths({"--plot": chosen["plot"]}, chosen["data"])
    check_folders(chosen["plot"])
    if chosen["plot"]:
        _import_matplotlib()  # fails before the prediction, not after it
    set_threads(chosen["threads"])
    options.warn_slow_bf16(chosen["precision"], chosen["device"], chosen["quiet"])
    report = RunReporter(quiet=chosen["quiet"])
    predictor = _load(chosen, report)
    evaluations = []
    with report.progress():
        for name, path in zip(set_names(chosen["data"]), chosen["data"], strict=True):
            evaluations.append(_evaluate(predictor, name, path, chosen, report))
    _show(evaluations, predictor.predictor, chosen)
    if chosen["plot"]:
        _plot(evaluations, chosen["plot"])
    if any(evaluation.failures for evaluation in evaluations):
        raise click.exceptions.Exit(1)


def _show(evaluations: list[Evaluation], predictor: Predictor, chosen: dict[str, Any]) -> None:
    if chosen["as_json"]:
        for evaluation in evaluations:
            click.echo(json.dumps(_as_json(evaluation, predictor, chosen)))
    elif chosen["as_tsv"]:
        _print_tsv(evaluations)
    else:
        _print(evaluations, chosen["seed"])
        if chosen["by"]:
            _print_groups(evaluations, chosen["by"])


def _load(chosen: dict[str, Any], report: RunReporter) -> ParallelPredictor:
    from rnaformer_cli.prediction.predictor import Options, load
    from rnaformer_cli.prediction.workers import ParallelPredictor, WorkerConfig

    prediction_options = Options(
        decoding=chosen["decoding"],
        threshold=chosen["threshold"],
        cycles=chosen["cycles"],
        keep_scores=True,
        like=chosen["like"],
        families=not chosen["no_families"],
        pseudoknots=not chosen["no_pseudoknots"],
    )
    source = WorkerConfig(
        options.or_default(chosen["weights"]), prediction_options, chosen["precision"]
    )
    predictor = load(source.weights, prediction_options, chosen["device"], chosen["precision"])
    return ParallelPredictor(predictor, source, chosen["jobs"], report.warn)


def _evaluate(
    predictor: ParallelPredictor,
    name: str,
    path: str,
    chosen: dict[str, Any],
    report: RunReporter,
) -> Evaluation:
    import random

    from rnaformer_cli.dataset.records import read_structure_set
    from rnaformer_cli.errors import DeviceError
    from rnaformer_cli.evaluation.evaluate import evaluate

    limit = chosen["max_length"]
    records = [r for r in read_structure_set(path) if limit is None or len(r) <= limit]
    if chosen["sample"] and chosen["sample"] < len(records):
        records = random.Random(chosen["seed"]).sample(records, chosen["sample"])
    evaluation = evaluate(predictor, name, records, report.advance)
    for failure in evaluation.failures:
        report.fail(DeviceError(failure))
    return evaluation


def _print(evaluations: list[Evaluation], seed: int) -> None:
    head = ["set", "records", "F1", "95 % CI", "precision", "recall", "F1 ±1", "F1 canonical"]
    head += ["F1 by family", "F1 pooled", "crossing F1", "crossing n", "ECE", "Spearman", "seconds"]
    rows = []
    for evaluation in evaluations:
        summary = evaluation.summary(seed)
        tolerant = summary.tolerant_f1 or 0.0
        row = [escape_controls(evaluation.name), str(summary.records), f"{summary.f1:.3f}"]
        interval = summary.f1_interval
        row += ["-" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"]
        figures = [summary.precision, summary.recall, tolerant, evaluation.canonical_f1]
        figures += [evaluation.f1_by_family, summary.pooled.f1]
        row += [f"{figure:.3f}" for figure in figures]
        crossing = f"{summary.pseudoknot.f1:.3f}" if summary.pseudoknot_records else "-"
        row += [crossing, str(summary.pseudoknot_records)]
        row += [f"{evaluation.calibration.error:.4f}", f"{evaluation.spearman:.2f}"]
        rows.append([*row, f"{evaluation.seconds:.1f}"])
    print_table(head, rows)


def _print_groups(evaluations: list[Evaluation], by: GroupBy) -> None:
    rows = []
    for evaluation in evaluations:
        for name, summary in evaluation.groups(by):
            figures = [summary.f1, summary.precision, summary.recall, summary.pooled.f1]
            cells = [f"{figure:.3f}" for figure in figures]
            rows.append(
                [
                    escape_controls(evaluation.name),
                    escape_controls(name),
                    str(summary.records),
                    *cells,
                ]
            )
    click.echo()
    head = ["set", by, "records", "F1", "precision", "recall", "F1 pooled"]
    print_table(head, rows, left=2)


def _print_tsv(evaluations: list[Evaluation]) -> None:
    click.echo("set\tid\tlength\tfamily\tf1\tprecision\trecall\tf1_canonical\tconfidence")
    for evaluation in evaluations:
        for evaluated in evaluation.records:
            counts = evaluated.exact.exact
            ratios = [evaluated.exact.f1, counts.precision, counts.recall]
            ratios += [evaluated.canonical.f1, evaluated.confidence]
            record = evaluated.record
            names = [evaluation.name, record.id, str(len(record)), record.family or "-"]
            cells = [*map(escape_controls, names), *(f"{ratio:.4f}" for ratio in ratios)]
            click.echo("\t".join(cells))


def _as_json(
    evaluation: Evaluation, predictor: Predictor, chosen: dict[str, Any]
) -> dict[str, Any]:
    summary = evaluation.summary(chosen["seed"])
    groups = evaluation.groups(chosen["by"]) if chosen["by"] else ()
    return {
        "set": evaluation.name,
        "model": predictor.name,
        "cycles": "auto" if predictor.stops_early else predictor.cycles,
        "threshold": predictor.threshold,
        "threshold_ratio": predictor.threshold_ratio,
        **_figures(summary),
        "f1_interval": summary.f1_interval,
        "f1_tolerance_1": summary.tolerant_f1,
        "f1_canonical": evaluation.canonical_f1,
        "f1_by_family": evaluation.f1_by_family,
        "mcc": summary.mcc,
        "pseudoknot_f1": summary.pseudoknot.f1 if summary.pseudoknot_records else None,
        "pseudoknot_records": summary.pseudoknot_records,
        "calibration_error": evaluation.calibration.error,
        "calibration_curve": evaluation.calibration.curve(),
        "spearman_confidence_f1": evaluation.spearman,
        "seconds": evaluation.seconds,
        "failures": evaluation.failures,
        "groups": {name: _figures(part) for name, part in groups},
    }


def _figures(summary: Summary) -> dict[str, Any]:
    return {
        "records": summary.records,
        "f1": summary.f1,
        "precision": summary.precision,
        "recall": summary.recall,
        "pooled_f1": summary.pooled.f1,
    }


def _import_matplotlib() -> tuple[Any, Any]:
    """The classes of a figure and of its SVG canvas, which need no display."""
    try:
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure
    except ImportError:
        message = "curves need matplotlib: pip install '.[train]' in a checkout"
        raise DependencyError(message) from None
    return Figure, FigureCanvasSVG


def _plot(evaluations: list[Evaluation], path: str) -> None:
    make_figure, make_canvas = _import_matplotlib()
    figure = make_figure(figsize=(4.5, 4.5), layout="constrained")
    make_canvas(figure)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.7", linestyle="--")
    for evaluation in evaluations:
        points = evaluation.calibration.curve()
        label = f"{evaluation.name} (ECE {evaluation.calibration.error:.4f})"
        probabilities, fractions = [point[0] for point in points], [point[1] for point in points]
        axes.plot(probabilities, fractions, marker="o", markersize=3, label=label)
    axes.set(xlabel="base-pair probability", ylabel="fraction of pairs in the reference")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.legend()
    with write_atomically(path, binary=True) as file:
        figure.savefig(file, format="svg")
