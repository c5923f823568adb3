"""What crafts meet on a region's market: the books that they buy from, and what is known of selling what they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from ironforge_cli.answers.price import daily_sales, usual_prices
from ironforge_cli.db.repositories import asking, crafting
from ironforge_cli.market.books import Books

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ironforge_cli.db.transactions import Transaction
    from ironforge_cli.market.auctions import Float64, Int64
    from ironforge_cli.regions import Region

_MANY: Final = 500
"""Of more items all are read at once: the server looks each of a long list up by itself."""


@dataclass(frozen=True, slots=True, eq=False)
class Selling:
    """What is known of selling k items, by rising number; NaN where nothing is."""

    item_id: Int64
    price: Float64
    """The newest `cheapest_15_percent_price`, copper."""
    auctions: Int64
    usual_price: Float64
    low: Float64
    """Units sold a day, as the two below."""
    estimated: Float64
    high: Float64


@dataclass(frozen=True, slots=True)
class CraftingMarket:
    """A region's market as crafts see it."""

    books: Books
    selling: Selling


def read_market(
    connection: Transaction,
    region: Region,
    at: datetime,
    *,
    taken: Int64,
    made: Int64,
    vendors: Mapping[int, int],
) -> CraftingMarket:
    """The market of a snapshot's time: books of the items that are taken, sales of those that are made.

    Both by rising number.
    """
    levels = asking.levels(connection, region, at, None if len(taken) > _MANY else taken.tolist())
    return CraftingMarket(
        books=Books(levels.item_id, levels.price, levels.quantity, vendors=vendors),
        selling=_selling(connection, region, at, made),
    )


def _selling(connection: Transaction, region: Region, at: datetime, numbers: Int64) -> Selling:
    newest = crafting.newest_sales(connection, region, at)
    price, auctions = np.full(len(numbers), np.nan), np.zeros(len(numbers), np.int64)
    place = np.searchsorted(numbers, newest.item_id)
    fits = place < len(numbers)
    fits[fits] = numbers[place[fits]] == newest.item_id[fits]
    price[place[fits]] = newest.cheapest_15_percent_price[fits]
    auctions[place[fits]] = newest.num_auctions[fits]
    is_all = len(numbers) > _MANY
    usual = usual_prices(connection, region, at, numbers, is_all=is_all)
    sold = daily_sales(connection, region, at, numbers, is_all=is_all, is_priced=False)
    return Selling(numbers, price, auctions, usual, sold.low, sold.estimated, sold.high)
