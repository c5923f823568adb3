"""Units sold over a span, of some items or of all: hours are added up on the server, then hours and days here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from psycopg import sql

from ironforge_cli.db.bulk import Kind, exact_sum, fetch_columns
from ironforge_cli.db.repositories.asked_spans import DAY, parts_of
from ironforge_cli.db.table_names import PRICE_DAYS, PRICE_STATS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ironforge_cli.db.repositories.asked_spans import Parts
    from ironforge_cli.db.transactions import Transaction
    from ironforge_cli.market.auctions import Float64, Int32
    from ironforge_cli.regions import Region

_SLICE: Final = "asking"
# Every unit is a whole number, which sums of floats keep exactly, and sooner than the server's own of integers.
_DAYS: Final = sql.SQL(
    "SELECT item_id, coalesce(sum(estimated_sales::float8), 0),"
    # A day's own length is its region's: less what it covers of the item, it is what is unknown.
    " sum((%(seconds)s::bigint[])[day - %(first)s::date + 1] - covered_seconds)::float8, {range}, {priced}, 0::float8"
    " FROM {days} WHERE day = ANY(%(made)s){only} GROUP BY item_id"
)
_HOURS: Final = sql.SQL(
    "SELECT item_id, coalesce(sum(estimated_sales::float8), 0),"
    " coalesce(sum(interval_seconds) FILTER (WHERE estimated_sales IS NULL), 0)::float8, {range}, {priced}"
    # Named one by one, the server knows how few they are; of spans in a list it would read the whole month.
    " FROM {hours} WHERE timestamp = ANY(%(times)s::timestamptz[]){only} GROUP BY item_id"
)
_RANGE: Final = sql.SQL("coalesce(sum(sales_low::float8), 0), coalesce(sum(sales_high::float8), 0)")
_NO_RANGE: Final = sql.SQL("'NaN'::float8, 'NaN'::float8")
_PRICED_DAYS: Final = sql.SQL(
    "coalesce({}, 0), (count(*) FILTER (WHERE estimated_sales > 0 AND turnover IS NULL))::float8"
).format(exact_sum("turnover"))
_UNPRICED_DAYS: Final = sql.SQL("'NaN'::float8, 0::float8")
_PRICED_HOURS: Final = sql.SQL(
    "coalesce({}, 0), 0::float8, (count(*) FILTER (WHERE estimated_sales > 0 AND market_value IS NULL))::float8"
).format(exact_sum("estimated_sales * market_value"))
_UNPRICED_HOURS: Final = sql.SQL("'NaN'::float8, 0::float8, 0::float8")
_SOLD_OUT: Final = sql.SQL(
    "SELECT item_id, coalesce(sum(units * value), 0), (count(*) FILTER (WHERE value IS NULL))::float8 FROM"
    " (SELECT now.item_id, now.estimated_sales::float8 AS units,"
    " (SELECT before.market_value FROM {hours} AS before WHERE before.item_id = now.item_id"
    " AND before.timestamp = now.timestamp - now.interval_seconds * interval '1 second') AS value"
    " FROM {hours} AS now WHERE now.timestamp = ANY(%(times)s::timestamptz[])"
    " AND now.item_id = ANY(%(items)s::int4[]) AND now.market_value IS NULL AND now.estimated_sales > 0) AS sold"
    " GROUP BY item_id"
)


@dataclass(frozen=True, slots=True)
class Sales:
    """Units sold of each of k items in a span, and over which time."""

    item_id: Int32
    """Rising."""
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


def sales(
    connection: Transaction,
    region: Region,
    since: datetime,
    until: datetime,
    *,
    items: Sequence[int] | None,
    is_priced: bool = True,
    is_ranged: bool = True,
) -> Sales:
    """Units sold over the intervals that end in (since, until], of some items or of all that have a row there.

    Intervals whose hours have left, and whose days with them, count in no sum. Each sum takes its time: where it is not
    to be priced the turnover is NaN, and without a range the least and the most.
    """
    parts = parts_of(connection, region, since, until)
    item, *columns, sold_out = _summed(connection, region, parts, items, is_priced=is_priced, is_ranged=is_ranged)
    item_id, place = np.unique(item, return_inverse=True)
    estimated, unknown, low, high, turnover, priceless = (
        np.bincount(place, column, minlength=len(item_id)).astype(np.float64, copy=False) for column in columns
    )
    if sold_out.any():
        chosen, copper, without = _at_the_price_before(connection, region, parts, np.unique(item[sold_out > 0]))
        at = np.searchsorted(item_id, chosen)
        turnover[at] += copper
        priceless[at] += without
    turnover[priceless > 0] = np.nan
    return Sales(item_id, low, estimated, high, turnover, unknown, region_seconds=parts.seconds)


def _summed(
    connection: Transaction,
    region: Region,
    parts: Parts,
    items: Sequence[int] | None,
    *,
    is_priced: bool,
    is_ranged: bool,
) -> list[np.ndarray]:
    """Sums of days and of hours: of an item there can be a row of each.

    Columns are the item, units sold, seconds of which nothing is known, units sold at least and at most, turnover, on
    how many days something was sold that nobody knows a price of, and in how many hours something was sold of what
    sold out: that is priced by the snapshot before.
    """
    given: dict[str, Any] = {"items": None if items is None else list(items), "times": parts.times}
    names = {
        "days": sql.Identifier(PRICE_DAYS[region]),
        "hours": sql.Identifier(PRICE_STATS[region]),
        "range": _RANGE if is_ranged else _NO_RANGE,
        "only": sql.SQL("" if items is None else " AND item_id = ANY(%(items)s::int4[])"),
    }
    queries = [_HOURS.format(priced=_PRICED_HOURS if is_priced else _UNPRICED_HOURS, **names)]
    if parts.made:
        first, last = min(parts.made), max(parts.made)
        given |= {
            "first": first,
            "made": list(parts.made),
            "seconds": [parts.made.get(first + place * DAY, 0) for place in range((last - first).days + 1)],
        }
        queries.append(_DAYS.format(priced=_PRICED_DAYS if is_priced else _UNPRICED_DAYS, **names))
    kinds = (Kind.INT4, *[Kind.FLOAT8] * 7)
    return fetch_columns(connection, sql.SQL(" UNION ALL ").join(queries), given, kinds, slice_name=_SLICE)


def _at_the_price_before(
    connection: Transaction, region: Region, parts: Parts, items: Int32
) -> tuple[Int32, Float64, Float64]:
    """For items that sold out what that earned by the snapshots before, and how many sales have no price there."""
    query = _SOLD_OUT.format(hours=sql.Identifier(PRICE_STATS[region]))
    given = {"times": parts.times, "items": items.tolist()}
    item_id, copper, without = fetch_columns(
        connection, query, given, (Kind.INT4, Kind.FLOAT8, Kind.FLOAT8), slice_name=_SLICE
    )
    return item_id, copper, without
