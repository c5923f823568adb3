"""The rules for prices and sales once more, in plain Python: slow, obvious, sharing no line with the code under test.

Auctions are tuples, snapshots are dicts by auction id, numbers are whole or fractions.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

BUCKETS = {
    "SHORT": (0, 30),
    "MEDIUM": (30, 120),
    "LONG": (120, 720),
    "VERY_LONG": (720, 2880),
}


class Auction(NamedTuple):
    item: int
    price: int
    quantity: int
    time_left: str


class LeftOut(NamedTuple):
    """What a snapshot lacks: items and ids of auctions that made no sense, as far as they could be read."""

    items: frozenset[int] = frozenset()
    ids: frozenset[int] = frozenset()


WHOLE = LeftOut()
Snapshot = dict[int, Auction]
Windows = dict[int, tuple[int, int]]


def every_unit(lots: Iterable[tuple[int, int]]) -> list[int]:
    return sorted(price for quantity, price in lots for _ in range(quantity))


def mean(units: list[int]) -> Fraction:
    return Fraction(sum(units), len(units))


def median(units: list[int]) -> Fraction:
    middle = len(units) // 2
    return Fraction(units[middle]) if len(units) % 2 else Fraction(units[middle - 1] + units[middle], 2)


def market_value(units: list[int]) -> Fraction:
    n = len(units)
    walked = [units[0]]
    for i in range(2, n + 1):
        price, previous = units[i - 1], units[i - 2]
        if i > Fraction(15, 100) * n and (i > Fraction(30, 100) * n or price >= Fraction(12, 10) * previous):
            break
        walked.append(price)
    middle = mean(walked)
    variance = sum((price - middle) ** 2 for price in walked) / (len(walked) - 1) if len(walked) > 1 else Fraction(0)
    kept = [price for price in walked if (price - middle) ** 2 <= Fraction(15, 10) ** 2 * variance]
    return mean(kept)


def cheapest_15_percent(units: list[int]) -> int:
    bought = units[: math.ceil(Fraction(15, 100) * len(units))]
    return math.ceil(mean(bought))


# Books too large to write out are runs of units. A test holds their prices against those above.
def runs(lots: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    return sorted((price, quantity) for quantity, price in lots)


def mean_of_runs(book: list[tuple[int, int]]) -> Fraction:
    return Fraction(sum(price * count for price, count in book), sum(count for _, count in book))


def cheapest_runs(book: list[tuple[int, int]], units: int) -> list[tuple[int, int]]:
    bought: list[tuple[int, int]] = []
    for price, count in book:
        if units <= 0:
            break
        bought.append((price, min(count, units)))
        units -= count
    return bought


def median_of_runs(book: list[tuple[int, int]]) -> Fraction:
    n = sum(count for _, count in book)
    lower = cheapest_runs(book, (n + 1) // 2)[-1][0]
    upper = cheapest_runs(book, n // 2 + 1)[-1][0]
    return Fraction(lower + upper, 2)


def market_value_of_runs(book: list[tuple[int, int]]) -> Fraction:
    n = sum(count for _, count in book)
    most = max(math.floor(Fraction(30, 100) * n), 1)
    walked: list[tuple[int, int]] = []
    seen = 0
    for price, count in book:
        i = seen + 1
        if walked and i > Fraction(15, 100) * n and price >= Fraction(12, 10) * walked[-1][0]:
            break
        taken = min(count, most - seen)
        if taken <= 0:
            break
        walked.append((price, taken))
        seen += taken
    middle = mean_of_runs(walked)
    squares = sum((count * (price - middle) ** 2 for price, count in walked), Fraction(0))
    variance = squares / (seen - 1) if seen > 1 else Fraction(0)
    return mean_of_runs([(price, count) for price, count in walked if 4 * (price - middle) ** 2 <= 9 * variance])


def cheapest_15_percent_of_runs(book: list[tuple[int, int]]) -> int:
    n = sum(count for _, count in book)
    return math.ceil(mean_of_runs(cheapest_runs(book, math.ceil(Fraction(15, 100) * n))))


def minute(moment: datetime) -> int:
    return math.floor(Fraction(round(moment.timestamp() * 1_000_000), 60_000_000) + Fraction(1, 2))


def is_same(old: Auction, new: Auction) -> bool:
    return old.item == new.item and old.price == new.price and new.quantity <= old.quantity


@dataclass
class ItemSales:
    confirmed: int = 0
    reachable: int = 0
    new_listings: int = 0
    new_auctions: int = 0


@dataclass
class Hour:
    windows: Windows
    fate: dict[int, str]
    weight: dict[int, Fraction]
    items: dict[int, ItemSales]
    misfits: int
    sold_above_cheaper: int
    unknown: set[int] = field(default_factory=set[int])
    """Items of which an auction was left out of either snapshot: nothing is known of their hour."""
    unpriced: set[int] = field(default_factory=set[int])
    """Items that are for sale, though only by auctions that were left out: they have no row."""


def first_windows(snapshot: Snapshot) -> Windows:
    return {key: BUCKETS[auction.time_left] for key, auction in snapshot.items()}


def compare(
    old: Snapshot,
    windows: Windows,
    new: Snapshot,
    *,
    old_time: datetime,
    new_time: datetime,
    old_left: LeftOut = WHOLE,
    new_left: LeftOut = WHOLE,
) -> Hour:
    shift = minute(new_time) - minute(old_time)
    shifted = {key: (after - shift, before - shift) for key, (after, before) in windows.items()}
    survivors = {key for key, auction in old.items() if key in new and is_same(auction, new[key])}
    hour = Hour(windows={}, fate={}, weight={}, items={}, misfits=0, sold_above_cheaper=0)
    for auction in (*old.values(), *new.values()):
        hour.items.setdefault(auction.item, ItemSales())
    look_at_new_ones(new, shifted, survivors=survivors, hour=hour)
    tell_fates(old, new, shifted, survivors=survivors, hour=hour)
    forget_what_was_left_out(old, new, old_left=old_left, new_left=new_left, hour=hour)
    check_cheapest_first(old, hour=hour)
    return hour


def look_at_new_ones(new: Snapshot, shifted: Windows, *, survivors: set[int], hour: Hour) -> None:
    for key, auction in new.items():
        after, before = BUCKETS[auction.time_left]
        if key in survivors:
            narrowed = max(after, shifted[key][0]), min(before, shifted[key][1])
            if narrowed[0] < narrowed[1]:
                after, before = narrowed
            else:
                hour.misfits += 1
        else:
            hour.items[auction.item].new_listings += auction.quantity
            hour.items[auction.item].new_auctions += 1
        hour.windows[key] = after, before


def tell_fates(old: Snapshot, new: Snapshot, shifted: Windows, *, survivors: set[int], hour: Hour) -> None:
    # A buyer takes the cheapest first, at an equal price the newest: the highest id.
    next_in_line: dict[int, tuple[int, int]] = {}
    for key in survivors:
        item, rank = old[key].item, (old[key].price, -key)
        next_in_line[item] = min(rank, next_in_line.get(item, rank))
    for key, auction in old.items():
        sales = hour.items[auction.item]
        if key in survivors:
            sales.confirmed += auction.quantity - new[key].quantity
            hour.fate[key] = "PARTLY_SOLD" if new[key].quantity < auction.quantity else "STILL_THERE"
            continue
        after, before = shifted[key]
        behind = auction.item in next_in_line and next_in_line[auction.item] < (auction.price, -key)
        if not behind:
            sales.reachable += auction.quantity
        if before <= 2:
            hour.fate[key] = "EXPIRED"
        elif behind:
            hour.fate[key] = "WITHDRAWN"
        else:
            hour.fate[key] = "SOLD_LIKELY"
            hour.weight[key] = Fraction(before - max(after, 0), before - after)


def forget_what_was_left_out(old: Snapshot, new: Snapshot, *, old_left: LeftOut, new_left: LeftOut, hour: Hour) -> None:
    # An auction without a readable item is that of its id in the other snapshot.
    lacking_before = old_left.items | {auction.item for key, auction in new.items() if key in old_left.ids}
    lacking_now = new_left.items | {auction.item for key, auction in old.items() if key in new_left.ids}
    hour.unknown = {*lacking_before, *lacking_now}
    hour.unpriced = {*lacking_now} - {auction.item for auction in new.values()}
    for item in lacking_before:
        hour.items.setdefault(item, ItemSales())


def check_cheapest_first(old: Snapshot, *, hour: Hour) -> None:
    untouched: dict[int, list[int]] = defaultdict(list)
    for key, fate in hour.fate.items():
        if fate == "STILL_THERE":
            untouched[old[key].item].append(old[key].price)
    for key, fate in hour.fate.items():
        if old[key].item in hour.unknown:
            continue
        if fate == "PARTLY_SOLD" and any(price < old[key].price for price in untouched[old[key].item]):
            hour.sold_above_cheaper += 1
