"""`rnaformer data`: imports, describes, splits, samples and labels data sets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from rnaformer_cli.cli.arguments import options
from rnaformer_cli.cli.arguments.folding_scores import read_folding_scores
from rnaformer_cli.cli.arguments.paths import check_folders, check_paths
from rnaformer_cli.cli.formats.text import escape_controls
from rnaformer_cli.cli.run.progress import RunReporter, format_count
from rnaformer_cli.dataset.labelling import KINDS, RnafoldLabel, SequenceKind
from rnaformer_cli.dataset.records import (
    LabelledRecord,
    read_dataset,
    set_names,
    write_dataset,
)
from rnaformer_cli.dataset.splitting import SplitBy
from rnaformer_cli.errors import InputError, RnaformerError
from rnaformer_cli.structure.formats import READ_FORMATS, ReadFormat


@click.group(context_settings={"max_content_width": 100})
def command() -> None:
    """Make, describe, split and label data sets for training and evaluation.

    \b
    Examples:
      rnaformer data import structures/ --source rcsb -o pdb.jsonl.gz
      rnaformer data stats pdb.jsonl.gz
      rnaformer data split pdb.jsonl.gz --by family --val 0.1 --test 0.1 --out-dir sets
      rnaformer data sample pdb.jsonl.gz -n 10000 -o more.jsonl.gz
      rnaformer data label more.jsonl.gz --rnafold probabilities -o labelled.jsonl.gz

    A data set is a gzip-compressed JSON Lines file. The fields of a record are id, seq, pairs
    (0-based, left < right), source, family and clan, and optionally cluster and probabilities
    ([left, right, probability]).
    """


@command.command("import")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...", type=options.PATH)
@click.option(
    "-o", "--output", required=True, metavar="FILE", type=options.PATH, help="Data set to write."
)
@click.option(
    "--source",
    required=True,
    metavar="NAME",
    type=options.NonEmptyText(),
    help="Origin of the structures, for example rcsb or rfam.",
)
@click.option(
    "--family",
    metavar="NAME",
    type=options.NonEmptyText(),
    help="Family of all records.  [default: as given in the files]",
)
@click.option(
    "--from",
    "source_format",
    type=click.Choice(READ_FORMATS),
    help="Format of SOURCE.  [default: detected from the content]",
)
def import_(
    sources: tuple[str, ...],
    output: str,
    source: str,
    family: str | None,
    source_format: ReadFormat | None,
) -> None:
    """Import structure files, or folders of them, as a data set.

    The formats are dot-bracket, CT, BPSEQ, JSON Lines, Stockholm and CSV. Bad records are reported
    and all others imported; the exit code is then 1. A bad row of a CSV table is skipped; any other
    file is read up to its first bad record.

    \b
    Columns of a CSV table, in any order and case; others are ignored:
      id or name (optional)
      sequence or seq
      structure, dot_bracket, dotbracket or secondary_structure
      family or rfam (optional)
    """
    from rnaformer_cli.dataset.importing import import_files

    check_paths({"--output": output}, sources)
    report = RunReporter()
    records: list[LabelledRecord] = []
    for path in sources:
        try:
            for result in import_files(path, source, family, source_format):
                if isinstance(result, LabelledRecord):
                    records.append(result)
                else:
                    report.fail(result)
        except RnaformerError as error:
            report.fail(error)
    if records or not report.failures:
        _report_written(write_dataset(output, records), output)
    if report.failures:
        raise click.exceptions.Exit(1)


@command.command("stats")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=options.PATH)
def stats_(files: tuple[str, ...]) -> None:
    """Print the number of records, lengths, pairs, families and sources of data sets."""
    from rnaformer_cli.cli.formats.tables import print_table
    from rnaformer_cli.dataset.stats import compute_stats

    head = ["set", "records", "bases", "length", "pairs", "families", "clans", "clusters"]
    head += ["non-canonical", "pseudoknots", "multiplets", "N", "sources"]
    rows = []
    for name, path in zip(set_names(files), files, strict=True):
        stats = compute_stats(read_dataset(path))
        low, _, median, _, _, high = stats.length_quantiles
        counts = [stats.pairs, stats.families, stats.clans, stats.clusters]
        fractions = [stats.noncanonical_fraction, stats.pseudoknot_fraction]
        fractions += [stats.multiplet_fraction, stats.unknown_fraction]
        row = [name, str(stats.records), str(stats.bases)]
        row += [f"{low} to {high}, median {median}", *map(str, counts)]
        row += [f"{fraction:.1%}" for fraction in fractions]
        row += [", ".join(f"{escape_controls(name)} {n}" for name, n in stats.sources.items())]
        rows.append(row)
    print_table(head, rows)


@command.command()
@click.argument("file", type=options.PATH)
@click.option(
    "--out-dir",
    required=True,
    metavar="DIR",
    type=options.FOLDER,
    help="Folder for train.jsonl.gz, val.jsonl.gz and test.jsonl.gz.",
)
@click.option(
    "--by",
    type=click.Choice(["identity", "family"]),
    required=True,
    help="Which records are related: similar sequences, or also the same family or clan.",
)
@click.option(
    "--val",
    default=0.1,
    show_default=True,
    type=options.FiniteRange(0, 1),
    help="Fraction of the records in the validation set.",
)
@click.option(
    "--test",
    default=0.1,
    show_default=True,
    type=options.FiniteRange(0, 1),
    help="Fraction of the records in the test set.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the random split.")
def split(file: str, out_dir: str, by: SplitBy, val: float, test: float, seed: int) -> None:
    """Split a data set into training, validation and test sets of unrelated records.

    Similar sequences always stay together, and so do families and clans with `--by family`. The
    sets are checked for leaks before they are written, with CD-HIT-EST-2D if it is installed.
    """
    from rnaformer_cli.dataset.splitting import split as split_records
    from rnaformer_cli.files import make_folder

    written = {name: str(Path(out_dir) / f"{name}.jsonl.gz") for name in ("train", "val", "test")}
    check_paths(written, [file])
    parts, method = split_records(list(read_dataset(file)), {"val": val, "test": test}, by, seed)
    make_folder(out_dir)
    for name, records in parts.items():
        path = Path(out_dir) / f"{name}.jsonl.gz"
        _report_written(write_dataset(path, records), path)
    click.echo(f"no leak found by {method}", err=True)


@command.command()
@click.argument("file", type=options.PATH)
@click.option(
    "-o", "--output", required=True, metavar="FILE", type=options.PATH, help="Data set to write."
)
@click.option(
    "--clusters",
    default=1.0,
    show_default=True,
    type=options.FiniteRange(0, 1, min_open=True),
    help="Fraction of the clusters to keep.",
)
@click.option("-n", "--count", type=click.IntRange(min=1), help="Maximum number of records.")
@click.option(
    "--max-length",
    type=click.IntRange(min=1),
    help="Longest record in bases; longer ones are left out.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the random choices.")
def subset(
    file: str, output: str, clusters: float, count: int | None, max_length: int | None, seed: int
) -> None:
    """Write a random subset of a data set, in the same order.

    Clusters are kept or left out as a whole. With the same seed, the clusters of a smaller fraction
    are among those of a larger one.
    """
    from rnaformer_cli.dataset.subsets import choose_subset

    check_paths({"--output": output}, [file])
    chosen = choose_subset(list(read_dataset(file)), clusters, count, max_length, seed)
    _report_written(write_dataset(output, chosen), output)


@command.command()
@click.argument("file", type=options.PATH)
@click.option(
    "-t",
    "--to",
    "target",
    type=click.Choice(["jsonl", "fasta"]),
    default="jsonl",
    show_default=True,
    help="Output format: structures, or sequences only.",
)
@click.option(
    "-o", "--output", required=True, metavar="FILE", type=options.PATH, help="File to write."
)
def export(file: str, target: str, output: str) -> None:
    """Write a data set as structures for `score --ref`, or as FASTA for `predict`.

    \b
    Examples:
      rnaformer data export test.jsonl.gz -o test.jsonl
      rnaformer data export test.jsonl.gz -t fasta -o test.fasta
    """
    from rnaformer_cli.files import write_text
    from rnaformer_cli.structure.formats import WRITERS
    from rnaformer_cli.structure.jsonl import one_word
    from rnaformer_cli.structure.structure import StructureRecord

    check_paths({"--output": output}, [file])
    texts = [
        f">{escape_controls(one_word(record.id, number))}\n{record.sequence}\n"
        if target == "fasta"
        else WRITERS["jsonl"](StructureRecord(record.id, record.sequence, record.structure))
        for number, record in enumerate(read_dataset(file), start=1)
    ]
    write_text(output, "".join(texts))
    _report_written(len(texts), output)


@command.command()
@click.argument("train", type=options.PATH)
@click.argument("test", type=options.PATH)
@click.option(
    "--by",
    type=click.Choice(["identity", "family"]),
    default="family",
    show_default=True,
    help="Which records are related: similar sequences, or also the same family or clan.",
)
def leaks(train: str, test: str, by: SplitBy) -> None:
    """Report the records of TEST that are related to TRAIN.

    The exit code is 1 if there are any.
    """
    from rnaformer_cli.dataset.splitting import check_leaks

    sets = [list(read_dataset(path)) for path in (train, test)]
    for path, records in zip((train, test), sets, strict=True):
        if not records:  # an empty set would always pass
            raise InputError("no record in this file", path=path)
    method = check_leaks(sets[0], sets[1], test, by)
    click.echo(f"no leak found by {method}")


@command.command()
@click.argument("file", type=options.PATH)
@click.option(
    "-n", "--count", required=True, type=click.IntRange(min=1), help="Number of sequences."
)
@click.option(
    "-o", "--output", required=True, metavar="FILE", type=options.PATH, help="Data set to write."
)
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(KINDS),
    help="Make only sequences of this kind; may be repeated.  [default: all kinds but mutant]",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the random choices.")
def sample(file: str, count: int, output: str, kinds: tuple[SequenceKind, ...], seed: int) -> None:
    """Make unlabelled sequences from those of a data set.

    A new sequence is a whole sequence of FILE, a random window of one, a window with its bases
    shuffled, random bases, or (mutant) a whole sequence with one base replaced.
    """
    from rnaformer_cli.dataset.labelling import Recipe, make_sequences

    check_paths({"--output": output}, [file])
    check_folders(output)
    recipe = Recipe().only(kinds) if kinds else Recipe()
    made = make_sequences(list(read_dataset(file)), count, seed, recipe)
    _report_written(write_dataset(output, made), output)


@command.command()
@click.argument("file", type=options.PATH)
@click.option(
    "-o", "--output", required=True, metavar="FILE", type=options.PATH, help="Data set to write."
)
@click.option(
    "--rnafold",
    "label",
    type=click.Choice(["mfe", "probabilities"]),
    help="Labels: RNAfold's minimum free energy structures, or these and its pair probabilities.",
)
@click.option(
    "--folding",
    metavar="FILE|NAME|DIR",
    type=options.NonEmptyText(),
    shell_complete=options.complete_weights,
    help="Label with base-pair probabilities of the folding model in this file or these weights; "
    "they count as curated.",
)
@click.option(
    "--jobs",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="Number of processes for --rnafold.",
)
def label(
    file: str, output: str, label: RnafoldLabel | None, folding: str | None, jobs: int
) -> None:
    """Label the sequences of a data set with a folding program.

    \b
    Examples:
      rnaformer data label made.jsonl.gz --rnafold probabilities --jobs 4 -o rnafold.jsonl.gz
      rnaformer data label shuffled.jsonl.gz --folding scores.safetensors -o folded.jsonl.gz

    --rnafold needs ViennaRNA. A stopped --rnafold run continues when the command is repeated.
    """
    unfinished = None if folding else f"{output}.part"
    check_paths({"--output": output, "--output with .part": unfinished}, [file, folding])
    check_folders(output)
    if (label is None) == (folding is None):
        raise click.UsageError("give either --rnafold or --folding")
    report = RunReporter()
    with report.progress():
        if folding is not None:
            count = _label_by_folding(file, output, folding, report)
        else:
            from rnaformer_cli.dataset.labelling import label_file

            assert label is not None
            count = label_file(file, output, label, jobs, report.set_count)
    _report_written(count, output)


def _label_by_folding(file: str, output: str, scores: str, report: RunReporter) -> int:
    from rnaformer_cli.dataset.folding_labels import label_by_folding
    from rnaformer_cli.folding.model import FoldingModel

    folding = FoldingModel()
    folding.load_state_dict(dict(read_folding_scores(scores)))
    labelled = label_by_folding(read_dataset(file), folding)
    return write_dataset(output, _count_progress(labelled, report))


def _count_progress(
    records: Iterable[LabelledRecord], report: RunReporter
) -> Iterator[LabelledRecord]:
    for number, record in enumerate(records, start=1):
        report.set_count(number)
        yield record


def _report_written(count: int, path: str | Path) -> None:
    click.echo(f"{format_count(count, 'record')} in {escape_controls(str(path))}", err=True)
