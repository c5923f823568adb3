"""What questions read: prices and sales of all items or of some, over hours and days. Nothing here writes.

Closed days are read from the days that are made, and the rest of a span from the hours: an answer is the same before
and after a day is made. Rows over all items come as arrays, which all share an order.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final, Protocol

from psycopg import sql

from ironforge_cli.db.bulk import Kind, exact_sum, fetch_columns
from ironforge_cli.db.repositories import item_names
from ironforge_cli.db.repositories.asked_spans import (
    DAY,
    NEXT,
    forget_spans,
    keep_spans,
    parts_of,
    snapshots,
    starts_at,
)
from ironforge_cli.db.table_names import PRICE_DAYS, PRICE_STATS, SNAPSHOTS, TOKEN_PRICES
from ironforge_cli.db.transactions import driver, reader
from ironforge_cli.market.books import price_levels

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from contextlib import AbstractContextManager
    from datetime import date, datetime, timedelta

    from ironforge_cli.db.transactions import Transaction
    from ironforge_cli.market.auctions import Float64, Int32, Int64, Times
    from ironforge_cli.regions import Region

LONGEST_STATEMENT_SECONDS: Final = 30
"""A question that takes longer is ended by the server."""
_SLICE: Final = "asking"
_LOOKING: Final = sql.SQL(
    "/* ironforge asking */ SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;"
    " SET LOCAL statement_timeout = {}"
)
_VALUES_OF_DAYS: Final = sql.SQL(
    "SELECT item_id, %(last)s::date - day, market_value FROM {days}"
    " WHERE day = ANY(%(made)s) AND market_value IS NOT NULL{only}"
)
_VALUES_OF_HOURS: Final = sql.SQL(
    "SELECT item_id, {before}, {total} / count(*) FROM {hours}"
    " WHERE timestamp = ANY({times}::timestamptz[]) AND market_value IS NOT NULL{only} GROUP BY item_id"
)
_read = reader(_SLICE)


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


class Source(Protocol):
    """Where questions are asked: `Database`, or `DatabaseToRead` where a command asks one and ends."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """A transaction that lasts for a block. Raises as `Database.connect`."""
        ...


@dataclass(frozen=True, slots=True)
class OneLook:
    """A look at the database that has begun: several questions asked of it are answered of the same moment."""

    connection: Transaction


@contextmanager
def reading(database: Source | OneLook, *, seconds: float = LONGEST_STATEMENT_SECONDS) -> Generator[Transaction]:
    """One look at the database: all of an answer is of the same moment, nothing is written, and it ends in time.

    `seconds` is how long a statement may take. Raises as `Database.connect`.
    """
    if isinstance(database, OneLook):
        yield database.connection
        return
    with database.transaction() as connection:
        with driver(connection) as speaking:
            speaking.execute(_LOOKING.format(f"{round(seconds * 1000)}ms"))
        item_names.keep_names(connection)
        keep_spans(connection)
        try:
            yield connection
        finally:
            # A session outlives its transaction, and what comes next sees another moment.
            item_names.forget_names(connection)
            forget_spans(connection)


def newest_times(connection: Transaction, regions: Sequence[Region]) -> dict[Region, datetime]:
    """The newest snapshot's time of each region that has one."""
    statement = "SELECT max(snapshot_time) FROM snapshots WHERE region = %(region)s"
    found = {region: _read(connection, statement, {"region": region})[0][0] for region in regions}
    return {region: newest for region, newest in found.items() if newest is not None}


def snapshot_at(connection: Transaction, region: Region, at: datetime) -> datetime | None:
    """The newest snapshot that is not newer than a time; None where there is none."""
    statement = "SELECT max(snapshot_time) FROM snapshots WHERE region = %(region)s AND snapshot_time <= %(at)s"
    ((newest,),) = _read(connection, statement, {"region": region, "at": at})
    return newest


def snapshot_times(connection: Transaction, region: Region, since: datetime, until: datetime) -> SnapshotTimes:
    """The snapshots of (since, until] as arrays, which are read sooner where they are thousands."""
    query = sql.SQL(
        "SELECT snapshot_time, coalesce(interval_seconds, 'NaN'::float8) FROM snapshots"
        " WHERE region = %s AND snapshot_time > %s AND snapshot_time <= %s ORDER BY snapshot_time"
    )
    kinds = (Kind.TIMESTAMPTZ, Kind.FLOAT8)
    return SnapshotTimes(*fetch_columns(connection, query, [region, since, until], kinds, slice_name=_SLICE))


def newest_prices(
    connection: Transaction, region: Region, at: datetime, *, items: Sequence[int] | None = None
) -> NewestPrices:
    """What the snapshot of a time says of every item, or of some."""
    query = sql.SQL(
        "SELECT item_id, coalesce(min_price, 'NaN'::float8), coalesce(market_value, 'NaN'), total_quantity,"
        " num_auctions::bigint FROM {} WHERE timestamp = %s{} ORDER BY item_id"
    ).format(sql.Identifier(PRICE_STATS[region]), sql.SQL("" if items is None else " AND item_id = ANY(%s::int4[])"))
    given: list[Any] = [at] if items is None else [at, list(items)]
    kinds = (Kind.INT4, Kind.FLOAT8, Kind.FLOAT8, Kind.INT8, Kind.INT8)
    return NewestPrices(*fetch_columns(connection, query, given, kinds, slice_name=_SLICE))


def prices_between(connection: Transaction, region: Region, since: datetime, until: datetime) -> SnapshotPrices:
    """What the snapshots of (since, until] say of every item."""
    query = sql.SQL(
        "SELECT item_id, timestamp, coalesce(market_value, 'NaN'),"
        " num_auctions::bigint FROM {} WHERE timestamp > %s AND timestamp <= %s"
    ).format(sql.Identifier(PRICE_STATS[region]))
    kinds = (Kind.INT4, Kind.TIMESTAMPTZ, Kind.FLOAT8, Kind.INT8)
    return SnapshotPrices(*fetch_columns(connection, query, [since, until], kinds, slice_name=_SLICE))


def nearest_values(
    connection: Transaction, region: Region, near: Sequence[tuple[datetime, timedelta]], *, items: Sequence[int] | None
) -> list[dict[int, float]]:
    """For some items or all the market value in the snapshot pricing each nearest to a time, at most so far off.

    Each of `near` is such a time, and how far off. Of two as near, the older one's.
    """
    queries: list[str] = []
    only = "" if items is None else " AND item_id = ANY(%(items)s::int4[])"
    given: dict[str, Any] = {} if items is None else {"items": list(items)}
    for place, (target, most) in enumerate(near):
        times = [one.time for one in snapshots(connection, region, target - most - NEXT, target + most)]
        given |= {f"times{place}": times, f"target{place}": target}
        queries.append(
            f"(SELECT DISTINCT ON (item_id) {place}, item_id, market_value FROM {PRICE_STATS[region]}"  # noqa: S608 - names of our own
            f" WHERE timestamp = ANY(%(times{place})s::timestamptz[]){only}"
            " AND market_value IS NOT NULL"
            f" ORDER BY item_id, abs(extract(epoch FROM timestamp - %(target{place})s)), timestamp)"
        )
    found: list[dict[int, float]] = [{} for _ in near]
    for place, item, value in _read(connection, " UNION ALL ".join(queries), given):
        found[place][item] = value
    return found


def day_values(
    connection: Transaction, region: Region, last: date, days: int, *, until: datetime, items: Sequence[int] | None
) -> DayValues:
    """Market values of `days` days: of `last`, up to the time `until`, and those before; of some items or of all."""
    first = last - (days - 1) * DAY
    parts = parts_of(connection, region, starts_at(first) - NEXT, until)
    given: dict[str, Any] = {"items": None if items is None else list(items), "last": last, "made": list(parts.made)}
    names = {
        "days": sql.Identifier(PRICE_DAYS[region]),
        "hours": sql.Identifier(PRICE_STATS[region]),
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


def levels(connection: Transaction, region: Region, at: datetime, items: Sequence[int] | None) -> Levels:
    """The price levels of some items, or of all, in a snapshot that is held."""
    table = sql.Identifier(SNAPSHOTS[region])
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


def auctions_of_item(connection: Transaction, region: Region, at: datetime, item: int) -> list[tuple[int, int]]:
    """An item's auctions in a snapshot that is held: price of a unit and units of each."""
    statement = (
        f"SELECT unit_price, quantity FROM {SNAPSHOTS[region]}"  # noqa: S608 - a name of our own
        " WHERE snapshot_time = %(at)s AND item_id = %(item)s"
    )
    return [(row.unit_price, row.quantity) for row in _read(connection, statement, {"at": at, "item": item})]


def is_raw_held(connection: Transaction, region: Region, at: datetime) -> bool:
    """Whether the raw auctions of a snapshot are held; of an empty market there are none to hold."""
    statement = (
        f"SELECT EXISTS (SELECT FROM {SNAPSHOTS[region]} WHERE snapshot_time = %(at)s)"  # noqa: S608 - a name of our own
        " OR EXISTS (SELECT FROM snapshots WHERE region = %(region)s AND snapshot_time = %(at)s AND auctions = 0)"
    )
    ((is_held,),) = _read(connection, statement, {"at": at, "region": region})
    return bool(is_held)


def token_prices(
    connection: Transaction, region: Region, since: datetime | None, until: datetime | None
) -> list[tuple[datetime, int]]:
    """Prices of a token in (since, until], copper, oldest first."""
    begins = "" if since is None else " AND timestamp > %(since)s"
    ends = "" if until is None else " AND timestamp <= %(until)s"
    statement = f"SELECT timestamp, price FROM {TOKEN_PRICES[region]} WHERE true{begins}{ends} ORDER BY timestamp"  # noqa: S608 - names of our own
    return [(row.timestamp, row.price) for row in _read(connection, statement, {"since": since, "until": until})]


def newest_token(connection: Transaction, region: Region) -> tuple[datetime, int] | None:
    """The newest price of a token, copper, and its time; None where there is none."""
    statement = f"SELECT timestamp, price FROM {TOKEN_PRICES[region]} ORDER BY timestamp DESC LIMIT 1"  # noqa: S608 - a name of our own
    return next(((row.timestamp, row.price) for row in _read(connection, statement)), None)
