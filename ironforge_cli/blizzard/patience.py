"""An end to answers that trickle: each piece comes in time, but the whole never would."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any, Final

from requests.adapters import HTTPAdapter
from requests.exceptions import ReadTimeout

if TYPE_CHECKING:
    from collections.abc import Generator

    from requests import PreparedRequest, Response

READS_AN_ANSWER: Final = 5
"""A whole answer may take so many times as long as one read of it."""


class PatientAdapter(HTTPAdapter):
    """Sends requests, and breaks an answer off whose body takes longer than `longest` seconds: `ReadTimeout`."""

    def __init__(self, *, longest: float) -> None:
        super().__init__()
        self._longest = longest

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """Send a request; the clock starts with the answer's headers."""
        response = super().send(request, *args, **kwargs)
        raw: Any = response.raw
        read = raw.stream

        def stream(*amount: Any, **options: Any) -> Generator[bytes]:
            late = threading.Event()
            alarm = threading.Timer(self._longest, _break_off, (raw, late))
            alarm.daemon = True
            alarm.start()
            try:
                yield from read(*amount, **options)
            except Exception as error:
                if late.is_set():
                    raise self._too_late() from error
                raise
            else:
                # A body whose length nobody announced just ends where it is broken off.
                if late.is_set():
                    raise self._too_late()
            finally:
                alarm.cancel()

        raw.stream = stream
        return response

    def _too_late(self) -> ReadTimeout:
        return ReadTimeout(f"the body took longer than {self._longest:g} s")


def _break_off(raw: Any, late: threading.Event) -> None:
    """Wake whoever waits for the next bytes: closing alone would not."""
    late.set()
    connection = raw.connection
    if connection is not None and connection.sock is not None:
        # It may have been closed meanwhile, which serves as well.
        with contextlib.suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)
