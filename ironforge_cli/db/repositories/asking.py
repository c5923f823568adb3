"""What questions read: prices and sales of all items or of some, over hours and days. Nothing here writes.

Closed days are read from the days that are made, and the rest of a span from the hours: an answer is the same before
and after a day is made. Rows over all items come as arrays, which all share an order.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final

from psycopg import sql
from sqlalchemy import func, select, text

from ironforge_cli.db.bulk import Kind, fetch_columns
from ironforge_cli.db.engine import executor
from ironforge_cli.db.models import PRICE_DAYS, PRICE_STATS, REGISTRY, SNAPSHOTS, TOKEN_PRICES
from ironforge_cli.db.repositories import item_names

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database
    from ironforge_cli.market.auctions import Float64, Int32, Int64
    from ironforge_cli.regions import Region

LONGEST_STATEMENT_SECONDS: Final = 30
"""A question that takes longer is ended by the server."""
_SLICE: Final = "asking"
_DAY: Final = timedelta(days=1)
_NEXT: Final = timedelta(microseconds=1)
_execute = executor(_SLICE)


@dataclass(frozen=True, slots=True)
class HourRow:
    """What one snapshot says of one item; prices in copper, None when sold out."""

    item_id: int
    timestamp: datetime
    min_price: int | None
    market_value: float | None
    cheapest_15_percent_price: int | None
    median_price: float | None
    mean_price: float | None
    max_price: int | None
    total_quantity: int
    num_auctions: int
    sales_low: int | None
    """Units since the snapshot before; None where nothing is known, as the two below."""
    estimated_sales: int | None
    sales_high: int | None


@dataclass(frozen=True, slots=True)
class DayRow:
    """What one closed UTC day says of one item, in copper and units; see `PRICE_DAYS`."""

    day: date
    min_price: int | None
    market_value: float | None
    mean_quantity: float
    sales_low: int | None
    estimated_sales: int | None
    sales_high: int | None
    snapshots: int
    priced_snapshots: int


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """A snapshot's time, and the time since the one before; None in a region's first."""

    time: datetime
    interval_seconds: int | None


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
    """Length of all the region's intervals that end in the span."""

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


def item_hours(
    connection: Connection, region: Region, items: Sequence[int], since: datetime, until: datetime
) -> list[HourRow]:
    """The hours of some items in (since, until], oldest first."""
    names = ", ".join(HourRow.__slots__)
    statement = text(
        f"SELECT {names} FROM {PRICE_STATS[region].name}"  # noqa: S608 - names of our own
        " WHERE item_id = ANY(:items) AND timestamp > :since AND timestamp <= :until ORDER BY timestamp, item_id"
    )
    rows = _execute(connection, statement, {"items": list(items), "since": since, "until": until})
    return [HourRow(*row) for row in rows]


def item_days(connection: Connection, region: Region, item: int, since: date, until: date) -> list[DayRow]:
    """The days of an item that are made, from `since` to before `until`, oldest first."""
    names = ", ".join(DayRow.__slots__)
    statement = text(
        f"SELECT {names} FROM {PRICE_DAYS[region].name}"  # noqa: S608 - names of our own
        " WHERE item_id = :item AND day >= :since AND day < :until ORDER BY day"
    )
    return [DayRow(*row) for row in _execute(connection, statement, {"item": item, "since": since, "until": until})]


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
    connection: Connection, region: Region, items: Sequence[int], target: datetime, most: timedelta
) -> dict[int, float]:
    """For each item its market value in the snapshot pricing it nearest to a time, at most so far off.

    Of two as near, the older one's.
    """
    statement = text(
        "SELECT DISTINCT ON (item_id) item_id, market_value"  # noqa: S608 - a name of our own
        f" FROM {PRICE_STATS[region].name}"
        " WHERE item_id = ANY(:items) AND timestamp >= :since AND timestamp <= :until AND market_value IS NOT NULL"
        " ORDER BY item_id, abs(extract(epoch FROM timestamp - :target)), timestamp"
    )
    parameters = {"items": list(items), "since": target - most, "until": target + most, "target": target}
    return {row[0]: row[1] for row in _execute(connection, statement, parameters)}


def day_values(
    connection: Connection, region: Region, last: date, days: int, *, until: datetime, items: Sequence[int] | None
) -> DayValues:
    """Market values of `days` days: of `last`, up to the time `until`, and those before; of some items or of all."""
    first = last - (days - 1) * _DAY
    made, since, before = _parts(connection, region, _starts(first) - _NEXT, until)
    wanted, parameters = _wanted(items)
    query = sql.SQL(
        "SELECT item_id, %s::date - day, market_value FROM {days} WHERE day = ANY(%s)"
        " AND market_value IS NOT NULL{only}"
        " UNION ALL SELECT item_id, %s::date - (timestamp AT TIME ZONE 'UTC')::date, avg(market_value)"
        " FROM unnest(%s::timestamptz[], %s::timestamptz[]) AS span (since, before)"
        " JOIN {hours} ON timestamp >= span.since AND timestamp < span.before"
        " WHERE market_value IS NOT NULL{only} GROUP BY 1, 2"
    ).format(days=sql.Identifier(PRICE_DAYS[region].name), hours=sql.Identifier(PRICE_STATS[region].name), only=wanted)
    given = [last, made, *parameters, last, since, before, *parameters]
    return DayValues(*fetch_columns(connection, query, given, (Kind.INT4, Kind.INT4, Kind.FLOAT8), slice_name=_SLICE))


def sales(
    connection: Connection, region: Region, since: datetime, until: datetime, *, items: Sequence[int] | None
) -> Sales:
    """Units sold over the intervals that end in (since, until], of some items or of all that have a row there."""
    made, starts, ends = _parts(connection, region, since, until)
    seconds = (
        "SELECT coalesce(sum(interval_seconds), 0) FROM snapshots WHERE region = :region AND snapshot_time > :since"
        " AND snapshot_time <= :until"
    )
    whole = _execute(connection, text(seconds), {"region": region, "since": since, "until": until}).scalar_one()
    wanted, parameters = _wanted(items)
    query = sql.SQL(
        # A day's own length is its region's: less what it covers of the item, it is what is unknown.
        "WITH length AS (SELECT (snapshot_time AT TIME ZONE 'UTC')::date AS day, coalesce(sum(interval_seconds), 0) AS"
        " seconds FROM snapshots WHERE region = %s AND snapshot_time > %s AND snapshot_time <= %s GROUP BY 1),"
        " hours AS (SELECT now.* FROM unnest(%s::timestamptz[], %s::timestamptz[]) AS span (since, before)"
        " JOIN {hours} AS now ON timestamp >= span.since AND timestamp < span.before WHERE TRUE{only}),"
        " parts AS (SELECT item_id, sales_low, estimated_sales, sales_high, turnover,"
        " estimated_sales > 0 AND turnover IS NULL AS is_priceless,"
        " length.seconds - covered_seconds AS unknown FROM {days} JOIN length USING (day) WHERE day = ANY(%s){only}"
        " UNION ALL SELECT now.item_id, now.sales_low, now.estimated_sales, now.sales_high,"
        " now.estimated_sales * coalesce(now.market_value, before.market_value),"
        " now.estimated_sales > 0 AND coalesce(now.market_value, before.market_value) IS NULL,"
        " CASE WHEN now.estimated_sales IS NULL THEN coalesce(now.interval_seconds, 0) ELSE 0 END"
        # The snapshot before is asked only where an item was sold out.
        " FROM hours AS now LEFT JOIN {hours} AS before ON now.market_value IS NULL AND now.estimated_sales > 0"
        " AND before.timestamp = now.timestamp - now.interval_seconds * interval '1 second'"
        " AND before.item_id = now.item_id)"
        " SELECT item_id, coalesce(sum(sales_low), 0)::float8, coalesce(sum(estimated_sales), 0)::float8,"
        " coalesce(sum(sales_high), 0)::float8,"
        " CASE WHEN bool_or(is_priceless) THEN 'NaN' ELSE coalesce(sum(turnover), 0) END,"
        " sum(unknown)::float8 FROM parts GROUP BY item_id ORDER BY item_id"
    ).format(days=sql.Identifier(PRICE_DAYS[region].name), hours=sql.Identifier(PRICE_STATS[region].name), only=wanted)
    given: list[Any] = [region.value, since, until, starts, ends, *parameters, made, *parameters]
    kinds = (Kind.INT4, *[Kind.FLOAT8] * 5)
    return Sales(*fetch_columns(connection, query, given, kinds, slice_name=_SLICE), region_seconds=int(whole))


def levels(connection: Connection, region: Region, at: datetime, items: Sequence[int]) -> Levels:
    """The price levels of some items in a snapshot that is held."""
    query = sql.SQL(
        "SELECT item_id, unit_price, sum(quantity)::bigint, count(*) FROM {} WHERE snapshot_time = %s"
        " AND item_id = ANY(%s) GROUP BY item_id, unit_price ORDER BY item_id, unit_price"
    ).format(sql.Identifier(SNAPSHOTS[region].name))
    kinds = (Kind.INT4, Kind.INT8, Kind.INT8, Kind.INT8)
    return Levels(*fetch_columns(connection, query, [at, list(items)], kinds, slice_name=_SLICE))


def auctions_of_item(connection: Connection, region: Region, at: datetime, item: int) -> list[tuple[int, int]]:
    """An item's auctions in a snapshot that is held: price of a unit and units of each."""
    table = SNAPSHOTS[region]
    statement = select(table.c.unit_price, table.c.quantity).where(table.c.snapshot_time == at, table.c.item_id == item)
    return [(row.unit_price, row.quantity) for row in _execute(connection, statement)]


def is_raw_held(connection: Connection, region: Region, at: datetime) -> bool:
    """Whether the raw auctions of a snapshot are held."""
    statement = text(f"SELECT EXISTS (SELECT FROM {SNAPSHOTS[region].name} WHERE snapshot_time = :at)")  # noqa: S608 - ours
    return bool(_execute(connection, statement, {"at": at}).scalar_one())


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


def _parts(
    connection: Connection, region: Region, since: datetime, until: datetime
) -> tuple[list[date], list[datetime], list[datetime]]:
    """A span (since, until] in the days of it that are made, and the rest as spans [since, before) of hours."""
    first = (since + _NEXT).astimezone(UTC).date()
    if _starts(first) < since + _NEXT:
        first += _DAY
    last = (until + _NEXT).astimezone(UTC).date()
    made = made_days(connection, region, first, last) if first < last else []
    starts, ends = [since + _NEXT], list[datetime]()
    for day in made:
        ends.append(_starts(day))
        starts.append(_starts(day + _DAY))
    ends.append(until + _NEXT)
    spans = [(start, end) for start, end in zip(starts, ends, strict=True) if start < end]
    return made, [start for start, _ in spans], [end for _, end in spans]


def _wanted(items: Sequence[int] | None) -> tuple[sql.Composable, list[Any]]:
    if items is None:
        return sql.SQL(""), []
    return sql.SQL(" AND item_id = ANY(%s)"), [list(items)]


def _starts(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
