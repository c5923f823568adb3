"""Every price of an item: one function each, which works on all items of a snapshot at once.

Auctions are never expanded into units, and no sum can overflow: an item's costs are Python's own integers.
The function `order_book` makes the book of a single item, to try a price by hand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ironforge_cli.market.auctions import Auctions, Bool, Float64, Int32, Int64, item_codes

if TYPE_CHECKING:
    from collections.abc import Sequence

BigInts: TypeAlias = NDArray[np.object_]
"""Python integers of any size, one an item."""

# Below this, a float64 sum of whole numbers that are not negative is exact; and where the true sum
# is at least this, so is the computed one, because rounding never crosses a number that float64 holds.
_EXACT_FLOATS = 2.0**53
_SORT_KEY_BITS = 63


@dataclass(frozen=True, slots=True)
class OrderBooks:
    """What is for sale of every item, cheapest first, as a buyer walks it: n auctions of k items."""

    item_id: Int32
    """The k items, sorted."""
    first: Int64
    """For each item the row of its cheapest auction; its other rows follow."""
    price: Int64
    """For each auction, copper for one unit."""
    quantity: Int64
    """For each auction, units."""
    units_before: Int64
    """For each auction, the units of the same item that come before it in the book."""
    units: Int64
    """For each item, all its units."""

    @classmethod
    def of(cls, auctions: Auctions) -> OrderBooks:
        """Sort a snapshot's auctions by item and price."""
        item_id, (code,) = item_codes(auctions.item_id)
        order = _by_item_and_price(code, auctions.unit_price, items=len(item_id))
        counts = np.bincount(code, minlength=len(item_id))
        first = np.cumsum(counts) - counts
        quantity = auctions.quantity[order].astype(np.int64)
        all_before = np.cumsum(quantity) - quantity
        return cls(
            item_id=item_id,
            first=first,
            price=auctions.unit_price[order],
            quantity=quantity,
            units_before=all_before - np.repeat(all_before[first], counts),
            units=np.add.reduceat(quantity, first),
        )

    @property
    def auctions(self) -> Int64:
        """For each item, the number of its auctions."""
        return np.diff(self.first, append=len(self.price))

    def price_of_unit(self, number: Int64) -> Int64:
        """Return for each item the price of one unit, numbered from 1 at the cheapest."""
        wanted = np.repeat(number, self.auctions)
        return self.price[(self.units_before < wanted) & (wanted <= self.units_before + self.quantity)]

    def cheapest(self, units: Int64) -> Int64:
        """Return for each auction how many of its units are among the cheapest `units` of its item."""
        return np.clip(np.repeat(units, self.auctions) - self.units_before, 0, self.quantity)

    def total(self, value: Int64, *, units: Int64, power: int = 1) -> BigInts:
        """Return for each item the exact sum of units * value**power over its auctions.

        `value` and `units` hold one number an auction, none of them negative.
        """
        sums = np.add.reduceat(units.astype(np.float64) * value.astype(np.float64) ** power, self.first)
        exact = sums < _EXACT_FLOATS
        totals = np.where(exact, sums, 0).astype(np.int64).astype(np.object_)
        if not exact.all():
            rows = np.flatnonzero(np.repeat(~exact, self.auctions) & (units > 0))
            item = np.repeat(np.arange(len(exact)), self.auctions)[rows]
            np.add.at(totals, item, units[rows].astype(np.object_) * value[rows].astype(np.object_) ** power)
        return totals


def order_book(lots: Sequence[tuple[int, int]]) -> OrderBooks:
    """Make the book of a single item from pairs of quantity and unit price.

    >>> order_book([(200, 9), (1, 5)]).price.tolist()
    [5, 9]
    """
    quantity, price = zip(*lots, strict=True)
    return OrderBooks.of(
        Auctions(
            auction_id=np.arange(len(lots)),
            item_id=np.ones(len(lots), np.int32),
            unit_price=np.array(price, np.int64),
            quantity=np.array(quantity, np.int32),
            time_left=np.zeros(len(lots), np.uint8),
        )
    )


def min_price(books: OrderBooks) -> Int64:
    """Return what the cheapest unit costs.

    >>> min_price(order_book([(10, 100), (10, 110), (80, 200)])).tolist()
    [100]
    """
    return books.price[books.first]


def max_price(books: OrderBooks) -> Int64:
    """Return what the dearest unit costs.

    >>> max_price(order_book([(10, 100), (10, 110), (80, 200)])).tolist()
    [200]
    """
    return books.price[books.first + books.auctions - 1]


def mean_price(books: OrderBooks) -> Float64:
    """Return the mean over units: an auction of 200 counts 200 times.

    >>> mean_price(order_book([(10, 100), (10, 110), (80, 200)])).tolist()
    [181.0]
    """
    return _mean(books.total(books.price, units=books.quantity), units=books.units)


def median_price(books: OrderBooks) -> Float64:
    """Return what the unit in the middle costs; of an even number of units, the mean of the two in the middle.

    >>> median_price(order_book([(1, 100), (1, 110), (3, 200)])).tolist()
    [200.0]
    >>> median_price(order_book([(1, 100), (2, 110), (3, 200)])).tolist()
    [155.0]
    """
    lower = books.price_of_unit((books.units + 1) // 2)
    upper = books.price_of_unit(books.units // 2 + 1)
    return (lower + upper) / 2


def market_value(books: OrderBooks) -> Float64:
    """Return TradeSkillMaster's market value: the mean of the cheap end, without its outliers.

    Walk the units from the cheapest: always 15% of them, up to 30% as long as no unit costs 1.2 times
    the one before it or more. Of what was walked, keep the units whose price lies within 1.5 standard deviations of
    the mean. The market value is the mean of those.

    Of the 24 units here, 7 are walked (30%, no jump stops them between 15% and 30%): 5, 13, 13, 15, 15, 15, 16.
    Their mean is 13.143 and their standard deviation 3.761, so the 5 is an outlier.

    >>> prices = [5, 13, 13, 15, 15, 15, 16, 17, 17, 19, *[20] * 6, 21, 21, 29, 45, 45, 46, 47, 100]
    >>> market_value(order_book([(1, price) for price in prices])).tolist()
    [14.5]
    """
    walked = _walked_units(books)
    units = books.cheapest(walked)
    kept = np.where(_without_outliers(books, units=units, walked=walked), units, 0)
    return _mean(books.total(books.price, units=kept), units=np.add.reduceat(kept, books.first))


def cheapest_15_percent_price(books: OrderBooks) -> Int64:
    """Return The Undermine Journal's price: what a unit costs to who buys the cheapest 15%, rounded up to copper.

    Of 100 units the cheapest 15 are bought, for 10 * 100 + 5 * 110 = 1,550.

    >>> cheapest_15_percent_price(order_book([(10, 100), (10, 110), (80, 200)])).tolist()
    [104]
    """
    units = (3 * books.units + 19) // 20
    costs = books.total(books.price, units=books.cheapest(units))
    return (-(-costs // units.astype(np.object_))).astype(np.int64)


def cost_of(books: OrderBooks, *, units: int | Int64) -> list[int | None]:
    """Return what it costs to buy so many units of each item, cheapest first: the price a crafter really pays.

    `units` is one number for all items or one an item. None where fewer are for sale.

    >>> book = order_book([(10, 100), (10, 110), (80, 200)])
    >>> cost_of(book, units=15), cost_of(book, units=101)
    ([1550], [None])
    """
    wanted = np.broadcast_to(np.asarray(units, np.int64), books.units.shape)
    costs = books.total(books.price, units=books.cheapest(wanted))
    costs[wanted > books.units] = None
    return costs.tolist()


@dataclass(frozen=True, slots=True)
class PriceColumns:
    """The prices of every item of a snapshot: one row an item, sorted by item; prices in copper."""

    item_id: Int32
    min_price: Int64
    max_price: Int64
    mean_price: Float64
    median_price: Float64
    market_value: Float64
    cheapest_15_percent_price: Int64
    total_quantity: Int64
    num_auctions: Int32

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.item_id)


def summarise(auctions: Auctions) -> PriceColumns:
    """Compute every price of every item of a snapshot."""
    books = OrderBooks.of(auctions)
    return PriceColumns(
        item_id=books.item_id,
        min_price=min_price(books),
        max_price=max_price(books),
        mean_price=mean_price(books),
        median_price=median_price(books),
        market_value=market_value(books),
        cheapest_15_percent_price=cheapest_15_percent_price(books),
        total_quantity=books.units,
        num_auctions=books.auctions.astype(np.int32),
    )


def _by_item_and_price(code: Int64, price: Int64, *, items: int) -> Int64:
    """Return the order of the auctions by item and price."""
    price_bits = int(price.max(initial=0)).bit_length()
    if price_bits + items.bit_length() <= _SORT_KEY_BITS:
        # One key of both sorts several times as fast, and fits unless somebody asks for millions of gold caps.
        return np.argsort((code << price_bits) | price)
    return np.lexsort((price, code))


def _mean(totals: BigInts, *, units: Int64) -> Float64:
    """Divide each item's total by its units, correctly rounded at any size."""
    return (totals / units.astype(np.object_)).astype(np.float64)


def _walked_units(books: OrderBooks) -> Int64:
    """Return for each item how many of its cheapest units TradeSkillMaster's rule looks at.

    The rule stops before unit i if i > 0.15 n and (i > 0.30 n or its price is at least 1.2 times the one before).
    A price can only jump at an auction's first unit, whose number is `units_before` + 1.
    """
    total = np.repeat(books.units, books.auctions)
    jumps = np.zeros(len(books.price), np.bool_)
    jumps[1:] = 5 * books.price[1:] >= 6 * books.price[:-1]
    jumps[books.first] = False
    stops = jumps & (20 * (books.units_before + 1) > 3 * total)
    at_most = np.maximum(3 * books.units // 10, 1)
    return np.minimum(at_most, np.minimum.reduceat(np.where(stops, books.units_before, total), books.first))


def _without_outliers(books: OrderBooks, *, units: Int64, walked: Int64) -> Bool:
    """Return for each auction whether its price is within 1.5 sample standard deviations of its item's mean.

    Mean and deviation are those of `units`, of which an item has `walked`. All is done in whole numbers, since a
    price exactly at 1.5 deviations is common (three equal ones and a dearer one), and has to stay. With d a price
    less the item's lowest, W the units walked, S and Q the sums of d and d² over them, the condition is
    |d - S/W| ≤ 1.5 √((Q - S²/W) / (W - 1)), which is (W d - S)² ≤ 9 W (W Q - S²) / 4 (W - 1).
    """
    above_lowest = books.price - np.repeat(books.price[books.first], books.auctions)
    w = walked.astype(np.object_)
    s = books.total(above_lowest, units=units)
    q = books.total(above_lowest, units=units, power=2)
    square = 9 * w * (w * q - s * s) // (4 * np.maximum(walked - 1, 1).astype(np.object_))
    reach = np.frompyfunc(math.isqrt, 1, 1)(square)
    lowest = (-((reach - s) // w)).astype(np.int64)
    highest = ((s + reach) // w).astype(np.int64)
    return (np.repeat(lowest, books.auctions) <= above_lowest) & (above_lowest <= np.repeat(highest, books.auctions))
