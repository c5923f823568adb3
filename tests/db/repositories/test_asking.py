"""What questions read, by a market whose sums are done by hand: which moments count, and which are just outside."""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from ironforge_cli.db.repositories import (
    all_prices,
    asked_spans,
    asking,
    item_names,
    newest_times,
    price_days,
    sold_units,
)
from ironforge_cli.db.repositories.asking import OneLook
from ironforge_cli.db.transactions import session_of
from ironforge_cli.errors import DatabaseError, IronforgeError
from tests.db.repositories.asked_market import FIRST, LAST, TIMES, US, store_book, store_market
from tests.db.repositories.test_price_days import DAY, EU, HOUR, STARTS

if TYPE_CHECKING:
    from collections.abc import Generator

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database

NEXT = timedelta(microseconds=1)
TOMORROW = STARTS + 24 * HOUR


@pytest.fixture(scope="module")
def market(shared: Database) -> Generator[Connection]:
    """The market in a transaction that is never committed: nothing here changes it but what is said to."""
    with shared.connect() as opened:
        store_market(opened)
        store_book(opened)
        yield opened


@pytest.fixture
def connection(market: Connection) -> Generator[Connection]:
    with market.begin_nested() as savepoint:
        yield market
        savepoint.rollback()


def shown(*columns: Any) -> list[tuple[Any, ...]]:
    """Rows of arrays, with None for what is not known."""
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [tuple(None if isinstance(one, float) and math.isnan(one) else one for one in row) for row in rows]


def test_snapshots_are_found_by_their_moment_in_their_region(connection: Connection) -> None:
    assert asking.newest_times(connection, [EU]) == {EU: LAST}
    assert newest_times.newest_times(connection) == {EU: LAST, US: LAST + HOUR}
    assert asking.snapshot_at(connection, EU, LAST - NEXT) == TIMES[-2]
    assert asking.snapshot_at(connection, EU, LAST) == LAST
    assert asking.snapshot_at(connection, EU, FIRST - NEXT) is None
    found = asking.snapshot_times(connection, EU, FIRST - NEXT, STARTS)
    assert shown(found.interval_seconds) == [(None,), (3600,)]
    assert len(asking.snapshot_times(connection, EU, FIRST, LAST).time) == 4
    assert len(asking.snapshot_times(connection, EU, FIRST, LAST - NEXT).time) == 3
    connection.execute(text("DELETE FROM snapshots WHERE region = 'eu'"))
    assert asking.newest_times(connection, [EU, US]) == {US: LAST + HOUR}
    assert newest_times.newest_times(connection) == {US: LAST + HOUR}


def test_the_nearest_snapshot_is_the_older_of_two_and_not_too_far_off(connection: Connection) -> None:
    half = HOUR / 2

    def nearest(target: Any, most: timedelta) -> Any:
        return all_prices.nearest_snapshot(connection, EU, target, most)

    assert nearest(STARTS + half, half) == STARTS
    assert nearest(STARTS + half + NEXT, HOUR) == STARTS + HOUR
    assert nearest(STARTS + half, half - NEXT) is None
    assert nearest(FIRST - HOUR, HOUR) == FIRST
    assert nearest(LAST + HOUR, HOUR) == LAST
    assert nearest(LAST + HOUR + NEXT, HOUR) is None


def test_prices_of_a_snapshot_are_its_own_and_null_where_sold_out(connection: Connection) -> None:
    def prices(at: Any, items: list[int] | None = None) -> list[tuple[Any, ...]]:
        found = asking.newest_prices(connection, EU, at, items=items)
        columns = (found.item_id, found.min_price, found.market_value, found.total_quantity, found.num_auctions)
        return shown(*columns)

    assert prices(STARTS) == [(7, 12, 12.5, 4, 1), (8, 3, 3, 1, 1)]
    assert prices(STARTS, [8, 9]) == [(8, 3, 3, 1, 1)]
    assert prices(STARTS + 2 * HOUR, [7]) == [(7, None, None, 0, 0)]
    connection.execute(
        text(
            "UPDATE eu_commodity_price_stats SET cheapest_15_percent_price = 4, median_price = 5.5"
            " WHERE timestamp = :at AND item_id = 8"
        ),
        {"at": STARTS},
    )
    for items, wanted in ((None, [7, 8]), ([8, 9], [8])):
        found = all_prices.newest_figures(connection, EU, STARTS, items=items)
        assert found.item_id.tolist() == wanted
        columns = (found.min_price, found.market_value, found.cheapest_15_percent_price, found.median_price)
        assert shown(*columns, found.total_quantity, found.num_auctions)[-1] == (3, 3, 4, 5.5, 1, 1)
    assert shown(all_prices.newest_figures(connection, EU, STARTS, items=[7]).median_price) == [(None,)]
    between = asking.prices_between(connection, EU, STARTS, STARTS + HOUR)
    assert sorted(shown(between.item_id, between.market_value, between.num_auctions)) == [
        (7, 11.5, 1),
        (9, 7, 1),
        (10, None, 0),
    ]


def test_a_value_is_that_of_the_snapshot_that_prices_the_item_nearest_to_a_time(connection: Connection) -> None:
    near = [
        (STARTS + HOUR / 2, HOUR / 2),
        # At the time itself 7 is sold out.
        (STARTS + 2 * HOUR, HOUR),
        (STARTS + 2 * HOUR, HOUR - NEXT),
        (FIRST - HOUR, HOUR),
    ]
    found = asking.nearest_values(connection, EU, near, items=None)
    assert found == [{7: 12.5, 8: 3.0, 9: 7.0}, {7: 11.5, 9: 9.0}, {9: 9.0}, {7: 10.0}]
    assert asking.nearest_values(connection, EU, near[:1], items=[8]) == [{8: 3.0}]


SALES = [
    (7, 5, 7, 10, 2 * 12.5 + 11.5 + 4 * 11.5, 0),
    (8, 0, 0, 0, 0, 0),
    (9, 1, 1, 1, 9, 3600),
    (10, 1, 2, 2, None, 0),
]


def sold(connection: Connection, since: Any, until: Any, **options: Any) -> tuple[list[tuple[Any, ...]], int]:
    given: dict[str, Any] = {"items": None, **options}
    found = sold_units.sales(connection, EU, since, until, **given)
    rows = shown(found.item_id, found.low, found.estimated, found.high, found.turnover, found.unknown_seconds)
    assert (found.seconds == found.region_seconds - found.unknown_seconds).all()
    return rows, found.region_seconds


@pytest.mark.parametrize("is_made", [False, True])
def test_units_sold_are_the_same_from_hours_and_from_the_day(connection: Connection, *, is_made: bool) -> None:
    if is_made:
        price_days.make(connection, EU, DAY)
    span = STARTS - NEXT, TOMORROW - NEXT
    assert sold(connection, *span) == (SALES, 10_800)
    assert sold(connection, *span, items=[9, 10, 11]) == (SALES[2:], 10_800)
    unpriced = [(*row[:4], None, row[5]) for row in SALES]
    assert sold(connection, *span, is_priced=False)[0] == unpriced
    assert sold(connection, *span, is_ranged=False)[0] == [(row[0], None, row[2], None, *row[4:]) for row in SALES]
    # A region's first snapshot ends no interval.
    assert sold(connection, FIRST - NEXT, FIRST) == ([(7, 0, 0, 0, 0, 0)], 0)
    assert sold(connection, STARTS, STARTS + HOUR)[1] == 3600


@pytest.mark.parametrize("made", [(-1, 0, 1), (-1, 1), (0, 1)])
def test_units_sold_are_the_same_whichever_of_several_days_are_made(
    connection: Connection, made: tuple[int, ...]
) -> None:
    span = STARTS - 24 * HOUR - NEXT, TOMORROW + 24 * HOUR - NEXT
    from_hours = sold(connection, *span)
    assert from_hours[1] == 10_800 + 82_800
    for later in made:
        price_days.make(connection, EU, DAY + timedelta(days=later))
    assert sold(connection, *span) == from_hours


def test_what_was_sold_out_and_sold_nothing_needs_no_price(connection: Connection) -> None:
    # Neither then nor in the snapshot before has item 7 a price.
    statement = "UPDATE eu_commodity_price_stats SET market_value = NULL WHERE item_id = 7 AND timestamp = :at"
    connection.execute(text(statement), {"at": LAST})
    assert sold(connection, STARTS - NEXT, LAST, items=[7])[0] == SALES[:1]


def test_a_day_counts_whole_where_all_of_it_is_asked_for(connection: Connection) -> None:
    price_days.make(connection, EU, DAY)

    def read(since: Any, until: Any) -> tuple[dict[date, int], list[Any]]:
        parts = asked_spans.parts_of(connection, EU, since, until)
        return parts.made, parts.times

    assert read(FIRST, LAST) == ({DAY: 10_800}, [LAST])
    assert read(STARTS - NEXT, TOMORROW - NEXT) == ({DAY: 10_800}, [])
    assert read(STARTS, LAST) == ({}, [*TIMES[2:4], LAST])
    assert read(FIRST, TOMORROW - 2 * NEXT) == ({}, TIMES[1:4])
    assert asked_spans.made_days(connection, EU, DAY, DAY) == []
    assert asked_spans.made_days(connection, EU, DAY, DAY + timedelta(days=1)) == [DAY]
    assert asked_spans.made_days(connection, EU, DAY - timedelta(days=3), DAY) == []


@pytest.mark.parametrize("is_kept", [False, True])
def test_what_a_look_has_read_already_is_cut_to_what_is_asked_for(connection: Connection, *, is_kept: bool) -> None:
    price_days.make(connection, EU, DAY)
    if is_kept:
        asked_spans.keep_spans(connection)
    wanted = {
        (FIRST - HOUR, LAST): TIMES,
        (STARTS, LAST): TIMES[2:],
        (STARTS - NEXT, STARTS + HOUR): TIMES[1:3],
        (FIRST - NEXT, STARTS): TIMES[:2],
        (FIRST - 900 * HOUR, LAST + HOUR): TIMES,
    }
    try:
        for span, times in wanted.items():
            assert [one.time for one in asked_spans.snapshots(connection, EU, *span)] == times
        every = asked_spans.snapshots(connection, EU, FIRST - HOUR, LAST)
        assert [one.interval_seconds for one in every] == [None, 3600, 3600, 3600, 82_800]
        one = timedelta(days=1)
        for since, until, days in (
            (DAY, DAY + one, [DAY]),
            (DAY, DAY, []),
            (DAY + one, DAY + one, []),
            (DAY - one, DAY + one, [DAY]),
        ):
            assert asked_spans.made_days(connection, EU, since, until) == days
        if is_kept:
            # What is read once is not read again; of another region nothing is known.
            connection.execute(text("DELETE FROM snapshots WHERE region = 'eu'"))
            assert [one.time for one in asked_spans.snapshots(connection, EU, STARTS, LAST)] == TIMES[2:]
        assert [one.time for one in asked_spans.snapshots(connection, US, FIRST, LAST + HOUR)] == [LAST + HOUR]
    finally:
        asked_spans._LOOKS.kept.pop(connection, None)  # pyright: ignore[reportPrivateUsage] - the connection is everybody's here


@pytest.mark.parametrize("is_made", [False, True])
def test_values_of_days_are_means_of_their_hours_up_to_a_moment(connection: Connection, *, is_made: bool) -> None:
    if is_made:
        price_days.make(connection, EU, DAY)

    def values(days: int, until: Any, items: list[int] | None = None) -> list[tuple[Any, ...]]:
        found = asking.day_values(connection, EU, DAY, days, until=until, items=items)
        return sorted(shown(found.item_id, found.days_before, found.market_value))

    today = [(7, 0, 12.0), (8, 0, 3.0), (9, 0, 8.0)]
    assert values(1, TOMORROW - NEXT) == today
    assert values(2, TOMORROW - NEXT) == sorted([*today, (7, 1, 10.0)])
    assert values(2, STARTS + HOUR, [7, 9]) == [(7, 0, 12.0), (7, 1, 10.0), (9, 0, 7.0)]


def test_levels_of_a_book_are_those_of_its_snapshot(connection: Connection) -> None:
    every = [(7, 12, 4, 2), (7, 15, 2, 1), (8, 3, 1, 1)]
    for items, wanted in ((None, every), ([8, 7], every), ([7], every[:2]), ([8, 9], every[2:])):
        found = asking.levels(connection, EU, STARTS, items)
        assert shown(found.item_id, found.price, found.quantity, found.auctions) == wanted
    assert sorted(asking.auctions_of_item(connection, EU, STARTS, 7)) == [(12, 1), (12, 3), (15, 2)]


def test_a_book_is_held_where_its_rows_are_or_where_it_has_none(connection: Connection) -> None:
    assert asking.is_raw_held(connection, EU, STARTS)
    assert not asking.is_raw_held(connection, EU, LAST)
    assert not asking.is_raw_held(connection, US, STARTS)
    connection.execute(text("UPDATE snapshots SET auctions = 0 WHERE snapshot_time = :at"), {"at": LAST})
    assert asking.is_raw_held(connection, EU, LAST)
    assert not asking.is_raw_held(connection, US, LAST)


def test_tokens_are_those_after_a_moment_up_to_another(connection: Connection) -> None:
    priced = [(STARTS + hour * HOUR, 100 + hour) for hour in range(3)]
    assert asking.token_prices(connection, EU, None, None) == priced
    assert asking.token_prices(connection, EU, STARTS, STARTS + HOUR) == priced[1:2]
    assert asking.token_prices(connection, EU, STARTS - NEXT, STARTS + HOUR - NEXT) == priced[:1]
    assert asking.newest_token(connection, EU) == priced[-1]
    connection.execute(text("DELETE FROM eu_token_price"))
    assert asking.newest_token(connection, EU) is None


def test_a_look_is_of_one_moment_writes_nothing_and_ends_in_time(shared: Database) -> None:
    with asking.reading(shared, seconds=1.5) as connection:
        said = [
            session_of(connection).execute(f"SHOW {name}").fetchall()[0][0]
            for name in ("transaction_isolation", "transaction_read_only", "statement_timeout")
        ]
        assert said == ["repeatable read", "on", "1500ms"]
        assert connection in asked_spans._LOOKS.kept  # pyright: ignore[reportPrivateUsage] - what is read once shows in nothing else
        assert connection in item_names._KEPT  # pyright: ignore[reportPrivateUsage] - as above
        with asking.reading(OneLook(connection)) as same:
            assert same is connection
        assert connection in asked_spans._LOOKS.kept  # pyright: ignore[reportPrivateUsage] - the look goes on
    # What comes next in the same session is of another moment.
    assert connection not in asked_spans._LOOKS.kept  # pyright: ignore[reportPrivateUsage] - as above
    assert connection not in item_names._KEPT  # pyright: ignore[reportPrivateUsage] - as above
    with pytest.raises((DatabaseError, IronforgeError)), asking.reading(shared, seconds=0.01) as connection:
        session_of(connection).execute("SELECT pg_sleep(5)")
