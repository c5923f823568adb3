"""The front of an item's book: what buyers take before they come to an auction that is still there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ironforge_cli.market.auctions import Auctions, Bool, Int64

_NO_FLOOR = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Front:
    """For each of k items the auction that buyers would take first of those in both snapshots."""

    floor: Int64
    """Its price, the surviving floor; more than any price where no auction of the item survived."""
    newest: Int64
    """The highest id of the survivors at that price; -1 where none survived."""

    @classmethod
    def of(cls, before: Auctions, item: Int64, *, stayed: Int64, items: int) -> Front:
        """The front left by the auctions in rows `stayed`; `item` numbers the n auctions' items from 0 to `items`."""
        floor = np.full(items, _NO_FLOOR)
        np.minimum.at(floor, item[stayed], before.unit_price[stayed])
        at_floor = stayed[before.unit_price[stayed] == floor[item[stayed]]]
        newest = np.full(items, -1)
        np.maximum.at(newest, item[at_floor], before.auction_id[at_floor])
        return cls(floor=floor, newest=newest)

    def in_reach(self, auctions: Auctions, item: Int64) -> Bool:
        """Return for each auction whether buyers would take it before every survivor of its item.

        They take the cheapest first, and at an equal price the newest, which has the highest id. No survivor comes
        before the first of them, so none is in reach.
        """
        lowest = self.floor[item]
        at_lowest = auctions.unit_price == lowest
        return (auctions.unit_price < lowest) | (at_lowest & (auctions.auction_id > self.newest[item]))

    def not_above(self, auctions: Auctions, item: Int64) -> Bool:
        """Return for each auction whether it stands at or below the surviving floor, however old it is."""
        return auctions.unit_price <= self.floor[item]
