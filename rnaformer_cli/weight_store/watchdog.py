"""A deadline over a whole transfer: it ends what a time limit for each read would wait for."""

from __future__ import annotations

import contextlib
import math
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from typing import Any


class Watchdog:
    """Closes its connections when the deadline passes; whoever waits on one then gets an error.

    A server that sends a byte now and then, or one interim answer after the other, never lets a
    read time out.
    """

    def __init__(self, seconds: float, latest: float = math.inf) -> None:
        self.has_fired = False
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._latest = latest
        self._deadline = min(time.monotonic() + seconds, latest)
        threading.Thread(target=self._watch, daemon=True).start()

    def extend(self, seconds: float) -> None:
        """So many seconds more from now on, but no later than `latest`, on the monotonic clock."""
        self._deadline = min(time.monotonic() + seconds, self._latest)

    def watch(self, connection: socket.socket) -> None:
        """One more connection to close; at once if it is too late already."""
        with self._lock:
            self._sockets.append(connection)
        if self.has_fired:
            self._close()

    def end(self) -> None:
        """Watch no more."""
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(max(self._deadline - time.monotonic(), 0.0)):
            if time.monotonic() >= self._deadline:
                self.has_fired = True
                self._close()
                return

    def _close(self) -> None:
        with self._lock:
            for one in self._sockets:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def watched(seconds: float, latest: float = math.inf) -> Iterator[Watchdog]:
    """A watchdog for the time of a block."""
    watchdog = Watchdog(seconds, latest)
    try:
        yield watchdog
    finally:
        watchdog.end()


class WatchedHTTP(urllib.request.HTTPHandler):
    """Opens http with connections that a watchdog knows."""

    def __init__(self, watchdog: Watchdog) -> None:
        super().__init__()
        self._watchdog = watchdog

    def http_open(self, req: urllib.request.Request) -> HTTPResponse:
        """Connect and send; see urllib."""
        found: HTTPResponse = self.do_open(_watched_connection(self._watchdog, HTTPConnection), req)
        return found


class WatchedHTTPS(urllib.request.HTTPSHandler):
    """Opens https with connections that a watchdog knows."""

    def __init__(self, watchdog: Watchdog) -> None:
        super().__init__()
        self._watchdog = watchdog

    def https_open(self, req: urllib.request.Request) -> HTTPResponse:
        """Connect and send; see urllib."""
        found: HTTPResponse = self.do_open(
            _watched_connection(self._watchdog, HTTPSConnection), req
        )
        return found


def _watched_connection(watchdog: Watchdog, kind: type[HTTPConnection]) -> Any:
    class Connection(kind):  # type: ignore[misc,valid-type]  # either of two classes of http.client
        """Tells of its socket as soon as there is one: a proxy may drip, too."""

        @property
        def sock(self) -> socket.socket | None:
            return self._sock

        @sock.setter
        def sock(self, sock: socket.socket | None) -> None:
            self._sock = sock
            if sock is not None:
                watchdog.watch(sock)

    return Connection
