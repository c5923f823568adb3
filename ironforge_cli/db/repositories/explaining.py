"""What an explanation is made of: an item's stored row and auctions, and the sums around its interval."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from sqlalchemy import select, text

from ironforge_cli.db.engine import executor
from ironforge_cli.db.models import PRICE_STATS, REGISTRY, SNAPSHOTS
from ironforge_cli.db.repositories.snapshots import left_out
from ironforge_cli.market.auctions import Auctions, Book, Windows
from ironforge_cli.market.estimate import WINDOW
from ironforge_cli.market.explained_sales import MarketSums, OwnPast
from ironforge_cli.market.time_left import TimeLeft

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ironforge_cli.regions import Region

_WITH_EVIDENCE: Final = 2
"""The first version of the estimate that goes by evidence; intervals of older ones count as none."""
_execute = executor("explaining")


@dataclass(frozen=True, slots=True)
class Interval:
    """What is registered of a snapshot and the time before it."""

    previous_at: datetime | None
    """The snapshot before; None in a region's first."""
    seconds: int | None
    withdrawn_auctions: int | None
    estimator_version: int


def stored_figures(connection: Connection, region: Region, item: int, at: datetime) -> dict[str, Any] | None:
    """An item's row of a snapshot, by column; None where the snapshot doesn't have it."""
    table = PRICE_STATS[region]
    row = _execute(connection, select(table).where(table.c.item_id == item, table.c.timestamp == at)).mappings().first()
    return None if row is None else dict(row)


def interval(connection: Connection, region: Region, at: datetime) -> Interval:
    """What is registered of the snapshot of a time, which is there."""
    statement = text(
        "SELECT (SELECT max(snapshot_time) FROM snapshots WHERE region = :region AND snapshot_time < :at),"
        " interval_seconds, withdrawn_auctions, estimator_version FROM snapshots"
        " WHERE region = :region AND snapshot_time = :at"
    )
    return Interval(*_execute(connection, statement, {"region": region, "at": at}).one())


def book_of_item(connection: Connection, region: Region, item: int, at: datetime) -> Book:
    """An item's auctions in a snapshot whose raw rows are held, and what was left out of that snapshot."""
    table = SNAPSHOTS[region]
    statement = (
        select(
            *(table.c.auction_id, table.c.unit_price, table.c.quantity, table.c.time_left),
            *(table.c.expires_after_min, table.c.expires_before_min),
        )
        .where(table.c.snapshot_time == at, table.c.item_id == item)
        .order_by(table.c.auction_id)
    )
    rows = _execute(connection, statement).all()

    def column(place: int, kind: type[np.signedinteger]) -> Any:
        return np.array([row[place] for row in rows], kind)

    return Book(
        auctions=Auctions(
            auction_id=column(0, np.int64),
            item_id=np.full(len(rows), item, np.int32),
            unit_price=column(1, np.int64),
            quantity=column(2, np.int32),
            time_left=np.array([TimeLeft[str(getattr(row[3], "name", row[3]))] for row in rows], np.uint8),
            left_out=left_out(connection, region, at),
        ),
        windows=Windows(expires_after_min=column(4, np.int16), expires_before_min=column(5, np.int16)),
        snapshot_time=at,
    )


def market_sums(connection: Connection, region: Region, at: datetime, of: Interval) -> MarketSums:
    """What the interval that ends at a time and its window show of the whole market."""
    table = PRICE_STATS[region].name
    statement = text(
        # Names of our own are all that is put in.
        f"WITH concerned AS (SELECT item_id FROM {table} WHERE timestamp = :at AND evidence IS NOT NULL)"  # noqa: S608 - names of our own
        " SELECT (SELECT coalesce(sum(num_auctions), 0) FROM concerned"
        f" JOIN {table} AS before USING (item_id) WHERE before.timestamp = :previous),"
        " count(*) FILTER (WHERE evidence = 2), count(*) FILTER (WHERE evidence > 0),"
        f" count(*) FILTER (WHERE new_at_floor > 0) FROM concerned JOIN {table} AS hour USING (item_id)"
        " WHERE hour.timestamp = ANY(:times)"
    )
    times = [at, *(time for time, _ in _window(connection, region, at))]
    auctions, plain, evident, supplied = _execute(
        connection, statement, {"at": at, "previous": of.previous_at, "times": times}
    ).one()
    return MarketSums(int(auctions), of.withdrawn_auctions or 0, plain, evident, supplied)


def own_past(connection: Connection, region: Region, item: int, at: datetime) -> OwnPast:
    """What an item's rows of the window before a time add up to, and those of that UTC day."""
    window = _window(connection, region, at)
    table = PRICE_STATS[region].name
    sums = text(
        "SELECT count(*) FILTER (WHERE evidence = 2), count(*) FILTER (WHERE evidence > 0),"  # noqa: S608 - names of our own
        " count(*) FILTER (WHERE new_at_floor > 0), coalesce(sum(seen_sales), 0),"
        " coalesce(sum(new_at_floor), 0), count(*) FILTER (WHERE evidence IS NULL),"
        " coalesce(sum(interval_seconds) FILTER (WHERE evidence IS NULL), 0)"
        f" FROM {table} WHERE item_id = :item AND timestamp = ANY(:times)"
    )
    found = _execute(connection, sums, {"item": item, "times": [time for time, _ in window]}).one()
    plain, evident, supplied, seen, new_at_floor, unknown, unknown_seconds = found
    midnight = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    day = text(
        f"SELECT coalesce(sum(seen_sales + unseen_sales), 0) FROM {table}"  # noqa: S608 - a name of our own
        " WHERE item_id = :item AND timestamp >= :midnight AND timestamp < :at"
    )
    today = _execute(connection, day, {"item": item, "midnight": midnight, "at": at}).scalar_one()
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


def _window(connection: Connection, region: Region, at: datetime) -> list[tuple[datetime, int]]:
    """The region's intervals of the window before the one that ends at a time: their ends and lengths."""
    time = REGISTRY.c.snapshot_time
    statement = select(time, REGISTRY.c.interval_seconds).where(
        REGISTRY.c.region == region,
        time > at - WINDOW,
        time < at,
        REGISTRY.c.interval_seconds.is_not(None),
        REGISTRY.c.estimator_version >= _WITH_EVIDENCE,
    )
    return [(row[0], row[1]) for row in _execute(connection, statement)]
