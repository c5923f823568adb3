"""Lists over all items of a region: what sells, what moved, and what is cheap now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from ironforge_cli.answers.answer import HOUR, WEEK, MarketAnswer, Row, basis_of, copper, first, known
from ironforge_cli.answers.price import daily_sales, usual_prices
from ironforge_cli.db.repositories import asking, item_history, item_names
from ironforge_cli.errors import UsageError
from ironforge_cli.market import worth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from ironforge_cli.answers.answer import Asking, Basis
    from ironforge_cli.db.repositories.item_names import NamedItem
    from ironforge_cli.regions import Region

_MOVERS_WINDOW: Final = 3 * HOUR
_FEWEST_AUCTIONS: Final = 5
_ONE_A_DAY: Final = 1.0


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
    return _in_each_region(asking_for, partial(_sellers, by=by), over=over, limit=limit)


def movers(
    asking_for: Asking, *, over: timedelta, min_turnover: float, direction: Direction, limit: int
) -> MarketAnswer[Mover]:
    """Whose price changed most over a span, in each region; `min_turnover` is copper a day."""
    moved = partial(_moved, over=over, min_turnover=min_turnover, direction=direction)
    return _in_each_region(asking_for, moved, over=over, limit=limit)


def deals(asking_for: Asking, *, discount: float, days: float, limit: int) -> MarketAnswer[Deal]:
    """What stands below its usual price in each region's newest book, the largest gain first."""
    return _in_each_region(asking_for, partial(_bargains, discount=discount, days=days), over=WEEK, limit=limit)


def _in_each_region(
    asking_for: Asking,
    rows_of: Callable[[Connection, Basis, Mapping[int, NamedItem]], Iterable[Row]],
    *,
    over: timedelta,
    limit: int,
) -> MarketAnswer[Row]:
    """A list of each region that has a snapshot, each within the limit, and the span that it rests on."""
    rows: list[Row] = []
    bases: list[Basis] = []
    with asking.reading(asking_for.database) as connection:
        named = item_names.all_named(connection)
        for region in asking_for.regions:
            basis = basis_of(connection, asking_for, region, over=over)
            bases.append(basis)
            if basis.snapshot_time is not None:
                rows += first(rows_of(connection, basis, named), limit)
    return MarketAnswer(rows=tuple(rows), bases=tuple(bases))


def _sellers(connection: Connection, basis: Basis, named: Mapping[int, NamedItem], *, by: TopBy) -> Iterator[Seller]:
    # Those beyond the limit are never made.
    at, since = basis.snapshot_time, basis.since
    if at is None or since is None:
        return
    sold = asking.sales(connection, basis.region, since, at, items=None)
    newest = asking.newest_prices(connection, basis.region, at)
    order_by = sold.estimated if by is TopBy.UNITS else np.nan_to_num(sold.turnover, nan=-1.0)
    for place in np.lexsort((sold.item_id, -order_by)).tolist():
        if sold.estimated[place] <= 0:
            continue
        item = int(sold.item_id[place])
        there = _place(newest.item_id, item)
        yield Seller(
            basis.region,
            item,
            *_called(named, item),
            int(sold.low[place]),
            int(sold.estimated[place]),
            int(sold.high[place]),
            known(float(sold.turnover[place])),
            None if there is None else known(float(newest.market_value[there])),
            0 if there is None else int(newest.total_quantity[there]),
        )


def _moved(
    connection: Connection,
    basis: Basis,
    named: Mapping[int, NamedItem],
    *,
    over: timedelta,
    min_turnover: float,
    direction: Direction,
) -> Iterator[Mover]:
    at = basis.snapshot_time
    if at is None:
        return
    now = _prices_before(connection, basis.region, at)
    then = _prices_before(connection, basis.region, at - over)
    items = np.intersect1d(now.prices.item_id, then.prices.item_id)
    if not len(items):
        return
    price_now, auctions_now = _side(now, items)
    price_then, auctions_then = _side(then, items)
    change = worth.change(price_now, price_then)
    turnover = daily_sales(connection, basis.region, at, items, is_all=True).turnover
    shown = (auctions_now >= _FEWEST_AUCTIONS) & (auctions_then >= _FEWEST_AUCTIONS) & ~np.isnan(change)
    with np.errstate(invalid="ignore"):
        # A turnover that nobody knows is above no limit, and hides nothing where there is none.
        shown &= (turnover >= min_turnover) | (min_turnover <= 0)
    if direction is Direction.UP:
        shown &= change > 0
    elif direction is Direction.DOWN:
        shown &= change < 0
    order = np.lexsort((items, -np.abs(np.nan_to_num(change))))
    for place in order[shown[order]].tolist():
        yield Mover(
            basis.region,
            int(items[place]),
            *_called(named, int(items[place])),
            float(price_then[place]),
            float(price_now[place]),
            float(change[place]),
            known(float(turnover[place])),
        )


@dataclass(frozen=True, slots=True)
class _PricesBefore:
    """Prices of all items in the snapshots of a few hours."""

    prices: asking.SnapshotPrices
    newest: int | None
    """How long before the end the newest of these snapshots was, in seconds, whether it has an item or not."""


def _prices_before(connection: Connection, region: Region, end: datetime) -> _PricesBefore:
    since = end - _MOVERS_WINDOW
    times = [one.time for one in asking.snapshots(connection, region, since, end)]
    held = set(times) - item_history.without_hours(connection, region, times)
    newest = int((end - max(held)).total_seconds()) if held else None
    return _PricesBefore(asking.prices_between(connection, region, since, end), newest)


def _side(side: _PricesBefore, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The price of items over some snapshots, and their auctions in the newest of these; 0 without a row there."""
    prices = side.prices
    ages, snapshot = np.unique(prices.age_seconds, return_inverse=True)
    place = np.searchsorted(items, prices.item_id)
    fits = place < len(items)
    fits[fits] = items[place[fits]] == prices.item_id[fits]
    values = np.full((len(ages), len(items)), np.nan)
    values[snapshot[fits], place[fits]] = prices.market_value[fits]
    auctions = np.zeros(len(items), np.int64)
    newest = fits & (prices.age_seconds == side.newest)
    auctions[place[newest]] = prices.num_auctions[newest]
    return worth.median_of_snapshots(values), auctions


def _bargains(
    connection: Connection, basis: Basis, named: Mapping[int, NamedItem], *, discount: float, days: float
) -> list[Deal]:
    region, at = basis.region, basis.snapshot_time
    if at is None:
        return []
    newest = asking.newest_prices(connection, region, at)
    usual = usual_prices(connection, region, at, newest.item_id, is_all=True)
    sold = daily_sales(connection, region, at, newest.item_id, is_all=True, is_priced=False).estimated
    with np.errstate(invalid="ignore"):
        wanted = (newest.min_price <= (1 - discount) * usual) & (sold >= _ONE_A_DAY)
    levels = asking.levels(connection, region, at, newest.item_id[wanted].tolist())
    if wanted.any() and not len(levels.price) and not asking.is_raw_held(connection, region, at):
        raise UsageError(
            f"{region.label}: the auctions of the newest snapshot, {at:%Y-%m-%d %H:%M} UTC, are not held any more, so"
            " that nobody knows what is cheap. `ironforge partitions restore` brings an archived day back."
        )
    found: list[Deal] = []
    for place in np.flatnonzero(wanted).tolist():
        item = int(newest.item_id[place])
        begins, ends = np.searchsorted(levels.item_id, (item, item + 1))
        units, cost, gain = worth.gain_of(
            levels.price[begins:ends],
            levels.quantity[begins:ends],
            usual=float(usual[place]),
            discount=discount,
            most=int(np.floor(days * sold[place])),
        )
        if units:
            lowest = copper(newest.min_price[place]) or 0
            found.append(
                Deal(
                    region,
                    item,
                    *_called(named, item),
                    float(usual[place]),
                    lowest,
                    units,
                    cost,
                    gain,
                    float(sold[place]),
                )
            )
    return sorted(found, key=lambda deal: (-deal.gain, deal.item_id))


def _called(named: Mapping[int, NamedItem], item: int) -> tuple[str | None, int | None]:
    found = named.get(item)
    return (None, None) if found is None else (found.name, found.rank)


def _place(items: np.ndarray, item: int) -> int | None:
    place = int(np.searchsorted(items, item))
    return place if place < len(items) and items[place] == item else None
