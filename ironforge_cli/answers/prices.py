"""What every item of a region is worth now, in one answer: whole copper, and fractions to four digits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from ironforge_cli.answers import items as naming
from ironforge_cli.answers.answer import DAY, WEEK, MarketAnswer, basis_of
from ironforge_cli.answers.price import OFF_A_DAY, OFF_A_WEEK, daily_sales, worth_of
from ironforge_cli.db.repositories import all_prices, asking, item_names
from ironforge_cli.market import worth

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ironforge_cli.answers.answer import Asking, Basis
    from ironforge_cli.db.repositories.item_names import NamedItem
    from ironforge_cli.db.transactions import Transaction
    from ironforge_cli.regions import Region

_DIGITS: Final = 4
_FEW: Final = 200
"""Items up to which each is looked up by itself."""


@dataclass(frozen=True, slots=True)
class NewestPrice:
    """An item in a region's newest snapshot; None where it is not known or sold out."""

    region: Region
    item_id: int
    name: str | None
    rank: int | None
    item_level: int | None
    snapshot_time: datetime
    min_price: int | None
    """Copper, whole, as all prices."""
    market_value: int | None
    cheapest_15_percent_price: int | None
    median_price: int | None
    total_quantity: int
    num_auctions: int
    usual_price: int | None
    weighted_market_value: int | None
    change_24h: float | None
    """A fraction to four digits, as are all numbers below but the turnover."""
    change_7d: float | None
    sold_per_day_low: float | None
    sold_per_day: float | None
    sold_per_day_high: float | None
    turnover_per_day: int | None
    """Whole copper."""


def prices(asking_for: Asking, region: Region, *, ids: Sequence[int] | None = None) -> MarketAnswer[NewestPrice]:
    """The newest figures of every item of a region's newest snapshot, or of some items; by number.

    Of items that are asked for by number and sold out there are rows without prices. Raises `NothingThereError` where
    one is no item.
    """
    with asking.reading(asking_for.database) as connection:
        basis = basis_of(connection, asking_for, region, over=WEEK)
        named = item_names.all_named(connection)
        if ids is not None:
            naming.all_of(connection, (region,), map(str, ids))
        at = basis.snapshot_time
        rows = () if at is None else tuple(_rows(connection, basis, at, named, ids))
    return MarketAnswer(rows=rows, bases=(basis,))


def _rows(
    connection: Transaction,
    basis: Basis,
    at: datetime,
    named: dict[int, NamedItem],
    ids: Sequence[int] | None,
) -> list[NewestPrice]:
    region = basis.region
    newest = all_prices.newest_figures(connection, region, at, items=ids)
    numbers = newest.item_id if ids is None else np.array(sorted(set(ids)), np.int32)
    is_all = ids is None or len(numbers) > _FEW
    overall = worth_of(connection, region, at, numbers, is_all=is_all)
    sold = daily_sales(connection, region, at, numbers, is_all=is_all)
    place = np.searchsorted(numbers, newest.item_id)

    def spread(values: np.ndarray) -> np.ndarray:
        found = np.full(len(numbers), np.nan)
        found[place] = values
        return found

    value = spread(newest.market_value)
    day = worth.change(value, _values_near(connection, region, numbers, at - DAY, OFF_A_DAY))
    week = worth.change(value, _values_near(connection, region, numbers, at - WEEK, OFF_A_WEEK))
    quantity, auctions = spread(newest.total_quantity), spread(newest.num_auctions)
    columns = (
        _whole(spread(newest.min_price)),
        _whole(value),
        _whole(spread(newest.cheapest_15_percent_price)),
        _whole(spread(newest.median_price)),
        [int(one) for one in np.nan_to_num(quantity).tolist()],
        [int(one) for one in np.nan_to_num(auctions).tolist()],
        _whole(overall.usual_price),
        _whole(overall.weighted_market_value),
        _fractions(day),
        _fractions(week),
        _fractions(sold.low),
        _fractions(sold.estimated),
        _fractions(sold.high),
        _whole(sold.turnover),
    )
    unnamed = item_names.NamedItem.without_name
    rows: list[NewestPrice] = []
    for number, *figures in zip(numbers.tolist(), *columns, strict=True):
        item = named.get(number) or unnamed(number)
        rows.append(NewestPrice(region, number, item.name, item.rank, item.item_level, at, *figures))
    return rows


def _values_near(
    connection: Transaction, region: Region, numbers: np.ndarray, target: datetime, most: timedelta
) -> np.ndarray:
    """The market values of items in the snapshot pricing each nearest to a time; NaN where none is near enough."""
    found = np.full(len(numbers), np.nan)
    if len(numbers) > _FEW:
        # Nearly every item is priced by the snapshot that is nearest of all: the others are looked up by themselves.
        nearest = all_prices.nearest_snapshot(connection, region, target, most)
        if nearest is None:
            return found
        there = asking.newest_prices(connection, region, nearest)
        place = np.searchsorted(numbers, there.item_id)
        fits = place < len(numbers)
        fits[fits] = numbers[place[fits]] == there.item_id[fits]
        found[place[fits]] = there.market_value[fits]
    left = numbers[np.isnan(found)]
    if len(left):
        (values,) = asking.nearest_values(connection, region, [(target, most)], items=left.tolist())
        place = np.searchsorted(numbers, list(values))
        found[place] = list(values.values())
    return found


def _whole(values: np.ndarray) -> list[int | None]:
    return [None if one != one else round(one) for one in values.tolist()]  # noqa: PLR0124 - NaN alone differs from itself


def _fractions(values: np.ndarray) -> list[float | None]:
    return [None if one != one else round(one, _DIGITS) for one in values.tolist()]  # noqa: PLR0124 - NaN alone differs from itself
