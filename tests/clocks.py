"""Clocks for tests: time passes only when somebody waits, so that no test takes long or depends on the hour."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime


class TickingClock:
    """A clock that moves by what is slept, and remembers it. Safe to share between threads."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._lock = threading.Lock()
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._now.timestamp()

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            self._now += timedelta(seconds=seconds)

    def check(self) -> None:
        """Nobody asks a test to end."""

    def turn_to(self, moment: datetime) -> None:
        """Set the clock."""
        self._now = moment


class EventfulClock(TickingClock):
    """A clock on which things happen while somebody waits; it can be set without seconds passing, or all but stop.

    Safe to share between threads: two who wait move it on in turn.
    """

    def __init__(self, now: datetime) -> None:
        super().__init__(now)
        self._passed = 0.0
        self._events: list[tuple[float, Callable[[], object]]] = []

    def monotonic(self) -> float:
        return self._passed

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            ends = self._passed + seconds
            while self._events and self._events[0][0] <= ends:
                due, event = self._events.pop(0)
                self._pass(due - self._passed)
                event()
            self._pass(max(0.0, ends - self._passed))

    def turn_to(self, moment: datetime) -> None:
        """Set the clock; no time passes."""
        self._now = moment

    def jump(self, seconds: float) -> None:
        """Let time pass while nobody runs, as on a machine that is asleep."""
        self._pass(seconds)

    def after(self, seconds: float, event: Callable[[], object]) -> None:
        """Let something happen so many seconds from now, as soon as somebody waits that long."""
        self._events.append((self._passed + seconds, event))
        self._events.sort(key=lambda one: one[0])

    def _pass(self, seconds: float) -> None:
        self._passed += seconds
        self._now += timedelta(seconds=seconds)
