"""An end to every exchange with a server: pieces that each come in time, and a whole that never would.

requests bounds single reads alone, so that an answer that trickles has no end, nor has one to CONNECT, and each of a
name's addresses is given the whole time to connect. Here an exchange has a time for each of its parts. One thread looks
at all that are open, and shuts the sockets of those that take too long: that wakes whoever waits for bytes, on whatever
way they come. The same ends them when the run is asked to end.
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, LocationParseError, NameResolutionError, NewConnectionError

from ironforge_cli.errors import InterruptedRunError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ironforge_cli.blizzard.deadline import Deadline

MOST_AT_ONCE: Final = 64
"""Connections to one host that are kept open."""
_LOOKS_EVERY_SECONDS: Final = 0.2
_IDLE_SECONDS: Final = 10.0
"""The thread that looks ends when nothing was open for so long."""


class Part(Enum):
    """What an exchange is waiting for."""

    CONNECTION = "connection"
    """The look-up of a name, the connection, what a proxy says to CONNECT, the handshake of TLS."""
    HEADERS = "headers"
    BODY = "body"


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds that each part of an exchange may take."""

    connection: float
    headers: float
    body: float

    @classmethod
    def of(cls, timeout: tuple[float, float]) -> Patience:
        """By the seconds of one attempt to connect, and of one read.

        >>> Patience.of((10, 60))
        Patience(connection=30, headers=300, body=300)
        """
        connect, read = timeout
        return cls(connection=3 * connect, headers=5 * read, body=5 * read)

    def for_part(self, part: Part) -> float:
        """Seconds for one of them."""
        return {Part.CONNECTION: self.connection, Part.HEADERS: self.headers, Part.BODY: self.body}[part]


class Exchange:
    """A request and its answer, on the way."""

    def __init__(self, patience: Patience, *, deadline: Deadline | None) -> None:
        self._patience = patience
        self._latest = None if deadline is None else deadline.for_an_exchange()
        self._lock = threading.Lock()
        self._lines: list[socket.socket] = []
        self.broken: str | None = None
        """Why it was broken off; None where it was not."""
        self.part = Part.CONNECTION
        self.ends = 0.0
        """When this part has to be over, in seconds of `time.monotonic`."""
        self.begin(Part.CONNECTION)

    def begin(self, part: Part) -> None:
        """Wait for the next part from now on."""
        usual = self._patience.for_part(part)
        self._seconds = usual if self._latest is None else min(usual, max(0.0, self._latest.left))
        self.part, self.ends = part, time.monotonic() + self._seconds

    def look(self, *, is_to_end: bool) -> None:
        """Break it off where its time is over, or the run is to end."""
        if is_to_end:
            self._break_off("the run was asked to end")
        elif time.monotonic() >= self.ends:
            is_cut = self._seconds < self._patience.for_part(self.part)
            self._break_off(
                f"the {self.part.value} took longer than {self._seconds:.3g} s" + (", to the window's end" * is_cut)
            )

    def hold(self, line: socket.socket) -> None:
        """Have a socket of this exchange to shut; it may be wrapped or closed by others meanwhile."""
        held = socket.socket(fileno=os.dup(line.fileno()))
        with self._lock:
            self._lines.append(held)
            if self.broken is not None:
                _shut(held)

    def connect(self, connection: HTTPConnection) -> socket.socket:
        """A socket to a connection's host: its addresses in turn, each no longer than one attempt may take."""
        failed: OSError = OSError("the name has no address")
        for family, kind, protocol, _, address in self._looked_up(connection.host, connection.port):
            line = socket.socket(family, kind, protocol)
            try:
                line.settimeout(connection.timeout)
                for option in connection.socket_options or ():
                    line.setsockopt(*option)
                self.hold(line)
                line.connect(address)
            except OSError as error:
                line.close()
                failed = error
                if self.broken is not None:
                    break
            except BaseException:
                # Also where Ctrl-C ends it: the socket is nobody's yet, and nobody else would close it.
                line.close()
                raise
            else:
                return line
        raise failed

    def end(self) -> None:
        """Let go of the sockets; whoever uses them goes on."""
        with self._lock:
            for line in self._lines:
                line.close()
            self._lines.clear()

    def _looked_up(self, host: str, port: int) -> list[Any]:
        """The addresses of a name; the look-up can't be broken off, and is left behind where it takes too long."""
        host.encode("idna")
        found: Future[list[Any]] = Future()

        def look_up() -> None:
            try:
                found.set_result(socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM))
            except Exception as error:  # noqa: BLE001 - it is raised where the result is waited for
                found.set_exception(error)

        threading.Thread(target=look_up, daemon=True, name="look-up").start()
        while True:
            try:
                return found.result(timeout=_LOOKS_EVERY_SECONDS)
            except TimeoutError:
                if self.broken is not None:
                    raise

    def _break_off(self, told: str) -> None:
        with self._lock:
            if self.broken is None:
                self.broken = told
                for line in self._lines:
                    _shut(line)


class Exchanges:
    """Those that are open, and the thread that looks at them. Safe to share between threads.

    `check` raises `InterruptedRunError` where the run is asked to end.
    """

    def __init__(self, patience: Patience, *, check: Callable[[], None]) -> None:
        self._patience = patience
        self._check = check
        self._changed = threading.Condition()
        self._open: set[Exchange] = set()
        self._watching: threading.Thread | None = None
        self._is_closed = False

    @contextlib.contextmanager
    def begun(self, *, deadline: Deadline | None) -> Generator[Exchange]:
        """An exchange of this thread, for as long as the block lasts."""
        exchange = Exchange(self._patience, deadline=deadline)
        with self._changed:
            self._open.add(exchange)
            self._changed.notify()
            if self._watching is None:
                self._watching = threading.Thread(target=self._watch, daemon=True, name="exchanges")
                self._watching.start()
        _mine.exchange = exchange
        try:
            yield exchange
        finally:
            _mine.exchange = None
            with self._changed:
                self._open.discard(exchange)
            exchange.end()

    def close(self) -> None:
        """Let the thread end; another one begins with the next exchange, if there is one."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
            watching = self._watching
        if watching is not None:
            watching.join(2 * _LOOKS_EVERY_SECONDS)

    def _watch(self) -> None:
        while True:
            with self._changed:
                if not self._open and (self._is_closed or not self._changed.wait(_IDLE_SECONDS)) and not self._open:
                    self._watching = None
                    return
                now_open = list(self._open)
            is_to_end = self._is_to_end()
            for exchange in now_open:
                exchange.look(is_to_end=is_to_end)
            soonest = min((exchange.ends for exchange in now_open if exchange.broken is None), default=float("inf"))
            time.sleep(min(_LOOKS_EVERY_SECONDS, max(0.001, soonest - time.monotonic())))

    def _is_to_end(self) -> bool:
        try:
            self._check()
        except InterruptedRunError:
            return True
        return False


class _Mine(threading.local):
    """The exchange of each thread: the libraries in between hand none on."""

    exchange: Exchange | None = None


_mine = _Mine()


class BoundedAdapter(HTTPAdapter):
    """Sends requests over connections that belong to an exchange, directly or by any proxy."""

    def __init__(self) -> None:
        # As many connections as threads ask at once; the library would close those beyond ten after each answer.
        super().__init__(pool_maxsize=MOST_AT_ONCE)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools of direct connections."""
        super().init_poolmanager(*args, **kwargs)
        _bound(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """The pools of a proxy's connections."""
        return _bound(super().proxy_manager_for(*args, **kwargs))


def _bound(manager: Any) -> Any:
    """Let a manager of pools make connections that belong to an exchange."""
    # The library's own place for connections of another kind.
    kinds: dict[str, type[Any]] = manager.pool_classes_by_scheme
    manager.pool_classes_by_scheme = {scheme: _bound_pool(kind) for scheme, kind in kinds.items()}
    return manager


@functools.cache
def _bound_pool(kind: type[Any]) -> type[Any]:
    if hasattr(kind.ConnectionCls, "is_bound"):
        return kind
    return type(kind.__name__, (kind,), {"ConnectionCls": _bound_connection(kind.ConnectionCls)})


def _bound_connection(kind: type[Any]) -> type[Any]:
    # SOCKS has a way of its own to connect.
    connects_itself = kind not in {HTTPConnection, HTTPSConnection}

    class Bound(kind):
        is_bound = True

        def _new_conn(self) -> socket.socket:
            exchange = _mine.exchange
            if exchange is None or connects_itself:
                line = kind._new_conn(self)
                if exchange is not None:
                    exchange.hold(line)
                return line
            try:
                return exchange.connect(self)
            except UnicodeError as error:
                raise LocationParseError(f"'{self.host}', label empty or too long") from error
            except socket.gaierror as error:
                raise NameResolutionError(self.host, self, error) from error
            except TimeoutError as error:
                raise ConnectTimeoutError(self, f"Connection to {self.host} timed out") from error
            except OSError as error:
                raise NewConnectionError(self, f"Failed to establish a new connection: {error}") from error

        def request(self, *args: Any, **kwargs: Any) -> Any:
            exchange = _mine.exchange
            if exchange is not None and self.sock is not None:
                # One that was open before.
                exchange.hold(self.sock)
            kind.request(self, *args, **kwargs)
            if exchange is not None and exchange.part is Part.CONNECTION:
                exchange.begin(Part.HEADERS)

    return Bound


def _shut(line: socket.socket) -> None:
    # It may be closed by the other side, which serves as well.
    with contextlib.suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)
