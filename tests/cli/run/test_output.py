"""Where predictions go: files named after records, and archives of score matrices."""

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from rnaformer_cli import Options, RnaRecord, load, read_structures
from rnaformer_cli.structure.brackets import parse_dot_bracket

READS = ">one\nGGGGAAAACCCC\n>two\nACGUACGU\n"
FORMATS = ("dbn", "ct", "bpseq", "jsonl", "tsv")
HOSTILE = {  # id -> name of its file
    "../../up": "_._.._up",
    "/etc/passwd": "_etc_passwd",
    "..": "_.",
    ".hidden": "_hidden",
    "-o": "_o",
    "a" * 300: "a" * 200,
    "é" * 300: "é" * 100,
    "sp|P1|x:y?*": "sp_P1_x_y__",
    "bell\x07\x1b[31m": "bell__[31m",
    "same": "same",
    "Same": "Same_2",
}


OWN = (".rnaformer-run.jsonl", ".rnaformer-run.lock")  # see test_run_log.py, test_run_lock.py


def all_files(folder):
    """The files below a folder, without the log and the lock of the run."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in OWN]
    return sorted(str(path.relative_to(folder)) for path in files)


def listed(folder):
    """What is in a folder, without the log and the lock of the run, which have to be there."""
    names = sorted(os.listdir(folder))
    for name in OWN:
        names.remove(name)
    return names


def test_each_record_gets_a_file_in_each_format(run_predict, isolated_folder):
    options = [word for name in FORMATS for word in ("-f", name)]
    finished = run_predict("-", "--out-dir", "new/out", *options, stdin=READS)
    assert all_files(isolated_folder) == sorted(
        f"new/out/{name}.{suffix}" for name in ("one", "two") for suffix in FORMATS
    )
    assert (finished.out, finished.err, finished.code) == ("", "", 0)


def test_a_record_has_the_same_structure_in_each_format(run_predict):
    options = [word for name in FORMATS[:4] for word in ("-f", name)]
    run_predict("-", "--out-dir", "out", "--threshold", 0.1, *options, stdin=READS)
    records = [list(read_structures(f"out/one.{suffix}")) for suffix in FORMATS[:4]]
    assert records == [records[0]] * 4
    assert records[0][0].structure.pairs


def test_dot_bracket_is_the_format_unless_another_is_named(run_predict):
    run_predict("-", "--out-dir", "out", stdin=READS)
    assert listed("out") == ["one.dbn", "two.dbn"]


def test_a_table_in_a_folder_has_its_own_header(run_predict):
    options = ("-f", "tsv", "--threshold", 0.1)
    run_predict("-", "--out-dir", "out", *options, stdin=READS)
    tables = [Path(f"out/{name}.tsv").read_text() for name in ("one", "two")]
    stdout = run_predict("-", *options, stdin=READS).out
    assert stdout == tables[0] + tables[1].removeprefix("id\ti\tj\tscore\n")


@pytest.mark.parametrize("name", [name for name in HOSTILE if name != "Same"])
def test_no_id_leaves_the_folder_or_breaks_a_name(run_predict, isolated_folder, name):
    finished = run_predict("-", "--out-dir", "out", stdin=f">{name} text\nACGU\n")
    assert all_files(isolated_folder) == [f"out/{HOSTILE[name]}.dbn"]
    assert Path(f"out/{HOSTILE[name]}.dbn").read_text() == f">{name}\nACGU\n....\n"
    assert (finished.err, finished.code) == ("", 0)


def test_all_of_them_together_get_a_file_each(run_predict, isolated_folder):
    run_predict("-", "--out-dir", "out", stdin="".join(f">{name}\nACGU\n" for name in HOSTILE))
    assert all_files(isolated_folder) == sorted(f"out/{name}.dbn" for name in HOSTILE.values())


def test_a_repeated_id_is_numbered_even_where_the_number_is_taken(run_predict):
    names = ["a", "a", "a_2", "a", ""]
    run_predict("-", "--out-dir", "out", stdin="".join(f">{name}\nACGU\n" for name in names))
    assert listed("out") == [*("a.dbn", "a_2.dbn", "a_2_2.dbn", "a_3.dbn", "sequence_5.dbn")]


def test_out_dir_may_not_be_a_file(run_predict):
    Path("taken").touch()
    finished = run_predict("-", "--out-dir", "taken", stdin=READS)
    assert finished.err.splitlines()[-1] == (
        "Error: Invalid value for '--out-dir': Directory 'taken' is a file."
    )
    assert finished.code == 2


def test_a_file_that_cannot_be_written_fails_its_record_only(run_predict):
    Path("out/one.dbn").mkdir(parents=True)
    finished = run_predict("-", "--out-dir", "out", stdin=READS)
    assert finished.err == "rnaformer: out/one.dbn: record 'one': is a folder; expected a file\n"
    assert (finished.code, listed("out")) == (1, ["one.dbn", "two.dbn"])


def test_with_an_output_folder_the_figures_go_to_stdout(run_predict):
    Path("ref.dbn").write_text(">one\nGGGGAAAACCCC\n((((....))))\n>two\nACGUACGU\n........\n")
    finished = run_predict("-", "--out-dir", "out", "--ref", "ref.dbn", stdin=READS)
    assert [line.split()[0] for line in finished.out.splitlines()[:3]] == ["id", "one", "two"]
    assert (finished.err, finished.code) == ("", 0)


def test_score_matrices_are_those_of_the_library(run_predict, tiny_weights):
    run_predict("-", "--scores", "s.npz", stdin=READS)
    predictor = load(tiny_weights, Options(keep_scores=True), device="cpu")
    records = [RnaRecord("one", "GGGGAAAACCCC"), RnaRecord("two", "ACGUACGU")]
    with np.load("s.npz", allow_pickle=False) as archive:
        assert archive.files == ["one", "two"]
        for expected in predictor.predict(records):
            np.testing.assert_array_equal(archive[expected.record.id], expected.scores)


def test_score_matrices_are_symmetric_with_nothing_on_the_diagonal(run_predict):
    run_predict("-", "--scores", "s.npz", stdin=READS)
    with np.load("s.npz", allow_pickle=False) as archive:
        assert [archive[name].shape for name in archive] == [(12, 12), (8, 8)]
        for name in archive:
            scores = archive[name]
            assert scores.dtype == np.float32
            np.testing.assert_array_equal(scores, scores.T)
            assert not scores.diagonal().any()
            assert ((scores >= 0) & (scores <= 1)).all()
            assert scores.any()


def test_structures_go_where_they_go_without_an_archive(run_predict):
    plain = run_predict("-", stdin=READS).out
    assert run_predict("-", "--scores", "s.npz", stdin=READS).out == plain
    run_predict("-", "--scores", "t.npz", "--out-dir", "out", stdin=READS)
    assert sorted(os.listdir()) == ["out", "s.npz", "t.npz"]
    assert Path("s.npz").read_bytes() == Path("t.npz").read_bytes()


def test_ids_in_an_archive_are_safe_and_different(run_predict):
    run_predict("-", "--scores", "s.npz", stdin=">../a\nACGU\n>../a\nACGU\n>a/b\nACGU\n")
    with zipfile.ZipFile("s.npz") as archive:
        assert archive.namelist() == ["_._a.npy", "_._a_2.npy", "a_b.npy"]
        assert {info.date_time[0] for info in archive.infolist()} == {1980}  # no clock in it


def test_an_archive_holds_the_records_that_could_be_predicted(run_predict):
    finished = run_predict("-", "--scores", "s.npz", stdin=READS + ">bad\nX\n")
    with np.load("s.npz") as archive:
        assert archive.files == ["one", "two"]
    assert finished.code == 1


def test_json_with_a_threshold_of_zero_scores_every_pair_it_lists(run_predict):
    text = run_predict("-", "-f", "jsonl", "--threshold", 0, "--scores", "s.npz", stdin=READS).out
    row = json.loads(text.splitlines()[0])
    with np.load("s.npz") as archive:
        scores = archive["one"]
    assert [score for *_, score in row["pairs"]] == [
        pytest.approx(float(scores[i - 1, j - 1]), abs=1e-4) for i, j, _ in row["pairs"]
    ]
    assert row["pairs"]


def test_a_table_has_the_confidence_of_each_record(run_predict):
    finished = run_predict("-", "--table", "records.tsv", "-f", "jsonl", stdin=READS)
    rows = [line.split("\t") for line in Path("records.tsv").read_text().splitlines()]
    found = [json.loads(line) for line in finished.out.splitlines()]
    columns = ["id", "length", "pairs", "confidence", "crossing_pairs", "threshold"]
    assert rows[0] == [*columns, "recognised", "family", "family_name"]
    assert [[r[0], int(r[1]), int(r[2]), float(r[3]), float(r[5])] for r in rows[1:]] == [
        [r["id"], r["length"], len(r["pairs"]), r["confidence"], r["threshold"]] for r in found
    ]
    assert len(found) == 2


def test_a_table_names_families_and_counts_crossing_pairs(run_cli, examples_folder):
    run_cli("predict", examples_folder / "rnas.fasta", "-o", "x.jsonl", "--table", "x.tsv")
    found = [json.loads(line) for line in Path("x.jsonl").read_text().splitlines()]
    rows = [line.split("\t") for line in Path("x.tsv").read_text().splitlines()[1:]]
    named = {row[0]: row[7:] for row in rows}
    assert named["tRNA-Phe"] == ["RF00005", "tRNA"]
    assert [[row[6], *row[7:]] for row in rows] == [
        [f"{r['recognised']:.4f}", r["family"] or "", r["family_name"] or ""] for r in found
    ]
    crossing = [len(parse_dot_bracket(r["structure"]).crossing_pairs()) for r in found]
    assert [int(row[4]) for row in rows] == crossing
    assert {match["family"]: match["name"] for r in found for match in r["families"]} == {
        r["family"]: r["family_name"] for r in found if r["family"]
    }


def test_a_table_has_f1_where_there_is_a_reference(run_predict):
    reference = ">two\nGGGGAAAACCCC\n............\n"
    Path("ref.dbn").write_text(reference + ">else\nA\n.\n")
    reads = ">one\nACGU\n>two\nGGGGAAAACCCC\n"
    run_predict("-", "--ref", "ref.dbn", "--table", "t.tsv", "--threshold", 1, stdin=reads)
    rows = [line.split("\t") for line in Path("t.tsv").read_text().splitlines()]
    assert [[row[0], row[-1]] for row in rows] == [["id", "f1"], ["one", ""], ["two", "1.0000"]]


def test_a_reference_of_another_rna_leaves_its_f1_empty(run_predict):
    Path("ref.dbn").write_text(">two\nGGGGAAAACCCA\n............\n")
    reads = ">one\nACGU\n>two\nGGGGAAAACCCC\n"
    finished = run_predict("-", "--ref", "ref.dbn", "--table", "t.tsv", stdin=reads)
    rows = [line.split("\t") for line in Path("t.tsv").read_text().splitlines()]
    assert [row[-1] for row in rows] == ["f1", "", ""]
    assert finished.code == 1
