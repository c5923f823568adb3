"""A small market around the turn of a month, whose sums can be done in one's head."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, text

from ironforge_cli.db.models import PRICE_STATS, TOKEN_PRICES
from ironforge_cli.db.repositories import partitions, snapshots
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.regions import Region
from tests.db.repositories.test_price_days import DAY, EU, HOUR, STARTS, Row, Snapshot, store
from tests.db.repositories.test_snapshots import Lot, book_of
from tests.statistics_months import make_months

if TYPE_CHECKING:
    from sqlalchemy import Connection

US = Region.US
FIRST, LAST = STARTS - HOUR, STARTS + 25 * HOUR
# Item 7 sells out at last, 8 comes and goes, of 9 sales are not known once, and of what 10 sold nobody knows a price.
MARKET = [
    Snapshot(FIRST, None, {7: Row(10, 10.0, 5, None)}),
    Snapshot(STARTS, 3600, {7: Row(12, 12.5, 4, (1, 2, 3)), 8: Row(3, 3.0, 1, (0, 0, 0))}),
    Snapshot(
        STARTS + HOUR,
        3600,
        {7: Row(11, 11.5, 4, (0, 1, 3)), 9: Row(7, 7.0, 2, None), 10: Row(None, None, 0, (1, 2, 2))},
    ),
    Snapshot(STARTS + 2 * HOUR, 3600, {7: Row(None, None, 0, (4, 4, 4)), 9: Row(8, 9.0, 2, (1, 1, 1))}),
    Snapshot(LAST, 82_800, {7: Row(10, 10.0, 5, (0, 0, 0))}),
]
TIMES = [one.at for one in MARKET]
# As the book of one snapshot: two levels of 7, one of 8.
LOTS = [Lot(1, 7, 12, 3, 0, 0, 30), Lot(2, 7, 12, 1, 3, 1, 31), Lot(4, 8, 3, 1, 1, 2, 32), Lot(9, 7, 15, 2, 2, 3, 33)]


def store_market(connection: Connection) -> None:
    """Store it for EU; of US there is one later hour, so that what asks for every region is found out."""
    store(connection, MARKET)
    make_months(connection, LAST + HOUR, regions=(US,))
    connection.execute(
        text(
            "INSERT INTO snapshots (region, snapshot_time, auctions, items, bytes, digest, source, interval_seconds,"
            " estimator_version) VALUES ('us', :at, 1, 1, 1, 'x', 'live', NULL, 1)"
        ),
        {"at": LAST + HOUR},
    )
    row = {"item_id": 7, "timestamp": LAST + HOUR, "num_auctions": 1, "total_quantity": 1, "market_value": 99.0}
    connection.execute(insert(PRICE_STATS[US]).values(row))
    for region, hours in ((EU, range(3)), (US, range(5, 6))):
        for hour in hours:
            given = {"timestamp": STARTS + hour * HOUR, "price": 100 + hour}
            connection.execute(insert(TOKEN_PRICES[region]).values(given))


def store_book(connection: Connection) -> None:
    """Hold the raw rows of one snapshot, and other rows of the hour after it."""
    partitions.create(connection, DailyPartition(EU, DAY))
    snapshots.store(connection, EU, book_of(LOTS, at=STARTS))
    snapshots.store(connection, EU, book_of([Lot(1, 7, 99, 9, 0, 0, 30)], at=STARTS + HOUR))
