"""An end to answers that trickle: each piece comes in time, but the whole never would."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any, Final

from requests.adapters import HTTPAdapter
from requests.exceptions import ReadTimeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ReadTimeoutError

if TYPE_CHECKING:
    from collections.abc import Generator

    from requests import PreparedRequest, Response

_SOCKET: Final = "patient_socket"
MOST_AT_ONCE: Final = 64
"""Connections to one host that are kept open."""
READS_AN_ANSWER: Final = 5
"""Headers, and a whole body, may each take so many times as long as one read of them."""


class PatientAdapter(HTTPAdapter):
    """Sends requests, and breaks an answer off whose headers or body take longer than `longest` seconds.

    That is a `ReadTimeout`.
    """

    def __init__(self, *, longest: float) -> None:
        self._longest = longest
        # As many connections as threads ask at once; the library would close those beyond ten after each answer.
        super().__init__(pool_maxsize=MOST_AT_ONCE)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make connections that watch over the headers of their answers."""
        super().init_poolmanager(*args, **kwargs)
        # The library's own place for connections of another kind.
        manager: Any = self.poolmanager
        manager.pool_classes_by_scheme = {
            "http": _pool_of(HTTPConnectionPool, _connection_of(HTTPConnection, self._longest)),
            "https": _pool_of(HTTPSConnectionPool, _connection_of(HTTPSConnection, self._longest)),
        }

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """Send a request; for the body the clock starts with the answer's headers."""
        response = super().send(request, *args, **kwargs)
        raw: Any = response.raw
        read = raw.stream

        def stream(*amount: Any, **options: Any) -> Generator[bytes]:
            line: socket.socket | None = getattr(raw, _SOCKET, None)
            alarm = _Alarm(self._longest, line)
            try:
                with alarm:
                    yield from read(*amount, **options)
            except Exception as error:
                if alarm.rang:
                    raise self._too_late() from error
                raise
            else:
                # A body whose length nobody announced just ends where it is broken off.
                if alarm.rang:
                    raise self._too_late()
            finally:
                if alarm.rang and line is not None:
                    raw.close()
                    line.close()

        raw.stream = stream
        return response

    def _too_late(self) -> ReadTimeout:
        return ReadTimeout(f"the body took longer than {self._longest:g} s")


class _Alarm:
    """Breaks a connection off when a block takes too long: closing alone would not wake who waits for bytes."""

    def __init__(self, seconds: float, line: socket.socket | None) -> None:
        self._line = line
        self._rang = threading.Event()
        self._timer = threading.Timer(seconds, self._ring)
        self._timer.daemon = True

    @property
    def rang(self) -> bool:
        """Whether it took too long."""
        return self._rang.is_set()

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _ring(self) -> None:
        self._rang.set()
        if self._line is not None:
            # It may have been closed meanwhile, which serves as well.
            with contextlib.suppress(OSError):
                self._line.shutdown(socket.SHUT_RDWR)


def _connection_of(kind: type[Any], longest: float) -> type[Any]:
    """A kind of connection that waits no longer than that for all headers of an answer."""

    class Patient(kind):
        def getresponse(self, *args: Any, **kwargs: Any) -> Any:
            # The connection lets go of its socket where the body ends with it, and only the body still holds it.
            line = self.sock
            alarm = _Alarm(longest, line)
            told = f"the headers took longer than {longest:g} s"
            try:
                with alarm:
                    answer: Any = kind.getresponse(self, *args, **kwargs)
            except Exception as error:
                if alarm.rang:
                    raise _late_headers(told) from error
                raise
            # Headers that are broken off count as complete.
            if alarm.rang:
                answer.close()
                line.close()
                raise _late_headers(told)
            setattr(answer, _SOCKET, line)
            return answer

    return Patient


def _late_headers(told: str) -> ReadTimeoutError:
    return ReadTimeoutError(None, None, told)  # pyright: ignore[reportArgumentType] - of no pool and no address


def _pool_of(kind: type[Any], connection: type[Any]) -> type[Any]:
    """A kind of pool that holds such connections."""
    return type(kind.__name__, (kind,), {"ConnectionCls": connection})
