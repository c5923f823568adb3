"""How many units of each item were sold in an interval, those that nobody saw among them.

Rules 9 to 17 of the estimate (docs/method.md): what one interval shows, judged by the item's own last 12 hours and
by what is usual in its market. Nothing but sums, products, quotients and comparisons is used, so
that every machine gives the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from ironforge_cli.market.counts import PARTS

if TYPE_CHECKING:
    from ironforge_cli.market.auctions import Bool, Float64, Int16, Int32, Int64
    from ironforge_cli.market.counts import ItemCounts

WINDOW: Final = timedelta(hours=12)
"""How far back an item's own intervals count; one that ended exactly so long ago no longer does."""

USUAL_INTERVALS: Final = 4
"""For so many intervals the habit of the market counts beside an item's own."""

LARGEST_SHARE: Final = 0.9
"""The largest share of its intervals that an item is believed to show something in."""

COINCIDENCES: Final = 3
"""Pairs are sales where coincidences are at least so many times as frequent as cancelling."""

SURE_OF_SALES: Final = 5
"""What vanished in front is a lower bound where evidence is at least so many times as frequent as cancelling."""

UNSEEN_AT_MOST: Final = 2.5
"""So many times the estimate of what was unseen can have been unseen, where there is evidence."""

UNSEEN_UNEVIDENCED: Final = 2
"""So many times the rate of what is unseen, where there is none."""

ENOUGH: Final = 0.5
"""Units that make evidence of a sale."""


@dataclass(frozen=True, slots=True)
class PastSums:
    """What the rows of a region's earlier intervals add up to: k items in any order, each once.

    The window holds the intervals that ended less than `WINDOW` before this one's end; this one is not among them.
    An interval in which an item has no row adds 0 to its row here. One of which nothing is known (null, of a first
    snapshot, or of an older estimator) counts nowhere. An item that is not here has zeros.
    """

    intervals: int
    """How many intervals the window holds."""
    seconds: int
    """How long they were together."""
    item_id: Int32
    plain: Int64
    """In how many intervals of the window the item had plain evidence of sales (`evidence` 2)."""
    evident: Int64
    """In how many it had any evidence (`evidence` 1 or 2)."""
    supplied: Int64
    """In how many something new stood in reach of buyers (`new_at_floor` above 0)."""
    seen: Float64
    """Units seen sold in the window, in whole 64ths."""
    new_at_floor: Int64
    """Units of new auctions in reach of buyers in the window."""
    unknown: Int64
    """In how many intervals of the window nothing is known of the item, since an auction of it was left out."""
    unknown_seconds: Int64
    """How long those were together."""
    today: Float64
    """Units seen and unseen, in whole 64ths, of the earlier intervals that ended on the day on which this one ends."""

    def __post_init__(self) -> None:
        if len(np.unique(self.item_id)) != len(self.item_id):
            raise ValueError("an item comes more than once in the sums of the past")

    @classmethod
    def nothing(cls) -> PastSums:
        """The past of a region whose first interval this is."""
        counts = [np.zeros(0, np.int64) for _ in range(6)]
        plain, evident, supplied, new_at_floor, unknown, unknown_seconds = counts
        return cls(
            intervals=0,
            seconds=0,
            item_id=np.zeros(0, np.int32),
            plain=plain,
            evident=evident,
            supplied=supplied,
            seen=np.zeros(0),
            new_at_floor=new_at_floor,
            unknown=unknown,
            unknown_seconds=unknown_seconds,
            today=np.zeros(0),
        )

    def of(self, item_id: Int32) -> PastSums:
        """The same for the items of a sorted column, row by row."""
        place = np.searchsorted(item_id, self.item_id)
        wanted = np.flatnonzero(place < len(item_id))
        wanted = wanted[item_id[place[wanted]] == self.item_id[wanted]]
        columns: dict[str, Int64 | Float64] = {}
        for one in fields(self)[3:]:
            mine = getattr(self, one.name)
            column = np.zeros(len(item_id), mine.dtype)
            column[place[wanted]] = mine[wanted]
            columns[one.name] = column
        return PastSums(self.intervals, self.seconds, item_id, **columns)  # pyright: ignore[reportArgumentType] - each column keeps its type


@dataclass(frozen=True, slots=True)
class Estimates:
    """What was sold of each item in an interval: k items, sorted by id; units."""

    item_id: Int32
    known: Bool
    """False where nothing is known: all else is 0 there, and means null."""
    evidence: Int16
    """2 where what vanished can't be explained without sales, 1 where only coincidences say so, else 0."""
    seen_sales: Float64
    """Sold, for all that the two snapshots show; in whole 64ths."""
    unseen_sales: Float64
    """Listed and sold between the two, where nobody saw it; in whole 64ths."""
    new_at_floor: Int64
    """Of new auctions in reach of buyers."""
    estimated_sales: Int64
    """Seen and unseen, rounded so that the estimates of a day add up to its rounded sum."""
    sales_low: Int64
    sales_high: Int64

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.item_id)


def estimate(counts: ItemCounts, past: PastSums, *, seconds: int) -> Estimates:
    """Say what was sold of each item in an interval `seconds` long, from its counts and the item's past.

    The worked example of docs/method.md: its item, and the rest of its market as if that were one item.

    >>> from ironforge_cli.market.counts import ItemCounts, Pairs
    >>> def both(*values):
    ...     return np.array(values)
    >>> counts = ItemCounts(
    ...     item_id=both(7, 8), known=both(True, True), auctions=both(3, 997), confirmed=both(8, 0), plain=both(0, 0),
    ...     certain=both(0, 0), paired=both(10, 0), gone=both(10, 0), new_at_floor=both(16, 0),
    ...     new_listings=both(16, 0), new_auctions=both(2, 0),
    ...     pairs=Pairs(row=both(0), units=both(640.0), chance=both(0.009975)), withdrawn=40,
    ... )
    >>> past = PastSums(
    ...     intervals=11, seconds=11 * 3600, item_id=both(7, 8), plain=both(3, 200), evident=both(3, 232),
    ...     supplied=both(5, 350), seen=both(31.0, 0.0), new_at_floor=both(45, 0), unknown=both(0, 0),
    ...     unknown_seconds=both(0, 0), today=both(20.25, 0.0),
    ... )
    >>> found = estimate(counts, past, seconds=3600)
    >>> [column[0].item() for column in (found.evidence, found.seen_sales, found.unseen_sales)]
    [2, 18.0, 2.0625]
    >>> [column[0].item() for column in (found.sales_low, found.estimated_sales, found.sales_high)]
    [8, 20, 24]
    """
    known = counts.known
    past = past.of(counts.item_id)
    intervals = past.intervals + 1
    own_intervals = intervals - past.unknown
    own_seconds = past.seconds + seconds - past.unknown_seconds
    market = int(counts.auctions.sum())

    def share(before: Int64, now: Bool) -> Float64:
        """Rule 9, of a property that items had in so many intervals before, and have now."""
        times = np.where(known, before + now, 0)
        usual = np.zeros(len(counts))
        if market:
            usual = np.minimum(LARGEST_SHARE, counts.auctions * int(times.sum()) / (intervals * market))
        return np.minimum(LARGEST_SHARE, (times + USUAL_INTERVALS * usual) / (own_intervals + USUAL_INTERVALS))

    sold = counts.confirmed + counts.plain
    plain = sold >= ENOUGH
    plain_share = share(past.plain, plain)
    evident = sold + _paired_by_chance(counts, plain_share) >= ENOUGH
    seen = np.where(evident, sold + counts.paired, 0.0)

    evident_share = share(past.evident, evident)
    unseen_rate = _unseen_rate(
        known=known,
        evident=evident_share,
        supplied=share(past.supplied, counts.new_at_floor > 0),
        seen=(past.seen + seen) / own_intervals,
        new_at_floor=(past.new_at_floor + counts.new_at_floor) / own_intervals,
    )
    # This interval's length in mean lengths; snapshots within one second are as long as each other.
    length = np.divide(seconds * own_intervals, own_seconds, out=np.ones(len(counts)), where=own_seconds > 0)
    longer = 1 + evident_share * (quarters_of_mean(seconds * own_intervals, own_seconds) - 1)
    unseen = np.zeros(len(counts))
    unseen[evident] = unseen_rate[evident] / evident_share[evident] * (length * longer)[evident]
    unseen = np.floor(PARTS * unseen + 0.5) / PARTS

    sure = counts.certain * (plain_share >= SURE_OF_SALES * counts.withdrawn_share)
    most_unseen = np.where(
        evident, np.ceil(UNSEEN_AT_MOST * unseen), np.floor(UNSEEN_UNEVIDENCED * unseen_rate * length + 0.5)
    )
    return Estimates(
        item_id=counts.item_id,
        known=known,
        evidence=np.where(plain, 2, evident).astype(np.int16),
        seen_sales=seen,
        unseen_sales=unseen,
        new_at_floor=counts.new_at_floor,
        estimated_sales=_rounded(past.today + seen + unseen) - _rounded(past.today),
        sales_low=np.where(evident, counts.confirmed + sure, 0),
        sales_high=np.where(known, counts.confirmed + counts.gone + most_unseen.astype(np.int64), 0),
    )


def quarters_of_mean(length: Int64, mean: Int64) -> Float64:
    """Return a length in mean lengths to the nearest quarter, halves up (rule 14); 1 where the mean is 0.

    Hours that are minutes longer than others are as long as these: only where snapshots are missed is it not 1.

    >>> quarters_of_mean(np.array([3600, 3700, 7200, 3600, 5]), np.array([3600, 3600, 3900, 4800, 0])).tolist()
    [1.0, 1.0, 1.75, 0.75, 1.0]
    """
    # Of whole numbers, so that every machine finds the same.
    return np.where(mean > 0, (8 * length + mean) // np.maximum(2 * mean, 1), 4) / 4


def _paired_by_chance(counts: ItemCounts, plain_share: Float64) -> Float64:
    """Units of the pairs that rather are coincidences than reposts (rule 11), by item."""
    pairs = counts.pairs
    chosen = plain_share[pairs.row] * pairs.chance >= COINCIDENCES * counts.withdrawn_share
    return np.bincount(pairs.row[chosen], weights=pairs.units[chosen], minlength=len(counts)) / PARTS


def _unseen_rate(*, known: Bool, evident: Float64, supplied: Float64, seen: Float64, new_at_floor: Float64) -> Float64:
    """Rule 13: the units that are listed and sold unseen in an interval, on the average."""
    rate = np.zeros(len(seen))
    # Where units were seen sold there was evidence, and where new ones stood in front there was supply.
    both = (seen > 0) & (new_at_floor > 0) & known
    p, pi, c, v = evident[both], supplied[both], seen[both], new_at_floor[both]
    rate[both] = 0.5 / ((1 - p) / (p * v) + (1 - pi) / (pi * c))
    return rate


def _rounded(units: Float64) -> Int64:
    return np.floor(units + 0.5).astype(np.int64)
