"""What an explanation is made of: an item's stored row and auctions, and the sums around its interval."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ironforge_cli.db.repositories.lots_left_out import left_out
from ironforge_cli.db.table_names import PRICE_STATS, SNAPSHOTS
from ironforge_cli.db.transactions import reader
from ironforge_cli.market.auctions import Auctions, Book, Windows
from ironforge_cli.market.estimate import WINDOW
from ironforge_cli.market.explained_sales import MarketSums, OwnPast
from ironforge_cli.market.time_left import TimeLeft

if TYPE_CHECKING:
    from ironforge_cli.db.transactions import Transaction
    from ironforge_cli.regions import Region

_WITH_EVIDENCE: Final = 2
"""The first version of the estimate that goes by evidence; intervals of older ones count as none."""
_read = reader("explaining")


@dataclass(frozen=True, slots=True)
class Interval:
    """What is registered of a snapshot and the time before it."""

    previous_at: datetime | None
    """The snapshot before; None in a region's first."""
    seconds: int | None
    withdrawn_auctions: int | None
    estimator_version: int


def stored_figures(connection: Transaction, region: Region, item: int, at: datetime) -> dict[str, Any] | None:
    """An item's row of a snapshot, by column; None where the snapshot doesn't have it."""
    statement = f"SELECT * FROM {PRICE_STATS[region]} WHERE item_id = %(item)s AND timestamp = %(at)s"  # noqa: S608 - a name of our own
    return next((row._asdict() for row in _read(connection, statement, {"item": item, "at": at})), None)


def interval(connection: Transaction, region: Region, at: datetime) -> Interval:
    """What is registered of the snapshot of a time, which is there."""
    statement = (
        "SELECT (SELECT max(snapshot_time) FROM snapshots WHERE region = %(region)s AND snapshot_time < %(at)s),"
        " interval_seconds, withdrawn_auctions, estimator_version FROM snapshots"
        " WHERE region = %(region)s AND snapshot_time = %(at)s"
    )
    (row,) = _read(connection, statement, {"region": region, "at": at})
    return Interval(*row)


def book_of_item(connection: Transaction, region: Region, item: int, at: datetime) -> Book:
    """An item's auctions in a snapshot whose raw rows are held, and what was left out of that snapshot."""
    statement = (
        "SELECT auction_id, unit_price, quantity, time_left::text, expires_after_min, expires_before_min"  # noqa: S608 - a name of our own
        f" FROM {SNAPSHOTS[region]} WHERE snapshot_time = %(at)s AND item_id = %(item)s ORDER BY auction_id"
    )
    rows = _read(connection, statement, {"at": at, "item": item})

    def column(place: int, kind: type[np.signedinteger]) -> Any:
        return np.array([row[place] for row in rows], kind)

    return Book(
        auctions=Auctions(
            auction_id=column(0, np.int64),
            item_id=np.full(len(rows), item, np.int32),
            unit_price=column(1, np.int64),
            quantity=column(2, np.int32),
            time_left=np.array([TimeLeft[row[3]] for row in rows], np.uint8),
            left_out=left_out(connection, region, at),
        ),
        windows=Windows(expires_after_min=column(4, np.int16), expires_before_min=column(5, np.int16)),
        snapshot_time=at,
    )


def market_sums(connection: Transaction, region: Region, at: datetime, of: Interval) -> MarketSums:
    """What the interval that ends at a time and its window show of the whole market."""
    table = PRICE_STATS[region]
    statement = (
        f"WITH concerned AS (SELECT item_id FROM {table} WHERE timestamp = %(at)s AND evidence IS NOT NULL)"  # noqa: S608 - names of our own
        " SELECT (SELECT coalesce(sum(num_auctions), 0) FROM concerned"
        f" JOIN {table} AS before USING (item_id) WHERE before.timestamp = %(previous)s),"
        " count(*) FILTER (WHERE evidence = 2) AS plain, count(*) FILTER (WHERE evidence > 0) AS evident,"
        f" count(*) FILTER (WHERE new_at_floor > 0) AS supplied FROM concerned JOIN {table} AS hour USING (item_id)"
        " WHERE hour.timestamp = ANY(%(times)s::timestamptz[])"
    )
    times = [at, *(time for time, _ in _window(connection, region, at))]
    ((auctions, plain, evident, supplied),) = _read(
        connection, statement, {"at": at, "previous": of.previous_at, "times": times}
    )
    return MarketSums(int(auctions), of.withdrawn_auctions or 0, plain, evident, supplied)


def own_past(connection: Transaction, region: Region, item: int, at: datetime) -> OwnPast:
    """What an item's rows of the window before a time add up to, and those of that UTC day."""
    window = _window(connection, region, at)
    table = PRICE_STATS[region]
    sums = (
        "SELECT count(*) FILTER (WHERE evidence = 2) AS plain, count(*) FILTER (WHERE evidence > 0) AS evident,"  # noqa: S608 - a name of our own
        " count(*) FILTER (WHERE new_at_floor > 0) AS supplied, coalesce(sum(seen_sales), 0) AS seen,"
        " coalesce(sum(new_at_floor), 0) AS new_at_floor, count(*) FILTER (WHERE evidence IS NULL) AS unknown,"
        " coalesce(sum(interval_seconds) FILTER (WHERE evidence IS NULL), 0) AS unknown_seconds"
        f" FROM {table} WHERE item_id = %(item)s AND timestamp = ANY(%(times)s::timestamptz[])"
    )
    (found,) = _read(connection, sums, {"item": item, "times": [time for time, _ in window]})
    plain, evident, supplied, seen, new_at_floor, unknown, unknown_seconds = found
    midnight = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    day = (
        f"SELECT coalesce(sum(seen_sales + unseen_sales), 0) FROM {table}"  # noqa: S608 - a name of our own
        " WHERE item_id = %(item)s AND timestamp >= %(midnight)s AND timestamp < %(at)s"
    )
    ((today,),) = _read(connection, day, {"item": item, "midnight": midnight, "at": at})
    return OwnPast(
        intervals=len(window),
        seconds=sum(seconds for _, seconds in window),
        plain=plain,
        evident=evident,
        supplied=supplied,
        seen=float(seen),
        new_at_floor=int(new_at_floor),
        unknown=unknown,
        unknown_seconds=int(unknown_seconds),
        today=float(today),
    )


def _window(connection: Transaction, region: Region, at: datetime) -> list[tuple[datetime, int]]:
    """The region's intervals of the window before the one that ends at a time: their ends and lengths."""
    statement = (
        "SELECT snapshot_time, interval_seconds FROM snapshots WHERE region = %(region)s AND snapshot_time > %(since)s"
        " AND snapshot_time < %(at)s AND interval_seconds IS NOT NULL AND estimator_version >= %(version)s"
    )
    given = {"region": region, "since": at - WINDOW, "at": at, "version": _WITH_EVIDENCE}
    return [(row[0], row[1]) for row in _read(connection, statement, given)]
