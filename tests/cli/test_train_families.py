"""`rnaformer train-families`, and weights that come with what it learned."""

import json
import re
from dataclasses import fields, replace

import pytest
from factories.datasets import make_hairpin, random_rna
from factories.families import PAIRS, SIZE, make_labelled_members, make_members

from rnaformer_cli.dataset.records import write_dataset
from rnaformer_cli.families.mixture import FamilyMixture
from rnaformer_cli.families.profiles import read_library
from rnaformer_cli.weight_store.store import DEFAULT

MEMBER = make_members(1, 20)[-1]


@pytest.fixture
def learned(run_cli, tmp_path):
    train = [
        replace(one, family=f"RF{n}") for n in (1, 2, 3) for one in make_labelled_members(n, 8)
    ]
    write_dataset(tmp_path / "train.jsonl.gz", train)
    val = [one for name in (1, 2, 3) for one in make_labelled_members(name, 4, start=8)]
    write_dataset(tmp_path / "val.jsonl.gz", [*val, make_hairpin("h", 9, 4)])
    done = run_cli(
        "train-families", "--data", tmp_path / "train.jsonl.gz", "-o", tmp_path / "library"
    )
    assert (done.out, done.code) == ("", 0)
    *_, last = done.err.splitlines()
    assert re.fullmatch(r"rnaformer: round \d: \d profiles, 0 records left", last)
    return tmp_path / "library"


@pytest.fixture
def released(run_cli, learned, tmp_path):
    options = ["--val", tmp_path / "val.jsonl.gz", "--families", learned]
    done = run_cli("release", DEFAULT, *options, "-o", tmp_path / "new")
    assert (done.err, done.code) == ("", 0)
    return tmp_path / "new"


def predicted(run_cli, *options):
    return run_cli(
        "predict", "-", "-f", "jsonl", *options, stdin=f">a\n{MEMBER}\n>b\nGGGGAAAACCCC\n"
    )


def test_families_are_learned(learned):
    library = read_library(learned)
    assert {profile.name for profile in library.profiles} == {"RF1", "RF2", "RF3"}


def test_released_weights_recognise_the_families(run_cli, released):
    done = predicted(run_cli, "-w", released)
    member, other = map(json.loads, done.out.splitlines())
    assert {(left - 1, right - 1) for left, right, _ in member["pairs"]} >= set(PAIRS[1:])
    assert (member["family"], other["family"]) == ("RF1", None)
    assert member["recognised"] > 0.9
    assert other["recognised"] < 0.1
    assert member["length"] == SIZE
    part = {
        "family": "RF1",
        "name": None,
        "first": 1,
        "last": SIZE,
        "recognised": member["recognised"],
    }
    assert (member["families"], other["families"]) == ([part], [])


def test_all_families_within_a_sequence_are_reported_in_its_order(run_cli, released):
    flank = random_rna(150, 17)
    done = run_cli(
        "predict", "-", "-w", released, "-f", "jsonl", stdin=f">a\n{MEMBER}{flank}{MEMBER}"
    )
    row = json.loads(done.out)
    assert [part["family"] for part in row["families"]] == ["RF1", "RF1"]
    for part, start in zip(row["families"], (0, SIZE + 150), strict=True):
        assert (part["first"], part["last"]) == pytest.approx((start + 1, start + SIZE), abs=2)
        inner = [(start + left + 1, start + right + 1) for left, right in PAIRS[1:]]
        assert {(left, right) for left, right, _ in row["pairs"]} >= set(inner)
    assert row["family"] == "RF1"
    assert row["recognised"] == max(part["recognised"] for part in row["families"])


def test_the_network_can_predict_alone(run_cli, released):
    done = predicted(run_cli, "-w", released, "--no-families")
    assert [json.loads(line)["recognised"] for line in done.out.splitlines()] == [0.0, 0.0]


def test_an_unused_library_is_not_read(run_cli, released):
    (released / "families.safetensors").write_bytes(b"")
    refused = predicted(run_cli, "-w", released)
    assert (refused.code, refused.out) == (1, "")
    assert predicted(run_cli, "-w", released, "--no-families").code == 0


def test_a_run_with_families_is_not_resumed_without_them(run_cli, released, tmp_path):
    (tmp_path / "a.fa").write_text(f">a\n{MEMBER}\n")
    same = ["predict", tmp_path / "a.fa", "-w", released, "--out-dir", tmp_path / "out"]
    assert run_cli(*same).code == 0
    assert run_cli(*same, "--resume").code == 0
    done = run_cli(*same, "--resume", "--no-families")
    assert done.code == 1
    assert "families" in done.err


def test_the_network_can_be_evaluated_alone(run_cli, released, tmp_path):
    data = ["--data", tmp_path / "val.jsonl.gz", "--json", "--decode", "matching"]
    both, alone = (
        json.loads(run_cli("evaluate", "-w", released, *data, *more).out)["f1"]
        for more in ([], ["--no-families"])
    )
    assert both > alone + 0.05


def test_weights_with_families_are_verified(run_cli, released):
    assert run_cli("weights", "verify", released).code == 0
    shown = json.loads(run_cli("weights", "show", released).out)["families"]
    known = {field.name for field in fields(FamilyMixture)}
    assert set(shown["mixture"]) == known
    library = released / "families.safetensors"
    damaged = library.read_bytes()[:-1] + b"\x01"
    library.write_bytes(damaged)
    done = run_cli("weights", "verify", released)
    assert done.code == 1
    assert f"{library}: sha256 is " in done.err
    assert f", config.json says {shown['sha256']}\n" in done.err


def test_a_missing_library_is_named(run_cli, released):
    (released / "families.safetensors").unlink()
    done = predicted(run_cli, "-w", released)
    message = f"rnaformer: {released}: no families.safetensors in this folder\n"
    assert (done.out, done.err, done.code) == ("", message, 1)


def test_a_library_of_another_kind_is_refused(run_cli, tmp_path, released):
    other = ["--families", released / "model.safetensors", "-o", tmp_path / "newer"]
    done = run_cli("release", released, "--val", tmp_path / "val.jsonl.gz", *other)
    message = "not a library of families: arrays are missing or misshapen"
    assert done.err == f"rnaformer: {released / 'model.safetensors'}: {message}\n"
    assert done.code == 1


@pytest.mark.parametrize(
    ("families", "message"),
    [
        (
            {"sha256": "x", "trusts": 1},
            "unknown setting of families 'trusts'; known: evidence_scale",
        ),
        ({"sha256": "x", "trust": "1"}, "evidence_scale of families must be a number, not '1'"),
        ({"trust": 1}, "expected a JSON object with format, name, model and sha256"),
        (3, "expected a JSON object with format, name, model and sha256"),
    ],
)
def test_a_config_with_invalid_settings_of_families_is_refused(
    run_cli, released, families, message
):
    config = json.loads((released / "config.json").read_text())
    (released / "config.json").write_text(json.dumps({**config, "families": families}))
    done = run_cli("weights", "verify", released)
    assert done.err.startswith(f"rnaformer: {released / 'config.json'}: {message}")
    assert done.code == 1


def test_dissimilar_records_make_no_library(run_cli, tmp_path):
    write_dataset(tmp_path / "few.jsonl.gz", [make_hairpin("a", 9, 1), make_hairpin("b", 12, 2)])
    done = run_cli(
        "train-families", "--data", tmp_path / "few.jsonl.gz", "-o", tmp_path / "x", "-q"
    )
    message = "rnaformer: no two records are similar enough to form a family\n"
    assert (done.err, done.code) == (message, 1)
    assert not (tmp_path / "x").exists()
