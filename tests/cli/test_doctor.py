"""`rnaformer doctor`: what it lists, and that it notices what is broken."""

import re
import shutil

import pytest
import torch

from rnaformer_cli import __version__
from rnaformer_cli.cli.doctor import PACKAGES, SELF_TEST, SELF_TEST_PAIRS, TASKS
from rnaformer_cli.weight_store.store import DEFAULT, find_weights

ROWS = [
    "rnaformer",
    "python",
    "system",
    *PACKAGES,
    "memory",
    "threads",
    "bf16",
    "cuda",
    *TASKS,
    "self-test",
]


@pytest.fixture
def run_doctor(run_cli):
    """Call `rnaformer doctor`: its rows by name, its stderr, its exit code."""

    def call(*arguments):
        finished = run_cli("doctor", "--device", "cpu", *arguments)
        rows = [line.split(maxsplit=1) for line in finished.out.splitlines()]
        return dict(rows), finished.err, finished.code

    return call


def test_a_sound_installation_finds_a_known_trna(run_doctor):
    rows, error, code = run_doctor()
    assert list(rows) == ROWS
    assert rows["rnaformer"] == __version__
    found = re.fullmatch(
        rf"(\d+) of 21 pairs of tRNA-Phe with {DEFAULT}@[0-9a-f]{{8}} on cpu", rows["self-test"]
    )
    assert 10 <= int(found[1]) <= 21
    assert (error, code) == ("", 0)


def test_every_package_that_is_needed_has_a_version(run_doctor):
    rows, _, _ = run_doctor()
    assert all(re.match(r"\d+\.", rows[package]) for package in PACKAGES)


def test_tasks_that_need_other_packages_are_listed(run_doctor, monkeypatch):
    monkeypatch.setitem(TASKS, "labels", {"RNA": "viennarna", "absent_1": "x", "absent_2": "y"})
    rows, _, code = run_doctor()
    found = [rows[task] for task in ("pictures", "labels", "reports")]
    assert (found, code) == (["yes", "no: needs x and y", "yes"], 0)


def test_memory_and_processors_are_reported(run_doctor):
    rows, _, _ = run_doctor()
    assert re.fullmatch(r"[\d.]+ GiB free of [\d.]+ GiB|unknown", rows["memory"])
    assert re.fullmatch(r"\d+ of \d+ processors", rows["threads"])


def test_a_damaged_checkpoint_fails_the_self_test(run_doctor, tmp_path):
    folder = tmp_path / "broken"
    shutil.copytree(find_weights(DEFAULT), folder)
    tensors = bytearray((folder / "model.safetensors").read_bytes())
    tensors[-1] ^= 1
    (folder / "model.safetensors").write_bytes(tensors)
    rows, error, code = run_doctor("-w", folder)
    start = f"FAILED: {folder}/model.safetensors: sha256 is "
    assert rows["self-test"].startswith(start)
    assert (list(rows), error, code) == (ROWS, "", 1)


def test_weights_that_find_nothing_fail_the_self_test(run_doctor, tiny_weights):
    rows, _, code = run_doctor("-w", tiny_weights)
    found = r"FAILED: \d of 21 pairs of tRNA-Phe found with tiny@[0-9a-f]{8}"
    assert re.fullmatch(found, rows["self-test"])
    assert code == 1


GPUS = torch.cuda.device_count()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-w", "none"), f"no weights named 'none'; known: rnaformer-base, {DEFAULT}"),
        (("--device", "cuda:99"), f"no device 'cuda:99': this machine has {GPUS} CUDA devices"),
    ],
)
def test_what_is_not_there_fails_the_self_test(run_doctor, arguments, message):
    rows, error, code = run_doctor(*arguments)
    assert (rows["self-test"], error, code) == (f"FAILED: {message}", "", 1)


def test_the_self_test_is_the_trna_of_the_examples(examples_folder):
    lines = (examples_folder / "rnas.dbn").read_text().splitlines()
    assert lines[1:3] == [SELF_TEST, SELF_TEST_PAIRS]
