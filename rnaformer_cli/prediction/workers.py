"""Worker processes for many short records, one thread each.

A narrow network on a short RNA does not keep several threads busy. Long records are predicted
in the main process with all threads, while no worker runs.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import gc
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
from rnaformer_cli.files import os_error_text
from rnaformer_cli.prediction.batching import WINDOW_RECORDS, read_windows
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

MAX_WORKERS = 8  # default limit of the number of processes
MIN_CELLS_FOR_WORKERS = (
    2_000_000  # of the first window; starting workers takes longer than fewer cells
)
MAX_WORKER_CHANNELS = 128  # wider networks are faster with threads than with processes
_MAX_WORKER_LENGTH = 500  # bases; longer records use all threads of the main process
# Possible causes: limits on files or processes; no shared memory (some containers); no semaphores.
_START_ERRORS = (OSError, ImportError, NotImplementedError)
_END_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_CHECK_SECONDS = 1.0  # between two checks whether a worker was killed
_GRACE_SECONDS = 3.0  # in which the pool usually detects that by itself
_PREFETCHED_WINDOWS = 1  # windows that are submitted before the current one is finished


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """The arguments of `predictor.load` for a worker."""

    weights: str | Path
    options: Options
    precision: Precision


def suggested_jobs(predictor: Predictor, window: list[RnaRecord]) -> int:
    """The number of workers for a run whose first records are `window`; 1: no workers."""
    is_narrow = predictor.engine.config.dim <= MAX_WORKER_CHANNELS
    short = sum(len(record) ** 2 for record in window if len(record) <= _MAX_WORKER_LENGTH)
    if predictor.device.type != "cpu" or not is_narrow or short < MIN_CELLS_FOR_WORKERS:
        return 1
    return min(torch.get_num_threads(), MAX_WORKERS)


def predict_with_workers(
    predictor: Predictor,
    source: WorkerConfig,
    records: Iterable[RnaRecord],
    jobs: int | None = None,
    warn: Callable[[str], None] = lambda _: None,
) -> Iterator[PredictionResult]:
    """Yield the results of `predict_as_done` in the order of the records."""
    return reorder(predict_as_done(predictor, source, records, jobs, warn))


def predict_as_done(
    predictor: Predictor,
    source: WorkerConfig,
    records: Iterable[RnaRecord],
    jobs: int | None = None,
    warn: Callable[[str], None] = lambda _: None,
) -> Iterator[tuple[int, PredictionResult]]:
    """Like `predictor.predict_as_done`, with `jobs` worker processes; None chooses the number.

    If a worker dies (the system may kill it when memory is short), its records are predicted in
    the main process, and `warn` is called.
    """
    records = iter(records)
    first = next(read_windows(records, WINDOW_RECORDS), None)
    if first is None:
        return
    jobs = suggested_jobs(predictor, first) if jobs is None else jobs
    everything = itertools.chain(first, records)
    if jobs == 1 or predictor.device.type != "cpu":
        yield from predictor.predict_as_done(everything)
        return
    shared = _WorkerPool(predictor, source, jobs, warn)
    try:
        yield from shared.predict(read_windows(everything))
    finally:
        shared.close()


@dataclass(frozen=True, slots=True)
class ParallelPredictor:
    """A predictor with worker processes; see predict_with_workers."""

    predictor: Predictor
    source: WorkerConfig
    jobs: int | None = None
    warn: Callable[[str], None] = lambda _: None

    def predict(self, records: Iterable[RnaRecord]) -> Iterator[PredictionResult]:
        """Yield the results of all records, in order."""
        return reorder(self.predict_as_done(records))

    def predict_as_done(
        self, records: Iterable[RnaRecord]
    ) -> Iterator[tuple[int, PredictionResult]]:
        """Yield the index of each record with its result, as soon as its group is done."""
        return predict_as_done(self.predictor, self.source, records, self.jobs, self.warn)


class _WorkerPool:
    """A predictor and its worker processes."""

    def __init__(
        self, predictor: Predictor, source: WorkerConfig, jobs: int, warn: Callable[[str], None]
    ) -> None:
        self._predictor = predictor
        self._warn = warn
        self._other_children = set(multiprocessing.active_children())
        self._workers: set[multiprocessing.process.BaseProcess] = set()
        self._pool: ProcessPoolExecutor | None = None
        try:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(jobs, context, _initialise_worker, (source,))
        except _START_ERRORS as error:
            self._continue_without_workers(error)

    def predict(self, windows: Iterable[list[RnaRecord]]) -> Iterator[tuple[int, PredictionResult]]:
        """Yield the index and the result of each record, window by window."""
        submitted: deque[_Window] = deque()
        begin = 0
        for records in windows:
            submitted.append(self._begin(records, begin))
            begin += len(records)
            if len(submitted) > _PREFETCHED_WINDOWS:
                yield from self._finish(submitted.popleft(), submitted)
        while submitted:
            yield from self._finish(submitted.popleft(), submitted)

    def close(self) -> None:
        """End the workers after their current group (a second or two)."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _begin(self, records: list[RnaRecord], begin: int) -> _Window:
        window = _Window(records, begin)
        for group in self._predictor.groups(records):
            members = [records[index] for index in group]
            is_long = len(members[0]) > _MAX_WORKER_LENGTH  # the longest comes first
            window.groups.append((group, None if is_long else self._submit(members)))
        return window

    def _submit(self, members: list[RnaRecord]) -> Future[list[PredictionResult]] | None:
        """The future results of a worker; None without workers."""
        try:
            if self._pool is None:
                return None
            with _defer_signals():  # this may start a worker
                future = self._pool.submit(_predict, members)
            self._workers |= set(multiprocessing.active_children()) - self._other_children
            return future
        except BrokenProcessPool:
            self._drop_broken_pool()
            return None
        except OSError as error:
            self._continue_without_workers(error)
            return None

    def _finish(
        self, window: _Window, later: Iterable[_Window]
    ) -> Iterator[tuple[int, PredictionResult]]:
        for group, future in window.by_worker_first():
            members = [window.records[index] for index in group]
            results = self._group_results(members, future, later)
            for index, result in zip(group, results, strict=True):
                yield window.begin + index, result

    def _group_results(
        self,
        members: list[RnaRecord],
        future: Future[list[PredictionResult]] | None,
        later: Iterable[_Window],
    ) -> Iterable[PredictionResult]:
        if future is not None:
            try:
                return self._result(future)
            except BrokenProcessPool:
                self._drop_broken_pool()
        concurrent.futures.wait([found for window in later for found in window.futures()])
        return self._predictor.predict_group(members)

    def _result(self, future: Future[list[PredictionResult]]) -> list[PredictionResult]:
        """The results of a future.

        If a worker is killed while it sends a result, the pool waits forever for the rest. To turn
        this into an error, the other workers are killed and the pool's end of the pipe is closed.

        Raises:
            BrokenProcessPool: a worker was killed.
        """
        while not concurrent.futures.wait([future], _CHECK_SECONDS).done:
            if all(worker.is_alive() for worker in self._workers):
                continue
            if concurrent.futures.wait([future], _GRACE_SECONDS).done:
                break
            for worker in self._workers:
                worker.kill()
            pipe = getattr(getattr(self._pool, "_result_queue", None), "_writer", None)
            if pipe is not None and not pipe.closed:
                pipe.close()
        return future.result()

    def _continue_without_workers(self, error: Exception) -> None:
        """Continue without workers; end those that were started."""
        message = os_error_text(error) if isinstance(error, OSError) else str(error)
        self._warn(f"cannot start worker processes ({message}); continuing without workers")
        for process in multiprocessing.active_children():
            if process not in self._other_children:
                process.terminate()
                process.join()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def _drop_broken_pool(self) -> None:
        if self._pool is not None:
            self._warn("a worker process was killed; continuing without workers")
            self._pool.shutdown()  # its futures stay marked as broken; cancelling would hide that
            self._pool = None


@dataclass(frozen=True, slots=True)
class _Window:
    """Records in groups of indices, with the future results of workers."""

    records: list[RnaRecord]
    begin: int  # index of the first record
    groups: list[tuple[list[int], Future[list[PredictionResult]] | None]] = field(
        default_factory=list
    )

    def by_worker_first(self) -> list[tuple[list[int], Future[list[PredictionResult]] | None]]:
        """The groups. Those without a worker come last, because they run while no worker does."""
        return sorted(self.groups, key=lambda group: group[1] is None)

    def futures(self) -> list[Future[list[PredictionResult]]]:
        """The futures of all groups."""
        return [future for _, future in self.groups if future is not None]


@contextlib.contextmanager
def _defer_signals() -> Iterator[None]:
    """Defer Ctrl-C and SIGTERM; processes started meanwhile ignore Ctrl-C.

    A worker that is interrupted while it starts would print a traceback.
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
    for deferred in caught:
        signal.raise_signal(deferred)


_worker: Predictor  # set in worker processes only


def _initialise_worker(source: WorkerConfig) -> None:
    """Make this process a worker: one thread, no Ctrl-C, ended with its parent."""
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles it and ends its workers
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    _worker = load(source.weights, source.options, "cpu", source.precision)
    gc.freeze()  # a search for garbage among all that is loaded would delay its end


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _predict(members: list[RnaRecord]) -> list[PredictionResult]:
    return list(_worker.predict_group(members))
