"""What questions read: prices and sales of all items or of some, over hours and days. Nothing here writes.

Closed days are read from the days that are made, and the rest of a span from the hours: an answer is the same before
and after a day is made. Rows over all items come as arrays, which all share an order.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from psycopg import sql
from sqlalchemy import func, select, text

from ironforge_cli.db.bulk import Kind, fetch_columns
from ironforge_cli.db.engine import executor
from ironforge_cli.db.models import PRICE_DAYS, PRICE_STATS, REGISTRY, SNAPSHOTS, TOKEN_PRICES
from ironforge_cli.db.repositories import item_history, item_names
from ironforge_cli.market.books import price_levels

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database
    from ironforge_cli.market.auctions import Float64, Int32, Int64, Times
    from ironforge_cli.regions import Region

LONGEST_STATEMENT_SECONDS: Final = 30
"""A question that takes longer is ended by the server."""
_SLICE: Final = "asking"
_DAY: Final = timedelta(days=1)
_NEXT: Final = timedelta(microseconds=1)
_VALUE: Final = sql.SQL(
    "coalesce(now.market_value, CASE WHEN now.estimated_sales > 0 THEN"
    " (SELECT before.market_value FROM {table} AS before WHERE before.item_id = now.item_id"
    " AND before.timestamp = now.timestamp - now.interval_seconds * interval '1 second') END)"
)
_NO_VALUE: Final = sql.SQL("NULL::float8")
_execute = executor(_SLICE)


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """A snapshot's time, and the time since the one before; None in a region's first."""

    time: datetime
    interval_seconds: int | None


@dataclass(frozen=True, slots=True)
class SnapshotTimes:
    """When n snapshots were, oldest first, and the time since the one before each; NaN in a region's first."""

    time: Times
    interval_seconds: Float64


@dataclass(frozen=True, slots=True)
class ItemValues:
    """A price of each of k items."""

    item_id: Int32
    value: Float64
    """NaN where the item has no price."""


@dataclass(frozen=True, slots=True)
class NewestPrices:
    """What the newest snapshot says of its k items."""

    item_id: Int32
    min_price: Float64
    """Copper; NaN when sold out, as `market_value`."""
    market_value: Float64
    total_quantity: Int64
    num_auctions: Int64


@dataclass(frozen=True, slots=True)
class SnapshotPrices:
    """Prices of items in several snapshots: n rows."""

    item_id: Int32
    age_seconds: Int32
    """How long before the end of the span the snapshot was."""
    market_value: Float64
    num_auctions: Int64


@dataclass(frozen=True, slots=True)
class DayValues:
    """Market values of items on closed days: n rows."""

    item_id: Int32
    days_before: Int32
    """How many days before the day that was asked from; 0 is that day."""
    market_value: Float64


@dataclass(frozen=True, slots=True)
class Sales:
    """Units sold of each of k items in a span, and over which time."""

    item_id: Int32
    low: Float64
    estimated: Float64
    high: Float64
    turnover: Float64
    """Copper; NaN where something was sold that nobody knows a price of."""
    unknown_seconds: Float64
    """Length of the intervals of which nothing is known of the item: they count in no sum."""
    region_seconds: int
    """Length of all the region's intervals that end in the span and of which anything is held."""

    @property
    def seconds(self) -> Float64:
        """For each item, the length of the intervals that count."""
        return self.region_seconds - self.unknown_seconds


@dataclass(frozen=True, slots=True)
class Levels:
    """A book, a row a price level of an item, by item and the cheapest first."""

    item_id: Int32
    price: Int64
    quantity: Int64
    auctions: Int64


@dataclass(frozen=True, slots=True)
class OneLook:
    """A look at the database that has begun: several questions asked of it are answered of the same moment."""

    connection: Connection


@contextmanager
def reading(database: Database | OneLook, *, seconds: float = LONGEST_STATEMENT_SECONDS) -> Generator[Connection]:
    """One look at the database: all of an answer is of the same moment, nothing is written, and it ends in time.

    `seconds` is how long a statement may take. Raises as `Database.connect`.
    """
    if isinstance(database, OneLook):
        yield database.connection
        return
    with database.transaction() as connection:
        limit = f"SET LOCAL statement_timeout = '{round(seconds * 1000)}ms'"
        _execute(connection, text(f"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; {limit}"))
        item_names.keep_names(connection)
        yield connection


def newest_times(connection: Connection, regions: Sequence[Region]) -> dict[Region, datetime]:
    """The newest snapshot's time of each region that has one."""
    newest = func.max(REGISTRY.c.snapshot_time)
    return {
        region: found
        for region in regions
        if (found := _execute(connection, select(newest).where(REGISTRY.c.region == region)).scalar()) is not None
    }


def snapshot_at(connection: Connection, region: Region, at: datetime) -> datetime | None:
    """The newest snapshot that is not newer than a time; None where there is none."""
    newest = select(func.max(REGISTRY.c.snapshot_time)).where(
        REGISTRY.c.region == region, REGISTRY.c.snapshot_time <= at
    )
    return _execute(connection, newest).scalar()


def snapshots(connection: Connection, region: Region, since: datetime, until: datetime) -> list[StoredSnapshot]:
    """The snapshots of (since, until], oldest first."""
    rows = _execute(
        connection,
        select(REGISTRY.c.snapshot_time, REGISTRY.c.interval_seconds)
        .where(REGISTRY.c.region == region, REGISTRY.c.snapshot_time > since, REGISTRY.c.snapshot_time <= until)
        .order_by(REGISTRY.c.snapshot_time),
    )
    return [StoredSnapshot(*row) for row in rows]


def snapshot_times(connection: Connection, region: Region, since: datetime, until: datetime) -> SnapshotTimes:
    """The snapshots of (since, until] as arrays, which are read sooner where they are thousands."""
    query = sql.SQL(
        "SELECT snapshot_time, coalesce(interval_seconds, 'NaN'::float8) FROM snapshots"
        " WHERE region = %s AND snapshot_time > %s AND snapshot_time <= %s ORDER BY snapshot_time"
    )
    kinds = (Kind.TIMESTAMPTZ, Kind.FLOAT8)
    return SnapshotTimes(*fetch_columns(connection, query, [region, since, until], kinds, slice_name=_SLICE))


def made_days(connection: Connection, region: Region, since: date, until: date) -> list[date]:
    """The days that are made, from `since` to before `until`."""
    statement = text(
        # Names of our own are all that is put in.
        "SELECT CAST(wanted.day AS date) FROM generate_series(CAST(:since AS timestamp), CAST(:until AS timestamp),"  # noqa: S608 - names of our own
        " interval '1 day') AS wanted (day)"
        f" WHERE EXISTS (SELECT FROM {PRICE_DAYS[region].name} AS made"
        " WHERE made.day = CAST(wanted.day AS date)) ORDER BY 1"
    )
    return list(_execute(connection, statement, {"since": since, "until": until - _DAY}).scalars())


def newest_prices(connection: Connection, region: Region, at: datetime) -> NewestPrices:
    """What the snapshot of a time says of every item."""
    query = sql.SQL(
        "SELECT item_id, coalesce(min_price, 'NaN'::float8), coalesce(market_value, 'NaN'), total_quantity,"
        " num_auctions::bigint FROM {} WHERE timestamp = %s ORDER BY item_id"
    ).format(sql.Identifier(PRICE_STATS[region].name))
    kinds = (Kind.INT4, Kind.FLOAT8, Kind.FLOAT8, Kind.INT8, Kind.INT8)
    return NewestPrices(*fetch_columns(connection, query, [at], kinds, slice_name=_SLICE))


def prices_between(connection: Connection, region: Region, since: datetime, until: datetime) -> SnapshotPrices:
    """What the snapshots of (since, until] say of every item."""
    query = sql.SQL(
        "SELECT item_id, extract(epoch FROM %s::timestamptz - timestamp)::int, coalesce(market_value, 'NaN'),"
        " num_auctions::bigint FROM {} WHERE timestamp > %s AND timestamp <= %s"
    ).format(sql.Identifier(PRICE_STATS[region].name))
    kinds = (Kind.INT4, Kind.INT4, Kind.FLOAT8, Kind.INT8)
    return SnapshotPrices(*fetch_columns(connection, query, [until, since, until], kinds, slice_name=_SLICE))


def nearest_values(
    connection: Connection, region: Region, target: datetime, most: timedelta, *, items: Sequence[int] | None
) -> dict[int, float]:
    """For some items or all its market value in the snapshot pricing it nearest to a time, at most so far off.

    Of two as near, the older one's.
    """
    times = [one.time for one in snapshots(connection, region, target - most - _NEXT, target + most)]
    statement = text(
        f"SELECT DISTINCT ON (item_id) item_id, market_value FROM {PRICE_STATS[region].name}"  # noqa: S608 - names of our own
        f" WHERE timestamp = ANY(:times){'' if items is None else ' AND item_id = ANY(:items)'}"
        " AND market_value IS NOT NULL ORDER BY item_id, abs(extract(epoch FROM timestamp - :target)), timestamp"
    )
    parameters = {"times": times, "target": target} | ({} if items is None else {"items": list(items)})
    return {row[0]: row[1] for row in _execute(connection, statement, parameters)}


def day_values(
    connection: Connection, region: Region, last: date, days: int, *, until: datetime, items: Sequence[int] | None
) -> DayValues:
    """Market values of `days` days: of `last`, up to the time `until`, and those before; of some items or of all."""
    first = last - (days - 1) * _DAY
    parts = _parts(connection, region, _starts(first) - _NEXT, until)
    query = sql.SQL(
        "SELECT item_id, %(last)s::date - day, market_value FROM {days} WHERE day = ANY(%(made)s)"
        " AND market_value IS NOT NULL{only}"
        " UNION ALL SELECT item_id, %(last)s::date - (timestamp AT TIME ZONE 'UTC')::date, avg(market_value)"
        " FROM {hours} AS now WHERE market_value IS NOT NULL GROUP BY 1, 2"
    ).format(**_sources(region, items))
    given = parts.parameters(items) | {"last": last}
    return DayValues(*fetch_columns(connection, query, given, (Kind.INT4, Kind.INT4, Kind.FLOAT8), slice_name=_SLICE))


def sales(
    connection: Connection,
    region: Region,
    since: datetime,
    until: datetime,
    *,
    items: Sequence[int] | None,
    is_priced: bool = True,
) -> Sales:
    """Units sold over the intervals that end in (since, until], of some items or of all that have a row there.

    Intervals whose hours have left, and whose days with them, count in no sum. Where it is not to be priced the
    turnover is NaN: it takes as long as the units.
    """
    parts = _parts(connection, region, since, until)
    query = sql.SQL(
        # A day's own length is its region's: less what it covers of the item, it is what is unknown.
        "WITH length AS (SELECT * FROM unnest(%(made)s::date[], %(seconds)s::bigint[]) AS made (day, seconds)),"
        # The snapshot before is looked up only where an item was sold out.
        " hours AS (SELECT now.*, {value} AS value FROM {hours} AS now),"
        " parts AS (SELECT item_id, sales_low, estimated_sales, sales_high, turnover,"
        " estimated_sales > 0 AND turnover IS NULL AS is_priceless,"
        " length.seconds - covered_seconds AS unknown FROM {days} JOIN length USING (day)"
        " WHERE day = ANY(%(made)s){only}"
        # A row an item first: thousands are soon put together where a hundred thousands would be sorted on disk.
        " UNION ALL SELECT item_id, sum(sales_low), sum(estimated_sales), sum(sales_high),"
        " sum(estimated_sales * value), bool_or(estimated_sales > 0 AND value IS NULL),"
        " sum(CASE WHEN estimated_sales IS NULL THEN coalesce(interval_seconds, 0) ELSE 0 END)"
        " FROM hours GROUP BY item_id)"
        " SELECT item_id, coalesce(sum(sales_low), 0)::float8, coalesce(sum(estimated_sales), 0)::float8,"
        " coalesce(sum(sales_high), 0)::float8,"
        " CASE WHEN bool_or(is_priceless) THEN 'NaN' ELSE coalesce(sum(turnover), 0) END,"
        " sum(unknown)::float8 FROM parts GROUP BY item_id"
    ).format(**_sources(region, items), value=_VALUE.format(**_sources(region, items)) if is_priced else _NO_VALUE)
    kinds = (Kind.INT4, *[Kind.FLOAT8] * 5)
    columns = fetch_columns(connection, query, parts.parameters(items), kinds, slice_name=_SLICE)
    order = np.argsort(columns[0])
    found = Sales(*(column[order] for column in columns), region_seconds=parts.seconds)
    return found if is_priced else replace(found, turnover=np.full(len(order), np.nan))


def levels(connection: Connection, region: Region, at: datetime, items: Sequence[int] | None) -> Levels:
    """The price levels of some items, or of all, in a snapshot that is held."""
    table = sql.Identifier(SNAPSHOTS[region].name)
    if items is None:
        # A whole book is sent as it is: numpy sorts it sooner than the server.
        every = sql.SQL("SELECT item_id, unit_price, quantity FROM {} WHERE snapshot_time = %s").format(table)
        sold = fetch_columns(connection, every, [at], (Kind.INT4, Kind.INT8, Kind.INT4), slice_name=_SLICE)
        return Levels(*price_levels(*sold))
    query = sql.SQL(
        # Of a list of the column's own type the server makes a hash table; any other it goes through for each row.
        "SELECT item_id, unit_price, sum(quantity)::bigint, count(*) FROM {} WHERE snapshot_time = %s"
        " AND item_id = ANY(%s::int4[]) GROUP BY item_id, unit_price ORDER BY item_id, unit_price"
    ).format(table)
    kinds = (Kind.INT4, Kind.INT8, Kind.INT8, Kind.INT8)
    return Levels(*fetch_columns(connection, query, [at, list(items)], kinds, slice_name=_SLICE))


def auctions_of_item(connection: Connection, region: Region, at: datetime, item: int) -> list[tuple[int, int]]:
    """An item's auctions in a snapshot that is held: price of a unit and units of each."""
    table = SNAPSHOTS[region]
    statement = select(table.c.unit_price, table.c.quantity).where(table.c.snapshot_time == at, table.c.item_id == item)
    return [(row.unit_price, row.quantity) for row in _execute(connection, statement)]


def is_raw_held(connection: Connection, region: Region, at: datetime) -> bool:
    """Whether the raw auctions of a snapshot are held; of an empty market there are none to hold."""
    statement = text(
        f"SELECT EXISTS (SELECT FROM {SNAPSHOTS[region].name} WHERE snapshot_time = :at)"  # noqa: S608 - a name of our own
        " OR EXISTS (SELECT FROM snapshots WHERE region = :region AND snapshot_time = :at AND auctions = 0)"
    )
    return bool(_execute(connection, statement, {"at": at, "region": region}).scalar_one())


def token_prices(
    connection: Connection, region: Region, since: datetime | None, until: datetime | None
) -> list[tuple[datetime, int]]:
    """Prices of a token in (since, until], copper, oldest first."""
    table = TOKEN_PRICES[region]
    statement = select(table.c.timestamp, table.c.price).order_by(table.c.timestamp)
    if since is not None:
        statement = statement.where(table.c.timestamp > since)
    if until is not None:
        statement = statement.where(table.c.timestamp <= until)
    return [(row.timestamp, row.price) for row in _execute(connection, statement)]


def newest_token(connection: Connection, region: Region) -> tuple[datetime, int] | None:
    """The newest price of a token, copper, and its time; None where there is none."""
    table = TOKEN_PRICES[region]
    row = _execute(
        connection, select(table.c.timestamp, table.c.price).order_by(table.c.timestamp.desc()).limit(1)
    ).first()
    return None if row is None else (row.timestamp, row.price)


@dataclass(frozen=True, slots=True)
class _Parts:
    """A span (since, until]: the days of it that are made, and the rest as hours."""

    made: list[date]
    made_seconds: list[int]
    """For each of these the length of the region's intervals that end on it."""
    times: list[datetime]
    """The snapshots of the rest whose hours are held."""
    seconds: int
    """Length of all intervals of which anything is known."""

    def parameters(self, items: Sequence[int] | None) -> dict[str, Any]:
        """What queries over the parts are given."""
        return {
            "made": self.made,
            "seconds": self.made_seconds,
            "times": self.times,
            "items": None if items is None else list(items),
        }


def _parts(connection: Connection, region: Region, since: datetime, until: datetime) -> _Parts:
    first = (since + _NEXT).astimezone(UTC).date()
    if _starts(first) < since + _NEXT:
        first += _DAY
    last = (until + _NEXT).astimezone(UTC).date()
    made = made_days(connection, region, first, last) if first < last else []
    of_day = dict.fromkeys(made, 0)
    rest: list[StoredSnapshot] = []
    for one in snapshots(connection, region, since, until):
        if (day := one.time.astimezone(UTC).date()) in of_day:
            of_day[day] += one.interval_seconds or 0
        else:
            rest.append(one)
    gone = item_history.without_hours(connection, region, [one.time for one in rest])
    held = [one for one in rest if one.time not in gone]
    return _Parts(
        made=made,
        made_seconds=list(of_day.values()),
        times=[one.time for one in held],
        seconds=sum(of_day.values()) + sum(one.interval_seconds or 0 for one in held),
    )


def _sources(region: Region, items: Sequence[int] | None) -> dict[str, sql.Composable]:
    """The tables of days and hours, these of the parts' snapshots, and what keeps to some items."""
    table = sql.Identifier(PRICE_STATS[region].name)
    # Named one by one, the server knows how few they are; of spans in a list it would read the whole month.
    hours = "(SELECT * FROM {} WHERE timestamp = ANY(%(times)s::timestamptz[]){only})"
    only = "" if items is None else " AND item_id = ANY(%(items)s::int4[])"
    return {
        "days": sql.Identifier(PRICE_DAYS[region].name),
        "table": table,
        "hours": sql.SQL(hours).format(table, only=sql.SQL(only)),
        "only": sql.SQL(only),
    }


def _starts(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
