"""What things are worth over days: the usual price, the weighted market value, changes, sales a day, gains.

Days come as rows of a matrix with a column an item; NaN stands for what is not known, and no result makes a number of
it. The words are those of docs/questions.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from ironforge_cli.market.books import BookLevels

if TYPE_CHECKING:
    from ironforge_cli.market.auctions import Float64, Int64

USUAL_DAYS: Final = 14
"""Closed days that the usual price looks back."""
FEWEST_DAYS: Final = 3
"""Days with a value that it takes."""
WEIGHTS: Final = (132, 125, 100, 75, 45, 34, 33, 38, 28, 21, 15, 10, 7, 5, 4)
"""Of today and of the 14 days before: as published in old code of TradeSkillMaster's."""
AFTER_THE_CUT: Final = 0.95
"""The share of a sale that the auction house leaves to the seller."""
DAY_SECONDS: Final = 86_400


def usual_price(day_values: Float64) -> Float64:
    """Return for each of k items the median of its market values of closed days, copper; NaN with fewer than 3.

    `day_values`, shape (days, k), hold a row for each of the last 14 closed days.

    >>> usual_price(np.array([[10, 10.0], [30, np.nan], [20, 12.0]])).tolist()
    [20.0, nan]
    """
    known = ~np.isnan(day_values)
    enough = known.sum(axis=0) >= FEWEST_DAYS
    usual = np.full(day_values.shape[1], np.nan)
    if enough.any():
        usual[enough] = _medians(day_values[:, enough])
    return usual


def weighted_market_value(day_values: Float64) -> Float64:
    """Return for each of k items the mean of its market values of today and the 14 days before, by `WEIGHTS`, copper.

    `day_values`, shape (15, k), begin with today; days without a value are left out, NaN where there is none at all.
    Today 50, fourteen days before 100 each, is (132 x 50 + 540 x 100) / 672:

    >>> round(float(weighted_market_value(np.array([[50.0]] + [[100.0]] * 14))[0]), 2)
    90.18
    """
    known = ~np.isnan(day_values)
    weights = np.where(known, np.array(WEIGHTS, np.float64)[: len(day_values), np.newaxis], 0)
    total = weights.sum(axis=0)
    summed = (weights * np.where(known, day_values, 0)).sum(axis=0)
    return np.where(total > 0, summed / np.where(total > 0, total, 1), np.nan)


def change(now: Float64, then: Float64) -> Float64:
    """Return how much more something costs now, as a fraction; NaN where either price is not known.

    >>> change(np.array([120.0, 50.0]), np.array([100.0, np.nan])).tolist()
    [0.19999999999999996, nan]
    """
    return now / then - 1


def median_of_snapshots(values: Float64) -> Float64:
    """Return for each of k items the median of its prices in some snapshots, those without a price left out.

    `values` have the shape (snapshots, k); NaN where no snapshot prices the item.

    >>> median_of_snapshots(np.array([[1.0, np.nan], [9.0, np.nan], [2.0, np.nan]])).tolist()
    [2.0, nan]
    """
    priced = ~np.isnan(values).all(axis=0)
    medians = np.full(values.shape[1], np.nan)
    if priced.any():
        medians[priced] = _medians(values[:, priced])
    return medians


def _medians(values: Float64) -> Float64:
    """The median of each column, which has a number at least.

    As numpy's `nanmedian`, which over so few rows loads masked arrays and takes three times as long.

    >>> _medians(np.array([[4.0, np.nan], [1.0, 7.0], [2.0, np.nan]])).tolist()
    [2.0, 7.0]
    """
    ordered = np.sort(values, axis=0)
    known = (~np.isnan(values)).sum(axis=0)
    low, high = (np.take_along_axis(ordered, place[np.newaxis], axis=0)[0] for place in ((known - 1) // 2, known // 2))
    return (low + high) / 2


def per_day(units: Float64, seconds: Float64) -> Float64:
    """Return units sold in a day, from units sold in so many seconds; NaN where no interval is known.

    >>> per_day(np.array([7.0, 0.0]), np.array([43_200.0, 0.0])).tolist()
    [14.0, nan]
    """
    return np.where(seconds > 0, units * DAY_SECONDS / np.where(seconds > 0, seconds, 1), np.nan)


def cost_of(prices: Int64, quantities: Int64, units: int) -> tuple[int, int, int | None]:
    """Return what the cheapest `units` of a book cost: units got, copper for all, and the lowest price afterwards.

    `prices` and `quantities`, one a level or an auction, are sorted by price. Fewer units than were wanted are what is
    for sale; the lowest price afterwards is None where nothing is left.

    >>> cost_of(np.array([5, 6]), np.array([10, 20]), 15)
    (15, 80, 6)
    >>> cost_of(np.array([5]), np.array([10]), 15)
    (10, 50, None)
    """
    units_there, cost, _, after = BookLevels.of(prices.tolist(), quantities.tolist()).cheapest(units)
    return units_there, cost, after


def gain_of(prices: Int64, quantities: Int64, *, usual: float, discount: float, most: int) -> tuple[int, int, float]:
    """Return what buying below the usual price brings: units, what they cost, and what is left of selling them.

    Of the units at or below (1 - discount) x usual, at most `most`, the cheapest first; each is sold at the usual price
    less the auction house's cut. Copper, the gain unrounded.

    >>> gain_of(np.array([70, 80, 90]), np.array([2, 5, 9]), usual=100.0, discount=0.2, most=4)
    (4, 300, 80.0)
    """
    cheap = prices <= (1 - discount) * usual
    units, cost, _ = cost_of(prices[cheap], quantities[cheap], most)
    return units, cost, AFTER_THE_CUT * usual * units - cost
