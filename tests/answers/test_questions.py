"""What each question answers, against plain sums over the rows that are stored."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from math import floor, isclose
from statistics import mean, median
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from ironforge_cli.regions import DEFAULT_REGIONS, Region
from tests.answers.chain import DAY, GONE, HOUR, ITEMS, NAMELESS, NEWEST, hours_of, levels, times, tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.answers.chain import Hour
    from tests.answers.conftest import Ask

WEEK = 7 * DAY
WEIGHTS = (132, 125, 100, 75, 45, 34, 33, 38, 28, 21, 15, 10, 7, 5, 4)
PRICE_KEYS = (
    "region item_id name rank item_level snapshot_time age_seconds stale min_price market_value"
    " cheapest_15_percent_price median_price mean_price max_price total_quantity num_auctions usual_price"
    " weighted_market_value change_24h change_7d sold_per_day_low sold_per_day sold_per_day_high turnover_per_day"
)


def within(region: Region, item: int, over: timedelta) -> list[Hour]:
    return [hour for at, hour in hours_of(region, item).items() if at > NEWEST - over]


def seconds(over: timedelta) -> float:
    """Length of all intervals that end in a span."""
    stored = times()
    ends = pairwise(stored)
    return sum((at - before).total_seconds() for before, at in ends if at > NEWEST - over)


def per_day(region: Region, item: int) -> float:
    return sum(hour.sold or 0 for hour in within(region, item, WEEK)) / seconds(WEEK) * 86_400


def turnover(region: Region, item: int, over: timedelta) -> float:
    return sum((hour.sold or 0) * hour.market_value for hour in within(region, item, over))


def turnover_per_day(region: Region, item: int) -> float:
    return turnover(region, item, WEEK) / seconds(WEEK) * 86_400


def day_values(region: Region, item: int) -> dict[int, float]:
    """The mean of each day's market values, by how many days ago it was."""
    by_day: dict[int, list[float]] = {}
    for at, hour in hours_of(region, item).items():
        by_day.setdefault((NEWEST.date() - at.date()).days, []).append(hour.market_value)
    return {days: mean(values) for days, values in by_day.items()}


def usual(region: Region, item: int) -> float:
    return median(value for days, value in day_values(region, item).items() if 1 <= days <= 14)


def before(region: Region, item: int, span: timedelta) -> float:
    """The market value nearest to so long ago; of two as near, the older."""
    hours = hours_of(region, item)
    return hours[min(hours, key=lambda at: (abs(at - (NEWEST - span)), at))].market_value


def same(found: Sequence[dict[str, Any]], expected: Sequence[dict[str, Any]]) -> None:
    assert [list(row) for row in found] == [list(row) for row in expected]
    for row, wanted in zip(found, expected, strict=True):
        for key, value in wanted.items():
            is_same = isclose(row[key], value, rel_tol=1e-9) if isinstance(value, float) else row[key] == value
            assert is_same, (key, row, wanted)


def stamp(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize("region", DEFAULT_REGIONS)
def test_a_price_is_what_the_rows_say(ask: Ask, region: Region) -> None:
    (found,) = ask("price", "draconium ore", "--region", region, "--quantity", "15")
    now = hours_of(region, 14)[NEWEST]
    week = within(region, 14, WEEK)
    weighed = [(WEIGHTS[days], value) for days, value in day_values(region, 14).items()]
    scale = 86_400 / seconds(WEEK)
    (half, _), (low, _), *_ = levels(region, 14)
    assert list(found) == [*PRICE_KEYS.split(), *["quantity", "units", "complete", "cost", "mean_cost", "floor_after"]]
    assert found["stale"] is True
    expected = {
        "name": "Draconium Ore",
        "rank": None,
        "snapshot_time": stamp(NEWEST),
        "min_price": now.min_price,
        "market_value": now.market_value,
        "total_quantity": now.quantity,
        "num_auctions": now.auctions,
        "usual_price": usual(region, 14),
        "weighted_market_value": sum(w * v for w, v in weighed) / sum(w for w, _ in weighed),
        "change_24h": now.market_value / before(region, 14, DAY) - 1,
        "change_7d": now.market_value / before(region, 14, WEEK) - 1,
        "sold_per_day_low": sum(hour.low or 0 for hour in week) * scale,
        "sold_per_day": per_day(region, 14),
        "sold_per_day_high": sum(hour.high or 0 for hour in week) * scale,
        "turnover_per_day": turnover_per_day(region, 14),
        "quantity": 15,
        "units": 15,
        "complete": True,
        "cost": 7 * half + 8 * low,
        "floor_after": low,
        "mean_cost": (7 * half + 8 * low) / 15,
    }
    same([{key: found[key] for key in expected}], [expected])


def test_what_is_sold_out_has_no_price_and_is_known_to_be_gone(ask: Ask) -> None:
    (found,) = ask("price", str(GONE), "--region", "eu", "--quantity", "5")
    nothing = ("min_price", "market_value", "median_price", "max_price", "change_24h", "change_7d", "floor_after")
    assert {found[key] for key in nothing} == {None}
    assert (found["total_quantity"], found["num_auctions"], found["units"], found["complete"]) == (0, 0, 0, False)
    assert found["usual_price"] is not None
    assert ask("book", str(GONE)) == []


def test_a_name_of_several_items_is_each_of_them_and_others_come_by_stdin(ask: Ask) -> None:
    found = ask("price", "-", "--region", "eu", stdin="DRACOTHYST\n\n16\neclairs ink\n")
    assert [(row["item_id"], row["rank"]) for row in found] == [(12, 1), (13, 2), (NAMELESS, None), (11, None)]
    assert ask("price", "-", stdin="") == []


def test_a_book_adds_up_its_auctions(ask: Ask) -> None:
    found = ask("book", "14", "--region", "us")
    expected: list[dict[str, Any]] = []
    units = cost = 0
    offers = levels(Region.US, 14)
    for price in sorted({price for price, _ in offers}):
        there = [quantity for other, quantity in offers if other == price]
        units, cost = units + sum(there), cost + price * sum(there)
        row = {"region": "us", "item_id": 14, "snapshot_time": stamp(NEWEST), "price": price, "quantity": sum(there)}
        expected.append(row | {"auctions": len(there), "cumulative_quantity": units, "cumulative_cost": cost})
    same(found, expected)


def test_hours_that_are_missing_are_rows_without_figures(ask: Ask) -> None:
    found = ask("history", "14", "--since", "40h", "--region", "eu")
    hours = {at.replace(minute=0, second=0): hour for at, hour in hours_of(Region.EU, 14).items()}
    expected: list[dict[str, Any]] = []
    for ago in range(39, -1, -1):
        begins = (NEWEST - ago * HOUR).replace(minute=0, second=0)
        row: dict[str, Any] = {"region": "eu", "item_id": 14, "bucket": stamp(begins)}
        if (hour := hours.get(begins)) is None:
            keys = ("min_price", "market_value", "total_quantity", "sold_low", "sold", "sold_high")
            expected.append({**row, "snapshots": 0, **dict.fromkeys(keys)})
            continue
        row |= {"snapshots": 1, "min_price": hour.min_price, "market_value": hour.market_value}
        row |= {"total_quantity": hour.quantity, "sold_low": hour.low, "sold": hour.sold, "sold_high": hour.high}
        expected.append(row)
    same(found, expected)
    assert [row["snapshots"] for row in found].count(0) == 4


def test_days_and_weekdays_put_hours_together(ask: Ask) -> None:
    for row in ask("history", "14", "--since", "5d", "--by", "day", "--region", "eu"):
        there = [hour for hour in within(Region.EU, 14, 5 * DAY) if stamp(hour.time)[:10] == row["bucket"][:10]]
        assert row["snapshots"] == len(there)
        assert (row["min_price"], row["sold"]) == (min(h.min_price for h in there), sum(h.sold or 0 for h in there))
        assert isclose(row["market_value"], mean(hour.market_value for hour in there))
    found = ask("history", "14", "--by", "weekday", "--region", "eu")
    assert [row["bucket"] for row in found] == list(range(7))
    for row in found:
        there = [hour for hour in within(Region.EU, 14, WEEK) if hour.time.weekday() == row["bucket"]]
        assert isclose(row["sold"], mean(hour.sold or 0 for hour in there))
    shifted = ask("history", "14", "--since", "3d", "--by", "day", "--tz", "Asia/Tokyo", "--region", "eu")
    assert {row["bucket"][11:] for row in shifted} == {"15:00:00Z"}


def test_top_lists_what_sold(ask: Ask) -> None:
    expected: list[dict[str, Any]] = []
    for region in DEFAULT_REGIONS:
        for item in sorted(ITEMS, key=lambda item: -turnover(region, item, DAY)):
            hours, now = within(region, item, DAY), hours_of(region, item).get(NEWEST)
            row: dict[str, Any] = {"region": region, "item_id": item, "sold": sum(hour.sold or 0 for hour in hours)}
            row |= {"turnover": turnover(region, item, DAY), "market_value": now and now.market_value}
            expected.append(row | {"total_quantity": now.quantity if now else 0})
    same(ask("top", "--columns", "region,item_id,sold,turnover,market_value,total_quantity"), expected)
    by_units = ask("top", "--by", "units", "--region", "eu")
    assert list(by_units[0]) == [
        "region",
        "item_id",
        "name",
        "rank",
        "sold_low",
        "sold",
        "sold_high",
        "turnover",
        "market_value",
        "total_quantity",
    ]
    assert [row["sold"] for row in by_units] == sorted((row["sold"] for row in by_units), reverse=True)


def test_movers_compare_medians_of_three_hours(ask: Ask) -> None:
    expected: list[dict[str, Any]] = []
    for item in ITEMS:
        hours = hours_of(Region.EU, item)

        def at(end: datetime, hours: dict[datetime, Hour] = hours) -> list[Hour]:
            return [hour for time, hour in hours.items() if end - 3 * HOUR < time <= end]

        now, then = at(NEWEST), at(NEWEST - DAY)
        sides = (hours.get(NEWEST), hours.get(NEWEST - DAY))
        sold = turnover_per_day(Region.EU, item)
        if any(side is None or side.auctions < 5 for side in sides) or sold < 10_000_000:
            continue
        prices = [median(hour.market_value for hour in side) for side in (then, now)]
        row = {"item_id": item, "price_then": prices[0], "price_now": prices[1], "change": prices[1] / prices[0] - 1}
        expected.append({**row, "turnover_per_day": sold})
    expected.sort(key=lambda row: -abs(row["change"]))
    assert expected
    keys = "item_id,price_then,price_now,change,turnover_per_day"
    same(ask("movers", "--region", "eu", "--columns", keys), expected)
    ups = ask("movers", "--up", "--region", "eu", "--min-turnover", "0")
    downs = ask("movers", "--down", "--region", "eu", "--min-turnover", "0g")
    assert {row["change"] > 0 for row in ups} <= {True}
    assert {row["change"] < 0 for row in downs} <= {True}


def test_deals_count_what_can_be_bought_and_sold(ask: Ask) -> None:
    expected: list[dict[str, Any]] = []
    for region in DEFAULT_REGIONS:
        rows: list[dict[str, Any]] = []
        for item in ITEMS:
            price, left = usual(region, item), floor(0.1 * per_day(region, item))
            units = cost = 0
            for offer, quantity in levels(region, item):
                taken = min(quantity, left - units) if offer <= 0.8 * price else 0
                units, cost = units + taken, cost + taken * offer
            now = hours_of(region, item).get(NEWEST)
            if units and now and now.min_price <= 0.8 * price:
                row = {"region": region, "item_id": item, "usual_price": price, "min_price": now.min_price}
                gain = 0.95 * price * units - cost
                rows.append({**row, "units": units, "cost": cost, "gain": gain, "sold_per_day": per_day(region, item)})
        expected += sorted(rows, key=lambda row: -row["gain"])
    assert expected
    found = ask("deals", "--days", "0.1")
    keys = ["region", "item_id", "name", "rank", "usual_price", "min_price", "units", "cost", "gain", "sold_per_day"]
    assert {tuple(row) for row in found} == {tuple(keys)}
    same([{key: row[key] for key in keys if key not in {"name", "rank"}} for row in found], expected)


def test_tokens_and_what_they_make_of_prices(ask: Ask) -> None:
    rows = [
        {"region": region, "timestamp": stamp(at), "price": price}
        for region in DEFAULT_REGIONS
        for at, price in tokens(region)
        if at > NEWEST - 3 * DAY
    ]
    same(ask("token", "--since", "3d"), rows)
    eu, us = (tokens(region)[-1][1] for region in DEFAULT_REGIONS)
    expected: list[dict[str, Any]] = []
    for item in ITEMS:
        if item != GONE:
            a, b = (hours_of(region, item)[NEWEST].market_value for region in DEFAULT_REGIONS)
            row = {"item_id": item, "region_a": "eu", "region_b": "us", "price_a": a, "price_b": b}
            expected.append({**row, "tokens_a": a / eu, "tokens_b": b / us, "ratio": (a / eu) / (b / us)})
    expected.sort(key=lambda row: -max(row["ratio"], 1 / row["ratio"]))
    found = ask("spread")
    assert list(found[0]) == [
        "item_id",
        "name",
        "rank",
        "region_a",
        "region_b",
        "price_a",
        "price_b",
        "tokens_a",
        "tokens_b",
        "ratio",
    ]
    same([{key: row[key] for key in expected[0]} for row in found], expected)
    assert ask("spread", "--min-turnover", "1000000") == []


def test_find_puts_what_sold_most_first(ask: Ask) -> None:
    sold = {
        item: sum(hour.sold or 0 for region in DEFAULT_REGIONS for hour in within(region, item, WEEK)) for item in ITEMS
    }
    found = ask("find", "drac")
    assert list(found[0]) == ["item_id", "name", "rank", "item_level", "item_class", "quality", "total_quantity"]
    assert [row["item_id"] for row in found] == sorted((12, 13, 14), key=lambda item: (-sold[item], item))
    there = {row["item_id"]: row["total_quantity"] for row in found}
    assert there[14] == sum(hours_of(region, 14)[NEWEST].quantity for region in DEFAULT_REGIONS)
    assert [row["name"] for row in ask("find", str(NAMELESS))] == [None]
    assert ask("find", "nothing of the kind") == ask("find", "9" * 5_000) == []


def test_a_price_is_read_by_few_statements_since_each_costs_as_much_as_what_it_finds(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[object] = []
    execute = psycopg.Cursor[Any].execute

    def counted(cursor: psycopg.Cursor[Any], query: Any, *given: Any, **options: Any) -> psycopg.Cursor[Any]:
        sent.append(query)
        return execute(cursor, query, *given, **options)

    monkeypatch.setattr(psycopg.Cursor, "execute", counted)
    ask("price", "11", "--region", "eu")
    reading = [query for query in sent if "/* ironforge asking" in str(query) or "/* ironforge history" in str(query)]
    assert 5 <= len(reading) <= 9, reading
