"""What an explanation is made of: which rows of a window count, and which are just outside."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert, text

from ironforge_cli.db.models import PRICE_STATS, REGISTRY
from ironforge_cli.db.repositories import explaining
from ironforge_cli.db.repositories.explaining import Interval
from ironforge_cli.market.estimate import WINDOW
from ironforge_cli.market.explained_sales import MarketSums, OwnPast
from ironforge_cli.regions import Region
from tests.db.repositories.asked_market import LOTS, store_book, store_market
from tests.db.repositories.test_price_days import EU, HOUR, STARTS
from tests.statistics_months import make_months

if TYPE_CHECKING:
    from collections.abc import Generator
    from datetime import datetime

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database

AT = STARTS + WINDOW / 2
SECOND = timedelta(seconds=1)
PREVIOUS = AT - HOUR
# When, the interval before it, the estimate's version; then of item 7 its evidence, units seen and unseen, and those
# new at its floor. Each number of units is there once, so that every sum tells what it is of.
SNAPSHOTS: list[tuple[datetime, int | None, int, int | None, int, int, int]] = [
    (AT - WINDOW, 100, 2, 2, 1, 1, 1),
    (AT - WINDOW + SECOND, 200, 2, 2, 2, 2, 2),
    (AT - WINDOW + 2 * SECOND, None, 2, 2, 4, 4, 4),
    (AT - WINDOW + 3 * SECOND, 400, 1, 2, 8, 8, 8),
    (STARTS - SECOND, 800, 2, 1, 16, 16, 0),
    (STARTS, 1_600, 3, 0, 32, 32, 32),
    (PREVIOUS, 3_200, 2, None, 64, 64, 0),
    (AT, 6_400, 2, 2, 128, 128, 128),
    (AT + HOUR, 12_800, 2, 2, 256, 256, 256),
]


@pytest.fixture
def connection(shared: Database) -> Generator[Connection]:
    with shared.connect() as opened:
        for region, more in ((EU, 0), (Region.US, 1)):
            make_months(opened, *(one[0] for one in SNAPSHOTS), regions=(region,))
            for at, seconds, version, evidence, seen, unseen, new in SNAPSHOTS:
                registered = {
                    "region": region,
                    "snapshot_time": at + more * SECOND / 2,
                    "auctions": 1,
                    "items": 1,
                    "bytes": 1,
                    "digest": "x",
                    "source": "live",
                    "interval_seconds": seconds,
                    "withdrawn_auctions": seen,
                    "estimator_version": version,
                }
                opened.execute(insert(REGISTRY).values(registered))
                for item in (7, 8):
                    row = {
                        "item_id": item,
                        "timestamp": registered["snapshot_time"],
                        "total_quantity": 1,
                        "num_auctions": seen * (10 if item == 8 else 1),
                        "evidence": evidence,
                        "seen_sales": None if evidence is None else seen * item,
                        "unseen_sales": None if evidence is None else unseen * item,
                        "new_at_floor": None if evidence is None else new * item,
                        "interval_seconds": seconds,
                    }
                    opened.execute(insert(PRICE_STATS[region]).values(row))
        yield opened


def test_an_interval_begins_at_the_snapshot_before(connection: Connection) -> None:
    assert explaining.interval(connection, EU, AT) == Interval(PREVIOUS, 6_400, 128, 2)
    assert explaining.interval(connection, EU, SNAPSHOTS[0][0]) == Interval(None, 100, 1, 2)


def test_a_row_is_of_its_item_and_moment(connection: Connection) -> None:
    row = explaining.stored_figures(connection, EU, 8, AT)
    assert row is not None
    assert (row["item_id"], row["timestamp"], row["seen_sales"]) == (8, AT, 128 * 8)
    assert explaining.stored_figures(connection, EU, 9, AT) is None
    assert explaining.stored_figures(connection, EU, 8, AT + SECOND) is None


def test_an_items_past_is_of_the_window_and_of_its_utc_day(connection: Connection) -> None:
    # Those of 200, 800, 1,600 and 3,200 seconds; the oldest is a whole window old, and two tell nothing.
    assert explaining.own_past(connection, EU, 7, AT) == OwnPast(
        intervals=4,
        seconds=5_800,
        plain=1,
        evident=2,
        supplied=2,
        seen=7 * (2 + 16 + 32),
        new_at_floor=7 * (2 + 32),
        unknown=1,
        unknown_seconds=3_200,
        today=7 * 64,
    )
    assert explaining.own_past(connection, EU, 9, AT) == OwnPast(intervals=4, seconds=5_800)


def test_a_market_s_sums_are_of_the_items_that_the_interval_knows(connection: Connection) -> None:
    of = explaining.interval(connection, EU, AT)
    # With this interval: plain twice an item, evident three times, supplied three times.
    assert explaining.market_sums(connection, EU, AT, of) == MarketSums(
        auctions=64 + 640, withdrawn=128, plain=4, evident=6, supplied=6
    )
    connection.execute(
        text("UPDATE eu_commodity_price_stats SET evidence = NULL WHERE item_id = 8 AND timestamp = :at"), {"at": AT}
    )
    nothing_withdrawn = Interval(of.previous_at, of.seconds, None, of.estimator_version)
    assert explaining.market_sums(connection, EU, AT, nothing_withdrawn) == MarketSums(
        auctions=64, withdrawn=0, plain=2, evident=3, supplied=3
    )


def test_an_items_auctions_are_those_of_the_snapshot_by_id(shared: Database) -> None:
    with shared.connect() as connection:
        store_market(connection)
        store_book(connection)
        connection.execute(text("UPDATE auction_snapshots_eu SET quantity = quantity WHERE auction_id = 1"))
        connection.execute(
            text("UPDATE snapshots SET skipped = 1, skipped_items = '{9}' WHERE snapshot_time = :at"), {"at": STARTS}
        )
        book = explaining.book_of_item(connection, EU, 7, STARTS)
        wanted = [LOTS[0], LOTS[1], LOTS[3]]
        auctions, windows = book.auctions, book.windows
        assert auctions.auction_id.tolist() == [lot.auction_id for lot in wanted]
        assert auctions.item_id.tolist() == [7] * 3
        assert auctions.unit_price.tolist() == [lot.unit_price for lot in wanted]
        assert auctions.quantity.tolist() == [lot.quantity for lot in wanted]
        assert auctions.time_left.tolist() == [lot.time_left for lot in wanted]
        assert windows.expires_after_min.tolist() == [lot.after for lot in wanted]
        assert windows.expires_before_min.tolist() == [lot.before for lot in wanted]
        assert (auctions.left_out.count, auctions.left_out.item_id) == (1, (9,))
        assert book.snapshot_time == STARTS
