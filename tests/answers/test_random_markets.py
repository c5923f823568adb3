"""Each answer is that of a slow plain calculation, whatever the market: nothing unknown is 0, nothing old is new."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import isclose
from random import Random
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ironforge_cli.answers.answer import Asking
from ironforge_cli.answers.book import book
from ironforge_cli.answers.history import By, history
from ironforge_cli.answers.items import find
from ironforge_cli.answers.lists import Direction, TopBy, deals, movers, top
from ironforge_cli.answers.price import price
from ironforge_cli.answers.spread import spread
from ironforge_cli.answers.token import token
from ironforge_cli.db.engine import Database
from ironforge_cli.errors import UsageError
from ironforge_cli.regions import DEFAULT_REGIONS
from ironforge_cli.values import replace
from tests.answers.plainly import WEEK, Plainly, Record
from tests.answers.random_markets import DAY, HOUR, ITEMS, random_market, store

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from tests.answers.random_markets import RandomMarket
    from tests.servers import TestServer

NAMELESS: Final = 16
ZONES: Final = ("UTC", "UTC", "Europe/Berlin", "Asia/Kolkata")


@pytest.fixture(scope="module")
def database(server: TestServer) -> Generator[Database]:
    with server.migrated_database() as url:
        opened = Database(url)
        yield opened
        opened.close()


def assert_same(found: Sequence[Record], expected: Sequence[Record]) -> None:
    """Every row, in order, by the keys that are expected: null is null, and no number stands for it."""
    key = "item_id" if expected and "item_id" in expected[0] else "region"
    assert [row[key] for row in found] == [row[key] for row in expected], (found, expected)
    for row, wanted in zip(found, expected, strict=True):
        for name, value in wanted.items():
            other = row[name]
            both = isinstance(value, float) and isinstance(other, int | float)
            is_same = isclose(other, value, rel_tol=1e-9, abs_tol=1e-12) if both else other == value
            assert is_same, (name, other, value, row)


def asked(database: Database, market: RandomMarket, random: Random) -> Asking:
    newest = [at for region in DEFAULT_REGIONS if (at := market.newest(region)) is not None]
    now = max([*newest, datetime(2026, 4, 1, tzinfo=UTC)]) + timedelta(minutes=random.randrange(300))
    return Asking(database=database, regions=DEFAULT_REGIONS, now=now, max_age=2 * HOUR)


MONTHS_BEFORE = pytest.mark.parametrize("month_before", ["by time", "by item", "gone"])


@MONTHS_BEFORE
@settings(max_examples=3)
@given(seed=st.integers(0, 2**32))
def test_every_answer_is_that_of_a_plain_calculation(database: Database, month_before: str, seed: int) -> None:
    compare(database, month_before, seed)


@pytest.mark.slow
@MONTHS_BEFORE
@settings(max_examples=7)
@given(seed=st.integers(0, 2**32))
def test_so_are_those_of_many_markets(database: Database, month_before: str, seed: int) -> None:
    compare(database, month_before, seed)


def compare(database: Database, month_before: str, seed: int) -> None:
    """Store the market of a seed and ask it everything."""
    random = Random(seed)  # noqa: S311 - a market, no secret
    market = random_market(random, is_laid=month_before == "by item", is_dropped=month_before == "gone")
    store(database, market)
    asking, plain = asked(database, market, random), Plainly(market)
    compare_items(asking, plain, random)
    compare_history(asking, plain, random)
    compare_lists(asking, plain, random)


def compare_items(asking: Asking, plain: Plainly, random: Random) -> None:
    was_there = {item for snapshots in plain.market.snapshots.values() for one in snapshots for item in one.rows}
    if NAMELESS not in was_there:
        with pytest.raises(UsageError, match="There is no item"):
            price(asking, [str(NAMELESS)])
    items = [item for item in ITEMS if item != NAMELESS or item in was_there]
    quantity = random.choice([1, 20, 10_000])
    words = ["dracothyst", *map(str, items)]
    in_order = list(dict.fromkeys([12, 13, *items]))
    prices = price(asking, words, quantity=quantity)
    assert_same(prices.records(), plain.price(in_order, quantity))
    for basis in prices.bases:
        newest = plain.market.newest(basis.region)
        assert basis.snapshot_time == newest
        assert basis.stale == (newest is None or asking.now - newest > 2 * HOUR)
        if newest is not None:
            assert list(basis.missing) == plain.missing(basis.region, newest - WEEK, newest)
    assert {row["stale"] for row in prices.records()} <= {basis.stale for basis in prices.bases}
    for region in DEFAULT_REGIONS:
        one_region = replace(asking, regions=(region,))
        for held in [one for one in plain.market.snapshots[region] if one.is_raw_held]:
            found = book(one_region, "14", at=held.at + timedelta(seconds=1))
            assert_same(found.records(), plain.levels(region, 14, held.at))
    assert_same(find(asking, ["drac"], limit=0).records(), plain.find("drac"))


def compare_history(asking: Asking, plain: Plainly, random: Random) -> None:
    for by in By:
        item, region = random.choice(ITEMS[:-1]), random.choice(DEFAULT_REGIONS)
        newest = plain.market.newest(region)
        if newest is None:
            continue
        zone = ZoneInfo(random.choice(ZONES))
        over = random.choice([30 * HOUR, WEEK, 16 * DAY])
        since = random.choice([None, newest - over, (newest - over).replace(hour=0, minute=0, second=0)])
        until = random.choice([None, newest - timedelta(minutes=random.randrange(2_000))])
        found = history(
            replace(asking, regions=(region,)), [str(item)], since=since, until=until, by=by, zone=zone, over=over
        )
        end = newest if until is None else until
        start = end - over if since is None else since
        assert_same(found.records(), plain.history(region, item, start=start, end=end, by=by, zone=zone))


def compare_lists(asking: Asking, plain: Plainly, random: Random) -> None:
    over = random.choice([DAY, 30 * HOUR, WEEK, 10 * DAY])
    for by in TopBy:
        expected = [row for r in DEFAULT_REGIONS for row in plain.top(r, over, by_units=by is TopBy.UNITS)]
        assert_same(top(asking, by=by, over=over, limit=0).records(), expected)
        first_ones = [row for r in DEFAULT_REGIONS for row in plain.top(r, over, by_units=by is TopBy.UNITS)[:2]]
        assert_same(top(asking, by=by, over=over, limit=2).records(), first_ones)
    over, least = random.choice([DAY, WEEK]), random.choice([0, 10_000_000])
    expected = [row for region in DEFAULT_REGIONS for row in plain.movers(region, over, least)]
    found = movers(asking, over=over, min_turnover=least, direction=Direction.BOTH, limit=0).records()
    assert_same(found, expected)
    limit = random.choice([1, 2])
    first_ones = [row for region in DEFAULT_REGIONS for row in plain.movers(region, over, least)[:limit]]
    found = movers(asking, over=over, min_turnover=least, direction=Direction.BOTH, limit=limit).records()
    assert_same(found, first_ones)
    for direction, sign in ((Direction.UP, 1), (Direction.DOWN, -1)):
        found = movers(asking, over=over, min_turnover=least, direction=direction, limit=0).records()
        assert_same(found, [row for row in expected if sign * row["change"] > 0])
    discount, days = random.choice([0.0, 0.2, 0.5]), random.choice([0.01, 1.0])
    expected = [row for region in DEFAULT_REGIONS for row in plain.deals(region, discount, days)]
    assert_same(deals(asking, discount=discount, days=days, limit=0).records(), expected)
    expected = [
        row for region in DEFAULT_REGIONS if plain.market.tokens[region] for row in plain.token(region, 3 * DAY)
    ]
    assert_same(token(asking, over=3 * DAY, since=None, until=None).records(), expected)
    least = random.choice([0, 1_000_000])
    assert_same(spread(asking, min_turnover=least, limit=0).records(), plain.spread(least))
