"""What crafts meet on a region's market: the books that they buy from, and what is known of selling what they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from ironforge_cli.answers.price import daily_sales, usual_prices
from ironforge_cli.db.repositories import asking, crafting
from ironforge_cli.market.books import Books

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from ironforge_cli.regions import Region

_MANY: Final = 500
"""Of more items all are read at once: the server looks each of a long list up by itself."""


class Selling(NamedTuple):
    """What is known of selling an item; None where nothing is."""

    price: float | None
    """The newest `cheapest_15_percent_price`, copper."""
    auctions: int
    usual_price: float | None
    low: float | None
    """Units sold a day, as the two below."""
    estimated: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class CraftingMarket:
    """A region's market as crafts see it."""

    books: Books
    selling: Mapping[int, Selling]


def read_market(
    connection: Connection,
    region: Region,
    at: datetime,
    *,
    taken: Collection[int],
    made: Collection[int],
    vendors: Mapping[int, int],
) -> CraftingMarket:
    """The market of a snapshot's time: books of the items that are taken, sales of those that are made."""
    levels = asking.levels(connection, region, at, None if len(taken) > _MANY else sorted(taken))
    return CraftingMarket(
        books=Books(levels.item_id, levels.price, levels.quantity, vendors=vendors),
        selling=_selling(connection, region, at, made),
    )


def _selling(connection: Connection, region: Region, at: datetime, items: Collection[int]) -> Mapping[int, Selling]:
    numbers = np.array(sorted(items), np.int32)
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
    columns = (_known(price), auctions.tolist(), *map(_known, (usual, sold.low, sold.estimated, sold.high)))
    return {item: Selling(*values) for item, *values in zip(numbers.tolist(), *columns, strict=True)}


def _known(values: np.ndarray) -> list[float | None]:
    """Numbers, None where there is none."""
    return [None if value != value else value for value in values.tolist()]  # noqa: PLR0124 - only NaN differs from itself
