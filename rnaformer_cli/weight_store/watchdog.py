"""A deadline for a whole transfer, because timeouts of single reads do not limit its duration."""

from __future__ import annotations

import contextlib
import functools
import math
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from typing import Any


class Watchdog:
    """Closes its connections at a deadline. Pending reads then fail.

    A server that sends single bytes or repeated interim responses never causes a read timeout.
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
        """Set the deadline to a number of seconds from now, but not after `latest`."""
        self._deadline = min(time.monotonic() + seconds, self._latest)

    def remaining(self, seconds: float) -> float:
        """The given seconds, limited to the time until the deadline, but at least 0.01."""
        return max(min(seconds, self._deadline - time.monotonic()), 0.01)

    def watch(self, connection: socket.socket) -> None:
        """Add a connection; it is closed at once if the deadline has passed."""
        with self._lock:
            self._sockets.append(connection)
        if self.has_fired:
            self._close()

    def end(self) -> None:
        """Stop watching."""
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(max(self._deadline - time.monotonic(), 0.0)):
            if time.monotonic() >= self._deadline:
                self.has_fired = True
                self._close()
                return

    def _close(self) -> None:
        with self._lock:
            for connection in self._sockets:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def watched(seconds: float, latest: float = math.inf) -> Iterator[Watchdog]:
    """A watchdog for the duration of a block."""
    watchdog = Watchdog(seconds, latest)
    try:
        yield watchdog
    finally:
        watchdog.end()


class WatchedHTTP(urllib.request.HTTPHandler):
    """Opens http URLs with connections that a watchdog closes."""

    def __init__(self, watchdog: Watchdog) -> None:
        super().__init__()
        self._watchdog = watchdog

    def http_open(self, req: urllib.request.Request) -> HTTPResponse:
        """Send a request, as in urllib."""
        found: HTTPResponse = self.do_open(_watched_connection(self._watchdog, HTTPConnection), req)
        return found


class WatchedHTTPS(urllib.request.HTTPSHandler):
    """Opens https URLs with connections that a watchdog closes."""

    def __init__(self, watchdog: Watchdog) -> None:
        super().__init__()
        self._watchdog = watchdog

    def https_open(self, req: urllib.request.Request) -> HTTPResponse:
        """Send a request, as in urllib."""
        found: HTTPResponse = self.do_open(
            _watched_connection(self._watchdog, HTTPSConnection), req
        )
        return found


def _connect(
    watchdog: Watchdog, address: tuple[str, int], timeout: float, *__: Any
) -> socket.socket:
    """A connection to the first address of a host that answers before the deadline."""
    failure = OSError("no address")
    for family, kind, protocol, _, place in socket.getaddrinfo(*address, type=socket.SOCK_STREAM):
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(watchdog.remaining(timeout))
            connection.connect(place)
            connection.settimeout(timeout)
            return connection
        except OSError as error:
            connection.close()
            failure = error
        if watchdog.has_fired:
            break
    raise failure


def _watched_connection(watchdog: Watchdog, kind: type[HTTPConnection]) -> Any:
    class Connection(kind):  # type: ignore[misc,valid-type]  # either of two classes of http.client
        """Adds its socket to the watchdog before any read, because a proxy may be slow, too."""

        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            self._create_connection = functools.partial(_connect, watchdog)

        @property
        def sock(self) -> socket.socket | None:
            return self._sock

        @sock.setter
        def sock(self, sock: socket.socket | None) -> None:
            self._sock = sock
            if sock is not None:
                watchdog.watch(sock)

    return Connection
