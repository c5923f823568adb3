"""What a snapshot says of every item, or of some: all the figures that an answer over all items holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from psycopg import sql

from ironforge_cli.db.bulk import Kind, fetch_columns
from ironforge_cli.db.table_names import PRICE_STATS
from ironforge_cli.db.transactions import reader

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from ironforge_cli.db.transactions import Transaction
    from ironforge_cli.market.auctions import Float64, Int32, Int64
    from ironforge_cli.regions import Region

_SLICE: Final = "asking"
_read = reader(_SLICE)


@dataclass(frozen=True, slots=True)
class NewestFigures:
    """What a snapshot says of k items, by their number; prices in copper, NaN when sold out."""

    item_id: Int32
    min_price: Float64
    market_value: Float64
    cheapest_15_percent_price: Float64
    median_price: Float64
    total_quantity: Int64
    num_auctions: Int64


def newest_figures(
    connection: Transaction, region: Region, at: datetime, *, items: Sequence[int] | None
) -> NewestFigures:
    """What the snapshot of a time says of every item, or of some."""
    query = sql.SQL(
        "SELECT item_id, coalesce(min_price, 'NaN'::float8), coalesce(market_value, 'NaN'),"
        " coalesce(cheapest_15_percent_price, 'NaN'::float8), coalesce(median_price, 'NaN'), total_quantity,"
        " num_auctions::bigint FROM {} WHERE timestamp = %s{} ORDER BY item_id"
    ).format(sql.Identifier(PRICE_STATS[region]), sql.SQL("" if items is None else " AND item_id = ANY(%s)"))
    given: list[Any] = [at] if items is None else [at, list(items)]
    kinds = (Kind.INT4, *[Kind.FLOAT8] * 4, Kind.INT8, Kind.INT8)
    return NewestFigures(*fetch_columns(connection, query, given, kinds, slice_name=_SLICE))


def nearest_snapshot(connection: Transaction, region: Region, target: datetime, most: timedelta) -> datetime | None:
    """The time of the snapshot nearest to a time, at most so far off; of two as near the older; None without any."""
    statement = (
        "SELECT snapshot_time FROM snapshots WHERE region = %(region)s AND snapshot_time >= %(since)s"
        " AND snapshot_time <= %(until)s"
        " ORDER BY abs(extract(epoch FROM snapshot_time - %(target)s)), snapshot_time LIMIT 1"
    )
    parameters = {"region": region, "since": target - most, "until": target + most, "target": target}
    return next((row[0] for row in _read(connection, statement, parameters)), None)
