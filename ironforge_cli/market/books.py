"""Order books of many items, asked what a number of units of one costs, with what a vendor asks beside it."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ironforge_cli.market.auctions import Bool, Float64, Int32, Int64


_MOST_EXACT: Final = 2.0**53
"""Copper: above it a float doesn't tell every number from the next."""


@dataclass(frozen=True, slots=True)
class Purchase:
    """Units of an item that are bought; copper."""

    item_id: int
    wanted: int
    units: int
    """Units that are there to be bought: fewer than wanted where the book is short and no vendor sells it."""
    cost: int
    """Of the units that are there."""
    dearest: int | None
    """Price of the dearest of them; None where there is none."""
    from_vendor: int
    """How many of them a vendor sells."""

    @property
    def is_whole(self) -> bool:
        """Whether all that is wanted is there."""
        return self.units >= self.wanted


class Cheapest(NamedTuple):
    """The cheapest units of one item's book; copper."""

    units: int
    cost: int
    dearest: int | None
    """Price of the dearest of them; None where there is none."""
    floor_after: int | None
    """The lowest price of what is left; None where nothing is."""


@dataclass(frozen=True, slots=True)
class BookLevels:
    """One item's levels, the cheapest first: prices, and units and copper up to the end of each."""

    prices: list[int]
    units: list[int]
    costs: list[int]

    @classmethod
    def of(cls, prices: Iterable[int], quantities: Iterable[int]) -> Self:
        """Levels that are sorted by price; those without units are left out."""
        levels = [(price, units) for price, units in zip(prices, quantities, strict=True) if units]
        # Python's own integers: a large book's cost is above what 64 bits hold.
        costs = accumulate(price * units for price, units in levels)
        return cls([price for price, _ in levels], list(accumulate(units for _, units in levels)), list(costs))

    def cheapest(self, wanted: int, *, below: int | None = None) -> Cheapest:
        """The cheapest units, at most so many, of the levels below a price.

        >>> BookLevels.of([5, 6], [10, 20]).cheapest(15)
        Cheapest(units=15, cost=80, dearest=6, floor_after=6)
        """
        levels = len(self.prices) if below is None else bisect_left(self.prices, below)
        taken = min(wanted, self.units[levels - 1]) if levels else 0
        if not taken:
            return Cheapest(0, 0, None, self.prices[0] if self.prices else None)
        level = bisect_left(self.units, taken)
        cost = self.costs[level] - (self.units[level] - taken) * self.prices[level]
        after = level if self.units[level] > taken else level + 1
        return Cheapest(taken, cost, self.prices[level], self.prices[after] if after < len(self.prices) else None)


@dataclass(frozen=True, slots=True)
class Costs:
    """What units of items cost, one of each kind for each of n questions."""

    units: Int64
    """Units that are there: fewer than wanted where the book is short and no vendor sells the item."""
    cost: Int64
    """Of the units that are there; right only where `is_exact`."""
    is_exact: Bool
    """False where the cost may be more than a float holds exactly."""


class Books:
    """The newest books of a region: n price levels in all, sorted by item and price, and prices of vendors.

    >>> books = Books(np.array([7, 7]), np.array([3, 7]), np.array([10, 10]), vendors={7: 5})
    >>> books.buy(7, 15).cost
    55
    >>> books.buy(7, 25).units, books.buy(8, 1).units
    (25, 0)
    """

    def __init__(self, item_id: Int32, price: Int64, quantity: Int64, *, vendors: Mapping[int, int]) -> None:
        self._item_id = item_id
        self._price = price
        self._quantity = quantity
        self._vendors = vendors
        self._read_levels: dict[int, BookLevels] = {}
        items, starts = np.unique(item_id, return_index=True)
        ends = np.append(starts, len(item_id))[1:]
        self._items = items
        # The last place is that of every item that is not there: no level.
        self._starts, self._ends = (np.append(bounds, len(item_id)) for bounds in (starts, ends))
        self._places = dict(zip(items.tolist(), zip(starts.tolist(), ends.tolist(), strict=True), strict=True))
        self._bought: dict[tuple[int, int], Purchase] = {}

    def buy(self, item_id: int, units: int) -> Purchase:
        """The cheapest so many units: of the book below what a vendor asks, the rest of the vendor."""
        key = item_id, units
        found = self._bought.get(key)
        if found is None:
            found = self._bought[key] = self._buy(item_id, units)
        return found

    def floors(self, item_id: Int64) -> Float64:
        """The price of the cheapest unit of each of n items; infinite where there is none."""
        return np.minimum(self._floors[self._place(item_id)], self._vendors_of(item_id))

    def costs(self, item_id: Int64, units: Int64) -> Costs:
        """What so many units cost, as `buy` says it, for n items with units of each."""
        vendor = self._vendors_of(item_id)
        has_vendor = np.isfinite(vendor)
        place = self._place(item_id)
        units_to, cost_to = self._sums
        start, end = self._starts[place], self._ends_below_vendors[place]
        taken = np.minimum(units, units_to[end] - units_to[start])
        # Where nothing is taken, the level before, of which nothing is left over either.
        level = np.searchsorted(units_to, units_to[start] + taken) - 1
        dearest = np.append(self._price, 0)[level]
        cost = cost_to[level + 1] - cost_to[start] - (units_to[level + 1] - units_to[start] - taken) * dearest
        rest = np.where(has_vendor, units - taken, 0)
        asked = np.where(has_vendor, vendor, 0)
        most = dearest.astype(np.float64) * taken + asked * rest
        is_exact = most < _MOST_EXACT
        cost += np.where(is_exact, rest * asked, 0).astype(np.int64)
        return Costs(units=taken + rest, cost=cost, is_exact=is_exact)

    @cached_property
    def _sums(self) -> tuple[Int64, Int64]:
        """Units and copper of all levels before each, and of all."""
        # Sums over the whole book may wrap around; their differences are right as long as they are small themselves.
        units_to = np.concatenate((np.zeros(1, np.int64), np.cumsum(self._quantity, dtype=np.int64)))
        return units_to, np.concatenate((np.zeros(1, np.int64), np.cumsum(self._price * self._quantity)))

    @cached_property
    def _ends_below_vendors(self) -> Int64:
        """Where the levels of each item end that are cheaper than a vendor."""
        ends = self._ends.copy()
        for item, price in self._vendors.items():
            start, end = self._places.get(item, (0, 0))
            if end > start:
                ends[np.searchsorted(self._items, item)] = start + np.searchsorted(self._price[start:end], price)
        return ends

    @cached_property
    def _floors(self) -> Float64:
        """The price of the cheapest unit at each place; infinite at the last one."""
        return np.append(self._price[self._starts[:-1]], np.inf)

    def _place(self, item_id: Int64) -> Int64:
        """The place of n items among those of the book; the last one for those that are not there."""
        place = np.searchsorted(self._items, item_id)
        return np.where(np.append(self._items, -1)[place] == item_id, place, len(self._items))

    def _vendors_of(self, item_id: Int64) -> Float64:
        """What vendors ask for each of n items; infinite where that is not known."""
        found = np.full(len(item_id), np.inf)
        if self._vendors:
            sold, price = (np.array(column) for column in zip(*sorted(self._vendors.items()), strict=True))
            place = np.minimum(np.searchsorted(sold, item_id), len(sold) - 1)
            is_sold = sold[place] == item_id
            found[is_sold] = price[place[is_sold]]
        return found

    def _buy(self, item_id: int, wanted: int) -> Purchase:
        vendor = self._vendors.get(item_id)
        there = self._levels(item_id).cheapest(wanted, below=vendor)
        rest = wanted - there.units
        if rest and vendor is not None:
            return Purchase(item_id, wanted, wanted, there.cost + rest * vendor, vendor, rest)
        return Purchase(item_id, wanted, there.units, there.cost, there.dearest, 0)

    def _levels(self, item_id: int) -> BookLevels:
        found = self._read_levels.get(item_id)
        if found is None:
            start, end = self._places.get(item_id, (0, 0))
            found = BookLevels.of(self._price[start:end].tolist(), self._quantity[start:end].tolist())
            self._read_levels[item_id] = found
        return found


def price_levels(item_id: Int32, price: Int64, quantity: Int64) -> tuple[Int32, Int64, Int64, Int64]:
    """Return the levels of n auctions, by item and the cheapest first: item, price, units and auctions of each.

    >>> [column.tolist() for column in price_levels(np.array([7, 3, 7]), np.array([5, 9, 5]), np.array([1, 2, 3]))]
    [[3, 7], [9, 5], [2, 4], [1, 2]]
    """
    order = np.lexsort((price, item_id))
    item_id, price = item_id[order], price[order]
    is_first = np.ones(len(order), np.bool_)
    is_first[1:] = (item_id[1:] != item_id[:-1]) | (price[1:] != price[:-1])
    starts = np.flatnonzero(is_first)
    units = np.add.reduceat(quantity[order].astype(np.int64), starts)
    return item_id[starts], price[starts], units, np.diff(np.append(starts, len(order)))
