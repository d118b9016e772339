"""Many short records on several cores: processes of one thread each, which gain most from them.

What a network with few channels does with a short RNA is too little to share out among threads.
Long records stay in this process, with all its threads, and run while no worker does.
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
from rnaformer_cli.files import reason
from rnaformer_cli.prediction.batching import windows
from rnaformer_cli.prediction.device import Precision
from rnaformer_cli.prediction.predictor import (
    Options,
    Prediction,
    Predictor,
    load,
    reorder,
)
from rnaformer_cli.sequence.record import RnaRecord

Answer = Prediction | DeviceError

MOST = 8  # workers that are started unasked
MIN_CELLS_FOR_WORKERS = (
    2_000_000  # of the first window: a few seconds, which is what starting workers takes
)
NARROW = 128  # channels up to which processes beat threads
_LONGEST = 500  # bases of a record that one thread is enough for
# No more files or processes allowed; no shared memory, as in some containers; no semaphores at all.
_NO_WORKERS = (OSError, ImportError, NotImplementedError)
_END_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_PREFETCHED_WINDOWS = 1  # windows whose records wait while an earlier one is finished


@dataclass(frozen=True, slots=True)
class Source:
    """What a worker needs to build a predictor of its own; see `predictor.load`."""

    weights: str | Path
    options: Options
    precision: Precision


def suggested_jobs(predictor: Predictor, window: list[RnaRecord]) -> int:
    """How many workers are worth starting, going by the first records; 1: none."""
    is_narrow = predictor.engine.config.dim <= NARROW
    short = sum(len(record) ** 2 for record in window if len(record) <= _LONGEST)
    if predictor.device.type != "cpu" or not is_narrow or short < MIN_CELLS_FOR_WORKERS:
        return 1
    return min(torch.get_num_threads(), MOST)


def predict_with_workers(
    predictor: Predictor,
    source: Source,
    records: Iterable[RnaRecord],
    jobs: int | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[Answer]:
    """What `predictor.predict` yields, with the help of `jobs` processes; None: as many as help.

    A worker that dies (the system may kill it when the memory is full) loses nothing: its
    records are predicted here, and `tell` hears of it.
    """
    cut = windows(records)
    first = next(cut, None)
    if first is None:
        return
    jobs = suggested_jobs(predictor, first) if jobs is None else jobs
    everything = itertools.chain([first], cut)
    if jobs == 1 or predictor.device.type != "cpu":
        yield from predictor.predict(itertools.chain.from_iterable(everything))
        return
    shared = _WorkerPool(predictor, source, jobs, tell)
    try:
        yield from shared.predict(everything)
    finally:
        shared.close()


@dataclass(frozen=True, slots=True)
class ParallelPredictor:
    """A predictor that workers help, where a predictor is wanted; see predict_with_workers."""

    predictor: Predictor
    source: Source
    jobs: int | None = None
    tell: Callable[[str], None] = lambda _: None

    def predict(self, records: Iterable[RnaRecord]) -> Iterator[Answer]:
        """Yield the answers for all records, in order."""
        return predict_with_workers(self.predictor, self.source, records, self.jobs, self.tell)


class _WorkerPool:
    """A predictor and the workers that help it."""

    def __init__(
        self, predictor: Predictor, source: Source, jobs: int, tell: Callable[[str], None]
    ) -> None:
        self._predictor = predictor
        self._tell = tell
        self._others = set(multiprocessing.active_children())
        self._pool: ProcessPoolExecutor | None = None
        try:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(jobs, context, _begin, (source,))
        except _NO_WORKERS as error:
            self._do_without(error)

    def predict(self, cut: Iterable[list[RnaRecord]]) -> Iterator[Answer]:
        """Yield the answers for all windows, in order."""
        begun: deque[_Window] = deque()
        for records in cut:
            begun.append(self._begin(records))
            if len(begun) > _PREFETCHED_WINDOWS:
                yield from self._finish(begun.popleft(), begun)
        while begun:
            yield from self._finish(begun.popleft(), begun)

    def close(self) -> None:
        """End the workers, when they are through with what they are doing (a second or two)."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _begin(self, records: list[RnaRecord]) -> _Window:
        window = _Window(records)
        for group in self._predictor.groups(records):
            members = [records[place] for place in group]
            is_long = len(members[0]) > _LONGEST  # the longest comes first
            window.groups.append((group, None if is_long else self._submit(members)))
        return window

    def _submit(self, members: list[RnaRecord]) -> Future[list[Answer]] | None:
        """The answers to come of a worker; None if there is none."""
        try:
            with _defer_signals():  # this may start a worker
                return None if self._pool is None else self._pool.submit(_predict, members)
        except BrokenProcessPool:
            self._drop_pool()
            return None
        except OSError as error:
            self._do_without(error)
            return None

    def _finish(self, window: _Window, later: Iterable[_Window]) -> Iterator[Answer]:
        return reorder(
            pair
            for group, future in window.by_worker_first()
            for pair in zip(
                group,
                self._group_results([window.records[place] for place in group], future, later),
                strict=True,
            )
        )

    def _group_results(
        self,
        members: list[RnaRecord],
        future: Future[list[Answer]] | None,
        later: Iterable[_Window],
    ) -> Iterable[Answer]:
        if future is not None:
            try:
                return future.result()
            except BrokenProcessPool:
                self._drop_pool()
        concurrent.futures.wait([found for window in later for found in window.futures()])
        return self._predictor.predict_group(members)

    def _do_without(self, error: Exception) -> None:
        """End the workers that are there, if not all could be started."""
        why = reason(error) if isinstance(error, OSError) else str(error)
        self._tell(f"no worker process can be started ({why}); going on without workers")
        for one in multiprocessing.active_children():
            if one not in self._others:
                one.terminate()
                one.join()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def _drop_pool(self) -> None:
        if self._pool is not None:
            self._tell("a worker process was ended from outside; going on without workers")
            self._pool.shutdown()  # what it had is marked as broken, which cancelling would hide
            self._pool = None


@dataclass(frozen=True, slots=True)
class _Window:
    """Records on their way: groups of places, with the answers to come of a worker."""

    records: list[RnaRecord]
    groups: list[tuple[list[int], Future[list[Answer]] | None]] = field(default_factory=list)

    def by_worker_first(self) -> list[tuple[list[int], Future[list[Answer]] | None]]:
        """The groups, those without a worker last: they run when no worker does."""
        return sorted(self.groups, key=lambda group: group[1] is None)

    def futures(self) -> list[Future[list[Answer]]]:
        """All answers to come."""
        return [future for _, future in self.groups if future is not None]


@contextlib.contextmanager
def _defer_signals() -> Iterator[None]:
    """Put off Ctrl-C and SIGTERM; what is started meanwhile does not hear Ctrl-C.

    A worker whose start is broken off, or that is interrupted while it loads its modules, would
    say so in a traceback.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Python lets only the main thread say what a signal does
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
    for heard in caught:
        signal.raise_signal(heard)


_worker: Predictor  # of this process, if it is a worker


def _begin(source: Source) -> None:
    """Make this process a worker: one thread, no Ctrl-C of its own, gone when its parent is."""
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it, and ends its workers
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    _worker = load(source.weights, source.options, "cpu", source.precision)


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _predict(members: list[RnaRecord]) -> list[Answer]:
    return list(_worker.predict_group(members))
