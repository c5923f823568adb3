"""Order books of many items, asked what a number of units of one costs, with what a vendor asks beside it."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ironforge_cli.market.auctions import Int32, Int64


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


@dataclass(frozen=True, slots=True)
class _Shelf:
    """One item's levels: prices, and units and copper up to the end of each."""

    prices: list[int]
    units: list[int]
    costs: list[int]


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
        self._shelves: dict[int, _Shelf] = {}
        items, starts = np.unique(item_id, return_index=True)
        ends = np.append(starts, len(item_id))[1:]
        self._places = dict(zip(items.tolist(), zip(starts.tolist(), ends.tolist(), strict=True), strict=True))
        self._bought: dict[tuple[int, int], Purchase] = {}

    def buy(self, item_id: int, units: int) -> Purchase:
        """The cheapest so many units: of the book below what a vendor asks, the rest of the vendor."""
        key = item_id, units
        found = self._bought.get(key)
        if found is None:
            found = self._bought[key] = self._buy(item_id, units)
        return found

    def floor(self, item_id: int) -> int | None:
        """The price of the cheapest unit; None where there is none."""
        start, end = self._places.get(item_id, (0, 0))
        there = [int(self._price[start])] if end > start else []
        return min([*there, self._vendors[item_id]] if item_id in self._vendors else there, default=None)

    def _buy(self, item_id: int, wanted: int) -> Purchase:
        shelf = self._shelf(item_id)
        vendor = self._vendors.get(item_id)
        levels = len(shelf.prices) if vendor is None else bisect_left(shelf.prices, vendor)
        there = shelf.units[levels - 1] if levels else 0
        taken = min(wanted, there)
        cost, dearest = 0, None
        if taken:
            level = bisect_left(shelf.units, taken)
            cost = shelf.costs[level] - (shelf.units[level] - taken) * shelf.prices[level]
            dearest = shelf.prices[level]
        rest = wanted - taken
        if rest and vendor is not None:
            return Purchase(item_id, wanted, wanted, cost + rest * vendor, vendor, rest)
        return Purchase(item_id, wanted, taken, cost, dearest, 0)

    def _shelf(self, item_id: int) -> _Shelf:
        found = self._shelves.get(item_id)
        if found is None:
            start, end = self._places.get(item_id, (0, 0))
            prices = self._price[start:end].tolist()
            quantities = self._quantity[start:end].tolist()
            # Python's own integers: a large book's cost is above what 64 bits hold.
            costs = accumulate(price * units for price, units in zip(prices, quantities, strict=True))
            found = self._shelves[item_id] = _Shelf(prices, list(accumulate(quantities)), list(costs))
        return found
