"""`rnaformer data`: labelled data sets made, described, split and labelled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from rnaformer_cli.cli.arguments import options
from rnaformer_cli.cli.arguments.paths import check_paths
from rnaformer_cli.cli.formats.text import escape_controls
from rnaformer_cli.cli.run.progress import Report, counted
from rnaformer_cli.dataset.labelling import KINDS, Kind, Label
from rnaformer_cli.dataset.records import LabelledRecord, read_dataset, write_dataset
from rnaformer_cli.dataset.splitting import By
from rnaformer_cli.errors import InputError, RnaformerError
from rnaformer_cli.files import text_name
from rnaformer_cli.structure.formats import READ_FORMATS, ReadFormat


@click.group(context_settings={"max_content_width": 100})
def command() -> None:
    """Make, describe, split and label data sets for training and evaluation.

    A data set is gzip JSON lines: id, seq, pairs (0-based, left < right), source, family, clan,
    and where there are any cluster and probabilities ([left, right, probability]).

    \b
    Examples:
      rnaformer data import structures/ --source rcsb -o pdb.jsonl.gz
      rnaformer data stats pdb.jsonl.gz
      rnaformer data split pdb.jsonl.gz --by family --val 0.1 --test 0.1 --out-dir sets
      rnaformer data sample pdb.jsonl.gz -n 10000 -o more.jsonl.gz
      rnaformer data label more.jsonl.gz --rnafold probabilities -o labelled.jsonl.gz
    """


@command.command("import")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...", type=options.PATH)
@click.option(
    "-o", "--output", required=True, metavar="FILE", type=options.PATH, help="Data set to write."
)
@click.option("--source", required=True, metavar="NAME", help="Where the structures come from.")
@click.option("--family", metavar="NAME", help="Family of all records.  [default: the file's]")
@click.option("--from", "written_as", type=click.Choice(READ_FORMATS), help="SOURCE's format.")
def import_(
    sources: tuple[str, ...],
    output: str,
    source: str,
    family: str | None,
    written_as: ReadFormat | None,
) -> None:
    """Import dot-bracket, CT, BPSEQ, JSON Lines, Stockholm and CSV, files or folders of them.

    What is wrong is reported and the rest written, and the exit code is then 1: a bad row of a
    table is left out, another file is read up to its first bad record.
    """
    from rnaformer_cli.dataset.importing import import_files

    check_paths({"--output": output}, sources)
    report = Report()
    records: list[LabelledRecord] = []
    for path in sources:
        try:
            for found in import_files(path, source, family, written_as):
                if isinstance(found, LabelledRecord):
                    records.append(found)
                else:
                    report.fail(found)
        except RnaformerError as error:
            report.fail(error)
    if records or not report.failures:
        _report_written(write_dataset(output, records), output)
    if report.failures:
        raise click.exceptions.Exit(1)


@command.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=options.PATH)
def stats(files: tuple[str, ...]) -> None:
    """Describe data sets: records, lengths, pairs, sources, families."""
    from rnaformer_cli.cli.formats.tables import print_table
    from rnaformer_cli.dataset.stats import describe

    head = ["set", "records", "bases", "length", "pairs", "families", "clans", "clusters"]
    head += ["non-canonical", "pseudoknots", "multiplets", "N", "sources"]
    rows = []
    for path in files:
        found = describe(read_dataset(path))
        low, _, median, _, _, high = found.length_quantiles
        counts = [found.pairs, found.families, found.clans, found.clusters]
        shares = [found.noncanonical_fraction, found.pseudoknot_fraction, found.multiplet_fraction]
        row = [text_name(path).split(".")[0], str(found.records), str(found.bases)]
        row += [f"{low} to {high}, median {median}", *map(str, counts)]
        row += [f"{share:.1%}" for share in (*shares, found.unknown_fraction)]
        row += [", ".join(f"{escape_controls(name)} {n}" for name, n in found.sources.items())]
        rows.append(row)
    print_table(head, rows)


@command.command()
@click.argument("file", type=options.PATH)
@click.option(
    "--out-dir",
    required=True,
    metavar="DIR",
    type=options.FOLDER,
    help="Gets train, val and test sets.",
)
@click.option(
    "--by", type=click.Choice(["identity", "family"]), required=True, help="What to keep together."
)
@click.option(
    "--val",
    default=0.1,
    show_default=True,
    type=options.FiniteRange(0, 1),
    help="Share of records.",
)
@click.option(
    "--test",
    default=0.1,
    show_default=True,
    type=options.FiniteRange(0, 1),
    help="Share of records.",
)
@click.option("--seed", default=0, show_default=True)
def split(file: str, out_dir: str, by: By, val: float, test: float, seed: int) -> None:
    """Split a data set so that no part shares relatives with training.

    Alike sequences always stay together, and with `--by family` so do families and clans. The
    parts are checked before they are written, by CD-HIT-EST-2D if it is installed.
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
@click.argument("train", type=options.PATH)
@click.argument("test", type=options.PATH)
@click.option(
    "--by", type=click.Choice(["identity", "family"]), default="family", show_default=True
)
def leaks(train: str, test: str, by: By) -> None:
    """Tell which records of TEST resemble TRAIN; exit with 1 if any does."""
    from rnaformer_cli.dataset.splitting import check_leaks

    sets = [list(read_dataset(path)) for path in (train, test)]
    for path, records in zip((train, test), sets, strict=True):
        if not records:  # in which no leak could be found
            raise InputError("no record in this file", path=path)
    method = check_leaks(sets[0], sets[1], test, by)
    click.echo(f"no leak found by {method}")


@command.command()
@click.argument("file", type=options.PATH)
@click.option("-n", "--count", required=True, type=click.IntRange(min=1), help="How many.")
@click.option(
    "-o", "--output", required=True, metavar="FILE", type=options.PATH, help="Data set to write."
)
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(KINDS),
    help="Only sequences of this kind; may be given several times.",
)
@click.option("--seed", default=0, show_default=True)
def sample(file: str, count: int, output: str, kinds: tuple[Kind, ...], seed: int) -> None:
    """Make sequences to label: whole, parts, shuffled parts and random letters."""
    from rnaformer_cli.dataset.labelling import Recipe, make_sequences

    check_paths({"--output": output}, [file])
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
    help="Minimum free energy structures, or these with pair probabilities (ViennaRNA).",
)
@click.option(
    "--folding",
    metavar="FILE",
    type=options.PATH,
    help="Pair probabilities of the folding model with these scores, which count as curated.",
)
@click.option(
    "--jobs",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="Processes (for --rnafold).",
)
def label(file: str, output: str, label: Label | None, folding: str | None, jobs: int) -> None:
    """Label sequences by folding programs.

    With --rnafold a run that was stopped goes on where it was.

    \b
    Examples:
      rnaformer data label made.jsonl.gz --rnafold probabilities --jobs 4 -o rnafold.jsonl.gz
      rnaformer data label shuffled.jsonl.gz --folding scores.safetensors -o folded.jsonl.gz
    """
    check_paths({"--output": output}, [file, folding])
    if (label is None) == (folding is None):
        raise click.UsageError("give either --rnafold or --folding")
    report = Report()
    with report.progress():
        if folding is not None:
            count = _label_by_folding(file, output, folding, report)
        else:
            from rnaformer_cli.dataset.labelling import label_file

            assert label is not None
            count = label_file(file, output, label, jobs, report.reach)
    _report_written(count, output)


def _label_by_folding(file: str, output: str, scores: str, report: Report) -> int:
    from rnaformer_cli.dataset.folding_labels import label_by_folding
    from rnaformer_cli.folding.model import Folding
    from rnaformer_cli.training.folding_model.fit import read_scores

    folding = Folding()
    folding.load_state_dict(dict(read_scores(scores)))
    labelled = label_by_folding(read_dataset(file), folding)
    return write_dataset(output, _told(labelled, report))


def _told(records: Iterable[LabelledRecord], report: Report) -> Iterator[LabelledRecord]:
    for number, record in enumerate(records, start=1):
        report.reach(number)
        yield record


def _report_written(count: int, path: str | Path) -> None:
    click.echo(f"{counted(count, 'record')} in {escape_controls(str(path))}", err=True)
