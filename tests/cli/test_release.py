"""`rnaformer release`: weights with a threshold, calibrated, ready to predict."""

import json
import re

import pytest
from factories.datasets import make_hairpin

from rnaformer_cli.dataset.records import write_dataset
from rnaformer_cli.weight_store.store import DEFAULT


@pytest.fixture
def validation(tmp_path):
    path = tmp_path / "val.jsonl.gz"
    write_dataset(path, [make_hairpin(f"h{n}", 5 + n, n) for n in range(5)])
    return path


def test_released_weights_predict_with_what_was_chosen(run_cli, validation, tmp_path):
    (tmp_path / "card.md").write_text("# about\n")
    options = ["--val", validation, "--cycles", 1, "--card", tmp_path / "card.md"]
    done = run_cli("release", DEFAULT, *options, "-o", tmp_path / "new")
    assert done.code == 0
    stored = json.loads((tmp_path / "new" / "config.json").read_text())
    assert stored["name"] == "new"
    assert stored["model"]["cycles"] == 1
    assert (tmp_path / "new" / "README.md").read_text() == "# about\n"
    scale, shift = stored["about"]["logit_scale"], stored["about"]["logit_shift"]
    threshold, ratio = (stored["model"][name] for name in ("threshold", "threshold_ratio"))
    first, second, third = done.out.splitlines()
    assert first == f"{tmp_path / 'new'}: scale {scale:.3f}, shift {shift:+.3f}"
    f1 = stored["about"]["validation_f1"]["val"]
    assert re.fullmatch(rf"threshold {threshold}: val F1 [01]\.\d{{4}}", second)
    assert re.fullmatch(r"threshold_ratio 0\.\d+: val F1 [01]\.\d{4}", third)
    assert f"val F1 {f1:.4f}" in (third if ratio else second)
    predicted = run_cli(
        "predict", "-", "-w", tmp_path / "new", "-f", "jsonl", stdin=">a\nGGGAAACCC\n"
    )
    answer = json.loads(predicted.out)
    assert answer["cycles"] == 1
    confidence = answer["confidence"]
    expected = max(ratio * confidence, 0.05) if ratio else threshold
    assert answer["threshold"] == pytest.approx(expected, abs=0.015)


def test_half_precision_halves_the_file(run_cli, validation, tmp_path):
    sizes = []
    for name, option in (("single", []), ("half", ["--half"])):
        done = run_cli("release", DEFAULT, "--val", validation, *option, "-o", tmp_path / name)
        assert done.code == 0
        sizes.append((tmp_path / name / "model.safetensors").stat().st_size)
    assert sizes[1] < 0.55 * sizes[0]


def test_existing_weights_are_not_overwritten(run_cli, validation, tmp_path):
    run_cli("release", DEFAULT, "--val", validation, "-o", tmp_path / "new")
    done = run_cli("release", DEFAULT, "--val", validation, "-o", tmp_path / "new")
    message = "already contains a checkpoint; choose another folder"
    assert (done.err, done.code) == (f"rnaformer: {tmp_path / 'new'}: {message}\n", 1)


def test_records_can_be_too_long(run_cli, validation, tmp_path):
    done = run_cli(
        "release", DEFAULT, "--val", validation, "--max-length", 3, "-o", tmp_path / "new"
    )
    assert (done.err, done.code) == ("rnaformer: no record to calibrate with\n", 1)


def test_a_card_that_is_not_text_is_reported(run_cli, validation, tmp_path):
    (tmp_path / "card.md").write_bytes(b"# a\n\xff\n")
    options = ["--val", validation, "--card", tmp_path / "card.md", "-o", tmp_path / "new"]
    done = run_cli("release", DEFAULT, *options)
    message = f"{tmp_path / 'card.md'}:2: not UTF-8 text"
    assert (done.out, done.err, done.code) == ("", f"rnaformer: {message}\n", 1)
