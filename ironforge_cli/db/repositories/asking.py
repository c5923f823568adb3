"""What questions read: prices and sales of all items or of some, over hours and days. Nothing here writes.

Closed days are read from the days that are made, and the rest of a span from the hours: an answer is the same before
and after a day is made. Rows over all items come as arrays, which all share an order.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final

from psycopg import sql
from sqlalchemy import func, select, text

from ironforge_cli.db.bulk import Kind, exact_sum, fetch_columns
from ironforge_cli.db.engine import executor
from ironforge_cli.db.models import PRICE_DAYS, PRICE_STATS, REGISTRY, SNAPSHOTS, TOKEN_PRICES
from ironforge_cli.db.repositories import item_names
from ironforge_cli.db.repositories.asked_spans import DAY, NEXT, keep_spans, parts_of, snapshots, starts_at
from ironforge_cli.market.books import price_levels

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from datetime import date, datetime, timedelta

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database
    from ironforge_cli.market.auctions import Float64, Int32, Int64, Times
    from ironforge_cli.regions import Region

LONGEST_STATEMENT_SECONDS: Final = 30
"""A question that takes longer is ended by the server."""
_SLICE: Final = "asking"
_VALUES_OF_DAYS: Final = sql.SQL(
    "SELECT item_id, %(last)s::date - day, market_value FROM {days}"
    " WHERE day = ANY(%(made)s) AND market_value IS NOT NULL{only}"
)
_VALUES_OF_HOURS: Final = sql.SQL(
    "SELECT item_id, {before}, {total} / count(*) FROM {hours}"
    " WHERE timestamp = ANY({times}::timestamptz[]) AND market_value IS NOT NULL{only} GROUP BY item_id"
)
_execute = executor(_SLICE)


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
    time: Times
    """The snapshot's."""
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
        keep_spans(connection)
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


def snapshot_times(connection: Connection, region: Region, since: datetime, until: datetime) -> SnapshotTimes:
    """The snapshots of (since, until] as arrays, which are read sooner where they are thousands."""
    query = sql.SQL(
        "SELECT snapshot_time, coalesce(interval_seconds, 'NaN'::float8) FROM snapshots"
        " WHERE region = %s AND snapshot_time > %s AND snapshot_time <= %s ORDER BY snapshot_time"
    )
    kinds = (Kind.TIMESTAMPTZ, Kind.FLOAT8)
    return SnapshotTimes(*fetch_columns(connection, query, [region, since, until], kinds, slice_name=_SLICE))


def newest_prices(
    connection: Connection, region: Region, at: datetime, *, items: Sequence[int] | None = None
) -> NewestPrices:
    """What the snapshot of a time says of every item, or of some."""
    query = sql.SQL(
        "SELECT item_id, coalesce(min_price, 'NaN'::float8), coalesce(market_value, 'NaN'), total_quantity,"
        " num_auctions::bigint FROM {} WHERE timestamp = %s{} ORDER BY item_id"
    ).format(
        sql.Identifier(PRICE_STATS[region].name), sql.SQL("" if items is None else " AND item_id = ANY(%s::int4[])")
    )
    given: list[Any] = [at] if items is None else [at, list(items)]
    kinds = (Kind.INT4, Kind.FLOAT8, Kind.FLOAT8, Kind.INT8, Kind.INT8)
    return NewestPrices(*fetch_columns(connection, query, given, kinds, slice_name=_SLICE))


def prices_between(connection: Connection, region: Region, since: datetime, until: datetime) -> SnapshotPrices:
    """What the snapshots of (since, until] say of every item."""
    query = sql.SQL(
        "SELECT item_id, timestamp, coalesce(market_value, 'NaN'),"
        " num_auctions::bigint FROM {} WHERE timestamp > %s AND timestamp <= %s"
    ).format(sql.Identifier(PRICE_STATS[region].name))
    kinds = (Kind.INT4, Kind.TIMESTAMPTZ, Kind.FLOAT8, Kind.INT8)
    return SnapshotPrices(*fetch_columns(connection, query, [since, until], kinds, slice_name=_SLICE))


def nearest_values(
    connection: Connection, region: Region, near: Sequence[tuple[datetime, timedelta]], *, items: Sequence[int] | None
) -> list[dict[int, float]]:
    """For some items or all the market value in the snapshot pricing each nearest to a time, at most so far off.

    Each of `near` is such a time, and how far off. Of two as near, the older one's.
    """
    queries: list[str] = []
    given: dict[str, Any] = {} if items is None else {"items": list(items)}
    for place, (target, most) in enumerate(near):
        times = [one.time for one in snapshots(connection, region, target - most - NEXT, target + most)]
        given |= {f"times{place}": times, f"target{place}": target}
        queries.append(
            f"(SELECT DISTINCT ON (item_id) {place}, item_id, market_value FROM {PRICE_STATS[region].name}"  # noqa: S608 - names of our own
            f" WHERE timestamp = ANY(:times{place}){'' if items is None else ' AND item_id = ANY(:items)'}"
            " AND market_value IS NOT NULL"
            f" ORDER BY item_id, abs(extract(epoch FROM timestamp - :target{place})), timestamp)"
        )
    found: list[dict[int, float]] = [{} for _ in near]
    for place, item, value in _execute(connection, text(" UNION ALL ".join(queries)), given):
        found[place][item] = value
    return found


def day_values(
    connection: Connection, region: Region, last: date, days: int, *, until: datetime, items: Sequence[int] | None
) -> DayValues:
    """Market values of `days` days: of `last`, up to the time `until`, and those before; of some items or of all."""
    first = last - (days - 1) * DAY
    parts = parts_of(connection, region, starts_at(first) - NEXT, until)
    given: dict[str, Any] = {"items": None if items is None else list(items), "last": last, "made": list(parts.made)}
    names = {
        "days": sql.Identifier(PRICE_DAYS[region].name),
        "hours": sql.Identifier(PRICE_STATS[region].name),
        "only": sql.SQL("" if items is None else " AND item_id = ANY(%(items)s::int4[])"),
    }
    queries = [_VALUES_OF_DAYS.format(**names)]
    by_day: defaultdict[int, list[datetime]] = defaultdict(list)
    for moment in parts.times:
        by_day[(last - moment.astimezone(UTC).date()).days].append(moment)
    total = exact_sum("market_value")
    for before, times in by_day.items():
        given |= {f"times{before}": times}
        of_day = {"before": sql.Literal(before), "times": sql.Placeholder(f"times{before}"), "total": total}
        queries.append(_VALUES_OF_HOURS.format(**of_day, **names))
    query = sql.SQL(" UNION ALL ").join(queries)
    return DayValues(*fetch_columns(connection, query, given, (Kind.INT4, Kind.INT4, Kind.FLOAT8), slice_name=_SLICE))


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
