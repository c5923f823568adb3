"""Bait changes little: a few units at a price that nobody means move no figure by more than they should."""

from __future__ import annotations

from typing import Final

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ironforge_cli.market import prices, worth
from ironforge_cli.market.crafting import revenue_of
from ironforge_cli.market.prices import order_book

some_prices = st.integers(100, 10**9)
UNITS: Final = 200
"""A lot's, at most."""


@st.composite
def level_books(draw: st.DrawFn) -> tuple[list[tuple[int, int]], int]:
    """A book whose cheapest 31% cost the same, as lots of units and price, and how many units may be bait."""
    floor = draw(some_prices)
    at_floor = draw(st.lists(st.integers(1, UNITS), min_size=5, max_size=60))
    above = draw(st.lists(st.tuples(st.integers(1, UNITS), st.floats(1, 50)), max_size=60))
    lots = [(units, floor) for units in at_floor] + [(units, int(floor * times)) for units, times in above]
    dear = sum(units for units, price in lots if price > floor)
    # Whatever is missing of the 31% stands at the floor, too, and a thousandth is a unit at least.
    missing = max(0, -(-31 * dear // 69) - sum(at_floor), 1_000 - dear - sum(at_floor))
    lots.append((missing + 1, floor))
    return lots, sum(units for units, _ in lots) // 1_000


@settings(max_examples=60)
@given(book=level_books(), price=st.integers(1, 10**12), share=st.floats(0, 1))
def test_a_thousandth_of_the_units_at_any_price_moves_no_price_by_a_hundredth(
    book: tuple[list[tuple[int, int]], int], price: int, share: float
) -> None:
    lots, most = book
    bait = max(1, round(most * share))
    honest, baited = order_book(lots), order_book([*lots, (bait, price)])
    revenues: list[float] = []
    for figure in (prices.market_value, prices.cheapest_15_percent_price):
        before, after = figure(honest).tolist()[0], figure(baited).tolist()[0]
        assert abs(after - before) <= 0.01 * before
    for of in (honest, baited):
        cheapest = prices.cheapest_15_percent_price(of).tolist()[0]
        units, price_now, usual = np.array([[10.0], [cheapest], [lots[0][1]]])
        revenues += revenue_of(units, cheapest_15_percent_price=price_now, usual_price=usual).tolist()
    assert abs(revenues[1] - revenues[0]) <= 0.01 * revenues[0]


@settings(max_examples=60)
@given(
    values=st.lists(some_prices.map(float), min_size=3, max_size=14),
    place=st.integers(0, 13),
    bait=st.integers(1, 10**12).map(float),
)
def test_bait_in_one_snapshot_moves_a_median_to_its_neighbour_at_most(
    values: list[float], place: int, bait: float
) -> None:
    baited = [*values]
    baited[place % len(values)] = bait
    in_order = sorted(values)
    middle = len(values) // 2
    # Of an even number the median is the mean of the two in the middle.
    low = np.mean(in_order[max(0, (len(values) - 1) // 2 - 1) : middle])
    high = np.mean(in_order[(len(values) - 1) // 2 + 1 : middle + 2])
    for median in (worth.usual_price, worth.median_of_snapshots):
        found = float(median(np.array(baited)[:, np.newaxis])[0])
        assert low <= found <= high or found == float(np.median(values))


@settings(max_examples=60)
@given(
    lots=st.lists(st.tuples(some_prices, st.integers(1, UNITS)), min_size=1, max_size=20),
    bait=st.tuples(st.integers(1, 10**10), st.integers(1, 20)),
    wanted=st.integers(1, 2_000),
)
def test_a_cost_and_a_deal_count_bait_for_its_own_units_and_no_more(
    lots: list[tuple[int, int]], bait: tuple[int, int], wanted: int
) -> None:
    def columns(book: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
        book = sorted(book)
        return np.array([price for price, _ in book], np.int64), np.array([units for _, units in book], np.int64)

    def units_of(book: list[tuple[int, int]], most: int) -> list[int]:
        return sorted(price for price, units in book for _ in range(units))[:most]

    baited = [*lots, bait]
    units, cost, _ = worth.cost_of(*columns(baited), wanted)
    bought = units_of(baited, wanted)
    assert (units, cost) == (len(bought), sum(bought))
    # Beside those of the bait it is the same units as without it, and fewer of them.
    rest = bought.copy()
    taken = min(rest.count(bait[0]), bait[1])
    for _ in range(taken):
        rest.remove(bait[0])
    assert rest == units_of(lots, len(rest))
    usual = float(np.median([price for price, _ in lots]))
    units, cost, gain = worth.gain_of(*columns(baited), usual=usual, discount=0.2, most=wanted)
    cheap = [price for price in units_of(baited, 10**9) if price <= 0.8 * usual][:wanted]
    assert (units, cost) == (len(cheap), sum(cheap))
    assert abs(gain - sum(0.95 * usual - price for price in cheap)) <= 1e-9 * max(1.0, usual * len(cheap))
