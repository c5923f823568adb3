from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sqlalchemy import text

from ironforge_cli.db.repositories import item_history, market_spans, partitions, price_days, statistics_months
from ironforge_cli.db.repositories.item_history import BookLevel
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.market.statistics_months import StatisticsMonth
from tests.db.repositories.test_price_days import DAY, EU, HOUR, STARTS, Row, Snapshot, plainly, store

if TYPE_CHECKING:
    from collections.abc import Generator

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database

FEBRUARY = StatisticsMonth(EU, date(2024, 2, 1))
# From the last hour of February on; item 7 sells out at last, 8 comes and goes, and of 9 sales are not known once.
MARKET = [
    Snapshot(STARTS - HOUR, None, {7: Row(10, 10.0, 5, None)}),
    Snapshot(STARTS, 3600, {7: Row(12, 12.5, 4, (1, 2, 3)), 8: Row(3, 3.0, 1, (0, 0, 0))}),
    Snapshot(STARTS + HOUR, 3600, {7: Row(11, 11.5, 4, (0, 1, 3)), 9: Row(7, 7.0, 2, None)}),
    Snapshot(STARTS + 2 * HOUR, 3600, {7: Row(None, None, 0, (4, 4, 4)), 9: Row(8, 9.0, 2, (1, 1, 1))}),
    Snapshot(STARTS + 25 * HOUR, 82_800, {7: Row(10, 10.0, 5, (0, 0, 0))}),
]


@pytest.fixture
def connection(shared: Database) -> Generator[Connection]:
    with shared.connect() as opened:
        store(opened, MARKET)
        yield opened


def hours(connection: Connection, item: int = 7, **span: datetime) -> list[tuple[Any, ...]]:
    since, until = span.get("since", STARTS - HOUR), span.get("until", STARTS + 26 * HOUR)
    found = item_history.hours_of_item(connection, EU, item, since=since, until=until)
    return [(one.timestamp, one.min_price, one.total_quantity, one.estimated_sales) for one in found]


def wanted(item: int) -> list[tuple[Any, ...]]:
    return [
        (one.at, row.price, row.quantity, row.sold and row.sold[1])
        for one in MARKET
        if (row := one.rows.get(item)) is not None
    ]


@pytest.mark.parametrize("item", [7, 8, 9, 10])
def test_an_items_hours_are_those_that_are_stored(connection: Connection, item: int) -> None:
    assert hours(connection, item) == wanted(item)


def test_a_span_of_hours_takes_its_first_instant_and_not_its_last(connection: Connection) -> None:
    assert hours(connection, since=STARTS, until=STARTS + 2 * HOUR) == wanted(7)[1:3]


def test_hours_of_a_month_that_lies_by_item_are_the_same(shared: Database) -> None:
    with shared.transaction() as connection:
        store(connection, MARKET)
    try:
        with shared.transaction() as connection:
            statistics_months.begin_copying(connection, FEBRUARY)
        with shared.transaction() as connection:
            statistics_months.copy_by_item(connection, FEBRUARY, out_of=FEBRUARY.name)
        with shared.transaction() as connection:
            statistics_months.put_in_place(connection, [FEBRUARY], instead_of=FEBRUARY.name)
        with shared.connect() as connection:
            assert [one.is_laid for one in statistics_months.held(connection, EU)] == [True, False]
            assert hours(connection) == wanted(7)
            # Somebody who was granted the whole table alone reads the same.
            connection.execute(text("CREATE ROLE of_the_whole"))
            connection.execute(text("GRANT SELECT ON eu_commodity_price_stats, snapshots TO of_the_whole"))
            connection.execute(text("SET LOCAL ROLE of_the_whole"))
            assert hours(connection) == wanted(7)
    finally:
        with shared.transaction() as connection:
            for table in ("eu_commodity_price_stats", "snapshots", "statistics_months"):
                connection.execute(text(f"DELETE FROM {table}"))
            for month in (FEBRUARY, FEBRUARY.following):
                connection.execute(text(f"DROP TABLE {month.name}"))


def test_an_items_days_are_those_that_are_closed(connection: Connection) -> None:
    for day in price_days.missing(connection, EU):
        price_days.make(connection, EU, day)
    found = item_history.days_of_item(connection, EU, 7, since=date(2024, 2, 20), until=date(2024, 3, 9))
    assert [one.day for one in found] == [date(2024, 2, 29), DAY]
    row = plainly(MARKET)[7]
    assert {name: getattr(found[1], name) for name in row} == row
    assert item_history.days_of_item(connection, EU, 7, since=DAY, until=DAY) == []


def test_a_book_is_what_stands_at_each_price_cheapest_first(shared: Database) -> None:
    with shared.connect() as connection:
        partitions.create(connection, DailyPartition(EU, DAY))
        connection.execute(
            text(
                "INSERT INTO auction_snapshots_eu SELECT :at, id, price, item, quantity, 'LONG', 0, 9 FROM (VALUES"
                " (1, 20, 7, 5), (2, 10, 7, 1), (3, 20, 7, 6), (4, 9, 8, 1)) AS lots (id, price, item, quantity)"
            ),
            {"at": STARTS},
        )
        assert item_history.book_of_item(connection, EU, 7, at=STARTS) == [BookLevel(10, 1, 1), BookLevel(20, 11, 2)]
        assert item_history.book_of_item(connection, EU, 7, at=STARTS + HOUR) == []


def by_item(found: dict[str, Any]) -> dict[int, tuple[Any, ...]]:
    rows = zip(*(column.tolist() for column in found.values()), strict=True)
    return {row[0]: row[1:] for row in rows}


def test_the_newest_rows_of_all_items_are_those_of_the_snapshot(connection: Connection) -> None:
    found = market_spans.newest_rows(connection, EU, at=STARTS + 2 * HOUR)
    assert found["item_id"].tolist() == [7, 9]
    assert found["total_quantity"].tolist() == [0, 2]
    assert found["min_price"].tolist() == [market_spans.NO_NUMBER, 8]
    assert np.isnan(found["market_value"][0])


def test_sales_over_a_span_are_sums_over_the_intervals_that_end_in_it(connection: Connection) -> None:
    span = {"since": STARTS - HOUR, "until": STARTS + 2 * HOUR}
    found = by_item(market_spans.sales_sums(connection, EU, before=STARTS - HOUR, **span))
    # What sold out is worth what it was in the snapshot before, and an unknown hour counts in no sum.
    assert found == {
        7: (5, 7, 10, 2 * 12.5 + 1 * 11.5 + 4 * 11.5, 0),
        8: (0, 0, 0, 0.0, 0),
        9: (1, 1, 1, 9.0, 3600),
    }
    last = {"since": STARTS + HOUR, "until": STARTS + 2 * HOUR}
    assert by_item(market_spans.sales_sums(connection, EU, before=STARTS + HOUR, **last))[7] == (4, 4, 4, 46.0, 0)


def test_a_span_of_which_nothing_is_known_has_no_sums(connection: Connection) -> None:
    first = {"since": STARTS - 2 * HOUR, "until": STARTS - HOUR}
    (row,) = by_item(market_spans.sales_sums(connection, EU, before=None, **first)).values()
    assert row[:3] == (market_spans.NO_NUMBER,) * 3


def test_a_price_around_a_time_is_the_median_of_the_snapshots_that_price_the_item(connection: Connection) -> None:
    found = market_spans.median_values(connection, EU, since=STARTS - HOUR, until=STARTS + 2 * HOUR)
    assert by_item(found) == {7: (12.0, 0), 8: (3.0, 0), 9: (8.0, 1)}


def test_values_of_days_are_told_by_how_long_before_they_were(connection: Connection) -> None:
    for day in price_days.missing(connection, EU):
        price_days.make(connection, EU, day)
    found = market_spans.day_values(connection, EU, since=DAY - timedelta(days=14), until=DAY + timedelta(days=1))
    rows = list(zip(*(column.tolist() for column in found.values()), strict=True))
    assert rows == [(7, 2, 10.0), (7, 1, 12.0), (8, 1, 3.0), (9, 1, 8.0)]
