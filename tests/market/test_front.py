"""Which auctions stand in reach of buyers, against the rule said plainly of one auction at a time."""

from __future__ import annotations

import numpy as np

from ironforge_cli.market.auctions import Auctions
from ironforge_cli.market.front import Front

# Ids, items, prices: of item 2 nothing stays, and of item 1 two stay at the lowest price.
ROWS = [(10, 0, 50), (20, 0, 40), (30, 0, 40), (40, 0, 60), (15, 1, 7), (25, 1, 7), (35, 1, 6), (99, 2, 1)]
STAYED = [0, 3, 4, 5]


def auctions(rows: list[tuple[int, int, int]]) -> tuple[Auctions, np.ndarray]:
    number, item, price = np.array(rows, np.int64).T
    units = np.ones(len(rows), np.int32)
    columns = Auctions(
        auction_id=number,
        item_id=item.astype(np.int32),
        unit_price=price,
        quantity=units,
        time_left=units.astype(np.uint8),
    )
    return columns, item


def test_the_front_is_the_newest_of_the_cheapest_that_stayed() -> None:
    before, item = auctions(ROWS)
    front = Front.of(before, item, stayed=np.array(STAYED), items=3)
    assert front.floor[:2].tolist() == [50, 7]
    assert front.newest.tolist() == [10, 25, -1]
    assert front.floor[2] > 10**15
    seen = [(9, 0, 50), (10, 0, 50), (11, 0, 50), (1, 0, 49), (99, 0, 51), (25, 1, 7), (26, 1, 7), (0, 2, 10**15)]
    now, item = auctions(seen)
    assert front.in_reach(now, item).tolist() == [False, False, True, True, False, False, True, True]
    assert front.not_above(now, item).tolist() == [True, True, True, True, False, True, True, True]


def test_where_nothing_stayed_all_is_in_reach() -> None:
    before, item = auctions(ROWS)
    front = Front.of(before, item, stayed=np.zeros(0, np.int64), items=3)
    assert front.newest.tolist() == [-1, -1, -1]
    assert front.in_reach(before, item).all()
    assert front.not_above(before, item).all()
