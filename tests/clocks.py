"""Clocks for tests: time passes only when somebody waits, so that no test takes long or depends on the hour."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
