"""What items are worth now, and what a number of units costs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from ironforge_cli.answers import items as naming
from ironforge_cli.answers.answer import DAY, WEEK, MarketAnswer, basis_of, known, start_of_day
from ironforge_cli.db.repositories import asking, item_history, sold_units
from ironforge_cli.market import worth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ironforge_cli.answers.answer import Asking, Basis
    from ironforge_cli.db.repositories.item_names import NamedItem
    from ironforge_cli.db.transactions import Transaction
    from ironforge_cli.regions import Region

OFF_A_DAY: Final = timedelta(hours=3)
"""How far off a day ago a price may be that a change is told from."""
OFF_A_WEEK: Final = DAY
_BEFORE: Final = timedelta(microseconds=1)
MANY_ITEMS: Final = 500
"""More than these are read with all others."""


@dataclass(frozen=True, slots=True)
class Price:
    """An item in a region's newest snapshot; prices in copper, None where it is not known or sold out."""

    region: Region
    item_id: int
    name: str | None
    rank: int | None
    item_level: int | None
    snapshot_time: datetime
    age_seconds: int
    stale: bool
    min_price: int | None
    market_value: float | None
    cheapest_15_percent_price: int | None
    median_price: float | None
    mean_price: float | None
    max_price: int | None
    total_quantity: int
    num_auctions: int
    usual_price: float | None
    """Median of the market values of the last 14 closed days."""
    weighted_market_value: float | None
    change_24h: float | None
    """A fraction: of the market value."""
    change_7d: float | None
    sold_per_day_low: float | None
    """Over 7 days, as the two below."""
    sold_per_day: float | None
    sold_per_day_high: float | None
    turnover_per_day: float | None


@dataclass(frozen=True, slots=True)
class PriceOfUnits(Price):
    """The same, with what a number of units costs in the newest book."""

    quantity: int
    """Units that were asked for."""
    units: int | None
    """Units that were got; None, as all below, where the book is not held any more."""
    complete: bool | None
    cost: int | None
    mean_cost: float | None
    floor_after: int | None


@dataclass(frozen=True, slots=True)
class Worth:
    """What items are worth over days: one value an item, in the order of `item_id`; NaN where nothing is known."""

    usual_price: np.ndarray
    weighted_market_value: np.ndarray


@dataclass(frozen=True, slots=True)
class DailySales:
    """Units sold a day, over 7 days: one value an item, NaN where nothing is known."""

    low: np.ndarray
    estimated: np.ndarray
    high: np.ndarray
    turnover: np.ndarray


def price(asking_for: Asking, words: Sequence[str], *, quantity: int | None = None) -> MarketAnswer[Price]:
    """What items are worth now in each region; with a quantity, also what so many units cost.

    Raises `UsageError` where a word names no item.
    """
    rows: list[Price] = []
    with asking.reading(asking_for.database) as connection:
        chosen = naming.all_of(connection, asking_for.regions, words)
        bases = tuple(basis_of(connection, asking_for, region, over=WEEK) for region in asking_for.regions)
        by_region = [
            (basis.region, _of_region(connection, basis, chosen, quantity))
            for basis in bases
            if basis.snapshot_time is not None
        ]
    for place in range(len(chosen)):
        rows += [found[place] for _, found in by_region]
    return MarketAnswer(rows=tuple(rows), bases=bases)


def worth_of(
    connection: Transaction, region: Region, at: datetime, item_id: np.ndarray, *, is_all: bool = False
) -> Worth:
    """The usual price and the weighted market value of items at a snapshot's time."""
    days = len(worth.WEIGHTS)
    chosen = None if is_all else item_id.tolist()
    values = asking.day_values(connection, region, at.astimezone(UTC).date(), days, until=at, items=chosen)
    return worth_by_days(values, item_id)


def usual_prices(
    connection: Transaction, region: Region, at: datetime, item_id: np.ndarray, *, is_all: bool = False
) -> np.ndarray:
    """The usual price alone: of closed days, so that no hour of today is read."""
    today = start_of_day(at)
    values = asking.day_values(
        connection,
        region,
        (today - DAY).date(),
        worth.USUAL_DAYS,
        until=today - _BEFORE,
        items=None if is_all else item_id.tolist(),
    )
    return worth.usual_price(_matrix(values, item_id, days=worth.USUAL_DAYS))


def worth_by_days(values: asking.DayValues, item_id: np.ndarray) -> Worth:
    """The same by market values of as many days as these prices rest on."""
    matrix = _matrix(values, item_id, days=len(worth.WEIGHTS))
    return Worth(
        usual_price=worth.usual_price(matrix[1:]),
        weighted_market_value=worth.weighted_market_value(matrix),
    )


def _matrix(values: asking.DayValues, item_id: np.ndarray, *, days: int) -> np.ndarray:
    """A row a day, the newest first, and a column an item."""
    matrix = np.full((days, len(item_id)), np.nan)
    place = np.searchsorted(item_id, values.item_id)
    fits = place < len(item_id)
    fits[fits] = item_id[place[fits]] == values.item_id[fits]
    matrix[values.days_before[fits], place[fits]] = values.market_value[fits]
    return matrix


def daily_sales(
    connection: Transaction,
    region: Region,
    at: datetime,
    item_id: np.ndarray,
    *,
    is_all: bool = False,
    is_priced: bool = True,
    is_ranged: bool = True,
) -> DailySales:
    """Units sold a day of items over the 7 days before a snapshot; an item without a row sold nothing.

    Where it is not to be priced the turnover is NaN, without a range the least and the most, and the answer is there
    sooner.
    """
    sales = sold_units.sales(
        connection,
        region,
        at - WEEK,
        at,
        items=None if is_all else item_id.tolist(),
        is_priced=is_priced,
        is_ranged=is_ranged,
    )
    place = np.searchsorted(item_id, sales.item_id)
    fits = place < len(item_id)
    fits[fits] = item_id[place[fits]] == sales.item_id[fits]
    seconds = np.full(len(item_id), float(sales.region_seconds))
    seconds[place[fits]] = sales.seconds[fits]

    def spread(values: np.ndarray) -> np.ndarray:
        units = np.zeros(len(item_id))
        units[place[fits]] = values[fits]
        return worth.per_day(units, seconds)

    return DailySales(spread(sales.low), spread(sales.estimated), spread(sales.high), spread(sales.turnover))


def _of_region(connection: Transaction, basis: Basis, chosen: Sequence[NamedItem], quantity: int | None) -> list[Price]:
    region, at = basis.region, basis.snapshot_time
    assert at is not None  # noqa: S101 - the caller left out regions without a snapshot
    numbers = np.array(sorted({item.item_id for item in chosen}), np.int32)
    asked = numbers.tolist()
    # Of thousands of items all are read at once: the server looks each of a long list up by itself.
    is_all = len(numbers) > MANY_ITEMS
    now = item_history.hours_at(connection, region, asked, [at])
    overall = worth_of(connection, region, at, numbers, is_all=is_all)
    sold = daily_sales(connection, region, at, numbers, is_all=is_all)
    chosen_or_all = None if is_all else asked
    near = [(at - DAY, OFF_A_DAY), (at - WEEK, OFF_A_WEEK)]
    day_before, week_before = asking.nearest_values(connection, region, near, items=chosen_or_all)
    held = quantity is not None and asking.is_raw_held(connection, region, at)
    levels = asking.levels(connection, region, at, asked) if held else None
    rows: list[Price] = []
    for item in chosen:
        place = int(np.searchsorted(numbers, item.item_id))
        hour = now.get((at, item.item_id))
        value = None if hour is None else hour.market_value
        facts = {
            "region": region,
            "item_id": item.item_id,
            "name": item.name,
            "rank": item.rank,
            "item_level": item.item_level,
            "snapshot_time": at,
            "age_seconds": basis.age_seconds,
            "stale": basis.stale,
            "min_price": None if hour is None else hour.min_price,
            "market_value": value,
            "cheapest_15_percent_price": None if hour is None else hour.cheapest_15_percent_price,
            "median_price": None if hour is None else hour.median_price,
            "mean_price": None if hour is None else hour.mean_price,
            "max_price": None if hour is None else hour.max_price,
            "total_quantity": 0 if hour is None else hour.total_quantity,
            "num_auctions": 0 if hour is None else hour.num_auctions,
            "usual_price": known(overall.usual_price[place]),
            "weighted_market_value": known(overall.weighted_market_value[place]),
            "change_24h": _change(value, day_before.get(item.item_id)),
            "change_7d": _change(value, week_before.get(item.item_id)),
            "sold_per_day_low": known(sold.low[place]),
            "sold_per_day": known(sold.estimated[place]),
            "sold_per_day_high": known(sold.high[place]),
            "turnover_per_day": known(sold.turnover[place]),
        }
        if quantity is None:
            rows.append(Price(**facts))  # pyright: ignore[reportArgumentType] - the keys are the fields
            continue
        rows.append(PriceOfUnits(**facts, quantity=quantity, **_cost(levels, item.item_id, quantity)))  # pyright: ignore[reportArgumentType] - the keys are the fields
    return rows


def _cost(levels: asking.Levels | None, item_id: int, quantity: int) -> dict[str, int | float | bool | None]:
    if levels is None:
        return dict.fromkeys(("units", "complete", "cost", "mean_cost", "floor_after"))
    of_item = levels.item_id == item_id
    units, cost, after = worth.cost_of(levels.price[of_item], levels.quantity[of_item], quantity)
    return {
        "units": units,
        "complete": units == quantity,
        "cost": cost,
        "mean_cost": cost / units if units else None,
        "floor_after": after,
    }


def _change(now: float | None, then: float | None) -> float | None:
    return None if now is None or then is None else now / then - 1
