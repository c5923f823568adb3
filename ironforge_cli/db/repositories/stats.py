"""Statistics of items: storing, replacing and reading them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from psycopg import sql
from sqlalchemy import delete, func, select, tuple_

from ironforge_cli.db.bulk import CopyColumn, Kind, copy_in, fetch_columns
from ironforge_cli.db.engine import executor
from ironforge_cli.db.generations import changed
from ironforge_cli.db.models import ITEMS, PRICE_STATS, REGISTRY
from ironforge_cli.db.repositories import statistics_months
from ironforge_cli.market.changes import (
    COUNT_COLUMNS,
    INTERVAL_COLUMN,
    NULL,
    PRICE_COLUMNS,
    SALES_COLUMNS,
    StatisticsRows,
)

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from ironforge_cli.market.statistics import Statistics
    from ironforge_cli.regions import Region

_KINDS: Final = {"SMALLINT": Kind.INT2, "INTEGER": Kind.INT4, "BIGINT": Kind.INT8, "DOUBLE": Kind.FLOAT8}
# A bare number would make a smallint an integer.
_TYPES: Final = {
    Kind.INT2: sql.SQL("smallint"),
    Kind.INT4: sql.SQL("integer"),
    Kind.INT8: sql.SQL("bigint"),
    Kind.FLOAT8: sql.SQL("double precision"),
}
_execute = executor("stats")


@dataclass(frozen=True, slots=True)
class ItemSales:
    """An item over a span of hours: its newest prices, and the units sold in each hour and in all."""

    item_id: int
    name: str | None
    min_price: int | None
    """Copper, in the newest snapshot; None when sold out, as `market_value`."""
    market_value: float | None
    total_quantity: int
    """Units for sale in the newest snapshot."""
    sales_low: int
    estimated_sales: int
    sales_high: int
    hourly_sales: tuple[int | None, ...]
    """One estimate a snapshot, oldest first; 0 where the item was not for sale, and None where nothing is known: in a
    region's first, and where one of its auctions was left out."""


def store(connection: Connection, region: Region, statistics: Statistics, *, at: datetime) -> None:
    """Append a snapshot's statistics, in the caller's transaction; its month is made where it is not there."""
    table = statistics_months.make_room(connection, region, at)
    changed(connection, region)
    rows = len(statistics)
    sold_out = ~statistics.priced
    sales = statistics.sales
    compared: list[CopyColumn] = []
    if sales is not None and statistics.interval_seconds is not None:
        unknown = None if sales.known.all() else ~sales.known
        compared = [
            CopyColumn("estimated_sales", Kind.INT8, sales.estimated_sales, unknown),
            CopyColumn("sales_low", Kind.INT8, sales.sales_low, unknown),
            CopyColumn("sales_high", Kind.INT8, sales.sales_high, unknown),
            CopyColumn("new_listings", Kind.INT8, statistics.new_listings, unknown),
            CopyColumn("new_auctions", Kind.INT4, statistics.new_auctions, unknown),
            CopyColumn("seen_sales", Kind.FLOAT8, sales.seen_sales, unknown),
            CopyColumn("unseen_sales", Kind.FLOAT8, sales.unseen_sales, unknown),
            CopyColumn("new_at_floor", Kind.INT8, sales.new_at_floor, unknown),
            CopyColumn("evidence", Kind.INT2, sales.evidence, unknown),
            CopyColumn("interval_seconds", Kind.INT4, statistics.interval_seconds),
        ]
    copy_in(
        connection,
        table,
        [
            CopyColumn("item_id", Kind.INT4, statistics.item_id),
            CopyColumn("timestamp", Kind.TIMESTAMPTZ, at),
            CopyColumn("min_price", Kind.INT8, statistics.min_price, sold_out),
            CopyColumn("max_price", Kind.INT8, statistics.max_price, sold_out),
            CopyColumn("mean_price", Kind.FLOAT8, statistics.mean_price, sold_out),
            CopyColumn("median_price", Kind.FLOAT8, statistics.median_price, sold_out),
            CopyColumn("market_value", Kind.FLOAT8, statistics.market_value, sold_out),
            CopyColumn("cheapest_15_percent_price", Kind.INT8, statistics.cheapest_15_percent_price, sold_out),
            CopyColumn("total_quantity", Kind.INT8, statistics.total_quantity),
            CopyColumn("num_auctions", Kind.INT4, statistics.num_auctions),
            *compared,
        ],
        rows=rows,
        slice_name="stats",
    )


def load(connection: Connection, region: Region, at: datetime) -> StatisticsRows:
    """Read a snapshot's statistics back; without rows where none are stored."""
    table = PRICE_STATS[region]
    names = (*PRICE_COLUMNS, *COUNT_COLUMNS, *SALES_COLUMNS, INTERVAL_COLUMN)
    kinds = [_KINDS[str(table.c[name].type)] for name in names]
    # Arrays come without nulls: what stands for them is none of the columns' values.
    values = sql.SQL(", ").join(
        sql.SQL("coalesce({}, {}::{})").format(
            sql.Identifier(name),
            sql.Literal("NaN") if kind is Kind.FLOAT8 else sql.Literal(NULL),
            _TYPES[kind],
        )
        for name, kind in zip(names, kinds, strict=True)
    )
    query = sql.SQL("SELECT item_id, {} FROM {} WHERE timestamp = %s").format(values, sql.Identifier(table.name))
    item_id, *columns = fetch_columns(connection, query, [at], (Kind.INT4, *kinds), slice_name="stats")
    order = item_id.argsort(kind="stable")
    return StatisticsRows(
        item_id=item_id[order],
        columns={name: column[order] for name, column in zip(names, columns, strict=True)},
    )


def remove(connection: Connection, region: Region, at: datetime) -> None:
    """Take a snapshot's statistics out, to store them anew in the same transaction."""
    table = PRICE_STATS[region]
    statistics_months.make_room(connection, region, at)
    changed(connection, region)
    _execute(connection, delete(table).where(table.c.timestamp == at))


def busiest(connection: Connection, region: Region, *, since: datetime, limit: int) -> list[ItemSales]:
    """The items that sold for most gold in the snapshots since a time, the dearest turnover first.

    Turnover is the units sold times the item's mean market value in these snapshots: the price of a unit that sold
    between two of them is not known, and there is none where the item sold out.
    """
    table = PRICE_STATS[region]
    sold = func.sum(table.c.estimated_sales)
    ranked = _execute(
        connection,
        select(table.c.item_id, sold, func.sum(table.c.sales_low), func.sum(table.c.sales_high))
        .where(table.c.timestamp >= since)
        .group_by(table.c.item_id)
        .having(sold > 0)
        .order_by((sold * func.avg(table.c.market_value)).desc().nulls_last(), table.c.item_id)
        .limit(limit),
    ).all()
    registered = select(REGISTRY.c.snapshot_time).where(REGISTRY.c.region == region, REGISTRY.c.snapshot_time >= since)
    hours = _execute(connection, registered.order_by(REGISTRY.c.snapshot_time)).scalars().all()
    theirs = table.c.item_id.in_([row[0] for row in ranked]), table.c.timestamp >= since
    hourly = {
        (item_id, moment): estimate
        for item_id, moment, estimate in _execute(
            connection, select(table.c.item_id, table.c.timestamp, table.c.estimated_sales).where(*theirs)
        )
    }
    newest_at = select(table.c.item_id, func.max(table.c.timestamp)).where(*theirs).group_by(table.c.item_id)
    newest = {
        item_id: prices
        for item_id, *prices in _execute(
            connection,
            select(table.c.item_id, table.c.min_price, table.c.market_value, table.c.total_quantity).where(
                tuple_(table.c.item_id, table.c.timestamp).in_(newest_at)
            ),
        )
    }
    named = select(ITEMS.c.id, ITEMS.c.item_name).where(ITEMS.c.id.in_(list(newest)))
    names: dict[int, str | None] = {row[0]: row[1] for row in _execute(connection, named)}
    return [
        ItemSales(
            item_id=item_id,
            name=names.get(item_id),
            min_price=newest[item_id][0],
            market_value=newest[item_id][1],
            total_quantity=newest[item_id][2],
            sales_low=int(low),
            estimated_sales=int(estimate),
            sales_high=int(high),
            hourly_sales=tuple(hourly.get((item_id, moment), 0) for moment in hours),
        )
        for item_id, estimate, low, high in ranked
    ]
