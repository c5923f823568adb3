"""What the simulated market is made of: the goods that are traded, and the habits of buyers and sellers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Int32: TypeAlias = NDArray[np.int32]
Int64: TypeAlias = NDArray[np.int64]
Float64: TypeAlias = NDArray[np.float64]

AUCTIONS_PER_ITEM = 29
"""Of 349,000 auctions of a real region, about 12,000 items (BLIZZARD_API.md, section 3)."""

LARGEST_LOT = 50_000
"""The largest lot among 1,112 recorded auctions was 49,936 units."""

LEVELS = 256
"""How many sizes of lots and of purchases there are, equally likely."""

_LEVELS_AT_ONCE = 16

# Normal deviates at evenly spaced probabilities: a draw is a look-up, and its mean is known exactly.
_DEVIATES = np.array([NormalDist().inv_cdf((level + 0.5) / LEVELS) for level in range(LEVELS)])
_ROUND_FROM = np.array([20, 200, 2_000])
_ROUND_STEPS = np.array([1, 10, 100, 1_000])


@dataclass(frozen=True, slots=True)
class Profiles:
    """The goods of a market, one row an item; k items, every id once."""

    item_id: Int32
    base_price: Int64
    """Copper for one unit, about which the going price wanders; multiples of 100."""
    popularity: Float64
    """Relative share of all auctions; any positive scale."""
    turnover: Float64
    """Units that buyers ask for in an hour, as a share of the units usually listed."""
    typical_lot: Float64
    """Median units of a lot; below 1 nearly all lots are single."""

    def __post_init__(self) -> None:
        if len(self.item_id) == 0:
            raise ValueError("a market needs at least one item")
        if len(np.unique(self.item_id)) != len(self.item_id):
            raise ValueError("an item comes more than once")

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.item_id)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """The habits of buyers and sellers; shares are of 1, and hourly shares are means over a day."""

    cancelled_dearer: float = 0.05
    """Of the lots above the lowest price of their item, cancelled in an hour."""
    cancelled_cheapest: float = 0.02
    """Of the lots at the lowest price of their item, cancelled in an hour."""
    reposted: float = 0.70
    """Of the cancelled lots, listed again with the same units at or just below the floor."""
    repost_minutes: tuple[int, int] = (5, 15)
    """Shortest and longest wait between cancelling and listing again; multiples of 5."""
    fresh_at_floor: float = 0.35
    """Of the fresh lots, listed at or just below the floor; the others stand above it."""
    undercutting: float = 0.55
    """Of the lots meant for the floor, listed below it; the others match it."""
    lowest_undercut: float = 0.70
    """Of the going price; nobody undercuts to less, though many match."""
    dearest_bought: float = 2.0
    """Of the going price; buyers take nothing dearer."""
    purchase_lots: float = 3.0
    """Mean size of one purchase, in mean lots of its item."""
    purchase_spread: float = 1.2
    """Standard deviation of the logarithm of a purchase's size."""
    duration_shares: tuple[float, float, float] = (0.75, 0.15, 0.10)
    """Shares of lots listed for 12, 24 and 48 hours."""
    supply_swing: float = 0.25
    """How far listing swings about its daily mean."""
    demand_swing: float = 0.40
    """How far buying swings about its daily mean."""
    cancelling_swing: float = 0.20
    """How far cancelling swings about its daily mean."""
    peak_hour: float = 19.0
    """Hour of the day (UTC) at which all three are highest."""
    one_step_less: float = 0.5
    """Of the undercuts, by the smallest step; the others are by up to 3%."""
    silly: float = 0.04
    """Of the fresh lots above the floor, at 3 to 20 times the price."""
    turnover_times: float = 1.0
    """How much more of the listed units buyers ask for than the goods' own turnover says."""
    lot_times: float = 1.0
    """How much larger lots are than the goods' own typical lot."""
    stacks: tuple[int, ...] = ()
    """The only sizes of lots, equally frequent; where there are none, each item has sizes of its own."""
    not_cheapest: float = 0.0
    """Of the purchases, from any lot of the item instead of the cheapest."""
    elasticity: float = 0.0
    """By how many percent buyers ask for more where the lowest price is one percent below the going price."""
    listing_minutes: tuple[int, int] = (0, 60)
    """From which minute of each hour of the market's to which fresh lots are listed; multiples of 5."""
    tended: float = 0.0
    """Of the fresh lots, a bot's: cancelled once a cheaper one stands, listed again below that within minutes."""
    tending_minutes: float = 15.0
    """How long it takes such a bot on the average to see that it was undercut."""
    wrong_buckets: float = 0.0
    """Of the auctions, published under the time left before or after their own."""

    def rhythm(self, swing: float, moment: datetime) -> float:
        """How lively an activity with that swing is at an aware moment: 1 on a day's average."""
        clock = moment.astimezone(UTC)
        hour = clock.hour + clock.minute / 60 + clock.second / 3600
        return 1 + swing * math.cos((hour - self.peak_hour) * math.pi / 12)


MODERATE = Behaviour()
"""Moderate cancelling: 5% an hour above the floor and 2% at it."""


def usual_items(auctions: int) -> int:
    """How many items a market of that many auctions has, in a real region's proportion.

    >>> usual_items(349_000), usual_items(1_000_000), usual_items(100)
    (12000, 12000, 3)
    """
    return max(1, min(12_000, auctions // AUCTIONS_PER_ITEM))


def default_profiles(
    *, seed: int, items: int, item_id: Int32 | None = None, base_price: Int64 | None = None
) -> Profiles:
    """Goods from hardly traded to busy, from a few silver to thousands of gold.

    The spreads of popularity, lot size and price follow 1,112 recorded auctions of one region: the
    busiest tenth of the items holds about 60% of the auctions, a typical lot has 3 units, a few have
    thousands. `item_id` and `base_price` (copper) are taken from a catalogue where given, else made up;
    either way the other columns are the same. Raises `ValueError` where a given column has another length.
    """
    rng = np.random.default_rng((seed, 0x1_7E45))
    for column in (item_id, base_price):
        if column is not None and len(column) != items:
            raise ValueError(f"a column of {len(column)} rows for {items} items")
    made_up_id = np.sort(rng.choice(260_000, size=items, replace=False) + 2_000).astype(np.int32)
    made_up_price = np.clip(np.exp(12.0 + 2.4 * rng.standard_normal(items)), 400, 300_000_000)
    price = made_up_price if base_price is None else base_price.astype(np.float64)
    popularity = np.exp(1.5 * rng.standard_normal(items))
    turnover = 0.026 * np.exp(0.8 * rng.standard_normal(items) - 0.32)
    lot = np.exp(1.1 + 1.6 * rng.standard_normal(items))
    return Profiles(
        item_id=made_up_id if item_id is None else item_id,
        base_price=np.maximum((price / 100).astype(np.int64), 1) * 100,
        popularity=popularity,
        turnover=np.clip(turnover, 0.001, 0.2),
        # Nobody stacks what costs a fortune: a lot is worth some tens of thousands of gold at the most.
        typical_lot=np.clip(np.minimum(lot, 3e8 / np.maximum(price, 100)), 0.5, 2_000.0),
    )


def lot_sizes(typical_lot: Float64, level: Int64, *, stacks: tuple[int, ...] = ()) -> Int32:
    """Units of a lot of an item with that median, at one of 256 equally likely levels; shapes broadcast.

    With `stacks` there are no other sizes than these, whatever the item. Else people like round numbers: of lots above
    20 units every other level is rounded to tens, hundreds or thousands.
    """
    if stacks:
        chosen = np.array(stacks, np.int32)[level * len(stacks) // LEVELS]
        return np.broadcast_to(chosen, np.broadcast_shapes(typical_lot.shape, level.shape))
    raw = np.maximum(np.rint(typical_lot * np.exp(1.2 * _DEVIATES)[level]), 1).astype(np.int64)
    step = _ROUND_STEPS[np.searchsorted(_ROUND_FROM, raw, side="right")]
    step = np.where(level % 2 == 0, step, 1)
    return np.minimum((raw + step // 2) // step * step, LARGEST_LOT).astype(np.int32)


def mean_lot_sizes(typical_lot: Float64, *, stacks: tuple[int, ...] = ()) -> Float64:
    """Mean units of a lot for each item, exactly as `lot_sizes` draws them."""
    total = np.zeros(len(typical_lot), dtype=np.int64)
    # Few levels at a time, so that a whole region's items fit into memory beside them.
    for levels in np.split(np.arange(LEVELS)[:, None], LEVELS // _LEVELS_AT_ONCE):
        total += lot_sizes(typical_lot, levels, stacks=stacks).sum(axis=0, dtype=np.int64)
    return total / LEVELS


def purchase_sizes(mean_size: Float64, level: Int64, *, spread: float) -> Int64:
    """Units of a purchase with that mean, at one of 256 equally likely levels; at least 1."""
    factors = np.exp(spread * _DEVIATES)
    factors /= factors.mean()
    return np.maximum(np.rint(mean_size * factors[level]), 1).astype(np.int64)
