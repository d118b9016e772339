"""Worker processes: the same answers, whatever happens to a worker."""

import os
import resource
import signal
from multiprocessing import active_children
from pathlib import Path

import pytest
import torch
from factories.datasets import random_rna
from factories.workers import send_half_a_message

from rnaformer_cli.errors import DeviceError
from rnaformer_cli.model.checkpoint import save_checkpoint
from rnaformer_cli.model.config import ModelConfig
from rnaformer_cli.model.network import RNAformer
from rnaformer_cli.prediction.batching import WINDOW_RECORDS
from rnaformer_cli.prediction.predictor import Options, Predictor, load
from rnaformer_cli.prediction.workers import (
    MAX_WORKERS,
    MIN_CELLS_FOR_WORKERS,
    WorkerConfig,
    _defer_signals,
    predict_as_done,
    predict_with_workers,
    suggested_jobs,
)
from rnaformer_cli.sequence.record import RnaRecord

RECORDS = [RnaRecord(f"r{n}", random_rna(5 + 7 * n % 40, n)) for n in range(300)]
LONG = RnaRecord("long", random_rna(505, 1))  # not for a worker
MIXED = [*RECORDS[:10], LONG, *RECORDS[10:]]


@pytest.fixture(scope="module")
def source(tmp_path_factory, tiny_network):
    folder = tmp_path_factory.mktemp("weights")
    save_checkpoint(folder, "tiny", tiny_network.config, tiny_network.state_dict(), {}, "# tiny\n")
    return WorkerConfig(folder, Options(max_cells=20_000), "fp32")


@pytest.fixture(scope="module")
def predictor(source):
    return load(source.weights, source.options, "cpu")


@pytest.fixture(scope="module")
def alone(predictor):
    return list(predictor.predict(MIXED))


def same(answers, others):
    """All but the seconds, and the last digits of scores."""
    return len(answers) == len(others) and all(
        (one.record, one.structure, one.cycles) == (other.record, other.structure, other.cycles)
        and one.pair_scores == pytest.approx(other.pair_scores, abs=1e-5)
        for one, other in zip(answers, others, strict=True)
    )


def test_workers_give_the_same_predictions_in_the_same_order(predictor, source, alone):
    answers = predict_with_workers(predictor, source, MIXED, jobs=2)
    assert same(list(answers), alone)
    assert active_children() == []


def test_workers_give_the_index_of_each_record(predictor, source, alone):
    found = dict(predict_as_done(predictor, source, MIXED, jobs=2))
    assert same([found[index] for index in range(len(MIXED))], alone)


def idle_worker():
    """The id of a process that waits: one that is killed while it writes would block the pool."""
    numbers = [child.pid for child in active_children()]
    states = [Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1] for number in numbers]
    waiting = [n for n, state in zip(numbers, states, strict=True) if state.split()[0] == "S"]
    return (waiting or numbers)[0]


def test_a_worker_that_is_killed_loses_nothing(predictor, source):
    many = [RnaRecord(f"r{n}", "GGGAAACCC") for n in range(6 * WINDOW_RECORDS)]

    def records():
        for number, record in enumerate(many):
            if number == 3 * WINDOW_RECORDS:  # the first three are on their way or done
                os.kill(idle_worker(), signal.SIGKILL)
            yield record

    messages = []
    found = list(predict_with_workers(predictor, source, records(), 2, messages.append))
    assert [answer.record for answer in found] == many
    assert len({answer.structure for answer in found}) == 1
    assert messages == ["a worker process was killed; continuing without workers"]


def test_a_worker_that_is_killed_while_it_sends_a_result_loses_nothing(
    predictor, source, alone, monkeypatch
):
    """The pool waited for the rest of the result for ever."""
    monkeypatch.setattr("rnaformer_cli.prediction.workers._predict", send_half_a_message)
    messages = []
    found = list(predict_with_workers(predictor, source, MIXED, 2, messages.append))
    assert same(found, alone)
    assert messages == ["a worker process was killed; continuing without workers"]
    assert active_children() == []


def test_closing_the_iterator_ends_the_workers(predictor, source):
    answers = predict_with_workers(predictor, source, RECORDS, jobs=2)
    next(answers)
    answers.close()
    assert active_children() == []


def test_a_record_that_does_not_fit_in_memory_gives_an_error(source, predictor):
    options = Options(max_memory=1, max_cells=1)
    modest = WorkerConfig(source.weights, options, "fp32")
    answers = predict_with_workers(load(source.weights, options, "cpu"), modest, RECORDS[:2], 2)
    found = list(answers)
    assert [type(answer) for answer in found] == [DeviceError, DeviceError]
    assert str(found[1]).startswith("record 'r1': 12 bases: needs about ")


def test_no_record_starts_no_worker(predictor, source):
    assert list(predict_with_workers(predictor, source, [], jobs=2)) == []


def test_workers_are_for_many_short_records(predictor, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    many = [RnaRecord("r", "A" * 200)] * (MIN_CELLS_FOR_WORKERS // 200**2)
    assert suggested_jobs(predictor, many) == 4
    assert suggested_jobs(predictor, many[1:]) == 1
    assert suggested_jobs(predictor, [RnaRecord("long", "A" * 9000)]) == 1
    monkeypatch.setattr(torch, "get_num_threads", lambda: 99)
    assert suggested_jobs(predictor, many) == MAX_WORKERS


def test_workers_are_for_narrow_networks(predictor):
    many = [RnaRecord("r", "A" * 200)] * (MIN_CELLS_FOR_WORKERS // 200**2)
    wide = Predictor(RNAformer(ModelConfig(dim=256, heads=4, depth=1)), "wide")
    assert suggested_jobs(wide, many) == 1


def test_a_signal_waits_until_a_worker_is_started():
    order = []

    def hear(*_):
        order.append("heard")

    before = signal.signal(signal.SIGTERM, hear)
    try:
        with _defer_signals():
            signal.raise_signal(signal.SIGTERM)
            assert signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
            order.append("started")
        assert signal.getsignal(signal.SIGTERM) is hear
    finally:
        signal.signal(signal.SIGTERM, before)
    assert order == ["started", "heard"]
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


@pytest.mark.parametrize(
    "spare", [1, 12]
)  # none for the pool; for the pool and some of its workers
def test_without_files_for_workers_records_are_predicted_here(predictor, source, alone, spare):
    messages = []
    before = set(active_children())
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("the number of open files is unknown")
    used = len(list(Path("/proc/self/fd").iterdir()))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + spare, limits[1]))
    try:
        answers = list(predict_with_workers(predictor, source, MIXED, 3, messages.append))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert same(answers, alone)
    why = "cannot start worker processes (too many open files); continuing without workers"
    assert messages == [why]
    assert set(active_children()) == before
