"""`rnaformer train-folding`, and a network that builds on its scores."""

import pytest
from factories.datasets import make_hairpin

from rnaformer_cli.dataset.records import write_dataset
from rnaformer_cli.model.checkpoint import load_network
from rnaformer_cli.training.folding_model.fit import read_scores
from rnaformer_cli.weight_store.store import DEFAULT, find_weights

CONFIG = """
[model]
dim = 8
depth = 1
heads = 1
folding = {folding}
[batches]
lengths = [40]
max_cells = 2000
[run]
steps = 2
"""


@pytest.fixture
def files(tmp_path):
    write_dataset(tmp_path / "train.jsonl.gz", [make_hairpin(f"h{n}", 6, n) for n in range(20)])
    write_dataset(tmp_path / "val.jsonl.gz", [make_hairpin(f"v{n}", 6, 90 + n) for n in range(3)])
    (tmp_path / "run.toml").write_text(CONFIG.format(folding="true"))
    return tmp_path


def learned(run_cli, files):
    scores = files / "scores.safetensors"
    short = ["--minutes", "0.02", "--seed", "3"]
    return run_cli("train-folding", "--data", files / "train.jsonl.gz", "-o", scores, *short)


def train(run_cli, files, *more):
    data = ["--data", files / "train.jsonl.gz", "--val", files / "val.jsonl.gz"]
    return run_cli("train", files / "run.toml", *data, "--out", files / "run", "--quiet", *more)


def test_a_network_builds_on_the_scores(run_cli, files):
    done = learned(run_cli, files)
    assert (done.out, done.code) == ("", 0)
    assert done.err.startswith("rnaformer: 100%, step ")
    assert train(run_cli, files, "--folding", files / "scores.safetensors").code == 0
    network, _ = load_network(files / "run" / "best")
    scores = read_scores(files / "scores.safetensors")
    assert all((getattr(network.folding, name) == scores[name]).all() for name in scores)
    assert train(run_cli, files, "--resume").code == 0  # the scores are in the run


def test_a_config_with_folding_requires_scores(run_cli, files):
    done = train(run_cli, files)
    message = "rnaformer: folding = true needs --folding with scores of `train-folding`\n"
    assert (done.err, done.code) == (message, 1)


def test_scores_for_a_config_without_folding_are_refused(run_cli, files):
    learned(run_cli, files)
    (files / "run.toml").write_text(CONFIG.format(folding="false"))
    done = train(run_cli, files, "--folding", files / "scores.safetensors")
    message = "rnaformer: scores of a folding model, but the config has folding = false\n"
    assert (done.err, done.code) == (message, 1)


@pytest.mark.parametrize("given", [DEFAULT, find_weights(DEFAULT)], ids=["name", "folder"])
def test_weights_give_their_scores(run_cli, files, given):
    assert train(run_cli, files, "--folding", given).code == 0
    shipped, _ = load_network(find_weights(DEFAULT))
    network, _ = load_network(files / "run" / "best")
    for name, scores in shipped.folding.scores.items():
        assert (network.folding.scores[name] == scores).all()


def test_weights_without_scores_are_refused(run_cli, files, tiny_weights):
    done = train(run_cli, files, "--folding", tiny_weights)
    message = f"rnaformer: {tiny_weights}: these weights have no folding model\n"
    assert (done.err, done.code) == (message, 1)


def test_a_missing_file_of_scores_is_reported(run_cli, files):
    done = train(run_cli, files, "--folding", files / "missing")
    message = f"rnaformer: {files / 'missing'}: no such file or directory\n"
    assert (done.err, done.code) == (message, 1)
