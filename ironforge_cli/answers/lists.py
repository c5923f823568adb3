"""Lists over all items of a region: what sells, what moved, and what is cheap now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Final, Generic

import numpy as np

from ironforge_cli.answers.answer import HOUR, WEEK, MarketAnswer, Row, basis_of, copper, first, known
from ironforge_cli.answers.price import MANY_ITEMS, daily_sales, usual_prices
from ironforge_cli.db.repositories import asked_spans, asking, item_history, item_names, sold_units
from ironforge_cli.errors import UsageError
from ironforge_cli.market import worth

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from ironforge_cli.answers.answer import Asking, Basis
    from ironforge_cli.db.repositories.item_names import NamedItem
    from ironforge_cli.db.transactions import Transaction
    from ironforge_cli.regions import Region

_MOVERS_WINDOW: Final = 3 * HOUR
_FEWEST_AUCTIONS: Final = 5
_ONE_A_DAY: Final = 1.0
_TIMES_THE_LIMIT: Final = 4
"""Of how many of the first ones turnover is read by themselves: not all of them pass."""
_MOST_BY_THEMSELVES: Final = 400
"""More than these are read with all others."""


class TopBy(StrEnum):
    """What sells most: by gold, or by units."""

    TURNOVER = "turnover"
    UNITS = "units"


class Direction(StrEnum):
    """Which changes are shown."""

    BOTH = "both"
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Seller:
    """What sold of an item over a span."""

    region: Region
    item_id: int
    name: str | None
    rank: int | None
    sold_low: int
    sold: int
    sold_high: int
    turnover: float | None
    """Copper; None where something was sold that nobody knows a price of."""
    market_value: float | None
    """Copper, in the newest snapshot; None when sold out."""
    total_quantity: int


@dataclass(frozen=True, slots=True)
class Mover:
    """An item whose price changed."""

    region: Region
    item_id: int
    name: str | None
    rank: int | None
    price_then: float
    price_now: float
    change: float
    """A fraction."""
    turnover_per_day: float | None
    """Copper; None where something was sold that nobody knows a price of."""


@dataclass(frozen=True, slots=True)
class Deal:
    """An item of which units stand below its usual price; copper."""

    region: Region
    item_id: int
    name: str | None
    rank: int | None
    usual_price: float
    min_price: int
    units: int
    cost: int
    gain: float
    sold_per_day: float


def top(asking_for: Asking, *, by: TopBy, over: timedelta, limit: int) -> MarketAnswer[Seller]:
    """What sold most over a span, in each region."""
    return _in_each_region(asking_for, partial(_sellers, by=by, over=over, limit=limit), over=over, limit=limit)


def movers(
    asking_for: Asking, *, over: timedelta, min_turnover: float, direction: Direction, limit: int
) -> MarketAnswer[Mover]:
    """Whose price changed most over a span, in each region; `min_turnover` is copper a day."""
    moved = partial(_moved, over=over, min_turnover=min_turnover, direction=direction, limit=limit)
    return _in_each_region(asking_for, moved, over=over, limit=limit)


def deals(asking_for: Asking, *, discount: float, days: float, limit: int) -> MarketAnswer[Deal]:
    """What stands below its usual price in each region's newest book, the largest gain first."""
    return _in_each_region(asking_for, partial(_bargains, discount=discount, days=days), over=WEEK, limit=limit)


@dataclass(frozen=True, slots=True)
class _Ranked(Generic[Row]):
    """The items of a list in their order, and what makes the row of one: those beyond the limit are never made."""

    items: Sequence[int]
    make: Callable[[int, NamedItem], Row]
    """By the place among the items."""


def _in_each_region(
    asking_for: Asking,
    ranked: Callable[[Transaction, Basis, datetime], _Ranked[Row]],
    *,
    over: timedelta,
    limit: int,
) -> MarketAnswer[Row]:
    """A list of each region that has a snapshot, each within the limit, and the span that it rests on."""
    rows: list[Row] = []
    bases: list[Basis] = []
    with asking.reading(asking_for.database) as connection:
        for region in asking_for.regions:
            basis = basis_of(connection, asking_for, region, over=over)
            bases.append(basis)
            if basis.snapshot_time is None:
                continue
            found = ranked(connection, basis, basis.snapshot_time)
            items = first(found.items, limit)
            named = item_names.of_items(connection, items)
            rows += [found.make(place, named[item]) for place, item in enumerate(items)]
    return MarketAnswer(rows=tuple(rows), bases=tuple(bases))


def _sellers(
    connection: Transaction, basis: Basis, at: datetime, *, by: TopBy, over: timedelta, limit: int
) -> _Ranked[Seller]:
    region, since = basis.region, at - over
    are_few = 0 < limit <= _MOST_BY_THEMSELVES
    sold = sold_units.sales(connection, region, since, at, items=None, is_ranged=not are_few)
    order_by = sold.estimated if by is TopBy.UNITS else np.nan_to_num(sold.turnover, nan=-1.0)
    order = np.lexsort((sold.item_id, -order_by))
    items: list[int] = sold.item_id[order[sold.estimated[order] > 0]][: limit or None].tolist()
    if are_few:
        # All that is told is read of those alone that are shown.
        sold = sold_units.sales(connection, region, since, at, items=items)
    newest = asking.newest_prices(connection, region, at, items=items if are_few else None)

    def made(_: int, item: NamedItem) -> Seller:
        place = int(np.searchsorted(sold.item_id, item.item_id))
        there = _place(newest.item_id, item.item_id)
        return Seller(
            region,
            item.item_id,
            item.name,
            item.rank,
            int(sold.low[place]),
            int(sold.estimated[place]),
            int(sold.high[place]),
            known(float(sold.turnover[place])),
            None if there is None else known(float(newest.market_value[there])),
            0 if there is None else int(newest.total_quantity[there]),
        )

    return _Ranked(items, made)


def _moved(
    connection: Transaction,
    basis: Basis,
    at: datetime,
    *,
    over: timedelta,
    min_turnover: float,
    direction: Direction,
    limit: int,
) -> _Ranked[Mover]:
    now = _prices_before(connection, basis.region, at)
    then = _prices_before(connection, basis.region, at - over)
    items = np.intersect1d(now.prices.item_id, then.prices.item_id)
    price_now, auctions_now = _side(now, items)
    price_then, auctions_then = _side(then, items)
    change = worth.change(price_now, price_then)
    shown = (auctions_now >= _FEWEST_AUCTIONS) & (auctions_then >= _FEWEST_AUCTIONS) & ~np.isnan(change)
    if direction is Direction.UP:
        shown &= change > 0
    elif direction is Direction.DOWN:
        shown &= change < 0
    order = np.lexsort((items, -np.abs(np.nan_to_num(change))))
    order = order[shown[order]]
    order, turnover = _of_turnover(connection, basis.region, at, items, order, min_turnover=min_turnover, limit=limit)

    def made(rank: int, item: NamedItem) -> Mover:
        place = int(order[rank])
        return Mover(
            basis.region,
            item.item_id,
            item.name,
            item.rank,
            float(price_then[place]),
            float(price_now[place]),
            float(change[place]),
            known(float(turnover[rank])),
        )

    return _Ranked(items[order].tolist(), made)


def _of_turnover(
    connection: Transaction,
    region: Region,
    at: datetime,
    items: np.ndarray,
    order: np.ndarray,
    *,
    min_turnover: float,
    limit: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The places, in their order, of items with so much turnover a day, as many as are shown, and their turnover.

    Of the first ones alone it is read sooner than of all, who are asked where not enough of those pass.
    """

    def passing(chosen: np.ndarray, *, is_all: bool) -> tuple[np.ndarray, np.ndarray]:
        # Sales go by rising numbers.
        rising = np.argsort(items[chosen])
        turnover = np.empty(len(chosen))
        turnover[rising] = daily_sales(connection, region, at, items[chosen[rising]], is_all=is_all).turnover
        with np.errstate(invalid="ignore"):
            # A turnover that nobody knows is above no limit, and hides nothing where there is none.
            passes = (turnover >= min_turnover) | (min_turnover <= 0)
        return chosen[passes], turnover[passes]

    few = _TIMES_THE_LIMIT * limit
    if 0 < few < min(len(order), _MOST_BY_THEMSELVES):
        found = passing(order[:few], is_all=False)
        if len(found[0]) >= limit:
            return found
    return passing(order, is_all=True) if len(order) else (order, np.zeros(0))


@dataclass(frozen=True, slots=True)
class _PricesBefore:
    """Prices of all items in the snapshots of a few hours."""

    prices: asking.SnapshotPrices
    newest: datetime | None
    """When the newest of these snapshots was, whether it has an item or not."""


def _prices_before(connection: Transaction, region: Region, end: datetime) -> _PricesBefore:
    since = end - _MOVERS_WINDOW
    times = [one.time for one in asked_spans.snapshots(connection, region, since, end)]
    held = set(times) - asked_spans.without_hours(connection, region, times)
    return _PricesBefore(asking.prices_between(connection, region, since, end), max(held, default=None))


def _side(side: _PricesBefore, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The price of items over some snapshots, and their auctions in the newest of these; 0 without a row there."""
    prices = side.prices
    times, snapshot = np.unique(prices.time, return_inverse=True)
    place = np.searchsorted(items, prices.item_id)
    fits = place < len(items)
    fits[fits] = items[place[fits]] == prices.item_id[fits]
    values = np.full((len(times), len(items)), np.nan)
    values[snapshot[fits], place[fits]] = prices.market_value[fits]
    auctions = np.zeros(len(items), np.int64)
    if side.newest is not None:
        newest = fits & (prices.time == item_history.as_times([side.newest])[0])
        auctions[place[newest]] = prices.num_auctions[newest]
    return worth.median_of_snapshots(values), auctions


def _bargains(connection: Transaction, basis: Basis, at: datetime, *, discount: float, days: float) -> _Ranked[Deal]:
    region = basis.region
    newest = asking.newest_prices(connection, region, at)
    usual = usual_prices(connection, region, at, newest.item_id, is_all=True)
    with np.errstate(invalid="ignore"):
        is_cheap = newest.min_price <= (1 - discount) * usual
    cheap, usual = newest.item_id[is_cheap], usual[is_cheap]
    # What sold is read of those alone, unless they are so many that all are read sooner.
    is_all = len(cheap) > MANY_ITEMS
    sold = daily_sales(connection, region, at, cheap, is_all=is_all, is_priced=False, is_ranged=False).estimated
    with np.errstate(invalid="ignore"):
        sells = sold >= _ONE_A_DAY
    wanted, usual, sold = cheap[sells], usual[sells], sold[sells]
    min_price = newest.min_price[is_cheap][sells]
    levels = asking.levels(connection, region, at, wanted.tolist())
    if len(wanted) and not len(levels.price) and not asking.is_raw_held(connection, region, at):
        raise UsageError(
            f"{region.label}: the auctions of the newest snapshot, {at:%Y-%m-%d %H:%M} UTC, are not held any more, so"
            " that nobody knows what is cheap. `ironforge partitions restore` brings an archived day back."
        )
    begins, ends = (np.searchsorted(levels.item_id, wanted + more).tolist() for more in (0, 1))
    gains: list[tuple[float, int, int, int]] = []
    for place in range(len(wanted)):
        units, cost, gain = worth.gain_of(
            levels.price[begins[place] : ends[place]],
            levels.quantity[begins[place] : ends[place]],
            usual=float(usual[place]),
            discount=discount,
            most=int(np.floor(days * sold[place])),
        )
        if units:
            # Items rise, and so do those of one gain.
            gains.append((-gain, place, units, cost))
    gains.sort()

    def made(rank: int, item: NamedItem) -> Deal:
        gain, place, units, cost = gains[rank]
        return Deal(
            region,
            item.item_id,
            item.name,
            item.rank,
            float(usual[place]),
            copper(min_price[place]) or 0,
            units,
            cost,
            -gain,
            float(sold[place]),
        )

    return _Ranked([int(wanted[place]) for _, place, _, _ in gains], made)


def _place(items: np.ndarray, item: int) -> int | None:
    place = int(np.searchsorted(items, item))
    return place if place < len(items) and items[place] == item else None
