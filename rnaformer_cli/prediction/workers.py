"""Predict many short records on several cores, in worker processes of one thread each.

A network with few channels does too little work on a short RNA for several threads. Long records
are predicted in the main process with all its threads, while no worker runs.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import itertools
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path

import torch

from rnaformer_cli.errors import DeviceError
from rnaformer_cli.prediction.batching import read_windows
from rnaformer_cli.prediction.device import Precision
from rnaformer_cli.prediction.predictor import (
    Options,
    Prediction,
    Predictor,
    load,
    reorder,
)
from rnaformer_cli.sequence.record import RnaRecord

PredictionResult = Prediction | DeviceError

MAX_DEFAULT_JOBS = 8  # workers that are started unasked
MIN_CELLS_FOR_WORKERS = (
    2_000_000  # of the first window: a few seconds, which is what starting workers takes
)
MAX_WORKER_DIM = 128  # channels of a network up to which processes are faster than threads
_MAX_WORKER_LENGTH = 500  # bases of a record that one thread is enough for
_END_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_PREFETCHED_WINDOWS = 1  # windows whose records wait while an earlier one is finished


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """The arguments with which a worker loads its predictor; see `predictor.load`."""

    weights: str | Path
    options: Options
    precision: Precision


def suggested_jobs(predictor: Predictor, window: list[RnaRecord]) -> int:
    """The number of workers that save time, judged by the first window; 1 means none."""
    is_narrow = predictor.engine.config.dim <= MAX_WORKER_DIM
    short = sum(len(record) ** 2 for record in window if len(record) <= _MAX_WORKER_LENGTH)
    if predictor.device.type != "cpu" or not is_narrow or short < MIN_CELLS_FOR_WORKERS:
        return 1
    return min(torch.get_num_threads(), MAX_DEFAULT_JOBS)


def predict_with_workers(
    predictor: Predictor,
    source: WorkerConfig,
    records: Iterable[RnaRecord],
    jobs: int | None = None,
    warn: Callable[[str], None] = lambda _: None,
) -> Iterator[PredictionResult]:
    """Yield the results of `predictor.predict`, computed by `jobs` worker processes.

    None starts `suggested_jobs` workers. If a worker dies (the system may kill it when memory is
    short), its records are predicted in this process, and `warn` is called with a message.
    """
    record_windows = read_windows(records)
    first = next(record_windows, None)
    if first is None:
        return
    jobs = suggested_jobs(predictor, first) if jobs is None else jobs
    all_windows = itertools.chain([first], record_windows)
    if jobs == 1 or predictor.device.type != "cpu":
        yield from predictor.predict(itertools.chain.from_iterable(all_windows))
        return
    pool = _WorkerPool(predictor, source, jobs, warn)
    try:
        yield from pool.predict(all_windows)
    finally:
        pool.close()


@dataclass(frozen=True, slots=True)
class ParallelPredictor:
    """A predictor with worker processes; see `predict_with_workers`."""

    predictor: Predictor
    source: WorkerConfig
    jobs: int | None = None
    warn: Callable[[str], None] = lambda _: None

    def predict(self, records: Iterable[RnaRecord]) -> Iterator[PredictionResult]:
        """Yield the results for all records, in order."""
        return predict_with_workers(self.predictor, self.source, records, self.jobs, self.warn)


class _WorkerPool:
    """A predictor and its worker processes."""

    def __init__(
        self, predictor: Predictor, source: WorkerConfig, jobs: int, warn: Callable[[str], None]
    ) -> None:
        self._predictor = predictor
        self._warn = warn
        self._pool: ProcessPoolExecutor | None = ProcessPoolExecutor(
            jobs, multiprocessing.get_context("spawn"), _initialise_worker, (source,)
        )

    def predict(self, record_windows: Iterable[list[RnaRecord]]) -> Iterator[PredictionResult]:
        """Yield the results for the records of all windows, in order."""
        pending: deque[_Window] = deque()
        for records in record_windows:
            pending.append(self._submit_window(records))
            if len(pending) > _PREFETCHED_WINDOWS:
                yield from self._collect(pending.popleft(), pending)
        while pending:
            yield from self._collect(pending.popleft(), pending)

    def close(self) -> None:
        """End the workers after their current groups (a second or two)."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _submit_window(self, records: list[RnaRecord]) -> _Window:
        window = _Window(records)
        for group in self._predictor.groups(records):
            members = [records[index] for index in group]
            is_long = len(members[0]) > _MAX_WORKER_LENGTH  # the longest comes first
            window.groups.append((group, None if is_long else self._submit(members)))
        return window

    def _submit(self, members: list[RnaRecord]) -> Future[list[PredictionResult]] | None:
        """Submit a group to the workers; None if there are none."""
        try:
            with _defer_signals():  # this may start a worker
                return None if self._pool is None else self._pool.submit(_predict, members)
        except BrokenProcessPool:
            self._drop_pool()
            return None

    def _collect(self, window: _Window, later: Iterable[_Window]) -> Iterator[PredictionResult]:
        return reorder(
            pair
            for group, future in window.by_worker_first()
            for pair in zip(
                group,
                self._group_results([window.records[index] for index in group], future, later),
                strict=True,
            )
        )

    def _group_results(
        self,
        members: list[RnaRecord],
        future: Future[list[PredictionResult]] | None,
        later: Iterable[_Window],
    ) -> Iterable[PredictionResult]:
        if future is not None:
            try:
                return future.result()
            except BrokenProcessPool:
                self._drop_pool()
        concurrent.futures.wait([found for window in later for found in window.futures()])
        return self._predictor.predict_group(members)

    def _drop_pool(self) -> None:
        if self._pool is not None:
            self._warn("a worker process was ended from outside; going on without workers")
            self._pool.shutdown()  # without cancelling, which would hide that futures are broken
            self._pool = None


@dataclass(frozen=True, slots=True)
class _Window:
    """A window of records: groups of indices, each with the future of a worker or None."""

    records: list[RnaRecord]
    groups: list[tuple[list[int], Future[list[PredictionResult]] | None]] = field(
        default_factory=list
    )

    def by_worker_first(self) -> list[tuple[list[int], Future[list[PredictionResult]] | None]]:
        """The groups, with those for this process last: they run while no worker does."""
        return sorted(self.groups, key=lambda group: group[1] is None)

    def futures(self) -> list[Future[list[PredictionResult]]]:
        """The futures of all groups that were submitted."""
        return [future for _, future in self.groups if future is not None]


@contextlib.contextmanager
def _defer_signals() -> Iterator[None]:
    """Defer Ctrl-C and SIGTERM during a block; processes started in it ignore Ctrl-C.

    A worker that is interrupted while it starts or loads its modules would print a traceback.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set signal handlers
        return
    caught: list[int] = []
    before = {
        number: signal.signal(number, lambda n, _: caught.append(n)) for number in _END_SIGNALS
    }
    if sys.platform != "win32":
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        if sys.platform != "win32":
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
    for received in caught:
        signal.raise_signal(received)


_worker: Predictor  # of this process, if it is a worker


def _initialise_worker(source: WorkerConfig) -> None:
    """Set up a worker process: one thread, Ctrl-C ignored, ends with its parent."""
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles it and ends its workers
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    _worker = load(source.weights, source.options, "cpu", source.precision)


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _predict(members: list[RnaRecord]) -> list[PredictionResult]:
    return list(_worker.predict_group(members))
