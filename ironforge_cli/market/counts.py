"""What is counted of every item between two snapshots, and the pairs of which one is a sale or a repost.

Rules 5 to 8 of the estimate (docs/method.md). Units are kept in 64ths, so that their sums are exact in any order.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ironforge_cli.market.auctions import Bool, Float64, Int32, Int64

PARTS = 64
"""Units that are weighed are whole numbers of such parts of one."""

LARGEST_LIKENESS = 0.99
"""How alike an item's auctions can be at most: that two of them match by chance is never sure."""

# What a quantity that no other auction has is given all the same, and the auction more that stands below it.
_UNHEARD_OF, _ONE_MORE = 0.02, 1
# Above every quantity, so that an item and a quantity make one number.
_ABOVE_QUANTITIES = 1 << 31


@dataclass(frozen=True, slots=True)
class Pairs:
    """The likely sold auctions beside which a new one of their quantity was listed: p of them."""

    row: Int64
    """The row of the item in its `ItemCounts`."""
    units: Float64
    """Weighted units, in 64ths."""
    chance: Float64
    """How likely a new listing of that quantity is there by coincidence, whatever became of the auction: 0 to 1."""

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.row)


@dataclass(frozen=True, slots=True)
class ItemCounts:
    """What one interval shows of each item: k items of either snapshot, sorted; units but where said otherwise.

    A weighted unit counts as the share of its auction's expiry window that lies after the later snapshot; of each
    auction they are rounded to 64ths.
    """

    item_id: Int32
    known: Bool
    """False where one of the item's auctions was left out of either snapshot: all else is 0 there, and means null."""
    auctions: Int64
    """Auctions in the earlier snapshot."""
    confirmed: Int64
    """Taken from auctions that are still there."""
    plain: Float64
    """Weighted units of the likely sold auctions that pair with no new one."""
    certain: Int64
    """Units of those of them that cannot have expired."""
    paired: Float64
    """Weighted units of the likely sold auctions that pair with a new one."""
    gone: Int64
    """Units of all auctions that vanished in reach of buyers, expired ones too."""
    new_at_floor: Int64
    """Units of new auctions in reach of buyers."""
    new_listings: Int64
    """Units of all new auctions."""
    new_auctions: Int32
    """New auctions, however many units they have."""
    pairs: Pairs
    withdrawn: int
    """Auctions of the whole market that their sellers took back, out of reach of buyers."""

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.item_id)

    @property
    def withdrawn_share(self) -> float:
        """Withdrawn auctions as a share of all in the earlier snapshot, over the interval; 0 where there was none."""
        auctions = int(self.auctions.sum())
        return self.withdrawn / auctions if auctions else 0.0

    def taken(self, chosen: Bool) -> ItemCounts:
        """The rows where a mask is true, and the pairs of these."""
        mine = chosen[self.pairs.row]
        renumbered = np.cumsum(chosen) - 1
        columns = {
            one.name: getattr(self, one.name)[chosen] for one in fields(self) if one.name not in {"pairs", "withdrawn"}
        }
        pairs = Pairs(
            row=renumbered[self.pairs.row[mine]], units=self.pairs.units[mine], chance=self.pairs.chance[mine]
        )
        return ItemCounts(**columns, pairs=pairs, withdrawn=self.withdrawn)


def weighted_units(quantity: Int64, *, ahead: Int64, width: Int64) -> Int64:
    """The units of auctions that have not expired, for all that is known, in 64ths: rounded exactly, halves up.

    `ahead` minutes of a window `width` minutes wide lie after the later snapshot; more than all of it is all of it.

    >>> weighted_units(np.array([10, 10, 1]), ahead=np.array([500, 60, 1]), width=np.array([90, 90, 128])).tolist()
    [640, 427, 1]
    """
    return (2 * PARTS * np.minimum(ahead, width) * quantity + width) // (2 * width)


def pairs_by_quantity(
    *, item: tuple[Int64, Int64], quantity: tuple[Int32, Int32], likely: Bool, is_new: Bool, not_above: Bool
) -> tuple[Int64, Float64]:
    """Pair likely sold auctions with new ones of the same item and quantity at or below the surviving floor.

    Columns are those of the n auctions before, in the order of their ids, and of the m now; `likely` is a mask of the
    n, the other two are of the m. Returns the paired rows of the n, and the chance of each pair.
    """
    nothing = np.zeros(0, np.int64), np.zeros(0)
    in_front = is_new & not_above
    before = np.flatnonzero(likely)
    if not len(before):
        return nothing
    kinds = item[0][before] * _ABOVE_QUANTITIES + quantity[0][before]
    order = np.argsort(kinds, kind="stable")
    kind, first, group = np.unique(kinds[order], return_index=True, return_inverse=True)

    def of_kind(chosen: Bool, which: int) -> Int64:
        """How many auctions of each kind there are among the chosen ones of a snapshot."""
        sought = item[which][chosen] * _ABOVE_QUANTITIES + quantity[which][chosen]
        place = np.minimum(np.searchsorted(kind, sought), len(kind) - 1)
        return np.bincount(place[kind[place] == sought], minlength=len(kind))

    listed = of_kind(in_front, 1)
    paired = np.arange(len(order)) - first[group] < listed[group]
    rows, group = before[order[paired]], group[paired]
    if not len(rows):
        return nothing
    by_id = np.argsort(rows)
    rows, group = rows[by_id], group[by_id]

    items = int(max(column.max() for column in item if len(column))) + 1
    concerned = np.zeros(items, np.bool_)
    concerned[item[0][rows]] = True
    like = of_kind(concerned[item[0]], 0) + of_kind(is_new & concerned[item[1]], 1) - 2
    others = np.bincount(item[0], minlength=items) + np.bincount(item[1][is_new], minlength=items) - 2
    row_item = item[0][rows]
    likeness = np.minimum(LARGEST_LIKENESS, (like[group] + _UNHEARD_OF) / (others[row_item] + _ONE_MORE))
    arrivals = np.bincount(item[1][in_front], minlength=items)[row_item]
    return rows, 1 - _powers(1 - likeness, arrivals)


def _powers(base: Float64, exponent: Int64) -> Float64:
    """Whole powers by multiplication alone, which rounds alike on every processor; `pow` doesn't."""
    power, square, left = np.ones(len(base)), base.copy(), exponent.copy()
    while left.any():
        power[left & 1 == 1] *= square[left & 1 == 1]
        square *= square
        left >>= 1
    return power
