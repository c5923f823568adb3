from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ironforge_cli.market import prices
from ironforge_cli.market.auctions import Auctions
from ironforge_cli.market.prices import OrderBooks, order_book
from tests.market import reference

Lots: TypeAlias = list[tuple[int, int]]

near_prices = st.integers(95, 125)
ordinary_prices = near_prices | st.integers(1, 20) | st.integers(1, 100_000).map(lambda gold: gold * 10_000)
small_lots = st.lists(st.tuples(st.integers(1, 6) | st.just(200), ordinary_prices), min_size=1, max_size=25)
huge_lots = st.lists(
    st.tuples(
        st.integers(1, 5) | st.integers(2**31 - 9, 2**31 - 1),
        near_prices | st.integers(10**15 - 50, 10**15) | st.integers(1, 10**15),
    ),
    min_size=1,
    max_size=12,
)


def market_of(books: dict[int, Lots]) -> Auctions:
    rows = [(item, quantity, price) for item, lots in books.items() for quantity, price in lots]
    shuffled = np.random.default_rng(7).permutation(len(rows))
    return Auctions.from_columns(
        auction_id=shuffled.astype(np.int64),
        item_id=np.array([item for item, _, _ in rows], np.int32),
        unit_price=np.array([price for _, _, price in rows], np.int64),
        quantity=np.array([quantity for _, quantity, _ in rows], np.int32),
        time_left=np.zeros(len(rows), np.uint8),
    )


@settings(max_examples=60)
@given(st.dictionaries(st.integers(1, 2**31 - 1), small_lots, max_size=5))
def test_every_price_equals_that_of_units_written_out_one_by_one(books: dict[int, Lots]) -> None:
    columns = prices.summarise(market_of(books))
    units = {item: reference.every_unit(lots) for item, lots in sorted(books.items())}
    assert columns.item_id.tolist() == list(units)
    assert columns.min_price.tolist() == [unit[0] for unit in units.values()]
    assert columns.max_price.tolist() == [unit[-1] for unit in units.values()]
    assert columns.mean_price.tolist() == [float(reference.mean(unit)) for unit in units.values()]
    assert columns.median_price.tolist() == [float(reference.median(unit)) for unit in units.values()]
    assert columns.market_value.tolist() == [float(reference.market_value(unit)) for unit in units.values()]
    assert columns.cheapest_15_percent_price.tolist() == [
        reference.cheapest_15_percent(unit) for unit in units.values()
    ]
    assert columns.total_quantity.tolist() == [len(unit) for unit in units.values()]
    assert columns.num_auctions.tolist() == [len(books[item]) for item in units]


@settings(max_examples=60)
@given(st.lists(huge_lots, max_size=4))
def test_no_price_overflows(lots_of_items: list[Lots]) -> None:
    columns = prices.summarise(market_of(dict(enumerate(lots_of_items, start=1))))
    books = [reference.runs(lots) for lots in lots_of_items]
    assert columns.mean_price.tolist() == [float(reference.mean_of_runs(book)) for book in books]
    assert columns.median_price.tolist() == [float(reference.median_of_runs(book)) for book in books]
    assert columns.market_value.tolist() == [float(reference.market_value_of_runs(book)) for book in books]
    assert columns.cheapest_15_percent_price.tolist() == [reference.cheapest_15_percent_of_runs(book) for book in books]
    assert columns.total_quantity.tolist() == [sum(count for _, count in book) for book in books]


@settings(max_examples=40)
@given(small_lots)
def test_the_two_references_agree(lots: Lots) -> None:
    units, book = reference.every_unit(lots), reference.runs(lots)
    assert reference.mean_of_runs(book) == reference.mean(units)
    assert reference.median_of_runs(book) == reference.median(units)
    assert reference.market_value_of_runs(book) == reference.market_value(units)
    assert reference.cheapest_15_percent_of_runs(book) == reference.cheapest_15_percent(units)


@settings(max_examples=40)
@given(lots=small_lots, share=st.floats(0, 1))
def test_the_cost_of_units_is_that_of_the_cheapest_ones(lots: Lots, share: float) -> None:
    units = reference.every_unit(lots)
    wanted = round(share * len(units))
    assert prices.cost_of(order_book(lots), units=wanted) == [sum(units[:wanted])]
    assert prices.cost_of(order_book(lots), units=len(units) + 1) == [None]


def test_the_cost_of_units_may_differ_by_item() -> None:
    books = OrderBooks.of(market_of({3: [(2, 10)], 4: [(1, 7), (1, 9)], 5: [(2**31 - 1, 10**15)]}))
    assert prices.cost_of(books, units=np.array([3, 2, 2**31 - 1])) == [None, 16, (2**31 - 1) * 10**15]


def test_the_first_sum_that_no_double_holds_is_exact() -> None:
    # As a double it would be 2**53, one less.
    book = order_book([(9, 10**15), (1, 2**53 + 1 - 9 * 10**15)])
    assert prices.cost_of(book, units=10) == [2**53 + 1]


@pytest.mark.parametrize("dearer", range(101, 120))
def test_a_price_at_exactly_one_and_a_half_deviations_is_kept(dearer: int) -> None:
    book = order_book([(3, 100), (1, dearer), (10, 500)])
    assert prices.market_value(book).tolist() == [(300 + dearer) / 4]


@pytest.mark.parametrize("price", [1, 3, 99_999, 10**15 - 1])
def test_equal_prices_have_that_market_value(price: int) -> None:
    assert prices.market_value(order_book([(7, price), (1_000_003, price)])).tolist() == [price]


def test_a_jump_of_a_fifth_stops_the_walk_after_15_percent() -> None:
    assert prices.market_value(order_book([(3, 100), (17, 120)])).tolist() == [100]
    assert prices.market_value(order_book([(3, 100), (17, 119)])).tolist() == [109.5]


def test_a_jump_within_the_first_15_percent_does_not_stop_the_walk() -> None:
    assert prices.market_value(order_book([(2, 100), (18, 130)])).tolist() == [pytest.approx(130 - 30 / 3)]


def test_many_gold_caps_still_sort_by_item_and_price() -> None:
    items = range(1, 10_001)
    columns = prices.summarise(market_of({item: [(1, 10**15), (1, item)] for item in items}))
    assert columns.item_id.tolist() == list(items)
    assert columns.min_price.tolist() == list(items)
    assert set(columns.max_price.tolist()) == {10**15}


def test_a_market_without_auctions_has_no_rows() -> None:
    columns = prices.summarise(market_of({}))
    assert len(columns) == 0
    assert columns.market_value.tolist() == []
