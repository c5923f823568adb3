from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, text

from ironforge_cli.db.models import PRICE_STATS, REGISTRY
from ironforge_cli.db.repositories import price_days
from ironforge_cli.regions import Region
from tests.statistics_months import make_months

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database

# The month changes within it, too: the day before is read out of another partition.
DAY = date(2024, 3, 1)
STARTS = datetime(2024, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
EU = Region.EU


class Row(NamedTuple):
    """An item in a snapshot; without a price it is sold out."""

    price: int | None
    value: float | None
    quantity: int
    sold: tuple[int, int, int] | None


class Snapshot(NamedTuple):
    at: datetime
    interval: int | None
    rows: dict[int, Row]


def store(connection: Connection, snapshots: list[Snapshot]) -> None:
    make_months(connection, STARTS - HOUR, STARTS, regions=(EU,))
    for snapshot in snapshots:
        connection.execute(
            insert(REGISTRY).values(
                region=EU,
                snapshot_time=snapshot.at,
                auctions=len(snapshot.rows),
                items=len(snapshot.rows),
                bytes=1,
                digest="ab",
                source="live",
                interval_seconds=snapshot.interval,
                estimator_version=1,
            )
        )
        for item, row in snapshot.rows.items():
            low, estimate, high = row.sold or (None, None, None)
            connection.execute(
                insert(PRICE_STATS[EU]).values(
                    timestamp=snapshot.at,
                    item_id=item,
                    num_auctions=int(row.price is not None),
                    min_price=row.price,
                    market_value=row.value,
                    total_quantity=row.quantity,
                    sales_low=low,
                    estimated_sales=estimate,
                    sales_high=high,
                    interval_seconds=snapshot.interval,
                )
            )


def stored(connection: Connection, day: date = DAY) -> dict[int, dict[str, Any]]:
    query = text("SELECT * FROM eu_commodity_price_days WHERE day = :day")
    found = [dict(row) for row in connection.execute(query, {"day": day}).mappings()]
    return {row.pop("item_id"): row for row in found}


def plainly(snapshots: list[Snapshot], day: date = DAY) -> dict[int, dict[str, Any]]:
    """A day's rows by the definitions, one item and one snapshot at a time."""
    snapshots = sorted(snapshots)
    of_the_day = [number for number, snapshot in enumerate(snapshots) if snapshot.at.date() == day]
    rows: dict[int, dict[str, Any]] = {}
    items = {item for number in of_the_day for item in snapshots[number].rows}
    for item in items:
        prices: list[int] = []
        values: list[float] = []
        sums: dict[str, int] = defaultdict(int)
        quantity, turnover, seconds, known = 0, 0.0, 0, 0
        priceless = False
        for number in of_the_day:
            snapshot = snapshots[number]
            row = snapshot.rows.get(item, Row(None, None, 0, (0, 0, 0)))
            quantity += row.quantity
            prices += [row.price] if row.price is not None else []
            values += [row.value] if row.value is not None else []
            if snapshot.interval is None or row.sold is None:
                continue
            known += 1
            seconds += snapshot.interval
            for name, units in zip(("sales_low", "estimated_sales", "sales_high"), row.sold, strict=True):
                sums[name] += units
            before = snapshots[number - 1].rows.get(item) if number else None
            value = row.value if row.value is not None else before.value if before else None
            if value is not None:
                turnover += row.sold[1] * value
            elif row.sold[1]:
                priceless = True
        rows[item] = {
            "day": day,
            "min_price": min(prices, default=None),
            "median_min_price": median(prices) if prices else None,
            "market_value": sum(values) / len(values) if values else None,
            "lowest_market_value": min(values, default=None),
            "highest_market_value": max(values, default=None),
            "mean_quantity": quantity / len(of_the_day),
            **{name: sums[name] if known else None for name in ("sales_low", "estimated_sales", "sales_high")},
            "turnover": turnover if known and not priceless else None,
            "covered_seconds": seconds,
            "snapshots": len(of_the_day),
            "priced_snapshots": len(values),
        }
    return rows


def close(one: Any, other: Any) -> bool:
    if isinstance(one, float) and other is not None:
        return one == pytest.approx(other, rel=1e-12)
    return one == other


def assert_same(found: dict[int, dict[str, Any]], wanted: dict[int, dict[str, Any]]) -> None:
    assert found.keys() == wanted.keys()
    differing = {
        (item, name): (found[item][name], value)
        for item, row in wanted.items()
        for name, value in row.items()
        if not close(found[item][name], value)
    }
    assert differing == {}
    assert all(found[item].keys() == wanted[item].keys() for item in wanted)


@st.composite
def markets(draw: st.DrawFn) -> list[Snapshot]:
    """Snapshots around a day: some of the day before, of itself and one after it, with gaps between them."""
    minutes = draw(st.lists(st.integers(-300, 1_439), min_size=1, max_size=7, unique=True))
    snapshots: list[Snapshot] = []
    for number, minute in enumerate([*sorted(minutes), 1_440]):
        at = STARTS + timedelta(minutes=minute)
        interval = None if number == 0 else int((at - snapshots[-1].at).total_seconds())
        rows: dict[int, Row] = {}
        for item in draw(st.sets(st.integers(1, 4))):
            units = draw(st.integers(0, 50))
            is_known = interval is not None and draw(st.integers(0, 5)) > 0
            sold = (units // 2, units, 2 * units) if is_known else None
            if draw(st.integers(0, 3)):
                price = draw(st.integers(1, 2**40))
                rows[item] = Row(price, price * draw(st.sampled_from([1.0, 1.37, 2.5])), units + 1, sold)
            else:
                rows[item] = Row(None, None, 0, sold)
        snapshots.append(Snapshot(at, interval, rows))
    return snapshots


@settings(max_examples=25)
@given(snapshots=markets())
def test_a_day_is_that_of_a_plain_calculation(shared: Database, snapshots: list[Snapshot]) -> None:
    with shared.connect() as connection:
        store(connection, snapshots)
        for day in price_days.missing(connection, EU):
            price_days.make(connection, EU, day)
        for day in (DAY - timedelta(days=1), DAY):
            assert_same(stored(connection, day), plainly(snapshots, day))
        assert price_days.missing(connection, EU) == []


def day_of(hours: int = 3) -> list[Snapshot]:
    """Some hours of a day and the first of the next, of an item that is sold out at last."""
    found = [
        Snapshot(
            STARTS + number * HOUR, 3600 if number else None, {7: Row(10, 10.0, 5, (0, number, 9) if number else None)}
        )
        for number in range(hours)
    ]
    sold_out = Snapshot(STARTS + hours * HOUR, 3600, {7: Row(None, None, 0, (1, 2, 3))})
    return [*found, sold_out, Snapshot(STARTS + 24 * HOUR, None, {7: Row(10, 10.0, 5, None)})]


def test_what_sold_out_is_worth_what_it_was_before_and_an_unknown_hour_is_in_no_sum(shared: Database) -> None:
    with shared.connect() as connection:
        store(connection, day_of())
        assert price_days.make(connection, EU, DAY) == 1
        (row,) = stored(connection).values()
        assert (row["estimated_sales"], row["turnover"]) == (1 + 2 + 2, 50.0)
        assert (row["covered_seconds"], row["snapshots"], row["priced_snapshots"]) == (3 * 3600, 4, 3)
        assert row["mean_quantity"] == 15 / 4


def test_where_nothing_is_stored_no_day_is_missing_or_made(shared: Database) -> None:
    with shared.connect() as connection:
        assert list(price_days.missing(connection, EU)) == []
        assert price_days.newest(connection, EU) is None
        assert price_days.remake(connection, EU, [STARTS]) == 0
        store(connection, day_of())
        price_days.make(connection, EU, DAY)
        assert price_days.make(connection, EU, DAY) == 0
        assert price_days.newest(connection, EU) == DAY
        assert price_days.newest(connection, Region.US) is None


def test_the_day_of_the_newest_snapshot_is_not_closed(shared: Database) -> None:
    with shared.connect() as connection:
        store(connection, day_of()[:-1])
        assert price_days.missing(connection, EU) == []
        assert price_days.remake(connection, EU, [STARTS]) == 0
        assert stored(connection) == {}


def test_a_day_whose_hours_have_left_stays_as_it_is(shared: Database) -> None:
    with shared.connect() as connection:
        store(connection, day_of())
        price_days.make(connection, EU, DAY)
        before = stored(connection)
        connection.execute(text("DELETE FROM eu_commodity_price_stats WHERE timestamp = :at"), {"at": STARTS})
        assert price_days.remake(connection, EU, [STARTS + HOUR]) == 0
        assert stored(connection) == before


def test_a_day_of_which_an_hour_has_left_is_not_made(shared: Database) -> None:
    with shared.connect() as connection:
        store(connection, day_of())
        connection.execute(text("DELETE FROM eu_commodity_price_stats WHERE timestamp = :at"), {"at": STARTS})
        assert price_days.missing(connection, EU) == []
        assert price_days.make(connection, EU, DAY) == 0


def test_a_day_is_no_longer_one_when_nothing_after_it_is_left(shared: Database) -> None:
    with shared.connect() as connection:
        store(connection, day_of())
        price_days.make(connection, EU, DAY)
        last = STARTS + 24 * HOUR
        connection.execute(text("DELETE FROM snapshots WHERE snapshot_time = :at"), {"at": last})
        assert price_days.remake(connection, EU, [last]) == 0
        price_days.remake(connection, EU, [STARTS])
        assert stored(connection) == {}


def test_a_day_whose_hours_were_changed_is_made_again_and_one_that_is_not_made_is_left_to_be(shared: Database) -> None:
    with shared.connect() as connection:
        store(connection, day_of())
        assert price_days.remake(connection, EU, [STARTS]) == 0
        price_days.make(connection, EU, DAY)
        connection.execute(
            text("UPDATE eu_commodity_price_stats SET min_price = 3 WHERE timestamp = :at"), {"at": STARTS}
        )
        assert price_days.remake(connection, EU, [STARTS, STARTS + HOUR, STARTS + 24 * HOUR]) == 1
        (row,) = stored(connection).values()
        assert (row["min_price"], row["median_min_price"]) == (3, 10)


def test_a_day_after_the_newest_is_taken_away_though_the_newest_was_never_made(shared: Database) -> None:
    after, last = STARTS + 24 * HOUR, STARTS + 48 * HOUR
    with shared.connect() as connection:
        store(connection, [*day_of(), Snapshot(last, None, {})])
        price_days.make(connection, EU, after.date())
        dropped = {"at": after}
        for table, column in (("snapshots", "snapshot_time"), ("eu_commodity_price_stats", "timestamp")):
            connection.execute(text(f"DELETE FROM {table} WHERE {column} >= :at"), dropped)
        assert price_days.remake(connection, EU, [STARTS, after, last]) == 1
        assert stored(connection, after.date()) == {}


def test_who_makes_a_day_waits_for_who_changes_it(shared: Database) -> None:
    with shared.connect() as changing, shared.connect() as making:
        store(changing, day_of())
        changing.commit()
        try:
            price_days.make(changing, EU, DAY)
            making.execute(text("SET LOCAL lock_timeout = '10ms'"))
            with pytest.raises(Exception, match="lock timeout"):
                price_days.make(making, EU, DAY)
            making.rollback()
            making.execute(text("SET LOCAL lock_timeout = '10ms'"))
            with pytest.raises(Exception, match="lock timeout"):
                price_days.remake(making, EU, [STARTS])
            making.rollback()
            # The present day has nothing to make again, so that its hours wait for nobody.
            newest = STARTS + 24 * HOUR
            price_days.make(changing, EU, newest.date())
            making.execute(text("SET LOCAL lock_timeout = '10ms'"))
            assert price_days.remake(making, EU, [newest]) == 0
        finally:
            changing.rollback()
            making.rollback()
            changing.execute(text("DELETE FROM snapshots"))
            changing.execute(text("DELETE FROM eu_commodity_price_stats"))
            changing.commit()
