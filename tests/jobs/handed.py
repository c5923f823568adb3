"""Cycles whose answers a test hands over, a few auctions each: for what is decided after Blizzard has answered."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

from requests.structures import CaseInsensitiveDict

from ironforge_cli.blizzard.transport import Answer
from ironforge_cli.errors import IronforgeError
from ironforge_cli.jobs.collecting.cycle import Bounds, RegionCycle
from ironforge_cli.jobs.evidence.runs import Attempt, Evidence, Silent
from ironforge_cli.jobs.storage import Workplace
from ironforge_cli.regions import Region
from ironforge_cli.values import replace

if TYPE_CHECKING:
    from collections.abc import Callable

    from ironforge_cli.blizzard.deadline import Deadline
    from ironforge_cli.blizzard.spool import Kept, Shelf
    from ironforge_cli.jobs.collecting.outcomes import CollectedRegion
    from ironforge_cli.jobs.evidence.runs import Progress
    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock

NOON = datetime(2026, 1, 14, 12, 0, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)


def body_of(auctions: int, *, first: int = 1) -> bytes:
    """A body with so many auctions, numbered from `first` on."""
    listed = [
        {"id": number, "item": {"id": 7}, "quantity": 5, "unit_price": 100 + number, "time_left": "LONG"}
        for number in range(first, first + auctions)
    ]
    return json.dumps({"auctions": listed}).encode()


def answer(body: bytes, at: datetime | None, *, date: datetime | None = None) -> Answer:
    """What Blizzard says when it has something new; `date` is its own clock's time."""
    headers = {"Last-Modified": at, "Date": date}
    given = {name: format_datetime(moment, usegmt=True) for name, moment in headers.items() if moment}
    return Answer(200, body, CaseInsensitiveDict(given), from_cache=False)


def nothing_newer(*, date: datetime | None = None) -> Answer:
    """What Blizzard says when it has nothing new."""
    given = {"Date": format_datetime(date, usegmt=True)} if date else {}
    return Answer(304, b"", CaseInsensitiveDict(given), from_cache=False)


@dataclass
class Handed:
    """Gives what a test handed over, one after the other, and the last of it for ever."""

    answers: list[Answer | IronforgeError]
    meanwhile: Callable[[], object] = lambda: None
    """Called while the answer is on its way."""
    asked_for: list[datetime | None] = field(default_factory=list["datetime | None"])
    """Newer than what was asked for."""
    forgotten: list[Region] = field(default_factory=list[Region])
    priced: list[Region] = field(default_factory=list[Region])
    """Whose token's price was asked for."""
    on_price: Callable[[], object] = lambda: None
    deadlines: list[Deadline] = field(default_factory=list["Deadline"])
    """By when everything had to be over."""

    def commodities(self, region: Region, *, newer_than: datetime | None) -> Answer:
        del region
        self.asked_for.append(newer_than)
        given = self.answers[min(len(self.asked_for), len(self.answers)) - 1]
        if isinstance(given, IronforgeError):
            raise given
        self.meanwhile()
        return given

    def until(self, deadline: Deadline) -> Handed:
        self.deadlines.append(deadline)
        return self

    def forget_commodities(self, region: Region) -> None:
        self.forgotten.append(region)

    def token_price(self, region: Region) -> tuple[datetime, int]:
        self.priced.append(region)
        self.on_price()
        return NOON, 7


@dataclass
class Breaking:
    """Stops a cycle, or does what a test wants, when a step begins."""

    at: str
    does: Callable[[], object]

    def step(self, region: Region | None, name: str) -> None:
        del region
        if name == self.at:
            self.does()


def raising(error: BaseException) -> Callable[[], object]:
    """What raises an error."""

    def fail() -> None:
        raise error

    return fail


@dataclass
class Cycle:
    """One cycle of a region, ready to run; what its row would say is in `ended` afterwards."""

    storage: Storage
    clock: TickingClock
    region: Region = Region.EU
    away: IronforgeError | None = None
    retention_days: int = 30
    progress: Progress = field(default_factory=Silent)
    bounds: Bounds = field(default_factory=Bounds)

    def __post_init__(self) -> None:
        self.attempt = Attempt(clock=self.clock, region=self.region, progress=self.progress)

    def run(
        self, source: Handed, *, force: bool = False, asks_again: bool = True, stored_time: datetime | None = None
    ) -> CollectedRegion:
        """Run it; raises what went wrong before there was a body."""
        collected = RegionCycle(
            self.region,
            source=source,
            workplace=Workplace(
                database=self.storage.database,
                away=self.away,
                shelves=self.storage.shelves,
                locks_folder=self.storage.locks_folder,
                retention_days=self.retention_days,
                evidence=Evidence(self.storage.database, pending=None, command="collect", clock=self.clock),
                decoding=threading.Lock(),
            ),
            attempt=self.attempt,
            force=force,
            asks_again=asks_again,
            stored_time=stored_time,
            bounds=self.bounds,
        ).run()
        collected.tell(self.attempt)
        return replace(collected, steps=self.attempt.steps)

    @property
    def ended(self) -> tuple[str, datetime | None, str | None]:
        """What the row of the attempt would say: its status, Blizzard's time and the message."""
        ended = self.attempt.ended
        return ended.outcome.row_status, ended.last_modified, ended.message


def keep(
    shelf: Shelf,
    body: bytes,
    *,
    snapshot_time: datetime | None = NOON,
    received_at: datetime = NOON,
    region: Region = Region.EU,
) -> Kept:
    """Leave a body on a shelf."""
    return shelf.keep(
        body, region=region, snapshot_time=snapshot_time, headers={}, received_at=received_at, reason="kept"
    )
