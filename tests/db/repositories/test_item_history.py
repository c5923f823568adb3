from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sqlalchemy import text

from ironforge_cli.db.repositories import asked_spans, item_history, months_to_read, price_days, statistics_months
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
    times = item_history.as_times([one.at for one in MARKET])
    is_wanted = np.array([since <= one.at < until for one in MARKET])
    found = item_history.hours_of_item(
        connection, EU, item, months=months_to_read.to_read(connection, EU), times=times, wanted=is_wanted
    )
    columns = (found.min_price, found.total_quantity, found.estimated_sales)
    return [
        (MARKET[place].at, *(None if np.isnan(column[place]) else int(column[place]) for column in columns))
        for place in np.flatnonzero(found.is_there)
    ]


def wanted(item: int) -> list[tuple[Any, ...]]:
    return [
        (one.at, row.price, row.quantity, row.sold and row.sold[1])
        for one in MARKET
        if (row := one.rows.get(item)) is not None
    ]


@pytest.mark.parametrize("item", [7, 8, 9, 10])
def test_an_items_hours_are_those_that_are_stored(connection: Connection, item: int) -> None:
    assert hours(connection, item) == wanted(item)


def test_hours_are_those_of_the_snapshots_that_are_asked_for(connection: Connection) -> None:
    assert hours(connection, since=STARTS, until=STARTS + 2 * HOUR) == wanted(7)[1:3]
    assert hours(connection, since=STARTS, until=STARTS) == []
    found = item_history.hours_at(connection, EU, [7, 8, 10], [STARTS, STARTS + HOUR])
    assert sorted(found) == [(STARTS, 7), (STARTS, 8), (STARTS + HOUR, 7)]
    assert item_history.hours_at(connection, EU, [7], []) == {}


@pytest.mark.parametrize("chosen", [(0, 2), (0, 2, 3), (1, 3), (0, 1, 4), (4,), (0, 1, 2, 3, 4)])
def test_hours_of_several_spans_begin_and_end_with_what_is_wanted(
    connection: Connection, chosen: tuple[int, ...]
) -> None:
    times = item_history.as_times([one.at for one in MARKET])
    months = months_to_read.to_read(connection, EU)
    is_wanted = np.isin(np.arange(len(MARKET)), chosen)
    found = item_history.hours_of_item(connection, EU, 7, months=months, times=times, wanted=is_wanted)
    assert np.flatnonzero(found.is_there).tolist() == list(chosen)
    expected = [
        float("nan") if MARKET[place].rows[7].value is None else MARKET[place].rows[7].value for place in chosen
    ]
    assert np.array_equal(found.market_value[list(chosen)], np.array(expected, float), equal_nan=True)
    assert np.isnan(found.market_value[~is_wanted]).all()


def test_each_column_of_an_hour_is_its_own(connection: Connection) -> None:
    times = item_history.as_times([one.at for one in MARKET])
    months = months_to_read.to_read(connection, EU)
    found = item_history.hours_of_item(connection, EU, 7, months=months, times=times, wanted=times == times[1])
    columns = [getattr(found, name)[1] for name in item_history.ItemHours.__slots__ if name != "is_there"]
    assert columns == [12, 12.5, 4, 1, 2, 3]
    row = item_history.hours_at(connection, EU, [7], [STARTS])[STARTS, 7]
    assert (row.min_price, row.market_value, row.total_quantity) == (12, 12.5, 4)


def test_hours_that_have_left_with_their_month_are_told_from_those_that_are_held(connection: Connection) -> None:
    # March ends with its 31st day.
    gone = [STARTS - 900 * HOUR, STARTS + 31 * 24 * HOUR]
    assert asked_spans.without_hours(connection, EU, [gone[0], STARTS, gone[1]]) == set(gone)
    assert asked_spans.without_hours(connection, EU, []) == set()


def test_hours_of_a_month_that_lies_by_item_are_the_same(shared: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    by_item: list[tuple[str, ...]] = []
    really: Any = item_history._hours  # pyright: ignore[reportPrivateUsage] - which way is taken is a matter of time alone

    def asked(names: tuple[str, ...], table: str | None) -> Any:
        by_item.append(names)
        return really(names, table)

    monkeypatch.setattr(item_history, "_hours", asked)
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
            assert hours(connection, since=STARTS - HOUR, until=STARTS + HOUR) == wanted(7)[:2]
            assert hours(connection, since=STARTS - HOUR, until=STARTS) == wanted(7)[:1]
            assert hours(connection, since=STARTS, until=STARTS + HOUR) == wanted(7)[1:2]
            assert by_item == [(FEBRUARY.name,)] * 3 + [()]
            # Somebody who was granted the whole table alone reads the same.
            connection.execute(text("CREATE ROLE of_the_whole"))
            connection.execute(text("GRANT SELECT ON eu_commodity_price_stats, snapshots TO of_the_whole"))
            connection.execute(text("SET LOCAL ROLE of_the_whole"))
            assert hours(connection) == wanted(7)
            assert by_item[-1] == ()
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
    assert found.day.tolist() == [date(2024, 2, 29), DAY]
    row = plainly(MARKET)[7]
    names = [name for name in item_history.ItemDays.__slots__ if name in row]
    assert len(names) >= 7
    assert {name: getattr(found, name)[1] for name in names} == {name: row[name] for name in names}
    assert len(item_history.days_of_item(connection, EU, 7, since=DAY, until=DAY).day) == 0
