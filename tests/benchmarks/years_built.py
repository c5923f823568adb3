"""Years of hourly statistics for benchmarks: made in SQL in the order of collecting, laid and summed by the tool."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from ironforge_cli.db.embedded import DATABASE_NAME
from ironforge_cli.db.engine import Database
from ironforge_cli.db.repositories import asking, partitions, price_days, statistics_months
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from collections.abc import Callable

    from ironforge_cli.db.embedded import EmbeddedServer

EU: Final = Region.EU
NOW: Final = datetime(2025, 12, 28, 23, 0, tzinfo=UTC)
"""The newest hour: late in a month, where the open one is as large as it gets."""
HOUR: Final = timedelta(hours=1)
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


def fill(database: Database, region: Region, *, days: int, items: int) -> None:
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
    close_months(database, say, region=region)


def fresh(server: EmbeddedServer, name: str) -> Database:
    """A database of that name, which may be there already."""
    first = Database(server.conninfo)
    with first.connect(autocommit=True) as connection:
        there = text("SELECT count(*) FROM pg_database WHERE datname = :name")
        if not connection.execute(there, {"name": name}).scalar_one():
            connection.execute(text(f"CREATE DATABASE {name}"))
    first.close()
    return opened(server, name)


def opened(server: EmbeddedServer, name: str) -> Database:
    """A database of that name that is there."""
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


def store_book(database: Database, *, items: int) -> None:
    """Name the items, and have a book of 350,000 auctions of the newest hour, unless both are there."""
    with database.transaction() as connection:
        connection.execute(_NAMES, {"items": items})
        if not asking.is_raw_held(connection, EU, NOW):
            partitions.create(connection, DailyPartition(EU, NOW.date()))
            connection.execute(_BOOK, {"items": items, "now": NOW})
