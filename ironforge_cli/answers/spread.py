"""The same item in two regions, in gold and in tokens."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ironforge_cli.answers.answer import WEEK, MarketAnswer, basis_of, first
from ironforge_cli.answers.price import daily_sales
from ironforge_cli.db.repositories import asking, item_names

if TYPE_CHECKING:
    from ironforge_cli.answers.answer import Asking, Basis
    from ironforge_cli.db.transactions import Transaction
    from ironforge_cli.regions import Region


@dataclass(frozen=True, slots=True)
class Spread:
    """An item in two regions: copper, and the share of a token that this is."""

    item_id: int
    name: str | None
    rank: int | None
    region_a: Region
    region_b: Region
    price_a: float
    price_b: float
    tokens_a: float
    tokens_b: float
    ratio: float


@dataclass(frozen=True, slots=True)
class _Side:
    region: Region
    item_id: np.ndarray
    price: np.ndarray
    turnover: np.ndarray
    token: int


def spread(asking_for: Asking, *, min_turnover: float, limit: int) -> MarketAnswer[Spread]:
    """Items that cost different shares of a token in two regions, the largest ratio either way first.

    `min_turnover`, copper, is for the smaller turnover a day of the two. Of more than two regions, each with the next.
    """
    with asking.reading(asking_for.database) as connection:
        named = item_names.all_named(connection)
        bases = tuple(basis_of(connection, asking_for, region, over=WEEK) for region in asking_for.regions)
        sides = [_side(connection, basis) for basis in bases]
    rows: list[Spread] = []
    for left, right in pairwise(sides):
        if left is None or right is None:
            continue
        shared, in_left, in_right = np.intersect1d(left.item_id, right.item_id, return_indices=True)
        turnover = np.minimum(left.turnover[in_left], right.turnover[in_right])
        tokens_a, tokens_b = left.price[in_left] / left.token, right.price[in_right] / right.token
        ratio = tokens_a / tokens_b
        with np.errstate(invalid="ignore"):
            # A turnover that nobody knows is above no limit, and hides nothing where there is none.
            shown = ~np.isnan(ratio) & ((turnover >= min_turnover) | (min_turnover <= 0))
        size = np.where(shown, np.abs(np.log(np.where(shown, ratio, 1))), -1)
        for place in np.lexsort((shared, -size)).tolist():
            if not shown[place]:
                continue
            item = named.get(int(shared[place]))
            rows.append(
                Spread(
                    int(shared[place]),
                    None if item is None else item.name,
                    None if item is None else item.rank,
                    left.region,
                    right.region,
                    float(left.price[in_left[place]]),
                    float(right.price[in_right[place]]),
                    float(tokens_a[place]),
                    float(tokens_b[place]),
                    float(ratio[place]),
                )
            )
    return MarketAnswer(rows=first(rows, limit), bases=bases)


def _side(connection: Transaction, basis: Basis) -> _Side | None:
    token = asking.newest_token(connection, basis.region)
    if basis.snapshot_time is None or token is None:
        return None
    newest = asking.newest_prices(connection, basis.region, basis.snapshot_time)
    sold = daily_sales(connection, basis.region, basis.snapshot_time, newest.item_id, is_all=True)
    return _Side(basis.region, newest.item_id, newest.market_value, sold.turnover, token[1])
