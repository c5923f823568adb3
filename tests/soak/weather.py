"""What goes wrong in a soak, and when: drawn from a seed alone, so that anybody sees the same."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from collections.abc import Iterator

MINUTE = 60.0
HOUR = 3_600.0

REFUSED = (
    "truncated",
    "garbage",
    "empty",
    "no_content",
    "no_auctions",
    "empty_auctions",
    "odd_auctions",
    "html",
    "missing_last_modified",
    "unparseable_last_modified",
    "future_last_modified",
)
UNAVAILABLE = ("html_5xx", "server_error", "rate_limited", "cut_connection", "not_found")
NO_NEWS = ("stale", "past_last_modified", "stuck_last_modified", "same_body_new_time")
CREDENTIALS = ("unauthorized", "forbidden")
HARMLESS = ("bom", "extra_keys")


class Trouble(StrEnum):
    """What can go wrong besides Blizzard's answers."""

    DATABASE_AWAY = "the database is closed"
    DATABASE_KILLED = "the database server is killed"
    WINDOW_KILLED = "kill -9 while it waits"
    WORK_KILLED = "kill -9 while it works"
    TERMINATED = "SIGTERM"
    DISK_FULL = "the disk of the home is full"
    CLOCK_SET = "the clock is set"
    ASLEEP = "the machine is asleep"
    TOKEN_EXPIRED = "the token has expired"  # noqa: S105 - a trouble, no token
    SECOND_WINDOW = "a second window is started"
    COLLECT_BESIDE = "a collect runs beside"
    WINDOW_MISSED = "cron does not start"


@dataclass(frozen=True)
class Event:
    """Something that begins at a second of the soak, and lasts for some."""

    at: float
    what: str
    """A trouble, or the name of a fault of the API."""
    seconds: float = 0.0
    region: Region | None = None
    amount: float = 0.0
    """By how much the clock is wrong, or how long real work may go on, in seconds."""

    @property
    def is_fault(self) -> bool:
        """Whether it is one of Blizzard's answers."""
        return self.what not in list(Trouble)


_CHANCES = {
    Trouble.DATABASE_AWAY: 0.08,
    Trouble.DATABASE_KILLED: 0.05,
    Trouble.WINDOW_KILLED: 0.08,
    Trouble.WORK_KILLED: 0.15,
    Trouble.TERMINATED: 0.06,
    Trouble.DISK_FULL: 0.06,
    Trouble.CLOCK_SET: 0.06,
    Trouble.ASLEEP: 0.03,
    Trouble.TOKEN_EXPIRED: 0.08,
    Trouble.SECOND_WINDOW: 0.08,
    Trouble.COLLECT_BESIDE: 0.08,
    Trouble.WINDOW_MISSED: 0.04,
}
_LASTS = {
    Trouble.DATABASE_AWAY: (2, 10, 45, 200),
    Trouble.DISK_FULL: (5, 60, 200),
    Trouble.CLOCK_SET: (10, 120),
    Trouble.ASLEEP: (20, 70, 190),
}
_OFFSETS = (-HOUR, HOUR, -24 * HOUR, 24 * HOUR, 400 * 24 * HOUR, -400 * 24 * HOUR)
_FAULT_CHANCE = 0.4
_FAULT_MINUTES = (1, 3, 10, 30, 90, 200)
# The minutes of the hour in which windows are open, and those in which they usually work.
_OPEN, _WORKING = (30, 60), (30.0, 48.6)


def weather(seed: int, *, hours: int) -> Iterator[Event]:
    """Every event of so many hours, hour by hour."""
    chance = random.Random(seed)  # noqa: S311 - reproducible weather is wanted
    for hour in range(hours):
        yield from _of_an_hour(chance, hour * HOUR)


def _of_an_hour(chance: random.Random, starts: float) -> Iterator[Event]:
    if chance.random() < _FAULT_CHANCE:
        kind = chance.choice((REFUSED, UNAVAILABLE, NO_NEWS, CREDENTIALS, HARMLESS))
        yield Event(
            at=starts + chance.uniform(0, 60) * MINUTE,
            what=chance.choice(kind),
            seconds=chance.choice(_FAULT_MINUTES) * MINUTE,
            region=chance.choice((Region.EU, Region.US, None)),
        )
    for trouble, share in _CHANCES.items():
        if chance.random() >= share:
            continue
        minutes = chance.uniform(*_OPEN)
        amount = 0.0
        if trouble is Trouble.WORK_KILLED:
            minutes, amount = chance.choice(_WORKING), chance.uniform(0, 0.12)
        elif trouble is Trouble.CLOCK_SET:
            amount = chance.choice(_OFFSETS)
        elif trouble is Trouble.WINDOW_MISSED:
            minutes = 29.0
        lasts = chance.choice(_LASTS.get(trouble, (0,))) * MINUTE
        yield Event(at=starts + minutes * MINUTE, what=trouble, seconds=lasts, amount=amount)
