"""What a window asks and how soon it stores, at a fixed interval and by a region's rhythm, over a simulated month.

Run it with `uv run python -m tests.benchmarks.rhythm_figures`; it takes some minutes. The job is the real one, on a
real database and on a clock whose time passes only where the job waits; what stands in for Blizzard is a calendar. In
it the hour comes in steps of 3,598 to 3,602 s and drifts besides, from minute :25 to :57 in a month; it can be fetched
10 to 40 s after its own time; each week has three hours of maintenance, after which the minute is another one; and for
a whole day everything is answered with the same hour. Cron starts a window of 30 minutes, every 30 s, at each :30.
"""

from __future__ import annotations

import random
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from statistics import median, quantiles
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from ironforge_cli.blizzard.transport import Answer
from ironforge_cli.db.engine import Database
from ironforge_cli.jobs.collecting.poll import Window, poll
from ironforge_cli.regions import Region
from tests.benchmarks.stage import home_folder
from tests.blizzard.bodies import auction, body_of
from tests.clocks import EventfulClock
from tests.conftest import storage_in
from tests.jobs.stored import change
from tests.servers import embedded_server

if TYPE_CHECKING:
    from pathlib import Path

    from ironforge_cli.blizzard.deadline import Deadline
    from tests.servers import TestServer

DAYS: Final = 30
STARTS: Final = datetime(2026, 3, 2, tzinfo=UTC)
REGION: Final = Region.EU
INTERVAL: Final = timedelta(seconds=30)
LENGTH: Final = timedelta(minutes=30)
_DRIFT: Final = timedelta(minutes=32) / (DAYS * 24)
_MAINTENANCE: Final = timedelta(hours=3)
_STALE_DAY: Final = 17


@dataclass(frozen=True)
class Publication:
    """An hour: the time it bears, and when it can be fetched."""

    bears: datetime
    fetched_from: datetime


def calendar() -> list[Publication]:
    """The hours of the month."""
    chance = random.Random(1)  # noqa: S311 - the same month for everybody
    found: list[Publication] = []
    moment = STARTS - timedelta(minutes=35)
    weekly = STARTS + timedelta(days=2, hours=4)
    while moment < STARTS + timedelta(days=DAYS):
        lag = timedelta(seconds=chance.uniform(10, 40))
        found.append(Publication(moment.replace(microsecond=0), moment + lag))
        moment += timedelta(seconds=chance.uniform(3_598, 3_602)) + _DRIFT
        if moment > weekly:
            moment += _MAINTENANCE + timedelta(minutes=chance.uniform(-8, 8))
            weekly += timedelta(days=7)
    return found


@dataclass
class Calendar:
    """Answers as Blizzard would by this month."""

    clock: EventfulClock
    publications: list[Publication] = field(default_factory=calendar)
    requests: int = 0

    def commodities(self, region: Region, *, newer_than: datetime | None) -> Answer:
        self.requests += 1
        now = self.clock.now()
        stale = STARTS + timedelta(days=_STALE_DAY)
        seen_at = stale if stale <= now < stale + timedelta(days=1) else now
        newest = max(one.bears for one in self.publications if one.fetched_from <= seen_at)
        headers = {"Last-Modified": format_datetime(newest, usegmt=True), "Date": format_datetime(now, usegmt=True)}
        if newer_than is not None and newest <= newer_than:
            return Answer(status=304, body=b"", headers=headers, from_cache=False)
        price = 100 + int(newest.timestamp()) % 100_000
        body = body_of([auction(7, unit_price=price)], region=region)
        return Answer(status=200, body=body, headers=headers, from_cache=False)

    def until(self, deadline: Deadline) -> Calendar:  # noqa: ARG002 - nothing here takes any time
        return self

    def forget_commodities(self, region: Region) -> None:
        """Nothing is kept."""

    def token_price(self, region: Region) -> tuple[datetime, int]:  # noqa: ARG002 - the same everywhere
        return STARTS, 1


@dataclass(frozen=True)
class Month:
    """What a month took."""

    requests: int
    stored: int
    published: int
    delays: list[float]
    """Seconds from each publication's time to its commit, of those that came while a window was open."""
    all_delays: list[float]


def month(server: TestServer, home: Path, *, adaptive: bool) -> Month:
    """Let the month pass, a window each hour."""
    clock = EventfulClock(STARTS + timedelta(minutes=30, seconds=1))
    market = Calendar(clock)
    delays: dict[datetime, float] = {}
    with server.migrated_database() as url:
        database = Database(url)
        for hour in range(24 * DAYS):
            starts = STARTS + timedelta(hours=hour, minutes=30, seconds=1)
            clock.jump(max(0.0, (starts - clock.now()).total_seconds()))
            polled = poll(
                [REGION],
                window=Window(LENGTH, INTERVAL, adaptive=adaptive),
                market=market,
                storage=lambda: storage_in(home, database),
                clock=clock,
            )
            (one,) = polled.regions
            if one.delay is not None and one.collected.snapshot_time is not None:
                delays[one.collected.snapshot_time] = one.delay.total_seconds()
            # The server's clock is not of this month.
            told = {"now": clock.now(), "real": datetime.now(tz=UTC) - timedelta(days=1)}
            change(database, "UPDATE snapshots SET stored_at = :now WHERE stored_at > :real", **told)
        with database.connect() as connection:
            stored = int(connection.execute(text("SELECT count(*) FROM snapshots")).scalar_one())
        database.close()
    bears = {one.bears: one for one in market.publications}
    within = [
        delay
        for time, delay in delays.items()
        if timedelta(minutes=30) <= timedelta(minutes=bears[time].fetched_from.minute) < timedelta(minutes=59)
    ]
    return Month(
        requests=market.requests,
        stored=stored,
        published=sum(1 for one in market.publications if one.fetched_from < STARTS + timedelta(days=DAYS)),
        delays=within,
        all_delays=list(delays.values()),
    )


def main() -> int:
    """Print both, side by side."""
    say = sys.stdout.write
    with embedded_server() as server:
        rows: list[tuple[str, Month]] = []
        for name, adaptive in (("fixed", False), ("adaptive", True)):
            began = time.monotonic()
            with home_folder() as home:
                rows.append((name, month(server, home, adaptive=adaptive)))
            say(f"{name}: {time.monotonic() - began:.0f} s\n")
    say("\n| | requests | hours stored | median delay | 95% of delays below | median, all hours |\n")
    say("| --- | --- | --- | --- | --- | --- |\n")
    for name, found in rows:
        high = quantiles(found.delays, n=20)[-1]
        say(
            f"| {name} | {found.requests:,} | {found.stored} of {found.published} | {median(found.delays):.0f} s |"
            f" {high:.0f} s | {median(found.all_delays):.0f} s |\n"
        )
    fixed, adaptive = (found for _, found in rows)
    say(f"\nadaptive / fixed: {adaptive.requests / fixed.requests:.2f} of the requests, ")
    say(f"{median(adaptive.delays) / median(fixed.delays):.2f} of the median delay\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
