"""`rnaformer data`: sets made, described, split, labelled; leaks refused."""

import pytest
import torch
from factories.datasets import make_hairpin, make_record, mutate, random_rna

from rnaformer_cli.dataset.importing import _COLUMNS
from rnaformer_cli.dataset.records import read_dataset, write_dataset
from rnaformer_cli.folding.scores import TABLE_SHAPES
from rnaformer_cli.sequence.fasta import read_fasta
from rnaformer_cli.structure.formats import read_structures
from rnaformer_cli.training.folding_model.fit import write_scores

DBN = ">a\nGGGAAACCC\n(((...)))\n>b\nGGAACC\n((.))\n>c\nGGAAACC\n((...))\n"


@pytest.fixture(autouse=True)
def no_cdhit(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")


@pytest.fixture
def families(tmp_path):
    """Eight families of three relatives."""
    path = tmp_path / "all.jsonl.gz"
    sequences = {f"f{n // 3}m{n}": (random_rna(70, n // 3), n) for n in range(24)}
    write_dataset(
        path,
        [
            make_record(name, mutate(sequence, 0.08, n), family=f"RF{n // 3}")
            for name, (sequence, n) in sequences.items()
        ],
    )
    return path


def test_import_writes_the_good_records_and_reports_the_bad(run_cli, tmp_path):
    source, target = tmp_path / "in.dbn", tmp_path / "out.jsonl.gz"
    source.write_text(DBN)
    done = run_cli("data", "import", source, "--source", "lab", "-o", target)
    assert [r.id for r in read_dataset(target)] == ["a"]  # what follows a broken record is lost
    assert done.code == 1
    assert done.err == (
        f"rnaformer: {source}:6: record 'b': 6 bases, but a structure of 5\n1 record in {target}\n"
    )


def test_import_continues_after_a_missing_file(run_cli, tmp_path):
    source, target = tmp_path / "in.dbn", tmp_path / "out.jsonl.gz"
    source.write_text(">a\nGGGAAACCC\n(((...)))\n")
    done = run_cli("data", "import", "absent.ct", source, "--source", "lab", "-o", target)
    assert done.err == f"rnaformer: absent.ct: no such file or directory\n1 record in {target}\n"
    assert done.code == 1


def test_stats_describe_each_set(run_cli, tmp_path):
    path = tmp_path / "small.jsonl.gz"
    write_dataset(path, [make_hairpin("a", 4, 1), make_hairpin("b", 5, 2, source="rnafold")])
    done = run_cli("data", "stats", path)
    head, row = done.out.splitlines()
    assert head.split()[:3] == ["set", "records", "bases"]
    counts = "small  2 26 12 to 14, median 13 9 0 0 0"
    fractions = "0.0% 0.0% 0.0% 0.0% x 1, rnafold 1"
    assert " ".join(row.split()) == " ".join(f"{counts} {fractions}".split())


def test_split_writes_disjoint_parts(run_cli, families, tmp_path):
    done = run_cli("data", "split", families, "--by", "family", "--out-dir", tmp_path / "sets")
    assert done.code == 0
    parts = [
        list(read_dataset(tmp_path / "sets" / f"{n}.jsonl.gz")) for n in ("train", "val", "test")
    ]
    assert sum(map(len, parts)) == 24
    assert done.err.splitlines()[-1] == (
        "no leak found by exact comparison and shared 8-mers (cd-hit-est-2d is not installed)"
    )


def test_leaks_between_two_sets_are_reported(run_cli, tmp_path):
    write_dataset(tmp_path / "train", [make_record("t", random_rna(80, 1))])
    write_dataset(tmp_path / "test", [make_record("u", mutate(random_rna(80, 1), 0.1, 2))])
    done = run_cli("data", "leaks", tmp_path / "train", tmp_path / "test")
    assert (done.out, done.code) == ("", 1)
    assert done.err == (
        f"rnaformer: {tmp_path / 'test'} is related to the training set: "
        "u like t: at least 10% of 8-mers\n"
    )


def test_sets_without_a_leak_are_reported_as_such(run_cli, tmp_path):
    write_dataset(tmp_path / "train", [make_record("t", random_rna(80, 1))])
    write_dataset(tmp_path / "test", [make_record("u", random_rna(80, 2))])
    done = run_cli("data", "leaks", tmp_path / "train", tmp_path / "test")
    assert done.code == 0
    assert done.out.startswith("no leak found by exact comparison and shared 8-mers")


def test_sequences_are_sampled_and_labelled(run_cli, families, tmp_path):
    made, labelled = tmp_path / "made.jsonl.gz", tmp_path / "labelled.jsonl.gz"
    assert run_cli("data", "sample", families, "-n", 6, "-o", made).err == f"6 records in {made}\n"
    done = run_cli("data", "label", made, "--rnafold", "probabilities", "-o", labelled)
    assert done.err == f"6 records in {labelled}\n"
    records = list(read_dataset(labelled))
    assert [r.id for r in records] == [r.id for r in read_dataset(made)]
    assert all(r.probabilities is not None and not r.is_curated for r in records)


def test_nothing_is_written_when_nothing_could_be_imported(run_cli, tmp_path):
    done = run_cli(
        "data", "import", tmp_path / "absent.dbn", "--source", "x", "-o", tmp_path / "out"
    )
    message = f"rnaformer: {tmp_path / 'absent.dbn'}: no such file or directory\n"
    assert (done.err, done.code) == (message, 1)
    assert not (tmp_path / "out").exists()


def test_shuffled_sequences_are_labelled_by_the_folding_model(run_cli, tmp_path):
    write_dataset(tmp_path / "set.jsonl.gz", [make_hairpin("h", 20, 1)])
    made, labelled = tmp_path / "made.jsonl.gz", tmp_path / "labelled.jsonl.gz"
    kinds = ("--kind", "shuffled", "--kind", "random")
    run_cli("data", "sample", tmp_path / "set.jsonl.gz", "-n", 9, "-o", made, *kinds)
    write_scores(tmp_path / "s", {name: torch.zeros(shape) for name, shape in TABLE_SHAPES.items()})
    done = run_cli("data", "label", made, "--folding", tmp_path / "s", "-o", labelled)
    assert (done.err, done.code) == (f"9 records in {labelled}\n", 0)
    records = list(read_dataset(labelled))
    assert {record.id.split("_")[0] for record in records} <= {"shuffled", "random"}
    assert all(record.probabilities and record.is_curated for record in records)


@pytest.mark.parametrize("options", [[], ["--folding", "s", "--rnafold", "mfe"]])
def test_labels_come_from_one_program(run_cli, options):
    done = run_cli("data", "label", "made.jsonl.gz", "-o", "out.jsonl.gz", *options)
    assert done.err.endswith("Error: give either --rnafold or --folding\n")
    assert done.code == 2


@pytest.mark.parametrize("empty", ["train", "test"])
def test_no_leaks_are_sought_in_an_empty_set(run_cli, tmp_path, empty):
    """A file that was cut to nothing passed as one without leaks."""
    for name in ("train", "test"):
        line = '{"id": "x", "seq": "GAC", "pairs": [], "source": "s"}\n'
        (tmp_path / name).write_text("" if name == empty else line)
    done = run_cli("data", "leaks", tmp_path / "train", tmp_path / "test")
    message = f"rnaformer: {tmp_path / empty}: no record in this file\n"
    assert (done.out, done.err, done.code) == ("", message, 1)


def test_the_help_of_import_lists_all_columns(run_cli):
    words = run_cli("data", "import", "--help").out.replace(",", " ").split()
    assert {name for names in _COLUMNS.values() for name in names} <= set(words)


@pytest.mark.parametrize("option", ["--source", "--family"])
def test_an_empty_name_is_refused(run_cli, option):
    names = {"--source": "s", "--family": "f", option: ""}
    done = run_cli("data", "import", "x.dbn", "-o", "out", *(w for p in names.items() for w in p))
    assert done.err.endswith(f"Error: Invalid value for '{option}': the text is empty\n")
    assert done.code == 2


def test_the_unfinished_labels_of_a_run_are_not_its_input(run_cli, tmp_path):
    """The input was taken for finished labels, written as such and deleted."""
    part = tmp_path / "out.part"
    write_dataset(part, [make_hairpin("h", 8, 1)])
    done = run_cli("data", "label", part, "--rnafold", "mfe", "-o", tmp_path / "out")
    assert done.err.endswith(f"Error: --output with .part would replace an input: {part}\n")
    assert (part.exists(), done.code) == (True, 2)


def test_sets_with_one_file_name_have_different_names(run_cli, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_dataset(tmp_path / folder / "x.jsonl.gz", [make_hairpin("h", 8, 1)])
    done = run_cli("data", "stats", tmp_path / "a/x.jsonl.gz", tmp_path / "b/x.jsonl.gz")
    assert [line.split()[0] for line in done.out.splitlines()] == ["set", "x", "x_2"]


def test_a_subset_keeps_whole_clusters(run_cli, tmp_path):
    path, target = tmp_path / "all.jsonl.gz", tmp_path / "part.jsonl.gz"
    write_dataset(path, [make_hairpin(f"h{n}", 4, n, cluster=n // 2) for n in range(8)])
    done = run_cli("data", "subset", path, "--clusters", 0.5, "-o", target)
    assert (done.err, done.code) == (f"4 records in {target}\n", 0)
    chosen = [record.cluster for record in read_dataset(target)]
    assert len(set(chosen)) == 2


def test_a_set_is_exported_as_structures_and_as_sequences(run_cli, tmp_path):
    path, target = tmp_path / "all.jsonl.gz", tmp_path / "all.jsonl"
    write_dataset(path, [make_hairpin(f"h{n}", 4, n) for n in range(2)])
    done = run_cli("data", "export", path, "-o", target)
    assert (done.err, done.code) == (f"2 records in {target}\n", 0)
    scored = run_cli("score", target, "--ref", target, "--tsv")
    assert [line.split("\t")[4] for line in scored.out.splitlines()[1:]] == ["4", "4"]
    fasta = tmp_path / "all.fasta"
    assert run_cli("data", "export", path, "-t", "fasta", "-o", fasta).code == 0
    assert fasta.read_text().startswith(">h0\n")


def test_both_exports_of_a_set_have_the_same_ids(run_cli, tmp_path):
    path = tmp_path / "all.jsonl.gz"
    write_dataset(path, [make_record(name, "ACGU") for name in ("a b", "a c", "", "x\ty")])
    for kind in ("jsonl", "fasta"):
        assert run_cli("data", "export", path, "-t", kind, "-o", tmp_path / kind).code == 0
    ids = [record.id for record in read_structures(tmp_path / "jsonl")]
    assert ids == ["a_b", "a_c", "sequence_3", "x_y"]
    assert [record.id for record in read_fasta(tmp_path / "fasta")] == ids
