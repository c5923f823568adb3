"""Years of hourly statistics: what one more hour costs, how soon questions are answered, what closing a month takes.

Run it with `uv run python -m tests.benchmarks.years_figures`. Hours are made in SQL, in the order in which collecting
appends them, with every column of version 2 filled; closed months are laid by item and days made by the tool itself. A
day, a month, a year and what `--days` says beyond stand beside each other in databases of their own, so that what one
more hour and each question cost is compared in one run: the median of some, an hour right after a checkpoint.
`--items 11000` is a real market (a year of it takes some 20 GB and half an hour); fewer items make all of it smaller,
and the ratios stay. With `--keep FOLDER` the home is made there once and measured again by the next run;
`--regions eu,us` fills both, and stores one more hour of each.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import text

from ironforge_cli.answers.answer import Asking
from ironforge_cli.answers.history import By, history
from ironforge_cli.answers.lists import Direction, TopBy, deals, movers, top
from ironforge_cli.answers.price import price
from ironforge_cli.db import schema
from ironforge_cli.db.embedded import EmbeddedServer
from ironforge_cli.db.engine import Database
from ironforge_cli.db.repositories import asking, item_history, months_to_read, sold_units, statistics_months, stats
from ironforge_cli.market.statistics import summarise_snapshot
from ironforge_cli.market.statistics_months import StatisticsMonth
from ironforge_cli.regions import Region
from tests.benchmarks import stage
from tests.benchmarks.years_built import EU, HOUR, NOW, fill, fresh, opened, store_book
from tests.market.made_up import later, whole_market

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ironforge_cli.market.statistics import Statistics

_HELD: Final = (1, 30, 365)
"""Days that stand beside those that are asked for, where these are more."""
_HOURS: Final = 7
_ENDS: Final = (timedelta(0), timedelta(days=14), timedelta(days=27))
"""How long before the newest hour the spans end that are read cold: late in a month, in its midst, on its first day."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one more hour of statistics costs."""

    milliseconds: float
    log_mb: float
    pages_read: float


def main() -> int:
    """Build, measure and print."""
    asked = stage.options(__doc__, auctions=0, items=2_000, days=365, may_keep=True, regions="eu")
    say = sys.stdout.write
    regions = [Region(name) for name in asked.regions.split(",")]
    with ExitStack() as running:
        home = running.enter_context(stage.home_folder(asked.keep))
        server = EmbeddedServer(home, environment=os.environ, bindir=None, account=None)
        server.make_home()
        running.enter_context(server)
        databases: dict[int, Database] = {}
        for days in sorted({*(held for held in _HELD if held < asked.days), asked.days}):
            # The largest is the home's own, which may be there already.
            database = Database(server.conninfo) if days == asked.days else fresh(server, f"days_{days}")
            schema.upgrade(database)
            for region in regions:
                fill(database, region, days=days, items=asked.items)
            databases[days] = database
        _tell_sizes(databases[asked.days], say, days=asked.days, items=asked.items)
        _tell_reads(databases, say, items=asked.items)
        for region in regions:
            _tell_hours(_hours(databases, region, items=asked.items), say, region)
        for database in databases.values():
            database.close()
        for region in regions:
            _tell_cold(server, home, say, region, items=asked.items, held=list(databases))
        _tell_cold_reads(server, home, say)
    return 0


def _tell_sizes(database: Database, say: Callable[[str], object], *, days: int, items: int) -> None:
    with database.connect() as connection:
        held = statistics_months.held(connection, EU)
        of_days = connection.execute(
            text("SELECT pg_total_relation_size('eu_commodity_price_days'), count(*) FROM eu_commodity_price_days")
        ).one()
    size, rows = sum(one.bytes for one in held), days * 24 * items
    say(f"\nbytes a row of hours, with keys        {size / rows:9.1f}   at most 210\n")
    say(f"bytes a row of days, with key          {of_days[0] / max(1, of_days[1]):9.1f}\n")
    say(f"a region and year of 11,000 items      {size / rows * 8_760 * 11_000 / 1e9:9.1f} GB of hours, ")
    say(f"{of_days[0] / max(1, of_days[1]) * 365 * 11_000 / 1e9:.1f} GB of days\n")


def _tell_reads(databases: dict[int, Database], say: Callable[[str], object], *, items: int) -> None:
    """What questions read, and whole questions from the database to their answer, of so many days beside each other."""
    say("\nread, warm, in this process, median ms  " + "".join(f"{f'day {days}':>10}" for days in databases))
    say("   at most\n")
    taken: dict[str, list[float]] = {}
    most: dict[str, int] = {}
    for database in databases.values():
        store_book(database, items=items)
        for name, milliseconds, limit in _reads(database):
            taken.setdefault(name, []).append(milliseconds)
            most[name] = limit
    for name, figures in taken.items():
        say(f"{name:<40}{''.join(f'{one:10.1f}' for one in figures)}{most[name]:10}\n")


def _reads(database: Database) -> Iterator[tuple[str, float, int]]:
    """Each read with the milliseconds that it took and may take at most."""
    today = NOW.date()
    asking_for = Asking(database=database, regions=(EU,), now=NOW, max_age=2 * HOUR)
    quarter = item_history.as_times([NOW - hour * HOUR for hour in range(90 * 24, -1, -1)])
    with database.connect() as connection:

        def overall(over: timedelta, by: By, item: int) -> object:
            return history(asking_for, [str(item)], since=None, until=None, by=by, zone=ZoneInfo("UTC"), over=over)

        reads: dict[str, tuple[Callable[[int], object], int]] = {
            "an item's 90 days, hourly": (
                lambda item: item_history.hours_of_item(
                    connection,
                    EU,
                    item,
                    months=months_to_read.to_read(connection, EU),
                    times=quarter,
                    wanted=np.ones(len(quarter), np.bool_),
                ),
                20,
            ),
            "an item's two years, daily": (
                lambda item: item_history.days_of_item(
                    connection, EU, item, since=today - timedelta(days=730), until=today
                ),
                20,
            ),
            "every item's newest": (lambda _: asking.newest_prices(connection, EU, NOW), 50),
            "sales of a week, all items": (
                lambda _: sold_units.sales(connection, EU, NOW - 168 * HOUR, NOW, items=None),
                300,
            ),
            "prices of 3 hours, all items": (lambda _: asking.prices_between(connection, EU, NOW - 3 * HOUR, NOW), 300),
            "days of two weeks, all items": (
                lambda _: asking.day_values(connection, EU, today, 15, until=NOW, items=None),
                300,
            ),
            "price, an item": (lambda item: price(asking_for, [str(item)]), 20),
            "history, 90 days by hour": (lambda item: overall(90 * 24 * HOUR, By.HOUR, item), 20),
            "history, two years by day": (lambda item: overall(730 * 24 * HOUR, By.DAY, item), 20),
            "top, a week": (lambda _: top(asking_for, by=TopBy.TURNOVER, over=168 * HOUR, limit=20), 300),
            "movers, a day": (
                lambda _: movers(asking_for, over=24 * HOUR, min_turnover=0, direction=Direction.BOTH, limit=20),
                300,
            ),
            "deals": (lambda _: deals(asking_for, discount=0.2, days=2, limit=20), 300),
        }
        for name, (read, most) in reads.items():
            taken: list[float] = []
            for number in range(_HOURS):
                began = time.monotonic()
                read(1 + number % 3)
                taken.append(1000 * (time.monotonic() - began))
            yield name, median(taken[1:]), most


def _tell_hours(costs: dict[int, Cost], say: Callable[[str], object], region: Region) -> None:
    first = costs[min(costs)]
    say(f"\none more hour of {region}, after a checkpoint  warm ms   log MB   pages read\n")
    for days, cost in costs.items():
        say(f"day {days:<4}                             {cost.milliseconds:9.1f}{cost.log_mb:9.2f}")
        say(f"{cost.pages_read:13.0f}   {cost.milliseconds / first.milliseconds:.2f} of day 1\n")


def _hours(databases: dict[int, Database], region: Region, *, items: int) -> dict[int, Cost]:
    """Store some more hours, each right after a checkpoint, in all databases in turn: what disturbs disturbs all."""
    taken: dict[int, list[Cost]] = {days: [] for days in databases}
    month = StatisticsMonth.holding(region, NOW).name
    for database in databases.values():
        # Those of the run before, in a home that is kept: pages that they leave would be read, and written to the log.
        with database.transaction() as connection:
            left = connection.execute(text(f"DELETE FROM {month} WHERE timestamp > :now"), {"now": NOW}).rowcount
        if left:
            with database.connect(autocommit=True) as connection:
                connection.execute(text(f"VACUUM {month}"))
                connection.execute(text(f"REINDEX TABLE {month}"))
    for number in range(1, _HOURS + 1):
        statistics = _statistics(items, number)
        for days, database in databases.items():
            with database.connect(autocommit=True) as connection:
                connection.execute(text("CHECKPOINT"))
            log, read = _counters(database)
            began = time.monotonic()
            with database.transaction() as connection:
                stats.store(connection, region, statistics, at=NOW + number * HOUR)
            milliseconds = 1000 * (time.monotonic() - began)
            log_after, read_after = _counters(database)
            taken[days].append(Cost(milliseconds, (log_after - log) / 1e6, read_after - read))
    return {
        days: Cost(
            median(cost.milliseconds for cost in costs),
            median(cost.log_mb for cost in costs),
            median(cost.pages_read for cost in costs),
        )
        for days, costs in taken.items()
    }


def _tell_cold(
    server: EmbeddedServer,
    home: Path,
    say: Callable[[str], object],
    region: Region,
    *,
    items: int,
    held: Sequence[int],
) -> None:
    """One more hour right after a start of the server, with nothing in its cache: that of the system is left alone."""
    say(f"\none more hour of {region}, server just started    ms   pages read\n")
    statistics, first = _statistics(items, 0), 0.0
    for days in held:
        server.stop()
        with EmbeddedServer(home, environment=os.environ, bindir=None, account=None):
            database = Database(server.conninfo) if days == max(held) else opened(server, f"days_{days}")
            with database.connect() as connection:
                connection.execute(text("SELECT 1"))
            _, read = _counters(database)
            began = time.monotonic()
            with database.transaction() as connection:
                stats.store(connection, region, statistics, at=NOW + (_HOURS + 1) * HOUR)
            seconds = time.monotonic() - began
            _, read_after = _counters(database)
            pages = read_after - read
            first = first or pages
            say(f"day {days:<4}                             {1000 * seconds:9.1f}{pages:13.0f}   ")
            say(f"{pages / first:.2f} of day 1\n")
            database.close()


def _tell_cold_reads(server: EmbeddedServer, home: Path, say: Callable[[str], object]) -> None:
    """An item's 90 days with nothing in the server's cache, nor, where that is permitted, in the system's."""
    say("\nan item's 90 days, hourly, cold        ms   at most\n")
    for number, before in enumerate(_ENDS):
        end = NOW - before
        times = item_history.as_times([end - hour * HOUR for hour in range(90 * 24, -1, -1)])
        server.stop()
        caches = _drop_caches()
        with EmbeddedServer(home, environment=os.environ, bindir=None, account=None):
            database = Database(server.conninfo)
            with database.connect() as connection:
                began = time.monotonic()
                months = months_to_read.to_read(connection, EU)
                wanted = np.ones(len(times), np.bool_)
                item_history.hours_of_item(connection, EU, 7 + number, months=months, times=times, wanted=wanted)
                milliseconds = 1000 * (time.monotonic() - began)
            database.close()
        say(f"up to {end:%Y-%m-%d %H:%M}   {milliseconds:18.1f}{150:10}   {caches}\n")


def _drop_caches() -> str:
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3", "utf-8")
    except OSError:
        return "the system's cache is left alone"
    return "caches dropped"


def _counters(database: Database) -> tuple[float, float]:
    """Bytes of log so far, and pages read of the database's tables so far."""
    with database.connect(autocommit=True) as connection:
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
        log = connection.execute(text("SELECT pg_current_wal_lsn() - '0/0'")).scalar_one()
        read = connection.execute(
            text("SELECT blks_read FROM pg_stat_database WHERE datname = current_database()")
        ).scalar_one()
    return float(log), float(read)


def _statistics(items: int, number: int) -> Statistics:
    """An hour's statistics of a made-up market, compared with the hour before it."""
    random = np.random.default_rng(number)
    market = whole_market(random, auctions=12 * items, items=items)
    first = summarise_snapshot(None, market, at=NOW)
    return summarise_snapshot(first.book, later(random, market), at=NOW + HOUR).statistics


if __name__ == "__main__":
    sys.exit(main())
