from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, text

from ironforge_cli.db.engine import Database
from ironforge_cli.db.models import PRICE_STATS, REGISTRY
from ironforge_cli.db.repositories import catalogue, stats
from ironforge_cli.errors import DatabaseError
from ironforge_cli.market.catalogue import Item
from ironforge_cli.market.changes import ColumnChange, StatisticsChange, StatisticsRows, statistics_change
from ironforge_cli.market.statistics import Statistics, summarise_snapshot
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from ironforge_cli.values import replace
from tests.market.made_up import as_columns, later, whole_market
from tests.market.reference import Auction
from tests.statistics_months import make_months

if TYPE_CHECKING:
    from collections.abc import Generator

    from sqlalchemy import Connection


NOON = datetime(2024, 1, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
PRICES = (
    "min_price",
    "max_price",
    "mean_price",
    "median_price",
    "market_value",
    "cheapest_15_percent_price",
)
COUNTS = ("total_quantity", "num_auctions")
LISTINGS = ("new_listings", "new_auctions")
SALES = ("estimated_sales", "sales_low", "sales_high", "seen_sales", "unseen_sales", "new_at_floor", "evidence")


@pytest.fixture
def connection(shared: Database) -> Generator[Connection]:
    """A connection whose work is rolled back after the test."""
    with shared.connect() as opened:
        yield opened


def rows(connection: Connection, region: Region = Region.EU) -> list[dict[str, Any]]:
    query = text(f"SELECT * FROM {region}_commodity_price_stats ORDER BY timestamp, item_id")
    return [dict(row) for row in connection.execute(query).mappings()]


def two_hours() -> tuple[Statistics, Statistics]:
    """A first snapshot's statistics and the next one's, in which some items are sold out and some are new."""
    random = np.random.default_rng(5)
    market = whole_market(random, auctions=3_000, items=400)
    first = summarise_snapshot(None, market, at=NOON)
    return first.statistics, summarise_snapshot(first.book, later(random, market), at=NOON + HOUR).statistics


def assert_stored(found: list[dict[str, Any]], statistics: Statistics, *, at: datetime) -> None:
    assert [row["item_id"] for row in found] == statistics.item_id.tolist()
    assert {row["timestamp"] for row in found} == {at}
    priced = statistics.priced.tolist()
    for name in PRICES:
        values = getattr(statistics, name).tolist()
        assert [row[name] for row in found] == [
            value if there else None for value, there in zip(values, priced, strict=True)
        ], name
    for name in COUNTS:
        assert [row[name] for row in found] == getattr(statistics, name).tolist(), name
    for name in (*SALES, *LISTINGS):
        source = statistics if name in LISTINGS else statistics.sales
        values = [None] * len(found) if statistics.sales is None else getattr(source, name).tolist()
        assert [row[name] for row in found] == values, name
    assert {row["interval_seconds"] for row in found} == {statistics.interval_seconds}


def test_a_regions_first_statistics_have_nulls_for_what_can_not_be_known(connection: Connection) -> None:
    first, _ = two_hours()
    stats.store(connection, Region.EU, first, at=NOON)
    assert first.sales is None
    assert_stored(rows(connection), first, at=NOON)
    assert rows(connection, Region.US) == []


def test_statistics_are_stored_as_they_were_computed_with_nulls_where_sold_out(connection: Connection) -> None:
    _, second = two_hours()
    assert not second.priced.all()
    stats.store(connection, Region.US, second, at=NOON + HOUR)
    found = rows(connection, Region.US)
    assert_stored(found, second, at=NOON + HOUR)
    sold_out = [row for row in found if row["min_price"] is None]
    assert sold_out
    assert {(row["total_quantity"], row["num_auctions"], row["market_value"]) for row in sold_out} == {(0, 0, None)}


def test_statistics_load_by_item_however_they_lie(connection: Connection) -> None:
    _, statistics = two_hours()
    stats.store(connection, Region.EU, statistics, at=NOON)
    first = int(statistics.item_id[0])
    connection.execute(
        text("UPDATE eu_commodity_price_stats SET num_auctions = num_auctions WHERE item_id = :first"), {"first": first}
    )
    found = stats.load(connection, Region.EU, NOON)
    assert found.item_id.tolist() == statistics.item_id.tolist()
    assert statistics_change(found, StatisticsRows.of(statistics)) == StatisticsChange()


def test_statistics_load_as_they_would_be_stored_again(connection: Connection) -> None:
    for number, statistics in enumerate(two_hours()):
        at = NOON + number * HOUR
        stats.store(connection, Region.US, statistics, at=at)
        found = stats.load(connection, Region.US, at)
        assert len(found) == len(statistics)
        assert statistics_change(found, StatisticsRows.of(statistics)) == StatisticsChange()
    assert len(stats.load(connection, Region.US, NOON + 2 * HOUR)) == len(stats.load(connection, Region.EU, NOON)) == 0


@pytest.mark.parametrize("column", [*PRICES, *COUNTS, *SALES, "interval_seconds"])
def test_a_change_of_any_column_is_seen(connection: Connection, column: str) -> None:
    _, statistics = two_hours()
    stats.store(connection, Region.EU, statistics, at=NOON)
    table = "eu_commodity_price_stats"
    connection.execute(
        text("ALTER TABLE eu_commodity_price_stats DROP CONSTRAINT ck_eu_commodity_price_stats_sales_bounds")
    )
    one = f"item_id = (SELECT min(item_id) FROM {table} WHERE {column} IS NOT NULL)"
    changed = connection.execute(text(f"UPDATE {table} SET {column} = {column} + 2 WHERE {one}"))
    assert changed.rowcount == 1
    change = statistics_change(stats.load(connection, Region.EU, NOON), StatisticsRows.of(statistics))
    assert (change.changed, change.columns) == (1, {column: ColumnChange(rows=1, largest=2, total=2)})


def test_statistics_of_a_time_are_removed_and_stored_anew(connection: Connection) -> None:
    first, second = two_hours()
    for region in DEFAULT_REGIONS:
        stats.store(connection, region, first, at=NOON)
        stats.store(connection, region, second, at=NOON + HOUR)
    before = rows(connection)
    stats.remove(connection, Region.EU, NOON + HOUR)
    assert_stored(rows(connection), first, at=NOON)
    stats.store(connection, Region.EU, second, at=NOON + HOUR)
    assert rows(connection) == before == rows(connection, Region.US)


def test_whoever_writes_or_takes_out_hours_is_counted_in_their_month(connection: Connection) -> None:
    first, _ = two_hours()
    counted: list[int] = []
    for write in (
        lambda: stats.store(connection, Region.EU, first, at=NOON),
        lambda: stats.remove(connection, Region.EU, NOON),
    ):
        write()
        query = text("SELECT changes FROM statistics_months WHERE region = 'eu' AND month = '2024-01-01'")
        counted.append(connection.execute(query).scalar_one())
    assert counted == [1, 2]


def test_what_is_not_known_of_an_item_is_null_and_of_the_others_stored(connection: Connection) -> None:
    _, second = two_hours()
    assert second.sales is not None
    known = np.ones(len(second), np.bool_)
    known[1] = False
    stats.store(connection, Region.EU, replace(second, sales=replace(second.sales, known=known)), at=NOON)
    for name in (*SALES, *LISTINGS):
        found = [row[name] is None for row in rows(connection)]
        assert found == (~known).tolist(), name


def test_statistics_of_a_time_are_not_stored_twice(shared: Database) -> None:
    first, _ = two_hours()

    def store_twice() -> None:
        with shared.transaction() as connection:
            stats.store(connection, Region.EU, first, at=NOON)
            stats.store(connection, Region.EU, first, at=NOON)

    with pytest.raises(DatabaseError, match="eu_commodity_price_stats_2024_01_pkey"):
        store_twice()
    with shared.connect() as connection:
        assert rows(connection) == []


def test_an_empty_hour_after_a_full_one_stores_only_sold_out_items(connection: Connection) -> None:
    before = summarise_snapshot(None, as_columns({1: Auction(7, 100, 20, "SHORT")}), at=NOON)
    now = summarise_snapshot(before.book, as_columns({}), at=NOON + HOUR)
    stats.store(connection, Region.EU, now.statistics, at=NOON + HOUR)
    (row,) = rows(connection)
    assert (row["item_id"], row["min_price"], row["total_quantity"], row["sales_high"]) == (7, None, 0, 20)


# What one snapshot says of one item: market value (none: sold out), and sales (none: nothing was compared).
Hour = dict[int, tuple[int | None, int]]


def add_hours(connection: Connection, region: Region, hours: list[Hour]) -> None:
    make_months(connection, NOON, NOON + len(hours) * HOUR, regions=(region,))
    for number, hour in enumerate(hours):
        moment = NOON + number * HOUR
        registered = {
            "region": region,
            "snapshot_time": moment,
            "auctions": len(hour),
            "items": len(hour),
            "bytes": 1,
            "digest": "ab",
            "source": "live",
            "estimator_version": 1,
        }
        connection.execute(insert(REGISTRY).values(registered))
        for item, (value, sold) in hour.items():
            sales = {} if number == 0 else {"sales_low": sold // 2, "estimated_sales": sold, "sales_high": 2 * sold}
            row = {
                "item_id": item,
                "timestamp": moment,
                "min_price": None if value is None else value - 1,
                "market_value": value,
                "total_quantity": 0 if value is None else item * 10 + number,
                "num_auctions": 0 if value is None else 1,
            }
            connection.execute(insert(PRICE_STATS[region]).values({**row, **sales}))


def plainly_busiest(hours: list[Hour], *, first: int, limit: int, names: dict[int, str]) -> list[stats.ItemSales]:
    seen: defaultdict[int, dict[int, tuple[int | None, int]]] = defaultdict(dict)
    for number, hour in enumerate(hours):
        if number >= first:
            for item, (value, sold) in hour.items():
                seen[item][number] = value, 0 if number == 0 else sold
    found: list[tuple[float, stats.ItemSales]] = []
    for item, days in seen.items():
        sold = sum(units for _, units in days.values())
        values = [value for value, _ in days.values() if value is not None]
        if not sold:
            continue
        newest = max(days)
        compared = [units for number, (_, units) in days.items() if number]
        value = days[newest][0]
        sales = stats.ItemSales(
            item_id=item,
            name=names.get(item),
            min_price=None if value is None else value - 1,
            market_value=value,
            total_quantity=0 if days[newest][0] is None else item * 10 + newest,
            sales_low=sum(units // 2 for units in compared),
            estimated_sales=sold,
            sales_high=2 * sold,
            hourly_sales=tuple(
                (days[number][1] if number else None) if number in days else 0 for number in range(first, len(hours))
            ),
        )
        found.append((sold * sum(values) / len(values) if values else -1.0, sales))
    return [sales for _, sales in sorted(found, key=lambda pair: (-pair[0], pair[1].item_id))][:limit]


# Values that are powers of two make every mean exact, so that ties are ties in both calculations.
markets = st.lists(
    st.dictionaries(
        st.integers(1, 6), st.tuples(st.none() | st.sampled_from([64, 128, 256]), st.integers(0, 9)), max_size=6
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=25, deadline=None)
@given(hours=markets, first=st.integers(0, 3), limit=st.integers(1, 6))
def test_the_busiest_items_are_those_of_a_plain_calculation(
    shared: Database, hours: list[Hour], first: int, limit: int
) -> None:
    with shared.connect() as connection:
        catalogue.store_items(connection, [Item(3, "Ore", None, None, None, None, None, None, None)])
        add_hours(connection, Region.EU, hours)
        add_hours(connection, Region.US, [{9: (64, 9)}] * 2)
        found = stats.busiest(connection, Region.EU, since=NOON + first * HOUR, limit=limit)
        assert found == plainly_busiest(hours, first=first, limit=limit, names={3: "Ore"})


def test_nothing_is_busy_where_nothing_was_compared(connection: Connection) -> None:
    first, _ = two_hours()
    stats.store(connection, Region.EU, first, at=NOON)
    assert stats.busiest(connection, Region.EU, since=NOON, limit=5) == []
