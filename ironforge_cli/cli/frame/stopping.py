"""Being asked to end, by a signal, and the clock whose waits that ends."""

from __future__ import annotations

import sys
import threading
import time
from datetime import UTC, datetime

from ironforge_cli.errors import InterruptedRunError

# Ctrl-C, and a terminal that is closed.
_FROM_TERMINALS = frozenset({"SIGINT", "SIGHUP"})


def is_at_terminal() -> bool:
    """Whether a person started this: cron and timers give no terminal."""
    return any(stream is not None and not stream.closed and stream.isatty() for stream in (sys.stdin, sys.stderr))


def _seconds_passed() -> float:
    # Linux's own monotonic clock stands still while the machine is asleep; macOS's does not.
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Stop:
    """Whether the program has been asked to end, and by what; at a terminal a person asks."""

    def __init__(self, *, is_at_terminal: bool = False) -> None:
        self.is_at_terminal = is_at_terminal
        self._event = threading.Event()
        self._signal = ""

    @property
    def event(self) -> threading.Event:
        """Set as soon as a signal comes."""
        return self._event

    @property
    def is_asked(self) -> bool:
        """Whether a signal came."""
        return self._event.is_set()

    def ask(self, signal_name: str) -> None:
        """Remember a signal, and wake whoever waits."""
        self._signal = self._signal or signal_name
        self._event.set()

    def wait(self, seconds: float | None) -> None:
        """Wait that long, or for ever; raises `InterruptedRunError` as soon as a signal comes."""
        self._event.wait(seconds)
        self.check()

    def check(self) -> None:
        """Raise `InterruptedRunError` after a signal."""
        if self._event.is_set():
            by_person = self.is_at_terminal and self._signal in _FROM_TERMINALS
            raise InterruptedRunError(self._signal, is_from_terminal=by_person)


class SystemClock:
    """This machine's clock, and waiting that a signal ends."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop

    def now(self) -> datetime:
        """The time of day, aware UTC."""
        return datetime.now(tz=UTC)

    def monotonic(self) -> float:
        """Seconds by a clock that never jumps, and that goes on while the machine is asleep."""
        return _seconds_passed()

    def sleep(self, seconds: float) -> None:
        """Wait; raises `InterruptedRunError` where a signal comes meanwhile."""
        self._stop.wait(seconds)

    def check(self) -> None:
        """Raise `InterruptedRunError` after a signal."""
        self._stop.check()
