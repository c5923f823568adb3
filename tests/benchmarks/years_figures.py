"""Years of hourly statistics: what one more hour costs, how soon questions are answered, what closing a month takes.

Run it with `uv run python -m tests.benchmarks.years_figures`. Hours are made in SQL, in the order in which collecting
appends them, with every column of version 2 filled; closed months are laid by item and days made by the tool itself. A
day, a month and a year stand beside each other in databases of their own, so that what one more hour costs is compared
in one run: the median of some hours, each right after a checkpoint. `--items 11000` is a real market (a year of it
takes some 20 GB and half an hour); fewer items make all of it smaller, and the ratios stay. With `--keep FOLDER`
the home is made there once and measured again by the next run; `--regions eu,us` fills both.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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
from ironforge_cli.db.embedded import DATABASE_NAME, EmbeddedServer
from ironforge_cli.db.engine import Database
from ironforge_cli.db.repositories import (
    asking,
    item_history,
    partitions,
    price_days,
    sold_units,
    statistics_months,
    stats,
)
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.market.statistics import summarise_snapshot
from ironforge_cli.regions import Region
from tests.benchmarks import stage
from tests.market.made_up import later, whole_market

if TYPE_CHECKING:
    from collections.abc import Callable

    from ironforge_cli.market.statistics import Statistics

EU: Final = Region.EU
NOW: Final = datetime(2025, 12, 28, 23, 0, tzinfo=UTC)
"""The newest hour: late in a month, where the open one is as large as it gets."""
HOUR: Final = timedelta(hours=1)
_HOURS: Final = 7
_MAKE: Final = (
    "INSERT INTO {region}_commodity_price_stats (timestamp, item_id, num_auctions, min_price, max_price, mean_price,"
    " median_price, market_value, cheapest_15_percent_price, total_quantity, estimated_sales, sales_low, sales_high,"
    " new_listings, seen_sales, unseen_sales, new_at_floor, new_auctions, interval_seconds, evidence)"
    " SELECT CAST(:since AS timestamptz) + hour * INTERVAL '1 hour', item, 12, price, price * 9, price * 1.7,"
    " price * 1.4, price * 1.1, price, 40 + item, sold / 2, sold / 4, sold, 7, sold / 3.0, sold / 6.0, 5, 3, 3600, 2"
    " FROM generate_series(0, CAST(:hours AS int) - 1) AS hour, generate_series(1, CAST(:items AS int)) AS item,"
    " LATERAL (SELECT 100 * (1 + (item * 7919 + hour) % 9973) AS price, 4 * ((item + hour) % 11) AS sold) AS made"
)
_REGISTER: Final = (
    "INSERT INTO snapshots (region, snapshot_time, auctions, items, bytes, digest, source, interval_seconds,"
    " estimator_version) SELECT '{region}', CAST(:since AS timestamptz) + hour * INTERVAL '1 hour', 1, :items, 1, 'x',"
    " 'live', 3600, 2 FROM generate_series(0, CAST(:hours AS int) - 1) AS hour"
)

_BOOK_OF: Final = (
    "INSERT INTO auction_snapshots_{region} (auction_id, item_id, unit_price, quantity, time_left, snapshot_time,"
    " expires_after_min, expires_before_min) SELECT number, 1 + number % CAST(:items AS int),"
    " 100 + 37 * (number / CAST(:items AS int)), 1 + number % 40, 'LONG', CAST(:now AS timestamptz), 0, 720"
    " FROM generate_series(1, 350000) AS number"
)

_BOOK: Final = text(_BOOK_OF.format(region=EU))
_NAMES: Final = text(
    "INSERT INTO items (id, item_name) SELECT number, 'Item ' || number"
    " FROM generate_series(1, CAST(:items AS int)) AS number ON CONFLICT DO NOTHING"
)
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
        for days in sorted({1, min(30, asked.days), asked.days}):
            # The largest is the home's own, which may be there already.
            database = Database(server.conninfo) if days == asked.days else _fresh(server, f"days_{days}")
            schema.upgrade(database)
            for region in regions:
                _fill(database, region, days=days, items=asked.items, is_whole=days == asked.days)
            if days == asked.days:
                _tell_sizes(database, say, days=days, items=asked.items)
                _tell_reads(database, say, items=asked.items)
            databases[days] = database
        costs = _hours(databases, items=asked.items)
        for database in databases.values():
            database.close()
        first = costs[min(costs)]
        say("\none more hour, after a checkpoint      warm ms   log MB   pages read\n")
        for days, cost in costs.items():
            ratio = cost.milliseconds / first.milliseconds
            say(f"day {days:<4}                             {cost.milliseconds:9.1f}{cost.log_mb:9.2f}")
            say(f"{cost.pages_read:13.0f}   {ratio:.2f} of day 1\n")
        _tell_cold(server, home, say, items=asked.items, days=asked.days)
        _tell_cold_reads(server, home, say)
    return 0


def _fill(database: Database, region: Region, *, days: int, items: int, is_whole: bool) -> None:
    """Fill a database of a region, unless it is: a home that is kept is filled once."""
    say = sys.stdout.write
    with database.connect() as connection:
        newest = asking.newest_times(connection, [region]).get(region)
        stored = len(asking.snapshot_times(connection, region, NOW - days * 24 * HOUR, NOW).time)
    if newest is None:
        began = time.monotonic()
        rows = build(database, days=days, items=items, region=region)
        say(f"{region}: {days} days of {items:,} items, {rows:,} rows: made in {time.monotonic() - began:.0f} s\n")
    elif stored < days * 24:
        raise SystemExit(f"What is kept holds {stored} hours of {region} and not {days * 24}: name another folder.")
    if is_whole:
        close_months(database, say, region=region)


def _fresh(server: EmbeddedServer, name: str) -> Database:
    first = Database(server.conninfo)
    with first.connect(autocommit=True) as connection:
        there = text("SELECT count(*) FROM pg_database WHERE datname = :name")
        if not connection.execute(there, {"name": name}).scalar_one():
            connection.execute(text(f"CREATE DATABASE {name}"))
    first.close()
    return _open(server, name)


def _open(server: EmbeddedServer, name: str) -> Database:
    return Database(server.conninfo.replace(f"dbname={DATABASE_NAME}", f"dbname={name}"))


def build(database: Database, *, days: int, items: int, region: Region = EU) -> int:
    """The hours of so many days up to now, a day a transaction."""
    for back in range(days, 0, -1):
        since = NOW - back * 24 * HOUR + HOUR
        with database.transaction() as connection:
            for moment in (since, since + 23 * HOUR):
                statistics_months.make_room(connection, region, moment)
            connection.execute(text(_MAKE.format(region=region)), {"since": since, "hours": 24, "items": items})
            connection.execute(text(_REGISTER.format(region=region)), {"since": since, "hours": 24, "items": items})
    with database.connect(autocommit=True) as connection:
        connection.execute(_NAMES, {"items": items})
        connection.execute(text("VACUUM ANALYZE"))
    return days * 24 * items


def close_months(database: Database, say: Callable[[str], object], *, region: Region = EU) -> None:
    """Lay closed months by item and make closed days, as maintenance does."""
    with database.connect() as connection:
        held = statistics_months.held(connection, region)
    closed = [one.month for one in held if one.month and one.month.ends_at < NOW and one.laid_at_change is None]
    for month in closed:
        began = time.monotonic()
        with database.transaction() as connection:
            statistics_months.begin_copying(connection, month)
        with database.transaction() as connection:
            rows = statistics_months.copy_by_item(connection, month, out_of=month.name)
        copied = time.monotonic()
        with database.transaction() as connection:
            statistics_months.put_in_place(connection, [month], instead_of=month.name)
        say(f"{month.first:%Y-%m} laid by item: {rows:,} rows in {copied - began:.1f} s, ")
        say(f"put in place in {1000 * (time.monotonic() - copied):.0f} ms\n")
        with database.connect(autocommit=True) as connection:
            connection.execute(text(f"VACUUM ANALYZE {month.name}"))
    taken: list[float] = []
    with database.connect() as connection:
        days = price_days.missing(connection, region)
    for day in days:
        began = time.monotonic()
        with database.transaction() as connection:
            price_days.make(connection, region, day)
        taken.append(time.monotonic() - began)
    with database.connect(autocommit=True) as connection:
        connection.execute(text(f"VACUUM ANALYZE {region}_commodity_price_days"))
    say(f"{len(days)} days made, {median(taken or [0]):.2f} s each\n")


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


def _tell_reads(database: Database, say: Callable[[str], object], *, items: int) -> None:
    """What questions read, and whole questions from the database to their answer."""
    say("\nread, warm, in this process            median ms   at most\n")
    today = NOW.date()
    asking_for = Asking(database=database, regions=(EU,), now=NOW, max_age=2 * HOUR)
    quarter = item_history.as_times([NOW - hour * HOUR for hour in range(90 * 24, -1, -1)])
    with database.transaction() as connection:
        connection.execute(_NAMES, {"items": items})
        if not asking.is_raw_held(connection, EU, NOW):
            partitions.create(connection, DailyPartition(EU, today))
            connection.execute(_BOOK, {"items": items, "now": NOW})
    with database.connect() as connection:

        def overall(over: timedelta, by: By, item: int) -> object:
            return history(asking_for, [str(item)], since=None, until=None, by=by, zone=ZoneInfo("UTC"), over=over)

        reads: dict[str, tuple[Callable[[int], object], int]] = {
            "an item's 90 days, hourly": (
                lambda item: item_history.hours_of_item(
                    connection,
                    EU,
                    item,
                    months=statistics_months.to_read(connection, EU),
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
            say(f"{name:<38}{median(taken[1:]):10.1f}{most:10}\n")


def _hours(databases: dict[int, Database], *, items: int) -> dict[int, Cost]:
    """Store some more hours, each right after a checkpoint, in all databases in turn: what disturbs disturbs all."""
    taken: dict[int, list[Cost]] = {days: [] for days in databases}
    for database in databases.values():
        # Those of the run before, in a home that is kept.
        with database.transaction() as connection:
            connection.execute(text("DELETE FROM eu_commodity_price_stats WHERE timestamp > :now"), {"now": NOW})
    for number in range(1, _HOURS + 1):
        statistics = _statistics(items, number)
        for days, database in databases.items():
            with database.connect(autocommit=True) as connection:
                connection.execute(text("CHECKPOINT"))
            log, read = _counters(database)
            began = time.monotonic()
            with database.transaction() as connection:
                stats.store(connection, EU, statistics, at=NOW + number * HOUR)
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


def _tell_cold(server: EmbeddedServer, home: Path, say: Callable[[str], object], *, items: int, days: int) -> None:
    """One more hour right after a start of the server, with nothing in its cache: that of the system is left alone."""
    say("\none more hour, server just started           ms   pages read\n")
    for held in sorted({1, days}):
        server.stop()
        with EmbeddedServer(home, environment=os.environ, bindir=None, account=None):
            database = Database(server.conninfo) if held == days else _open(server, f"days_{held}")
            with database.connect() as connection:
                connection.execute(text("SELECT 1"))
            _, read = _counters(database)
            statistics = _statistics(items, 0)
            began = time.monotonic()
            with database.transaction() as connection:
                stats.store(connection, EU, statistics, at=NOW + (_HOURS + 1) * HOUR)
            seconds = time.monotonic() - began
            _, read_after = _counters(database)
            say(f"day {held:<4}                             {1000 * seconds:9.1f}{read_after - read:13.0f}\n")
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
                months = statistics_months.to_read(connection, EU)
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
