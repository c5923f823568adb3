"""Items over time, hour by hour and day by day: what questions about some items are built on.

Rows come as they are stored, those of one item over time as arrays. Months that lie by item are read by item; in the
others, whose rows come in the order of time, each snapshot is a look-up in the primary key: a span of time there holds
all items' rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from psycopg import sql

from ironforge_cli.db.bulk import Kind, fetch_columns
from ironforge_cli.db.table_names import PRICE_DAYS, PRICE_STATS
from ironforge_cli.db.transactions import reader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ironforge_cli.db.repositories.months_to_read import MonthToRead
    from ironforge_cli.db.transactions import Transaction
    from ironforge_cli.market.auctions import Bool, Float64, Int64, Times
    from ironforge_cli.regions import Region


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
class ItemHours:
    """What each of n snapshots says of one item; prices in copper, NaN where there is none, or nothing is known."""

    is_there: Bool
    """Whether the snapshot has a row of the item."""
    min_price: Float64
    market_value: Float64
    total_quantity: Float64
    sales_low: Float64
    """Units since the snapshot before."""
    estimated_sales: Float64
    sales_high: Float64


@dataclass(frozen=True, slots=True)
class ItemDays:
    """What k closed UTC days say of one item, oldest first, in copper and units; see `PRICE_DAYS`.

    NaN where there is no price, or nothing is known of the sales.
    """

    day: NDArray[np.datetime64]
    min_price: Float64
    market_value: Float64
    mean_quantity: Float64
    sales_low: Float64
    estimated_sales: Float64
    sales_high: Float64
    covered_seconds: Int64
    snapshots: Int64
    priced_snapshots: Int64


_HOUR: Final = ", ".join(HourRow.__slots__)
_SLICE: Final = "history"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT: Final = timedelta(microseconds=1)
_COLUMNS: Final = "timestamp, min_price, market_value, total_quantity, sales_low, estimated_sales, sales_high"
_SAID: Final = (
    "timestamp, coalesce(min_price, 'NaN'::float8), coalesce(market_value, 'NaN'), total_quantity::float8,"
    " coalesce(sales_low, 'NaN'::float8), coalesce(estimated_sales, 'NaN'::float8), coalesce(sales_high, 'NaN'::float8)"
)
_BY_ITEM: Final = (
    # The sum hides the time from the planner: by the primary key it would read a page for each hour.
    f"SELECT {_COLUMNS} FROM {{month}} WHERE item_id = %(item)s"  # noqa: S608 - names of our own
    " AND timestamp + interval '0 s' BETWEEN %(since{number})s AND %(until{number})s"
)
_LOOKED_UP: Final = (
    # The second half finds nothing that the first does not. Beside it the pages of all look-ups are gathered before one
    # is read: so PostgreSQL asks the disk for many at once, where one after the other takes twice as long.
    f"SELECT {_COLUMNS} FROM {{table}} WHERE item_id = %(item)s AND timestamp BETWEEN %(first)s AND %(last)s"  # noqa: S608 - names of our own
    " AND timestamp = ANY(ARRAY(SELECT snapshot_time FROM unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[])"
    " AS span (since, until) JOIN snapshots ON snapshot_time >= since AND snapshot_time <= until"
    " WHERE region = %(region)s)) OR item_id = %(item)s AND timestamp = %(first)s"
)
_OF_DAYS: Final = sql.SQL(
    "SELECT day - DATE '1970-01-01', coalesce(min_price, 'NaN'::float8), coalesce(market_value, 'NaN'),"
    " mean_quantity::float8, coalesce(sales_low, 'NaN'::float8), coalesce(estimated_sales, 'NaN'::float8),"
    " coalesce(sales_high, 'NaN'::float8), covered_seconds::bigint, snapshots::bigint, priced_snapshots::bigint"
    " FROM generate_series(%(since)s::date, %(until)s::date - 1, interval '1 day') AS wanted (starts_at)"
    " JOIN {} ON day = starts_at::date AND item_id = %(item)s ORDER BY day"
)
_read = reader(_SLICE)


def hours_at(
    connection: Transaction, region: Region, items: Sequence[int], times: Sequence[datetime]
) -> dict[tuple[datetime, int], HourRow]:
    """What the snapshots of some times say of some items: each a look-up. An item without a row there has none."""
    rows = _read(connection, _looked_up(region), {"items": list(items), "times": list(times)}) if times else ()
    return {(row.timestamp, row.item_id): row for row in (HourRow(*values) for values in rows)}


def hours_of_item(
    connection: Transaction,
    region: Region,
    item_id: int,
    *,
    months: Sequence[MonthToRead],
    times: Times,
    wanted: Bool,
) -> ItemHours:
    """What those of n stored snapshots, in order, say of an item that are wanted; of the others nothing is known.

    `months` are the region's partitions, which a question about several items looks up once.
    """
    found = ItemHours(np.zeros(len(times), np.bool_), *(np.full(len(times), np.nan) for _ in range(6)))
    by_item: list[str] = []
    given: dict[str, Any] = {"item": item_id, "region": region}
    looked_up = np.zeros(len(times), np.bool_)
    for month, inside in zip(months, _within(months, times) & wanted, strict=True):
        (chosen,) = np.nonzero(inside)
        if not len(chosen):
            continue
        if not month.is_read_by_item:
            looked_up[chosen] = True
            continue
        given[f"since{len(by_item)}"], given[f"until{len(by_item)}"] = _aware(times, chosen[[0, -1]])
        by_item.append(month.name)
    if looked_up.any():
        edges = np.flatnonzero(np.diff(looked_up, prepend=False, append=False))
        given["starts"], given["ends"] = _aware(times, edges[::2]), _aware(times, edges[1::2] - 1)
        # What the planner is told leaves it the partitions that count.
        given |= {"first": given["starts"][0], "last": given["ends"][-1]}
    elif not by_item:
        return found
    query = _hours(tuple(by_item), PRICE_STATS[region] if looked_up.any() else None)
    kinds = (Kind.TIMESTAMPTZ, *[Kind.FLOAT8] * 6)
    stored, *columns = fetch_columns(connection, query, given, kinds, slice_name=_SLICE, without_workers=True)
    places = np.minimum(np.searchsorted(times, stored), len(times) - 1)
    is_wanted = (times[places] == stored) & wanted[places]
    places = places[is_wanted]
    found.is_there[places] = True
    targets = (
        found.min_price,
        found.market_value,
        found.total_quantity,
        found.sales_low,
        found.estimated_sales,
        found.sales_high,
    )
    for target, column in zip(targets, columns, strict=True):
        target[places] = column[is_wanted]
    return found


def are_held(months: Sequence[MonthToRead], times: Times) -> Bool:
    """For each snapshot's time whether its hours are held.

    They leave with their month, and then nothing of them is known.
    """
    return np.logical_or.reduce(_within(months, times), axis=0)


def days_of_item(connection: Transaction, region: Region, item_id: int, *, since: date, until: date) -> ItemDays:
    """An item's days that are made in [since, until), oldest first; the present day comes from its hours."""
    query = _OF_DAYS.format(sql.Identifier(PRICE_DAYS[region]))
    given = {"since": since, "until": until, "item": item_id}
    kinds = (Kind.INT4, *[Kind.FLOAT8] * 6, *[Kind.INT8] * 3)
    day, *columns = fetch_columns(connection, query, given, kinds, slice_name=_SLICE, without_workers=True)
    return ItemDays(day.astype("M8[D]"), *columns)


def as_times(moments: Sequence[datetime]) -> Times:
    """Aware times as an array, in UTC."""
    return np.array([moment.astimezone(UTC).replace(tzinfo=None) for moment in moments], "M8[us]")


def _looked_up(region: Region) -> str:
    return (
        f"SELECT {_HOUR} FROM {PRICE_STATS[region]}"  # noqa: S608 - names of our own
        " WHERE timestamp = ANY(%(times)s::timestamptz[]) AND item_id = ANY(%(items)s::int4[])"
    )


@lru_cache(maxsize=64)
def _hours(by_item: tuple[str, ...], table: str | None) -> sql.SQL:
    """The query for an item's hours of some months, by the months' names, and in the whole table where one is named.

    Many items are asked for in the same words, which take longer to put together than to send.
    """
    parts = [
        _BY_ITEM.format(month=sql.Identifier(name).as_string(), number=number) for number, name in enumerate(by_item)
    ]
    if table is not None:
        parts.append(_LOOKED_UP.format(table=sql.Identifier(table).as_string()))
    query = f"SELECT {_SAID} FROM ({' UNION ALL '.join(parts)}) AS stored"  # noqa: S608 - made of constants and quoted names
    return sql.SQL(query)  # pyright: ignore[reportArgumentType] - made of constants and quoted names


def _within(months: Sequence[MonthToRead], times: Times) -> Bool:
    """For each partition and each time whether the time is of it: a line a partition."""
    least, most = np.iinfo(np.int64).min, np.iinfo(np.int64).max
    starts = [least if one.starts_at is None else (one.starts_at - _EPOCH) // _INSTANT for one in months]
    ends = [most if one.ends_at is None else (one.ends_at - _EPOCH) // _INSTANT for one in months]
    at: Int64 = times.astype(np.int64)
    return (at >= np.array(starts, np.int64)[:, None]) & (at < np.array(ends, np.int64)[:, None])


def _aware(times: Times, places: Int64) -> list[datetime]:
    return [moment.replace(tzinfo=UTC) for moment in times[places].tolist()]
