"""The estimate as it was before: nothing unseen, and a pair with a new listing counts for 0.6 of a sale.

It is kept here to be compared with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ironforge_cli.market.sales import AuctionOutcome

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ironforge_cli.market.auctions import Auctions, Bool, Int32, Int64
    from ironforge_cli.market.sales import Comparison

REPOST_SHARE = 0.4


class VersionOne(NamedTuple):
    """Units of each item of `item_id`, which is sorted."""

    estimated: Int64
    low: Int64
    high: Int64


def version_1(before: Auctions, now: Auctions, comparison: Comparison, *, item_id: Int32) -> VersionOne:
    """Estimate the sales of items between two compared snapshots; every item of either is in `item_id`."""
    position = np.minimum(np.searchsorted(now.auction_id, before.auction_id), len(now) - 1)
    partly = comparison.outcome == AuctionOutcome.PARTLY_SOLD
    confirmed = np.where(partly, before.quantity - now.quantity[position], 0)
    likely = comparison.outcome == AuctionOutcome.SOLD_LIKELY
    paired = np.zeros(len(before), np.bool_)
    paired[likely] = pairs_by_price(before.taken(likely), now.taken(comparison.is_new))
    row = np.searchsorted(item_id, before.item_id)

    def summed(units: NDArray[np.float64] | Int64) -> NDArray[np.float64]:
        return np.bincount(row, weights=units, minlength=len(item_id)).astype(np.float64)

    weighted = comparison.weight * before.quantity
    exact = summed(confirmed + weighted * np.where(paired, 1 - REPOST_SHARE, 1.0))
    certain = np.where((comparison.weight == 1) & ~paired, before.quantity, 0)
    return VersionOne(
        estimated=np.floor(exact + 0.5 + 1e-9).astype(np.int64),
        low=summed(confirmed + certain).astype(np.int64),
        high=summed(confirmed + np.where(comparison.in_reach, before.quantity, 0)).astype(np.int64),
    )


def pairs_by_price(likely: Auctions, new: Auctions) -> Bool:
    """Pair each likely one, by price and id, with the dearest unused new one of its quantity that is not dearer."""
    paired = np.zeros(len(likely), np.bool_)
    unused: dict[tuple[int, int], list[int]] = {}
    for item, quantity, price in sorted(
        zip(new.item_id.tolist(), new.quantity.tolist(), new.unit_price.tolist(), strict=True)
    ):
        unused.setdefault((item, quantity), []).append(price)
    for row in np.lexsort((likely.auction_id, likely.unit_price)).tolist():
        prices = unused.get((int(likely.item_id[row]), int(likely.quantity[row])), [])
        fitting = int(np.searchsorted(prices, int(likely.unit_price[row]), side="right"))
        if fitting:
            prices.pop(fitting - 1)
            paired[row] = True
    return paired
