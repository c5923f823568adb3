"""Threads that wake up late, many at once, as on a busy machine: they must not leave in the second of others."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ironforge_cli.blizzard.ratelimit import RateLimit

if TYPE_CHECKING:
    from pathlib import Path

LIMIT = 10
REQUESTS = 40


class CoarseClock:
    """A clock that a test moves on by steps; who sleeps until a moment within a step wakes up at its end."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._changed = threading.Condition()
        self._asleep: dict[int, float] = {}

    def now(self) -> float:
        return self._seconds

    def sleep(self, seconds: float) -> None:
        me = threading.get_ident()
        with self._changed:
            self._asleep[me] = self._seconds + seconds
            self._changed.notify_all()
            self._changed.wait_for(lambda: me not in self._asleep)

    def step(self, seconds: float) -> None:
        with self._changed:
            self._seconds += seconds
            self._asleep = {thread: until for thread, until in self._asleep.items() if until > self._seconds}
            self._changed.notify_all()

    def wait_until_all_sleep(self, threads: list[threading.Thread]) -> None:
        with self._changed:
            while len(self._asleep) < sum(thread.is_alive() for thread in threads):
                self._changed.wait(0.01)


def test_no_second_has_more_than_the_limit_when_sleepers_wake_up_late(tmp_path: Path) -> None:
    clock = CoarseClock()
    limit = RateLimit(tmp_path / "ring", per_second=LIMIT, per_hour=36_000, now=clock.now, sleep=clock.sleep)
    left: list[float] = []

    def request() -> None:
        limit.wait()
        left.append(clock.now())

    threads = [threading.Thread(target=request, daemon=True) for _ in range(REQUESTS)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        clock.wait_until_all_sleep(threads)
        # Where every third burst should leave, nobody gets to run for a third of a second.
        clock.step(0.35 if 1.0 <= clock.now() % 3.12 < 1.04 else 0.02)
    assert len(left) == REQUESTS
    assert clock.now() < 20
    fullest = max(sum(start <= moment < start + 1.0 for moment in left) for start in left)
    assert fullest <= LIMIT
