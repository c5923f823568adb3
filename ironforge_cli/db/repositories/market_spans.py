"""All items of a region at once: the newest snapshot, sums of sales over a span, prices around a time, days.

These are what lists over the whole market are built on: movers, deals, what sells. Each reads neighbouring rows, of
snapshots by the primary key of the hours, or of days.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from psycopg import sql

from ironforge_cli.db.bulk import Kind, fetch_columns
from ironforge_cli.db.models import PRICE_DAYS, PRICE_STATS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from numpy.typing import NDArray
    from sqlalchemy import Connection

    from ironforge_cli.regions import Region

NO_NUMBER: Final = -(2**63)
"""What stands for null in whole numbers, where arrays have none; in others it is NaN."""


def newest_rows(connection: Connection, region: Region, *, at: datetime) -> dict[str, NDArray[Any]]:
    """Every item's row of a snapshot, by column, by rising item.

    An item that the snapshot has no row of is not for sale then.
    """
    names = {
        "item_id": Kind.INT4,
        "min_price": Kind.INT8,
        "max_price": Kind.INT8,
        "mean_price": Kind.FLOAT8,
        "median_price": Kind.FLOAT8,
        "market_value": Kind.FLOAT8,
        "cheapest_15_percent_price": Kind.INT8,
        "total_quantity": Kind.INT8,
        "num_auctions": Kind.INT4,
    }
    query = sql.SQL("SELECT {} FROM {} WHERE timestamp = %s ORDER BY item_id").format(
        _filled(names), sql.Identifier(PRICE_STATS[region].name)
    )
    return _fetched(connection, query, [at], names)


def sales_sums(
    connection: Connection, region: Region, *, since: datetime, until: datetime, before: datetime | None
) -> dict[str, NDArray[Any]]:
    """Every item's sales and turnover over the hours in (since, until], by rising item.

    Columns: `item_id`, `sales_low`, `estimated_sales`, `sales_high`, `turnover` (copper) and `unknown_seconds`, the
    length of the intervals whose sales of the item are not known, which count in no sum. `before` is the newest
    snapshot at or before `since`: what sold out in the first interval is worth what it was then.
    """
    names = {
        "item_id": Kind.INT4,
        "sales_low": Kind.INT8,
        "estimated_sales": Kind.INT8,
        "sales_high": Kind.INT8,
        "turnover": Kind.FLOAT8,
        "unknown_seconds": Kind.INT8,
    }
    query = sql.SQL(
        """
        SELECT item_id, CAST(sum(sales_low) AS bigint), CAST(sum(estimated_sales) AS bigint),
               CAST(sum(sales_high) AS bigint), coalesce(sum(estimated_sales * market_value), 0) + coalesce(sum(
                   CASE WHEN estimated_sales > 0 AND market_value IS NULL THEN estimated_sales * (
                       SELECT earlier.market_value FROM {table} AS earlier
                       WHERE earlier.item_id = hours.item_id AND earlier.timestamp = (
                           SELECT max(snapshot_time) FROM snapshots
                           WHERE region = %(region)s AND snapshot_time < hours.timestamp
                           AND snapshot_time >= %(before)s)
                   ) END), 0),
               CAST(coalesce(sum(interval_seconds) FILTER (WHERE estimated_sales IS NULL), 0) AS bigint)
        FROM {table} AS hours WHERE timestamp > %(since)s AND timestamp <= %(until)s
        GROUP BY item_id ORDER BY item_id"""
    ).format(table=sql.Identifier(PRICE_STATS[region].name))
    filled = sql.SQL("SELECT {} FROM ({}) AS sums ({})").format(
        _filled(names), query, sql.SQL(", ").join(map(sql.Identifier, names))
    )
    parameters = {"region": region.value, "since": since, "until": until, "before": before or since}
    return _fetched(connection, filled, parameters, names)


def median_values(
    connection: Connection, region: Region, *, since: datetime, until: datetime
) -> dict[str, NDArray[Any]]:
    """Every item's median of `market_value` over the snapshots in (since, until] that price it, by rising item.

    `num_auctions` is that of the newest of these snapshots, 0 where it has no row of the item.
    """
    names = {"item_id": Kind.INT4, "market_value": Kind.FLOAT8, "num_auctions": Kind.INT4}
    query = sql.SQL(
        """
        WITH newest AS (SELECT max(snapshot_time) AS at FROM snapshots
                        WHERE region = %(region)s AND snapshot_time > %(since)s AND snapshot_time <= %(until)s)
        SELECT item_id, percentile_cont(0.5) WITHIN GROUP (ORDER BY market_value),
               coalesce(max(num_auctions) FILTER (WHERE timestamp = (SELECT at FROM newest)), 0)
        FROM {table} WHERE timestamp > %(since)s AND timestamp <= %(until)s AND market_value IS NOT NULL
        GROUP BY item_id ORDER BY item_id"""
    ).format(table=sql.Identifier(PRICE_STATS[region].name))
    return _fetched(connection, query, {"region": region.value, "since": since, "until": until}, names)


def day_values(connection: Connection, region: Region, *, since: date, until: date) -> dict[str, NDArray[Any]]:
    """Every item's market value of each closed day in [since, until), by item and day: usual prices are made of these.

    Columns: `item_id`, `days_before` (whole days before `until`, 1 for the day before it) and `market_value` (copper).
    Days that don't price an item have no row of it.
    """
    names = {"item_id": Kind.INT4, "days_before": Kind.INT4, "market_value": Kind.FLOAT8}
    query = sql.SQL(
        "SELECT item_id, %s::date - day, market_value FROM {} WHERE day >= %s AND day < %s"
        " AND market_value IS NOT NULL ORDER BY item_id, day"
    ).format(sql.Identifier(PRICE_DAYS[region].name))
    return _fetched(connection, query, [until, since, until], names)


def _filled(names: dict[str, Kind]) -> sql.Composed:
    nulls = {Kind.FLOAT8: "NaN", Kind.INT8: str(NO_NUMBER)}
    return sql.SQL(", ").join(
        sql.SQL("coalesce({}, {})").format(sql.Identifier(name), sql.Literal(nulls[kind]))
        if kind in nulls
        else sql.Identifier(name)
        for name, kind in names.items()
    )


def _fetched(
    connection: Connection, query: sql.Composed, parameters: Sequence[Any] | dict[str, Any], names: dict[str, Kind]
) -> dict[str, NDArray[Any]]:
    columns = fetch_columns(connection, query, parameters, list(names.values()), slice_name="market")
    return dict(zip(names, columns, strict=True))
