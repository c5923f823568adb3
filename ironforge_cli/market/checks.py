"""Whether a real market behaves as the estimate of sales supposes: checks that need no truth.

They alarm, and calibrate nothing: no figure here changes an estimate.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from ironforge_cli.market.doubts import QUARTERS, SoldLots
from ironforge_cli.market.past import Past
from ironforge_cli.market.sales import AuctionOutcome, Comparison, compare

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ironforge_cli.market.auctions import Auctions, Book, Float64, Int32
    from ironforge_cli.market.estimate import Estimates

OFTEN: Final = 0.15
"""Thinning looks at items with evidence in at least this share of the intervals."""
ENOUGH_ITEMS: Final = 20
"""Of fewer such items a median says nothing."""
IDS_IN_ORDER: Final = 0.95
"""So many of the new ids must lie above the highest before, or ids tell no times."""


@dataclass(frozen=True, slots=True)
class Thinning:
    """What a day comes to when looked at half as often."""

    items: int
    """Items with evidence often enough to count."""
    ratio: float | None
    """The median item's total in double steps to that in single ones; None for too few items."""


@dataclass(slots=True)
class _Totals:
    """Sums by item over intervals."""

    item_id: list[Int32] = field(default_factory=list["Int32"])
    units: list[Float64] = field(default_factory=list["Float64"])
    evident: list[Float64] = field(default_factory=list["Float64"])
    intervals: int = 0

    def add(self, rows: Estimates) -> None:
        self.item_id.append(rows.item_id)
        self.units.append(rows.seen_sales + rows.unseen_sales)
        self.evident.append((rows.evidence > 0).astype(np.float64))
        self.intervals += 1

    def summed(self) -> tuple[Int32, Float64, Float64]:
        """The items, sorted; units of each, and the share of the intervals with evidence."""
        item_id, row = np.unique(np.concatenate(self.item_id), return_inverse=True)
        units = np.bincount(row, weights=np.concatenate(self.units), minlength=len(item_id))
        evident = np.bincount(row, weights=np.concatenate(self.evident), minlength=len(item_id))
        return item_id, units.astype(np.float64), evident / self.intervals


def thinning(books: Iterable[Book]) -> Thinning:
    """Estimate a day's sales from all its books and from every second one, and hold the totals together.

    `books` are consecutive snapshots with their windows, oldest first; three are held at a time. An odd number of
    them uses all; of an even number the last is left out, so that both ways span the same time.
    """
    fine_past, coarse_past, fine, coarse = Past(), Past(), _Totals(), _Totals()
    first: Book | None = None
    middle: Book | None = None
    for book in books:
        if first is None:
            first = book
        elif middle is None:
            middle = book
        else:
            for before, now in ((first, middle), (middle, book)):
                fine.add(_estimated(before, now, past=fine_past))
            coarse.add(_estimated(first, book, past=coarse_past))
            first, middle = book, None
    if not coarse.intervals:
        return Thinning(items=0, ratio=None)
    item_id, units, evident = fine.summed()
    coarse_id, coarse_units, _ = coarse.summed()
    # What has evidence has units that were seen sold.
    often = evident >= OFTEN
    thinned = np.zeros(len(item_id))
    # An item that was listed and gone between is in the finer look alone: 0 is what the coarser one shows of it.
    _, mine, theirs = np.intersect1d(item_id, coarse_id, return_indices=True)
    thinned[mine] = coarse_units[theirs]
    items = int(often.sum())
    ratio = float(np.median(thinned[often] / units[often])) if items >= ENOUGH_ITEMS else None
    return Thinning(items=items, ratio=ratio)


def _estimated(before: Book, now: Book, *, past: Past) -> Estimates:
    counts = compare(before, now.auctions, at=now.snapshot_time).counts
    seconds = (now.snapshot_time - before.snapshot_time) // timedelta(seconds=1)
    return past.estimated(counts, ended_at=now.snapshot_time, seconds=seconds)


def sold_lots(
    before: Auctions, now: Auctions, comparison: Comparison, rows: Estimates, *, highest_ids: Sequence[int]
) -> SoldLots | None:
    """Date the lots that an interval shows sold, by their ids.

    `highest_ids` are those of the snapshots up to the earlier one, oldest first; a lot that was listed before them is
    not dated. None where ids don't rise with the time of listing.
    """
    if not highest_ids or not len(before) or not len(rows):
        return None
    new = now.auction_id[comparison.is_new]
    if len(new) and np.mean(new > highest_ids[-1]) < IDS_IN_ORDER:
        return None
    highest = np.array(highest_ids, np.int64)
    # After a wrap ids begin anew: only what follows it dates.
    falls = np.flatnonzero(np.diff(highest) <= 0)
    highest = highest[falls[-1] + 1 :] if len(falls) else highest

    row = np.minimum(np.searchsorted(rows.item_id, before.item_id), len(rows) - 1)
    counts = (rows.item_id[row] == before.item_id) & (rows.evidence[row] > 0)
    units = comparison.weight * before.quantity
    partly = np.flatnonzero(comparison.outcome == AuctionOutcome.PARTLY_SOLD)
    units[partly] = before.quantity[partly] - now.quantity[np.searchsorted(now.auction_id, before.auction_id[partly])]
    auctions = np.bincount(row, minlength=len(rows))
    mean_lot = np.bincount(row, weights=before.quantity, minlength=len(rows)) / np.maximum(auctions, 1)
    listed = auctions > 0
    lots = np.where(counts, units / mean_lot[row], 0.0)

    place = np.searchsorted(highest, before.auction_id, side="left")
    dated = np.flatnonzero((lots > 0) & (place > 0) & (place < len(highest)))
    after, until = highest[place[dated] - 1], highest[place[dated]]
    earlier = (until - before.auction_id[dated]) / (until - after)
    quarter = np.bincount((earlier * QUARTERS).astype(np.int64), weights=lots[dated], minlength=QUARTERS)
    first, second, third, fourth = quarter[:QUARTERS].tolist()
    return SoldLots(
        quarters=(first, second, third, fourth),
        seen=float((rows.seen_sales[listed] / mean_lot[listed]).sum()),
        unseen=float((rows.unseen_sales[listed] / mean_lot[listed]).sum()),
    )
