"""What has to be stored after a series of bodies: the plain reference of `tests.market.reference`, hour after hour.

It reads bodies with `json` and computes with whole numbers and fractions; it shares no line with the code under test.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeAlias

from tests.market import reference
from tests.market.reference import Auction, Hour, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

Row: TypeAlias = "tuple[Any, ...]"
NOT_COMPARED = (None,) * 6


@dataclass
class Expected:
    """Rows as plain SELECTs return them, in the order of `tests.jobs.stored`."""

    auctions: list[Row] = field(default_factory=list[Row])
    statistics: list[Row] = field(default_factory=list[Row])
    registry: list[Row] = field(default_factory=list[Row])


def snapshot_of(body: bytes) -> Snapshot:
    """The auctions of a body."""
    return {
        auction["id"]: Auction(
            item=auction["item"]["id"],
            price=auction["unit_price"],
            quantity=auction["quantity"],
            time_left=auction["time_left"],
        )
        for auction in json.loads(body.decode("utf-8-sig"))["auctions"]
    }


def expected_after(bodies: Iterable[tuple[datetime, bytes]]) -> Expected:
    """Everything that is to be stored of one region when these bodies, and no others, were stored."""
    expected = Expected()
    before: tuple[datetime, Snapshot, reference.Windows] | None = None
    for at, body in sorted(bodies):
        snapshot = snapshot_of(body)
        hour: Hour | None = None
        windows = reference.first_windows(snapshot)
        if before is not None:
            earlier, previous, known = before
            hour = reference.compare(previous, known, snapshot, old_time=earlier, new_time=at)
            windows = hour.windows
        gone_from = before[1] if before is not None else {}
        interval = math.floor((at - before[0]).total_seconds()) if before is not None else None
        expected.auctions += auction_rows(snapshot, windows, at=at)
        expected.statistics += statistics_rows(snapshot, hour, at=at, interval=interval)
        expected.registry.append(registry_row(body, snapshot, gone_from, hour, at=at, interval=interval))
        before = at, snapshot, windows
    return expected


def auction_rows(snapshot: Snapshot, windows: reference.Windows, *, at: datetime) -> list[Row]:
    return [
        (at, key, auction.price, auction.item, auction.quantity, auction.time_left, *windows[key])
        for key, auction in sorted(snapshot.items())
    ]


def statistics_rows(snapshot: Snapshot, hour: Hour | None, *, at: datetime, interval: int | None) -> list[Row]:
    lots: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for auction in snapshot.values():
        lots[auction.item].append((auction.quantity, auction.price))
    rows: list[Row] = []
    for item in sorted({*lots, *(hour.items if hour else ())}):
        compared: Row = NOT_COMPARED
        if hour is not None:
            sales = hour.items[item]
            estimate = rounded_half_up(sales.exact)
            compared = estimate, sales.low, sales.high, sales.new_listings, sales.new_auctions, interval
        rows.append((item, at, *prices(lots.get(item, [])), *compared))
    return rows


def prices(lots: list[tuple[int, int]]) -> Row:
    """Minimum, maximum, mean, median, market value, cost of the cheapest 15%, units and auctions."""
    if not lots:
        return (None,) * 6 + (0, 0)
    book = reference.runs(lots)
    return (
        book[0][0],
        book[-1][0],
        float(reference.mean_of_runs(book)),
        float(reference.median_of_runs(book)),
        float(reference.market_value_of_runs(book)),
        reference.cheapest_15_percent_of_runs(book),
        sum(quantity for quantity, _ in lots),
        len(lots),
    )


def registry_row(
    body: bytes, snapshot: Snapshot, previous: Snapshot, hour: Hour | None, *, at: datetime, interval: int | None
) -> Row:
    what = (
        at,
        len(snapshot),
        len({auction.item for auction in snapshot.values()}),
        len(body),
        sha256(body).hexdigest(),
    )
    if hour is None:
        return (*what, *(None,) * 11, 1)

    def auctions_that(fate: str) -> int:
        return sum(1 for found in hour.fate.values() if found == fate)

    def units_that(fate: str) -> int:
        return sum(previous[key].quantity for key, found in hour.fate.items() if found == fate)

    sales = hour.items.values()
    gone = len(previous) - auctions_that("STILL_THERE") - auctions_that("PARTLY_SOLD")
    return (
        *what,
        interval,
        sum(item.new_auctions for item in sales),
        gone,
        sum(rounded_half_up(item.exact) for item in sales),
        sum(item.low for item in sales),
        sum(item.high for item in sales),
        units_that("EXPIRED"),
        units_that("WITHDRAWN"),
        auctions_that("PARTLY_SOLD"),
        hour.sold_above_cheaper,
        hour.misfits,
        1,
    )


def rounded_half_up(exact: Fraction) -> int:
    return math.floor(exact + Fraction(1, 2))
