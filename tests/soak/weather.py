"""What goes wrong in a soak, and when: drawn from a seed alone, so that anybody sees the same."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ironforge_cli.regions import DEFAULT_REGIONS, Region

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
ODD = (
    "missing_key",
    "null_number",
    "negative_number",
    "zero_number",
    "huge_number",
    "fractional_number",
    "textual_number",
    "unknown_time_left",
)
"""One auction that makes no sense, in every answer for hours."""


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
    SPOOL_LITTERED = "the spool holds what nobody can read"
    POISONED = "an hour brings a bug to light"
    ROOT_RUN = "a run of root's in between"
    DATABASE_HANGS = "the database accepts and never answers"
    POOLED = "a pooler in transaction mode is before the database"
    CACHE_LOCKED = "another process locks the HTTP cache"
    MARKET_HALVED = "a market halves for good"
    MAINTAINED_AHEAD = "maintain runs by a clock 500 days ahead"
    LISTS_LACKING = "lists lack parts at seeding"


ANSWERS = "answers"
"""What faults of Blizzard's answers are called where kinds of weather are chosen."""
ODD_AUCTION = "odd-auction"
"""What hours with one auction that makes no sense are called there."""


def names() -> list[str]:
    """The kinds of weather that can be chosen or left out."""
    return [ANSWERS, ODD_AUCTION, *(_name(trouble) for trouble in Trouble)]


def _name(trouble: Trouble) -> str:
    return trouble.name.lower().replace("_", "-")


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

    @property
    def regions(self) -> tuple[Region, ...]:
        """Whom it strikes."""
        return DEFAULT_REGIONS if self.region is None else (self.region,)

    @property
    def kind(self) -> str:
        """One of `names`."""
        if self.is_fault:
            return ODD_AUCTION if self.what in ODD else ANSWERS
        return _name(Trouble(self.what))


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
# Drawn for themselves, so that the rest of the weather is the same with and without them.
_APART = {
    Trouble.SPOOL_LITTERED: 0.06,
    Trouble.POISONED: 0.05,
    Trouble.ROOT_RUN: 0.1,
    Trouble.DATABASE_HANGS: 0.03,
    Trouble.POOLED: 0.05,
    Trouble.CACHE_LOCKED: 0.05,
    Trouble.MAINTAINED_AHEAD: 0.08,
    Trouble.LISTS_LACKING: 0.05,
}
_LASTS = {
    Trouble.DATABASE_AWAY: (2, 10, 45, 200),
    Trouble.DISK_FULL: (5, 60, 200),
    Trouble.CLOCK_SET: (10, 120),
    Trouble.ASLEEP: (20, 70, 190),
    Trouble.SPOOL_LITTERED: (20, 100, 300),
    Trouble.POISONED: (90, 200, 320),
    Trouble.DATABASE_HANGS: (1, 3),
    Trouble.POOLED: (60, 300),
    Trouble.CACHE_LOCKED: (2, 10),
}
_OFFSETS = (-HOUR, HOUR, -24 * HOUR, 24 * HOUR, 400 * 24 * HOUR, -400 * 24 * HOUR)
_FAULT_CHANCE = 0.4
_FAULT_MINUTES = (1, 3, 10, 30, 90, 200)
# The minutes of the hour in which windows are open, and those in which they usually work.
_OPEN, _WORKING = (30, 60), (30.0, 48.6)


_ODD_CHANCE = 0.05
_ODD_MINUTES = (60, 180, 300)
# Nobody knows of a market that halves before three hours say so, and at its end a soak asks for all of them.
_SHORTEST_HALVED, _HALVED_SINCE, _HALVED_BEFORE_END = 16, 5, 8


def weather(seed: int, *, hours: int) -> Iterator[Event]:
    """Every event of so many hours."""
    chance = random.Random(seed)  # noqa: S311 - reproducible weather is wanted
    for hour in range(hours):
        yield from _of_an_hour(chance, hour * HOUR)
    for trouble, share in _APART.items():
        chance = random.Random(f"{seed} {trouble.name}")  # noqa: S311 - the same
        for hour in range(hours):
            # Drawn whether or not it happens, so that each hour is its own.
            minutes, lasts, amount = chance.uniform(0, 60), chance.choice(_LASTS.get(trouble, (0,))), chance.random()
            region = chance.choice((Region.EU, Region.US, None))
            if chance.random() < share:
                at = (hour * 60 + minutes) * MINUTE
                yield Event(at=at, what=trouble, seconds=lasts * MINUTE, region=region, amount=amount)
    yield from _odd_auctions(random.Random(f"{seed} odd"), hours)  # noqa: S311 - the same
    if hours >= _SHORTEST_HALVED:
        chance = random.Random(f"{seed} halved")  # noqa: S311 - the same
        for region in (Region.EU, Region.US):
            hour = chance.uniform(_HALVED_SINCE, hours - _HALVED_BEFORE_END)
            yield Event(at=hour * HOUR, what=Trouble.MARKET_HALVED, region=region)


def _odd_auctions(chance: random.Random, hours: int) -> Iterator[Event]:
    for hour in range(hours):
        what, minutes = chance.choice(ODD), chance.choice(_ODD_MINUTES)
        region = chance.choice((Region.EU, Region.US))
        if chance.random() < _ODD_CHANCE:
            yield Event(at=hour * HOUR + chance.uniform(0, HOUR), what=what, seconds=minutes * MINUTE, region=region)


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
