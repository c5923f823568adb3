"""Expiry windows, and what happened to each auction between two snapshots.

Nobody outside the game sees a sale: an auction is there in one snapshot and gone in the next, and it was bought,
cancelled or expired. Its expiry window, its place among the auctions of its item and new listings like it tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from ironforge_cli.market.auctions import (
    Auctions,
    Book,
    Bool,
    Float64,
    Int32,
    Int64,
    UInt8,
    Windows,
    item_codes,
    minute_of,
)
from ironforge_cli.market.counts import PARTS, ItemCounts, Pairs, pairs_by_quantity, weighted_units
from ironforge_cli.market.front import Front

if TYPE_CHECKING:
    from datetime import datetime

EXPIRY_TOLERANCE_MIN = 2
"""How much later than its window's end an auction may seem to expire: snapshots aren't taken in an instant."""

BUCKET_AFTER_MIN = np.array([0, 30, 120, 720], np.int16)
"""For each `TimeLeft` the minutes that an auction has left at least, itself excluded."""

BUCKET_BEFORE_MIN = np.array([30, 120, 720, 2880], np.int16)
"""For each `TimeLeft` the minutes that an auction has left at most."""

REACH = timedelta(minutes=int(BUCKET_BEFORE_MIN[-1]))
"""How far what is known of an auction's expiry reaches: the longest that one lasts."""

_NO_FLOOR = np.iinfo(np.int64).max


class AuctionOutcome(IntEnum):
    """What became of an auction by the next snapshot."""

    STILL_THERE = 0
    """Untouched."""
    PARTLY_SOLD = 1
    """There with less quantity."""
    EXPIRED = 2
    """Gone, and its time was over."""
    WITHDRAWN = 3
    """Gone, though buyers would have taken a cheaper one first: cancelled by its seller."""
    SOLD_LIKELY = 4
    """Gone, and next in line for buyers."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What happened in a whole market between two snapshots; items of which nothing is known are in none of it."""

    new_auctions: int
    gone_auctions: int
    surviving_auctions: int
    new_units: int
    confirmed_units: int
    expired_auctions: int
    expired_units: int
    withdrawn_auctions: int
    withdrawn_units: int
    likely_sold_auctions: int
    window_misfits: int
    """Survivors whose bucket contradicts what was known of their expiry, whatever their item."""
    partly_sold_auctions: int
    partly_sold_above_cheaper: int
    """Those of them that stand above an untouched cheaper auction of the item: the cheapest-first rule was broken."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two snapshots side by side: n auctions before, m now."""

    windows: Windows
    """Of the m auctions now."""
    is_new: Bool
    """For each of the m: it was not in the snapshot before."""
    outcome: UInt8
    """For each of the n a code of `Outcome`; of an item of which an auction was left out it is a guess."""
    weight: Float64
    """For each of the n the weight of its units, 0 unless it is likely sold."""
    paired: Bool
    """For each of the n: it is likely sold, and a new auction of its quantity was listed in front."""
    in_reach: Bool
    """For each of the n: it is gone, and no surviving auction of its item would have been bought first."""
    counts: ItemCounts
    """What the estimate rests on: one row for each item of either snapshot, but for those none of whose auctions the
    later one holds but such as were left out of it."""
    totals: Totals


def first_windows(auctions: Auctions) -> Windows:
    """Return what the buckets alone say about each auction's expiry.

    >>> one = np.array([1])
    >>> lone = Auctions(one, one.astype(np.int32), one, one.astype(np.int32), one.astype(np.uint8))
    >>> windows = first_windows(lone)
    >>> windows.expires_after_min.tolist(), windows.expires_before_min.tolist()
    ([30], [120])
    """
    return Windows(
        expires_after_min=BUCKET_AFTER_MIN[auctions.time_left],
        expires_before_min=BUCKET_BEFORE_MIN[auctions.time_left],
    )


def compare(previous: Book, current: Auctions, *, at: datetime) -> Comparison:
    """Say what happened to each auction between two snapshots, and count what that shows of each item.

    `at` is the time of the current snapshot; raises `ValueError` where it is not later than the previous one.
    """
    if at <= previous.snapshot_time:
        raise ValueError(f"the snapshot of {at} is not later than that of {previous.snapshot_time}")
    elapsed = minute_of(at) - minute_of(previous.snapshot_time)
    before = previous.auctions
    stayed, now = _survivors(before, current)
    windows, misfits = _narrowed_windows(previous, current, stayed=stayed, now=now, elapsed=elapsed)
    is_new = np.ones(len(current), np.bool_)
    is_new[now] = False
    missing_before, missing_now = _items_left_out(before, current)
    item_id, (item, item_now, _) = item_codes(before.item_id, current.item_id, missing_before)
    known = ~(np.isin(item_id, missing_before) | np.isin(item_id, missing_now))

    sold = np.zeros(len(before), np.int64)
    sold[stayed] = before.quantity[stayed] - current.quantity[now]
    front = Front.of(before, item, stayed=stayed, items=len(item_id))
    in_reach = front.in_reach(before, item)
    latest = previous.windows.expires_before_min.astype(np.int64) - elapsed
    width = previous.windows.expires_before_min - previous.windows.expires_after_min
    # The rules in reverse, so that the earlier one has the last word.
    outcome = np.where(in_reach, AuctionOutcome.SOLD_LIKELY, AuctionOutcome.WITHDRAWN).astype(np.uint8)
    outcome[latest <= EXPIRY_TOLERANCE_MIN] = AuctionOutcome.EXPIRED
    outcome[stayed] = np.where(sold[stayed] > 0, AuctionOutcome.PARTLY_SOLD, AuctionOutcome.STILL_THERE)

    likely = np.flatnonzero(outcome == AuctionOutcome.SOLD_LIKELY)
    weight = np.zeros(len(before))
    weight[likely] = np.clip(latest[likely] / width[likely], 0, 1)
    rows, chance = pairs_by_quantity(
        item=(item, item_now),
        quantity=(before.quantity, current.quantity),
        likely=outcome == AuctionOutcome.SOLD_LIKELY,
        is_new=is_new,
        not_above=front.not_above(current, item_now),
    )
    paired = np.zeros(len(before), np.bool_)
    paired[rows] = True
    parts = np.zeros(len(before), np.int64)
    parts[likely] = weighted_units(before.quantity[likely].astype(np.int64), ahead=latest[likely], width=width[likely])

    def summed(mask: Bool, values: Int64 | Int32) -> Float64:
        # Units of a whole market, and their 64ths, stay below 2**53, up to which these sums are exact.
        sums = np.bincount(item[mask], weights=values[mask].astype(np.float64), minlength=len(item_id))
        return np.where(known, sums, 0.0)

    def listed(mask: Bool) -> Int64:
        sums = np.bincount(item_now[mask], weights=current.quantity[mask].astype(np.float64), minlength=len(item_id))
        return np.where(known, sums, 0).astype(np.int64)

    def times(item_of: Int64) -> Int64:
        return np.where(known, np.bincount(item_of, minlength=len(item_id)), 0)

    counted = rows[known[item[rows]]]
    counts = ItemCounts(
        item_id=item_id,
        known=known,
        auctions=times(item),
        confirmed=summed(sold > 0, sold).astype(np.int64),
        plain=summed((parts > 0) & ~paired, parts) / PARTS,
        certain=summed((weight == 1) & ~paired, before.quantity).astype(np.int64),
        paired=summed(paired, parts) / PARTS,
        gone=summed(in_reach, before.quantity).astype(np.int64),
        new_at_floor=listed(is_new & front.in_reach(current, item_now)),
        new_listings=listed(is_new),
        new_auctions=times(item_now[is_new]).astype(np.int32),
        pairs=Pairs(row=item[counted], units=parts[counted].astype(np.float64), chance=chance[known[item[rows]]]),
        withdrawn=int(np.count_nonzero((outcome == AuctionOutcome.WITHDRAWN) & known[item])),
    )
    totals = _totals(before, item, outcome=outcome, counts=counts, window_misfits=misfits)
    if len(missing_now):
        # What is left of an item is nothing, and yet it is for sale: it can't be said to have sold out.
        left = np.zeros(len(item_id), np.bool_)
        left[item_now] = True
        has_row = left | ~np.isin(item_id, missing_now)
        counts = counts.taken(has_row)
    return Comparison(
        windows=windows,
        is_new=is_new,
        outcome=outcome,
        weight=weight,
        paired=paired,
        in_reach=in_reach,
        counts=counts,
        totals=totals,
    )


def _items_left_out(before: Auctions, current: Auctions) -> tuple[Int32, Int32]:
    """The items of which an auction was left out of the snapshot before, and of the current one.

    They are those that the auctions left out name, and those that the other snapshot names under their ids.
    """
    then, now = before.left_out, current.left_out
    return (
        np.union1d(np.array(then.item_id, np.int32), current.items_of(then.auction_id)),
        np.union1d(np.array(now.item_id, np.int32), before.items_of(now.auction_id)),
    )


def _survivors(before: Auctions, current: Auctions) -> tuple[Int64, Int64]:
    """Return the rows of the auctions that are in both snapshots: in the one before, and in the current one.

    An id with another item, another price or a higher quantity was used again for another auction.
    """
    position = np.searchsorted(current.auction_id, before.auction_id)
    rows = np.flatnonzero(position < len(current))
    found = position[rows]
    same = (
        (current.auction_id[found] == before.auction_id[rows])
        & (current.item_id[found] == before.item_id[rows])
        & (current.unit_price[found] == before.unit_price[rows])
        & (current.quantity[found] <= before.quantity[rows])
    )
    return rows[same], found[same]


def _narrowed_windows(
    previous: Book, current: Auctions, *, stayed: Int64, now: Int64, elapsed: int
) -> tuple[Windows, int]:
    """Return the windows of the current auctions, and how many survivors' buckets contradict what was known."""
    expires_after, expires_before = BUCKET_AFTER_MIN[current.time_left], BUCKET_BEFORE_MIN[current.time_left]
    known_after = previous.windows.expires_after_min[stayed].astype(np.int64) - elapsed
    known_before = previous.windows.expires_before_min[stayed].astype(np.int64) - elapsed
    after = np.maximum(known_after, expires_after[now])
    before = np.minimum(known_before, expires_before[now])
    fits = after < before
    expires_after[now[fits]] = after[fits]
    expires_before[now[fits]] = before[fits]
    windows = Windows(expires_after_min=expires_after, expires_before_min=expires_before)
    return windows, len(now) - int(np.count_nonzero(fits))


def _totals(before: Auctions, item: Int64, *, outcome: UInt8, counts: ItemCounts, window_misfits: int) -> Totals:
    """Add up the whole market, as far as it is known."""
    if not counts.known.all():
        counted = counts.known[item]
        before, item, outcome = before.taken(counted), item[counted], outcome[counted]
    auctions = np.bincount(outcome, minlength=len(AuctionOutcome)).tolist()
    units = np.bincount(outcome, weights=before.quantity.astype(np.float64), minlength=len(AuctionOutcome)).tolist()
    surviving = auctions[AuctionOutcome.STILL_THERE] + auctions[AuctionOutcome.PARTLY_SOLD]

    untouched = outcome == AuctionOutcome.STILL_THERE
    partly = outcome == AuctionOutcome.PARTLY_SOLD
    cheapest_untouched = np.full(len(counts), _NO_FLOOR)
    np.minimum.at(cheapest_untouched, item[untouched], before.unit_price[untouched])
    above_cheaper = before.unit_price[partly] > cheapest_untouched[item[partly]]
    return Totals(
        new_auctions=int(counts.new_auctions.sum()),
        gone_auctions=len(before) - surviving,
        surviving_auctions=surviving,
        new_units=int(counts.new_listings.sum()),
        confirmed_units=int(counts.confirmed.sum()),
        expired_auctions=auctions[AuctionOutcome.EXPIRED],
        expired_units=int(units[AuctionOutcome.EXPIRED]),
        withdrawn_auctions=counts.withdrawn,
        withdrawn_units=int(units[AuctionOutcome.WITHDRAWN]),
        likely_sold_auctions=auctions[AuctionOutcome.SOLD_LIKELY],
        window_misfits=window_misfits,
        partly_sold_auctions=auctions[AuctionOutcome.PARTLY_SOLD],
        partly_sold_above_cheaper=int(np.count_nonzero(above_cheaper)),
    )
