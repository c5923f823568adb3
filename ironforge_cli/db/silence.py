"""A server that accepts and never answers: it is waited for once, and not once by everybody who needs it.

Whoever wants a connection from a server that let an attempt time out is told at once what that attempt was told, until
it is asked anew: at the beginning of the next cycle, or a minute later. While a window lasts, no attempt takes more
than half of what is left of it, so that there is time to ask Blizzard.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, TypeVar

import psycopg

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from psycopg.abc import PQGen

_Result = TypeVar("_Result")

AWAY_SECONDS: Final = 60.0
"""How long a server that let an attempt time out counts as away for whoever does not ask anew."""
SHORTEST_SECONDS: Final = 2.0
"""No attempt is given less: libpq knows no shorter time-out."""
KEPT_SECONDS: Final = 1.0
"""How long a session that is open still is waited for, while its server counts as away."""

LONGEST_ANSWER_SECONDS: Final = 600.0
"""How long a statement of a cycle may take without a word of its server: no hour's statement takes nearly as long."""

_longest_answer: ContextVar[float | None] = ContextVar("longest_answer", default=None)
_is_asked_anew: ContextVar[bool] = ContextVar("is_asked_anew", default=False)


class UnansweredError(psycopg.errors.TooManyConnections):
    """A session that was let in, and whose question nobody answered in time: as behind a pooler that has none free."""

    longest_turn = float("inf")
    """How many seconds another thread's connection may be waited for instead."""


@contextmanager
def asking_anew() -> Generator[None]:
    """Try to connect in this block, though the server counts as away."""
    token = _is_asked_anew.set(True)
    try:
        yield
    finally:
        _is_asked_anew.reset(token)


@contextmanager
def answered_within(seconds: float) -> Generator[None]:
    """Wait for no answer in this block for longer than so many seconds without a word of the server."""
    token = _longest_answer.set(seconds)
    try:
        yield
    finally:
        _longest_answer.reset(token)


def limited(waiting: PQGen[_Result]) -> PQGen[_Result]:
    """What psycopg waits with, with an end: raises `psycopg.errors.ConnectionTimeout`.

    Where a machine or a proxy in between still confirms what is sent, and nobody answers, no limit of TCP's ends it.
    """
    seconds = _longest_answer.get()
    if seconds is None:
        return (yield from waiting)
    try:
        state = next(waiting)
        ends = time.monotonic() + seconds
        while True:
            ready = yield state
            if ready:
                ends = time.monotonic() + seconds
            elif time.monotonic() >= ends:
                raise psycopg.errors.ConnectionTimeout(f"a statement was sent, and not answered within {seconds:.0f} s")
            state = waiting.send(ready)
    except StopIteration as done:
        return done.value


class Silence:
    """What is known of a server's silence. Threads may share it."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._told: tuple[float, psycopg.Error] | None = None
        self.left: Callable[[], float] | None = None
        """Seconds until the window ends for which connections are wanted; None: for none."""

    def seconds(self, usual: float) -> float:
        """How long to wait for an answer: as long as usual, but no longer than half of what is left of a window."""
        return usual if self.left is None else min(usual, max(SHORTEST_SECONDS, self.left() / 2))

    @property
    def lasts(self) -> bool:
        """Whether the server counts as away."""
        return self._error() is not None

    def require_over(self) -> None:
        """Raise what the attempt was told that timed out, unless the server is asked anew."""
        error = None if _is_asked_anew.get() else self._error()
        if error is not None:
            # Each gets an error of its own: threads must not share a traceback.
            raise self._bounded(type(error)(str(error)))

    def began(self, error: psycopg.Error) -> None:
        """Remember an attempt that ended with an error, if that was because nobody answered."""
        if isinstance(error, psycopg.errors.ConnectionTimeout | UnansweredError):
            with self._lock:
                self._told = self._monotonic(), self._bounded(error)

    def ended(self) -> None:
        """The server let somebody in."""
        with self._lock:
            self._told = None

    def _bounded(self, error: psycopg.Error) -> psycopg.Error:
        if isinstance(error, UnansweredError):
            error.longest_turn = self.seconds(error.longest_turn)
        return error

    def _error(self) -> psycopg.Error | None:
        with self._lock:
            if self._told is None or self._monotonic() - self._told[0] >= AWAY_SECONDS:
                return None
            return self._told[1]
