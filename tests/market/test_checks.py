from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ironforge_cli.market.auctions import Book
from ironforge_cli.market.checks import ENOUGH_ITEMS, OFTEN, Thinning, sold_lots, thinning
from ironforge_cli.market.doubts import THINNING_FITS, Doubt, SoldLots, doubts, latest_quarter
from ironforge_cli.market.estimate import PastSums, estimate
from ironforge_cli.market.sales import compare, first_windows
from ironforge_cli.sandbox.market import SimulatedMarket, default_profiles
from tests.benchmarks.estimator_accuracy import as_collected
from tests.market.made_up import as_columns
from tests.market.reference import Auction, Snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

NOON = datetime(2024, 1, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
HERB = Auction(7, 100, 10, "VERY_LONG")


def book_of(snapshot: Snapshot, *, at: datetime) -> Book:
    auctions = as_columns(snapshot)
    return Book(auctions=auctions, windows=first_windows(auctions), snapshot_time=at)


def lots_sold(before: Snapshot, after: Snapshot, *, highest_ids: list[int]) -> SoldLots | None:
    book, now = book_of(before, at=NOON), as_columns(after)
    comparison = compare(book, now, at=NOON + HOUR)
    rows = estimate(comparison.counts, PastSums.nothing(), seconds=3600)
    return sold_lots(book.auctions, now, comparison, rows, highest_ids=highest_ids)


def test_a_sold_lot_counts_in_the_quarter_in_which_its_id_was_given_out() -> None:
    # Listed between the snapshots whose highest ids are 100 and 200, of which 190 lies near the second.
    before = {key: HERB._replace(price=key) for key in (110, 130, 160, 190, 195)} | {90: HERB._replace(price=1000)}
    kept = {195: before[195]._replace(quantity=5), 90: before[90]}
    found = lots_sold(before, kept, highest_ids=[100, 200])
    assert found is not None
    assert found.quarters == (1.5, 1.0, 1.0, 1.0)
    assert (found.seen, found.unseen) == (4.5, 0.0)


def test_a_lot_that_is_older_than_the_known_snapshots_or_a_wrap_is_not_dated() -> None:
    before = {key: HERB._replace(price=key) for key in (50, 150)}
    for highest_ids in ([100], [100, 200], [10, 900, 100, 200], [10, 100, 100, 200]):
        found = lots_sold(before, {}, highest_ids=highest_ids)
        assert found is not None
        assert found.seen == 2
        assert sum(found.quarters) == (1 if len(highest_ids) > 1 else 0)


def test_ids_that_do_not_rise_with_time_tell_nothing() -> None:
    before = {150: HERB}
    assert lots_sold(before, {160: HERB}, highest_ids=[100, 200]) is None
    assert lots_sold(before, {250: HERB}, highest_ids=[100, 200]) is not None
    assert lots_sold(before, {}, highest_ids=[]) is None
    # One in twenty new ones may lie below.
    above = {250 + number: HERB for number in range(19)}
    assert lots_sold(before, {160: HERB, **above}, highest_ids=[100, 200]) is not None
    assert lots_sold(before, {160: HERB, 161: HERB, **above}, highest_ids=[100, 200]) is None
    assert lots_sold(before, {200: HERB}, highest_ids=[100, 200]) is None


def test_a_lot_that_a_pair_explains_was_not_seen_sold() -> None:
    below = {1: HERB._replace(price=200), 2: HERB._replace(price=300, quantity=3)}
    found = lots_sold({150: HERB, **below}, {250: HERB, 1: below[1]}, highest_ids=[100, 200])
    assert found == SoldLots()


@pytest.mark.parametrize("rate", [0.01, 0.5, 1.0, 3.0])
def test_the_latest_quarter_is_that_of_a_constant_rate(rate: float) -> None:
    age = (np.arange(100_000) + 0.5) / 100_000
    survives = np.exp(-rate * age)
    share = survives[age < 0.25].sum() / survives.sum()
    assert latest_quarter(1 / survives.mean()) == pytest.approx(4 * share, rel=1e-6)


def test_few_lots_have_no_phase_and_sums_of_many_do() -> None:
    some = SoldLots((60.0, 50.0, 40.0, 30.0), seen=180.0, unseen=90.0)
    assert some.phase is None
    assert (some + some).phase == pytest.approx(0.99, abs=0.001)


@pytest.fixture(scope="module")
def books() -> list[Book]:
    market = SimulatedMarket(
        profiles=default_profiles(seed=1, items=150), auctions=4_350, seed=1, starts_at=NOON - 25 * HOUR
    )
    first = as_collected(market.listings())
    books = [Book(auctions=first, windows=first_windows(first), snapshot_time=market.now)]
    for _ in range(25):
        market.advance(hours=1)
        now = as_collected(market.listings())
        windows = compare(books[-1], now, at=market.now).windows
        books.append(Book(auctions=now, windows=windows, snapshot_time=market.now))
    return books


def test_an_ordinary_market_comes_to_nearly_the_same_when_looked_at_half_as_often(books: list[Book]) -> None:
    found = thinning(books[:25])
    assert found.ratio is not None
    assert THINNING_FITS[0] < found.ratio < THINNING_FITS[1]
    # Both ways have to span the same time.
    assert thinning(books) == found


def test_too_few_snapshots_or_items_have_no_ratio(books: list[Book]) -> None:
    assert thinning([]) == thinning(books[:2]) == Thinning(items=0, ratio=None)
    herbs = [book_of({1: HERB._replace(quantity=10 - hour)}, at=NOON + hour * HOUR) for hour in range(3)]
    assert thinning(herbs) == Thinning(items=1, ratio=None)


def test_items_count_that_have_evidence_in_as_many_intervals_as_is_often() -> None:
    # Of twenty intervals the items sell in three, two and all of them.
    sells = {7: (0, 7, 19), 8: (0, 19), 9: tuple(range(20))}
    assert OFTEN == 3 / 20
    books: list[Book] = []
    for hour in range(21):
        left = {item: 900 - 5 * sum(one < hour for one in hours) for item, hours in sells.items()}
        snapshot = {item: Auction(item, 100, quantity, "VERY_LONG") for item, quantity in left.items()}
        books.append(book_of(snapshot, at=NOON + hour * HOUR))
    assert thinning(books) == Thinning(items=2, ratio=None)


def market_of(items: int, *, steps: Sequence[int]) -> list[Book]:
    """Books in which the first units of each item sell as told: the n-th step sells so many of each."""
    books: list[Book] = []
    for hour in range(len(steps) + 1):
        left = 9_000 - sum(steps[:hour])
        snapshot = {item: Auction(item, 100, left, "VERY_LONG") for item in range(1, items + 1)}
        books.append(book_of(snapshot, at=NOON + hour * HOUR))
    return books


def test_a_median_is_told_from_enough_items_on() -> None:
    steps = (10, 30, 10, 30)
    assert thinning(market_of(ENOUGH_ITEMS - 1, steps=steps)) == Thinning(items=ENOUGH_ITEMS - 1, ratio=None)
    found = thinning(market_of(ENOUGH_ITEMS, steps=steps))
    # What stood there all the time is seen as well by looking half as often.
    assert found == Thinning(items=ENOUGH_ITEMS, ratio=1.0)


@pytest.mark.parametrize(
    ("figures", "doubt"),
    [
        ({"thinned": 0.5}, Doubt.THINNING),
        ({"thinned": 1.5}, Doubt.THINNING),
        ({"phase": 0.8}, Doubt.LISTED_EARLY),
        ({"phase": 1.2}, Doubt.LISTED_LATE),
        ({"withdrawn_an_hour": 0.09}, Doubt.CANCELLING),
        ({"passed_by": 0.3}, Doubt.NOT_CHEAPEST),
    ],
)
def test_each_figure_that_is_unusual_is_a_doubt_and_one_that_is_unknown_is_none(
    figures: dict[str, float], doubt: Doubt
) -> None:
    unknown = dict.fromkeys(("thinned", "phase", "withdrawn_an_hour", "passed_by"))
    assert doubts(**unknown) == ()
    assert doubts(**{**unknown, **figures}) == (doubt,)
