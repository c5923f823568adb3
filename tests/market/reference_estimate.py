"""Rules 5 to 17 of the estimate once more, from its page: in plain Python and fractions, slow and obvious."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from tests.market.reference import Auction, Hour, Snapshot

HALF = Fraction(1, 2)
NINE_TENTHS = Fraction(9, 10)


def in_64ths(units: Fraction) -> Fraction:
    return Fraction(math.floor(64 * units + HALF), 64)


def rounded(units: Fraction) -> int:
    return math.floor(units + HALF)


@dataclass
class Counts:
    auctions: int = 0
    confirmed: int = 0
    plain: Fraction = field(default_factory=Fraction)
    certain: int = 0
    paired: Fraction = field(default_factory=Fraction)
    gone: int = 0
    new_at_floor: int = 0
    pairs: list[tuple[Fraction, Fraction]] = field(default_factory=list[tuple[Fraction, Fraction]])
    """Weighted units, and the chance."""


@dataclass
class Interval:
    ended_at: datetime
    seconds: int
    rows: dict[int, Row | None]
    """None where nothing is known."""


@dataclass
class Row:
    evidence: int
    seen: Fraction
    unseen: Fraction
    new_at_floor: int
    estimate: int
    low: int
    high: int
    exact_unseen: Fraction
    exact_uneventful: Fraction
    """What is added to the upper bound without evidence, before it is rounded down."""


@dataclass
class Estimated:
    rows: dict[int, Row | None]
    narrowest: Fraction
    """How near the closest of all comparisons came to equality: doubles may decide differently there."""


def count(old: Snapshot, new: Snapshot, hour: Hour) -> dict[int, Counts | None]:
    """Rule 7, by item; None where nothing is known."""
    shown = hour.items.keys() - hour.unpriced
    before, now = by_item(old), by_item(new)
    return {
        item: None if item in hour.unknown else count_item(before.get(item, {}), now.get(item, {}), hour)
        for item in shown
    }


def by_item(snapshot: Snapshot) -> dict[int, Snapshot]:
    found: dict[int, Snapshot] = {}
    for key, lot in snapshot.items():
        found.setdefault(lot.item, {})[key] = lot
    return found


def count_item(before: Snapshot, new: Snapshot, hour: Hour) -> Counts:
    stayed = {key for key in before if hour.fate[key] in {"STILL_THERE", "PARTLY_SOLD"}}
    arrived = {key: lot for key, lot in new.items() if key not in stayed}
    floor = min((before[key].price for key in stayed), default=math.inf)
    newest = max((key for key in stayed if before[key].price == floor), default=-1)

    def in_reach(key: int, lot: Auction) -> bool:
        return lot.price < floor or (lot.price == floor and key > newest)

    counts = Counts(auctions=len(before))
    counts.confirmed = sum(before[key].quantity - new[key].quantity for key in stayed)
    counts.gone = sum(lot.quantity for key, lot in before.items() if key not in stayed and in_reach(key, lot))
    counts.new_at_floor = sum(lot.quantity for key, lot in arrived.items() if in_reach(key, lot))
    not_above = [lot for lot in arrived.values() if lot.price <= floor]
    likely = sorted(key for key in before if hour.fate[key] == "SOLD_LIKELY")
    partners = {lot.quantity: sum(other.quantity == lot.quantity for other in not_above) for lot in before.values()}
    for key in likely:
        quantity, weight = before[key].quantity, hour.weight[key]
        units = in_64ths(weight * quantity)
        if not partners[quantity]:
            counts.plain += units
            counts.certain += quantity if weight == 1 else 0
            continue
        partners[quantity] -= 1
        everything = [*before.values(), *arrived.values()]
        others = len(everything) - 2
        like = sum(lot.quantity == quantity for lot in everything) - 2
        f = min(Fraction(99, 100), (like + Fraction(2, 100)) / (others + 1))
        counts.paired += units
        counts.pairs.append((units, 1 - (1 - f) ** max(len(not_above), 1)))
    return counts


def estimate(
    counted: dict[int, Counts | None], past: Sequence[Interval], *, withdrawn: int, at: datetime, seconds: int
) -> Estimated:
    window = [one for one in past if one.ended_at > at - timedelta(hours=12)]
    n = len(window) + 1
    known = {item: counts for item, counts in counted.items() if counts is not None}
    auctions = sum(counts.auctions for counts in known.values())
    cancelled = Fraction(withdrawn, auctions) if auctions else Fraction(0)  # r times the interval
    narrowest = Fraction(1)

    def rows_before(item: int) -> list[Row]:
        return [row for one in window if (row := one.rows.get(item)) is not None]

    def own_intervals(item: int) -> list[int]:
        """The lengths of the intervals that count for the item, this one among them."""
        return [seconds, *(one.seconds for one in window if not (item in one.rows and one.rows[item] is None))]

    def shares(had: Callable[[Row], bool], has: dict[int, bool]) -> dict[int, Fraction]:
        k = {item: sum(had(row) for row in rows_before(item)) + has[item] for item in known}
        result: dict[int, Fraction] = {}
        for item, counts in known.items():
            usual = Fraction(counts.auctions * sum(k.values()), n * auctions) if auctions else Fraction(0)
            usual = min(NINE_TENTHS, usual)
            result[item] = min(NINE_TENTHS, (k[item] + 4 * usual) / (len(own_intervals(item)) + 4))
        return result

    plainly = {item: counts.confirmed + counts.plain >= HALF for item, counts in known.items()}
    s = shares(lambda row: row.evidence == 2, plainly)
    evident: dict[int, bool] = {}
    for item, counts in known.items():
        units = counts.confirmed + counts.plain
        for weighed, chance in counts.pairs:
            narrowest = min(narrowest, abs(s[item] * chance - 3 * cancelled) or narrowest)
            if s[item] * chance >= 3 * cancelled:
                units += weighed
        narrowest = min(narrowest, abs(s[item] - 5 * cancelled))
        evident[item] = units >= HALF
    seen = {
        item: counts.confirmed + counts.plain + counts.paired if evident[item] else Fraction(0)
        for item, counts in known.items()
    }
    p = shares(lambda row: row.evidence > 0, evident)
    pi = shares(lambda row: row.new_at_floor > 0, {item: counts.new_at_floor > 0 for item, counts in known.items()})

    rows: dict[int, Row | None] = dict.fromkeys(counted)
    for item, counts in known.items():
        lengths = own_intervals(item)
        c = (sum(row.seen for row in rows_before(item)) + seen[item]) / len(lengths)
        v = Fraction(sum(row.new_at_floor for row in rows_before(item)) + counts.new_at_floor, len(lengths))
        rate = HALF / ((1 - p[item]) / (p[item] * v) + (1 - pi[item]) / (pi[item] * c)) if c and v else Fraction(0)
        length = Fraction(seconds * len(lengths), sum(lengths))
        quarters = Fraction(math.floor(4 * length + HALF), 4)
        longer = 1 + p[item] * (quarters - 1)
        exact_unseen = rate / p[item] * length * longer if evident[item] else Fraction(0)
        unseen = in_64ths(exact_unseen)
        same_day = [one for one in past if one.ended_at.astimezone(UTC).date() == at.astimezone(UTC).date()]
        earlier = [row for one in same_day if (row := one.rows.get(item)) is not None]
        today = sum((row.seen + row.unseen for row in earlier), Fraction(0))
        high = math.ceil(Fraction(5, 2) * unseen) if evident[item] else math.floor(2 * rate * length + HALF)
        rows[item] = Row(
            evidence=2 if plainly[item] else int(evident[item]),
            seen=seen[item],
            unseen=unseen,
            new_at_floor=counts.new_at_floor,
            estimate=rounded(today + seen[item] + unseen) - rounded(today),
            low=(counts.confirmed + (counts.certain if s[item] >= 5 * cancelled else 0)) if evident[item] else 0,
            high=counts.confirmed + counts.gone + high,
            exact_unseen=exact_unseen,
            exact_uneventful=2 * rate * length + HALF,
        )
    return Estimated(rows=rows, narrowest=narrowest)
