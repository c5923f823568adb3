from __future__ import annotations

import dataclasses
import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from ironforge_cli.market import prices
from ironforge_cli.market.estimate import Estimates
from ironforge_cli.market.statistics import Statistics, Summary, summarise_snapshot
from tests.market import reference
from tests.market.made_up import as_columns, as_snapshot, later, whole_market
from tests.market.reference import Auction, Snapshot

NOON = datetime(2024, 1, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
HERB = Auction(1, 100, 5, "LONG")
ORE = Auction(2, 300, 2, "LONG")


def chain(*snapshots: Snapshot) -> list[Summary]:
    summaries: list[Summary] = []
    for number, snapshot in enumerate(snapshots):
        previous = summaries[-1].book if summaries else None
        summaries.append(summarise_snapshot(previous, as_columns(snapshot), at=NOON + number * HOUR))
    return summaries


def row_of(statistics: Statistics, item: int) -> int:
    return statistics.item_id.tolist().index(item)


def test_a_regions_first_snapshot_has_prices_but_no_sales() -> None:
    (first,) = chain({1: HERB, 2: ORE})
    assert first.statistics.item_id.tolist() == [1, 2]
    assert first.statistics.priced.all()
    assert first.statistics.min_price.tolist() == [100, 300]
    assert not first.statistics.compared
    assert first.statistics.sales is first.comparison is first.totals is first.interval_seconds is None
    assert first.windows.expires_before_min.tolist() == [720, 720]


def test_an_item_that_sold_out_has_one_row_in_the_first_snapshot_without_it() -> None:
    _, sold_out, after = chain({1: HERB, 2: ORE}, {2: ORE}, {2: ORE})
    row = row_of(sold_out.statistics, 1)
    assert sold_out.statistics.priced.tolist() == [False, True]
    assert sold_out.statistics.total_quantity[row] == sold_out.statistics.num_auctions[row] == 0
    assert math.isnan(sold_out.statistics.mean_price[row])
    assert math.isnan(sold_out.statistics.median_price[row])
    assert math.isnan(sold_out.statistics.market_value[row])
    assert sold_out.statistics.sales is not None
    assert sold_out.statistics.sales.estimated_sales[row] == 5
    assert after.statistics.item_id.tolist() == [2]


def test_sales_of_all_items_add_up_and_a_first_snapshot_has_none() -> None:
    first, second = chain({1: HERB, 2: ORE, 3: ORE._replace(quantity=7)}, {3: ORE})
    assert first.estimated_sales is first.sales_low is first.sales_high is None
    sold = second.statistics.sales
    assert sold is not None
    assert second.estimated_sales == int(sold.estimated_sales.sum()) > 0
    assert second.sales_low == int(sold.sales_low.sum())
    assert second.sales_high == int(sold.sales_high.sum())
    assert int(sold.sales_low.sum()) < int(sold.sales_high.sum())


def test_an_item_that_comes_back_has_prices_again() -> None:
    *_, back = chain({1: HERB, 2: ORE}, {2: ORE}, {2: ORE, 3: HERB})
    assert back.statistics.priced.all()
    assert back.statistics.sales is not None
    assert back.statistics.new_listings.tolist() == [5, 0]


def test_the_interval_is_what_passed_even_over_a_gap() -> None:
    (first,) = chain({1: HERB})
    at = NOON + timedelta(days=9, seconds=1, milliseconds=900)
    assert summarise_snapshot(first.book, as_columns({}), at=at).interval_seconds == 9 * 86_400 + 1


def test_a_snapshot_without_auctions_sells_everything_out() -> None:
    _, empty = chain({1: HERB, 2: ORE}, {})
    assert empty.statistics.priced.tolist() == [False, False]
    assert empty.statistics.compared


def test_the_book_of_one_snapshot_is_the_previous_one_of_the_next() -> None:
    first, second = chain({1: HERB}, {1: HERB})
    assert second.comparison is not None
    assert second.book.windows is second.comparison.windows
    assert second.book.snapshot_time == NOON + HOUR
    again = summarise_snapshot(first.book, second.book.auctions, at=NOON + HOUR)
    assert again.windows.expires_before_min.tolist() == second.windows.expires_before_min.tolist() == [660]


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        summarise_snapshot(None, as_columns({1: HERB}), at=NOON.replace(tzinfo=None))


@pytest.mark.parametrize("auctions", [20_000, pytest.param(350_000, marks=pytest.mark.slow)])
def test_prices_of_a_whole_market_equal_the_plain_reference(auctions: int) -> None:
    random = np.random.default_rng(20_240_116)
    before = whole_market(random, auctions=auctions, items=auctions // 29)
    now = later(random, before)
    previous = summarise_snapshot(None, before, at=NOON).book
    statistics = summarise_snapshot(previous, now, at=NOON + HOUR).statistics

    lots: dict[int, list[tuple[int, int]]] = {item: [] for item in before.item_id.tolist()}
    for auction in as_snapshot(now).values():
        lots.setdefault(auction.item, []).append((auction.quantity, auction.price))
    books = [reference.runs(lots[item]) for item in sorted(lots)]
    assert statistics.item_id.tolist() == sorted(lots)
    assert statistics.priced.tolist() == [bool(book) for book in books]
    assert not statistics.priced.all()
    assert statistics.num_auctions.tolist() == [len(book) for book in books]
    assert statistics.total_quantity.tolist() == [sum(count for _, count in book) for book in books]
    priced = statistics.priced
    books = [book for book in books if book]
    assert statistics.min_price[priced].tolist() == [book[0][0] for book in books]
    assert statistics.max_price[priced].tolist() == [book[-1][0] for book in books]
    assert statistics.mean_price[priced].tolist() == [float(reference.mean_of_runs(book)) for book in books]
    assert statistics.median_price[priced].tolist() == [float(reference.median_of_runs(book)) for book in books]
    assert statistics.market_value[priced].tolist() == [float(reference.market_value_of_runs(book)) for book in books]
    assert statistics.cheapest_15_percent_price[priced].tolist() == [
        reference.cheapest_15_percent_of_runs(book) for book in books
    ]


def test_every_price_and_every_sales_column_reaches_the_statistics() -> None:
    names = {column.name for column in dataclasses.fields(Statistics)}
    assert names >= {column.name for column in dataclasses.fields(prices.PriceColumns)}
    _, second = chain({1: HERB}, {2: ORE})
    assert isinstance(second.statistics.sales, Estimates)
    assert second.statistics.sales.item_id.tolist() == second.statistics.item_id.tolist() == [1, 2]
