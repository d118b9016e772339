"""`predict --reactivities`: data find their records; bad data are reported and left out."""

import json
from pathlib import Path

import pytest
import torch
from conftest import GOLDEN

from rnaformer_cli.cli.run.log import record_checksum
from rnaformer_cli.model.checkpoint import save_checkpoint
from rnaformer_cli.model.config import ModelConfig
from rnaformer_cli.model.network import RNAformer
from rnaformer_cli.sequence.reactivities import Reactivities
from rnaformer_cli.sequence.record import RnaRecord

FASTA = ">a\nGGGGAAAACCCC\n>b\nGGGAAACCC\n>c\nACGU\n"
KEYS = [  # of a prediction without data
    *("schema_version", "id", "description", "length", "sequence", "structure", "pairs"),
    *("multiplets", "confidence", "family", "family_name", "recognised", "families", "model"),
    *("cycles", "threshold", "decoding", "seconds", "warnings"),
]
PROBING = GOLDEN / "probing"
CHOICES = "expected one of 1M7, 1M6, NMIA, NAI, FAI, 2A3, 5NIA, BzCN, DMS, CMCT"


@pytest.fixture(scope="module")
def tiny_weights(tmp_path_factory):
    """Weights with a folding model, whose loop scores are zero."""
    torch.manual_seed(7)
    network = RNAformer(ModelConfig(dim=16, depth=1, heads=2, folding=True))
    folder = tmp_path_factory.mktemp("weights") / "folding"
    folder.mkdir()
    save_checkpoint(folder, "folding", network.config, network.state_dict(), {}, "# folding\n")
    return folder


@pytest.fixture(autouse=True)
def inputs(isolated_folder):
    Path("in.fa").write_text(FASTA)
    Path("a.shape").write_text("2 0.5\n3 NA\n5 1.5\n")
    Path("data").mkdir()
    Path("data/b.dat").write_text("1 G 0.1\n9 C 0.2\n")
    Path("data/set.jsonl").write_text('{"id": "c", "reactivity": [1, 2, null, 4]}\n')


def expected(*lines):
    return "".join(f"rnaformer: {line}\n" for line in lines)


def data_of(finished):
    """The data of each record, without their agreement with the structure."""
    rows = [json.loads(line) for line in finished.out.splitlines()]
    found = {row["id"]: row.get("reactivities") for row in rows}
    return {name: data and without_agreement(data) for name, data in found.items()}


def without_agreement(data):
    return {key: value for key, value in data.items() if key not in ("auc", "spearman", "relative")}


def without_seconds(finished):
    """The output and the keys of its records."""
    rows = [json.loads(line) for line in finished.out.splitlines()]
    return [{**row, "seconds": 0} for row in rows]


def test_json_describes_the_data_of_records_that_have_some(run_predict):
    finished = run_predict(
        "in.fa", "-f", "jsonl", "--reactivities", "a.shape", "--reactivities", "data"
    )
    assert data_of(finished) == {
        "a": {"reagent": None, "used": 2, "missing": 10},
        "b": {"reagent": None, "used": 2, "missing": 7},
        "c": {"reagent": None, "used": 3, "missing": 1},
    }
    assert (finished.err, finished.code) == (expected("3 of 3 records have reactivities"), 0)


def test_json_has_the_reactivity_of_each_base(run_predict):
    finished = run_predict("in.fa", "-f", "jsonl", "--reactivities", "a.shape")
    relative = json.loads(finished.out.splitlines()[0])["reactivities"]["relative"]
    assert relative == [None, 0.3571, None, None, 1.0, *(7 * [None])]  # in units of 1.4


def test_pictures_are_coloured_by_reactivity(run_predict):
    assert run_predict("in.fa", "-q", "--reactivities", "a.shape", "--draw", "drawn").code == 0
    assert "relative reactivity" in Path("drawn/a.svg").read_text()
    assert "relative reactivity" not in Path("drawn/b.svg").read_text()


def test_records_without_data_are_written_as_before(run_predict):
    plain = run_predict("in.fa", "-f", "jsonl")
    finished = run_predict("in.fa", "-f", "jsonl", "--reactivities", "a.shape", "--reagent", "dms")
    first, *others = without_seconds(finished)
    data = without_agreement(first.pop("reactivities"))
    assert data == {"reagent": "DMS", "used": 1, "missing": 10}  # of A and C
    assert list(first) == KEYS
    assert others == without_seconds(plain)[1:]
    assert all(list(row) == KEYS for row in without_seconds(plain))
    assert finished.err == expected("1 of 3 records has reactivities")


def test_without_the_option_nothing_is_printed_and_the_log_is_unchanged(run_predict):
    assert run_predict("in.fa", "--out-dir", "out").err == ""
    log = Path("out/.rnaformer-run.jsonl").read_text()
    settings, first, *_ = map(json.loads, log.splitlines())
    names = "model config precision threshold threshold_ratio decoding cycles min_score"
    assert list(settings["settings"]) == [
        *names.split(),
        *("plain_headers", "formats", "like", "families", "pseudoknots", "version"),
    ]
    assert first["record"] == "acfe7966dbe926bea05af22cbdd6e57f"


def test_data_change_the_probabilities_of_their_record(run_predict):
    Path("a.shape").write_text(
        "".join(f"{base} {base in range(5, 9):d}\n" for base in range(1, 13))
    )
    one = FASTA.partition(">b")[0]
    plain = run_predict("-", "-f", "tsv", "--threshold", "0", stdin=one)
    guided = run_predict(
        "-", "-f", "tsv", "--threshold", "0", "--reactivities", "a.shape", stdin=one
    )
    assert guided.out.splitlines()[0] == plain.out.splitlines()[0]
    assert guided.out != plain.out


def test_weights_without_a_folding_model_refuse_data(run_cli, tmp_path, tiny_network):
    folder = tmp_path / "plain"
    folder.mkdir()
    save_checkpoint(folder, "plain", tiny_network.config, tiny_network.state_dict(), {}, "# x\n")
    finished = run_cli("predict", "in.fa", "-w", folder, "--reactivities", "a.shape")
    message = "these weights have no folding model, which reactivities need"
    assert (finished.out, finished.err, finished.code) == ("", expected(message), 1)


def test_quiet_prints_nothing_about_the_data(run_predict):
    assert run_predict("in.fa", "--quiet", "--reactivities", "a.shape").err == ""


@pytest.mark.parametrize("path", sorted(PROBING.glob("hairpin.[sdmrxt]*")), ids=lambda p: p.suffix)
def test_every_format_is_read(run_predict, path):
    fasta = ">hairpin\nGGGGAAAACCCC\n>other_RNA\nGAAAC\n"
    finished = run_predict("-", "-f", "jsonl", "--reactivities", path, stdin=fasta)
    assert data_of(finished)["hairpin"]["used"] == 9
    assert finished.code == 0


def test_the_only_record_takes_the_only_file(run_predict):
    Path("in.fa").write_text(">one\nGGGGAAAACCCC\n")
    assert data_of(run_predict("in.fa", "-f", "jsonl", "--reactivities", "a.shape"))["one"]


def test_data_come_from_standard_input_and_cannot_be_read_twice(run_predict):
    Path("in.fa").write_text(">one\nGGGGAAAACCCC\n")
    finished = run_predict("in.fa", "-f", "jsonl", "--reactivities", "-", stdin="1 0.5\n")
    assert data_of(finished)["one"]["used"] == 1
    finished = run_predict("-", "--reactivities", "-", stdin="1 0.5\n")
    assert expected("stdin: was already read, and can be read only once") in finished.err
    assert finished.code == 1


BAD = [
    ("a.shape", "13 1\n", ":1: record 'a': position 13 is beyond the RNA, which has 12 bases"),
    ("a.shape", "1 G 1\n2 A 1\n", ":2: record 'a': 'A' at position 2, but the RNA has 'G'"),
    ("a.shape", "1 x1\n", ":1: the value at position 1 is 'x1'; expected a number or NA"),
    ("a.shape", "1 1\n1 2\n", ":2: duplicate value for position 1; the first is on line 1"),
    (
        "z.shape",
        "1 1\n",
        ": no record 'z'; a file without ids is named after its record",
    ),
    ("z.jsonl", '{"id": "z", "reactivity": [1]}\n', ":1: no record 'z'"),
    ("a.tsv", "id\tposition\tvalue\na\t2\tx\n", ":2: record 'a': the value at position 2 is 'x'; "),
    ("a.shape", "", ": is empty; expected reactivities"),
]


@pytest.mark.parametrize(("name", "text", "message"), BAD)
def test_bad_data_are_reported_and_their_record_is_predicted_without_them(
    run_predict, name, text, message
):
    Path("bad").mkdir()
    Path("bad", name).write_text(text)
    finished = run_predict(
        "in.fa", "-f", "jsonl", "--reactivities", "bad", "--reactivities", "data"
    )
    assert data_of(finished)["a"] is None
    assert finished.code == 1
    first, second = finished.err.splitlines()
    assert first.startswith(f"rnaformer: bad/{name}{message}")
    assert second == "rnaformer: 2 of 3 records have reactivities"
    assert without_seconds(finished)[0] == without_seconds(run_predict("in.fa", "-f", "jsonl"))[0]


@pytest.mark.parametrize(
    ("text", "written"),
    [("1 x\n", ""), ("10 1\n", ">a\nGGGGAAAACCCC\n")],  # of a record that is not the first
)
def test_fail_fast_stops_at_bad_data(run_predict, text, written):
    Path("b.shape").write_text(text)
    finished = run_predict("in.fa", "--fail-fast", "--reactivities", "b.shape")
    assert finished.out.startswith(written)
    assert finished.out.count(">") == written.count(">")
    assert finished.err.startswith("rnaformer: b.shape:1: ")
    assert (finished.err.count("\n"), finished.code) == (1, 1)


def test_fail_fast_stops_at_data_without_a_record_when_all_are_read(run_predict):
    Path("z.shape").write_text("1 1\n")
    finished = run_predict("in.fa", "--fail-fast", "--reactivities", "z.shape")
    assert finished.out.count(">") == 3
    message = "z.shape: no record 'z'; a file without ids is named after its record"
    assert (finished.err, finished.code) == (expected(message), 1)


def test_bad_data_are_in_the_table_of_failures_but_no_failed_records(run_predict):
    Path("b.shape").write_text("10 1\n")
    finished = run_predict("in.fa", "--failures", "failed.tsv", "--reactivities", "b.shape")
    message = "position 10 is beyond the RNA, which has 9 bases"
    rows = Path("failed.tsv").read_text().splitlines()
    assert rows[1:] == [f"b.shape\t1\t\tb\t{message}"]
    assert finished.out.count(">") == 3


def test_a_missing_file_and_an_empty_folder_are_reported(run_predict):
    Path("empty").mkdir()
    arguments = ["--reactivities", "none.shape", "--reactivities", "empty"]
    finished = run_predict("in.fa", *arguments, "--reactivities", "a.shape")
    first, second, third = finished.err.splitlines()
    assert first == "rnaformer: none.shape: no such file or directory"
    assert second.startswith("rnaformer: empty: no reactivity file in this folder (.dat, ")
    assert third == "rnaformer: 1 of 3 records has reactivities"
    assert finished.code == 1


def test_resume_predicts_again_where_the_data_are_others(run_predict):
    same = ["in.fa", "--out-dir", "out", "-f", "jsonl", "--reactivities"]
    assert run_predict(*same, "data").code == 0
    finished = run_predict(*same, "data", "--resume")
    assert finished.err == expected("3 records done before", "2 of 3 records have reactivities")
    Path("data/b.dat").write_text("1 G 0.3\n")
    finished = run_predict(*same, "data", "--resume")
    assert finished.err == expected("2 records done before", "2 of 3 records have reactivities")
    assert json.loads(Path("out/b.jsonl").read_text())["reactivities"]["used"] == 1
    finished = run_predict("in.fa", "--out-dir", "out", "-f", "jsonl", "--resume")
    assert finished.err == expected("1 record done before")
    assert "reactivities" not in json.loads(Path("out/b.jsonl").read_text())


def test_the_checksum_of_a_record_is_of_its_data_too():
    record = RnaRecord("x", "ACG")
    sets = [((1.0, None, 2.0), None), ((1.0, None, 2.0), "DMS"), ((1.0, 2.0, None), None)]
    records = [record] + [RnaRecord("x", "ACG", reactivities=Reactivities(*one)) for one in sets]
    assert len({record_checksum(one) for one in records}) == 4


def test_each_part_of_a_run_takes_its_data_and_misses_none_of_others(run_predict):
    found = {}
    for part in ("1/2", "2/2"):
        finished = run_predict("in.fa", "-f", "jsonl", "--shard", part, "--reactivities", "data")
        assert finished.code == 0
        found.update(data_of(finished))
    assert {name for name, data in found.items() if data} == {"b", "c"}


def test_worker_processes_get_the_data_with_the_record(run_predict):
    finished = run_predict("in.fa", "-f", "jsonl", "--jobs", 2, "--reactivities", "data")
    assert {name for name, data in data_of(finished).items() if data} == {"b", "c"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--reagent", "DMS"], "--reagent needs --reactivities"),
        (
            ["--reactivities", "a.shape", "--reagent", "soap"],
            f"Invalid value for '--reagent': 'soap' is not a known reagent; {CHOICES}",
        ),
        (
            ["--reactivities", "a.shape", "-o", "a.shape"],
            "--output would replace an input: a.shape",
        ),
        (
            ["--reactivities", "data", "-o", "data/set.jsonl"],
            "--output would replace an input: data",
        ),
    ],
)
def test_wrong_usage_is_reported_before_anything_is_read(run_predict, arguments, message):
    finished = run_predict("in.fa", *arguments)
    assert finished.err.endswith(f"Error: {message}\n")
    assert (finished.out, finished.code) == ("", 2)


def test_values_of_bases_that_the_reagent_does_not_modify_do_not_count(run_predict, tmp_path):
    (tmp_path / "x.fa").write_text(">x\nGGAAACCU\n")
    (tmp_path / "x.shape").write_text("1 0.5\n2 0.1\n8 1.2\n")
    data = ("--reactivities", tmp_path / "x.shape", "--reagent")
    done = run_predict(tmp_path / "x.fa", "-f", "jsonl", *data, "DMS")
    assert data_of(done)["x"] == {"reagent": "DMS", "used": 0, "missing": 5}
    assert done.err == "rnaformer: 0 of 1 record have reactivities\n"
    done = run_predict(tmp_path / "x.fa", "-f", "jsonl", *data, "1M7")
    assert data_of(done)["x"] == {"reagent": "1M7", "used": 3, "missing": 5}
    assert done.err == "rnaformer: 1 of 1 record has reactivities\n"


def test_json_has_the_agreement_of_data_and_structure(run_cli, tmp_path):
    """The loop of GGGGAAAACCCC is unpaired; the second profile is that of the opposite."""
    (tmp_path / "x.fa").write_text(">x\nGGGGAAAACCCC\n")
    agreements = []
    for name, (paired, unpaired) in {"good": (0.1, 1.0), "bad": (0.1, 0.05)}.items():
        values = [paired] * 4 + [unpaired] * 4 + [paired] * 4
        rows = "".join(f"{base} {value}\n" for base, value in enumerate(values, start=1))
        (tmp_path / f"{name}.shape").write_text(rows)
        data = ("--reactivities", tmp_path / f"{name}.shape", "--reagent", "1M7")
        [row] = run_cli("predict", tmp_path / "x.fa", "-f", "jsonl", *data).out.splitlines()
        agreements.append(json.loads(row))
    good, bad = (row["reactivities"] for row in agreements)
    assert agreements[0]["structure"] == "((((....))))"
    assert list(good) == ["reagent", "used", "missing", "auc", "spearman", "relative"]
    assert (good["auc"], good["used"]) == (1.0, 12)
    assert good["spearman"] > 0.8
    assert bad["spearman"] < 0.0


def test_an_agreement_that_is_not_defined_is_null(run_predict, tmp_path):
    (tmp_path / "x.fa").write_text(">x\nGGAAACCU\n")
    (tmp_path / "x.shape").write_text("1 0.5\n")
    data = ("--reactivities", tmp_path / "x.shape", "--reagent", "DMS")
    [row] = run_predict(tmp_path / "x.fa", "-f", "jsonl", *data).out.splitlines()
    found = json.loads(row)["reactivities"]
    assert (found["auc"], found["spearman"]) == (None, None)


def test_many_data_without_a_record_are_counted(run_predict):
    """They were a line each: 15,000 lines hid all others."""
    Path("many.tsv").write_text(
        "id\tposition\tvalue\n" + "".join(f"z{number}\t1\t0.5\n" for number in range(12))
    )
    finished = run_predict("in.fa", "--reactivities", "many.tsv", "--failures", "failed.tsv")
    assert finished.err == expected(
        *(f"many.tsv:{number + 2}: no record 'z{number}'" for number in range(10)),
        "probing data of 2 more ids belong to no record",
        "0 of 3 records have reactivities",
    )
    assert (finished.code, len(Path("failed.tsv").read_text().splitlines())) == (1, 13)
