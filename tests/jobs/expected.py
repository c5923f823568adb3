"""What has to be stored after a series of bodies: the plain reference of `tests.market.reference`, hour after hour.

It reads bodies with `json` and computes with whole numbers and fractions; it shares no line with the code under test.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeAlias

from tests.market import reference, reference_estimate
from tests.market.reference import Auction, Hour, LeftOut, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

Row: TypeAlias = "tuple[Any, ...]"
Estimates: TypeAlias = "dict[int, reference_estimate.Row | None]"
NOT_COMPARED = (None,) * 10
SMALL = 200_000
"""Bytes of a body whose rows are remembered: thousands of auctions at most."""


@dataclass
class Expected:
    """Rows as plain SELECTs return them, in the order of `tests.jobs.stored`."""

    auctions: list[Row] = field(default_factory=list[Row])
    statistics: list[Row] = field(default_factory=list[Row])
    registry: list[Row] = field(default_factory=list[Row])


def snapshot_of(body: bytes) -> Snapshot:
    """The auctions of a body that make sense."""
    return {
        auction["id"]: Auction(
            item=auction["item"]["id"],
            price=auction["unit_price"],
            quantity=auction["quantity"],
            time_left=auction["time_left"],
        )
        for auction in listed(body)
        if makes_sense(auction)
    }


def left_out_of(body: bytes) -> tuple[int, LeftOut]:
    """How many auctions of a body make no sense, and what can be read of them; ids come once in these bodies."""
    senseless = [auction for auction in listed(body) if not makes_sense(auction)]
    items = [item_of(auction) for auction in senseless]
    ids: list[Any] = [keys_of(auction).get("id") for auction in senseless]
    return len(senseless), LeftOut(
        items=frozenset(item for item in items if whole(item, 2**31 - 1)),
        ids=frozenset(auction_id for auction_id in ids if whole(auction_id, 2**63 - 1)),
    )


def keys_of(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}  # pyright: ignore[reportUnknownVariableType] - any JSON


def item_of(auction: Any) -> Any:
    return keys_of(keys_of(auction).get("item")).get("id")


def listed(body: bytes) -> list[Any]:
    return json.loads(body.decode("utf-8-sig"))["auctions"]


def makes_sense(auction: Any) -> bool:
    keys = keys_of(auction)
    return (
        whole(keys.get("id"), 2**63 - 1)
        and whole(item_of(auction), 2**31 - 1)
        and whole(keys.get("quantity"), 2**31 - 1)
        and whole(keys.get("unit_price"), 10**15)
        and keys.get("time_left") in reference.BUCKETS
    )


def whole(value: Any, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


@dataclass(frozen=True, eq=False)
class Step:
    """What one body of a series leaves; each is itself alone, so that the next of it can be remembered."""

    at: datetime
    snapshot: Snapshot
    windows: reference.Windows
    left_out: LeftOut
    past: tuple[reference_estimate.Interval, ...]
    auctions: list[Row]
    statistics: list[Row]
    registry: Row


def expected_after(bodies: Iterable[tuple[datetime, bytes]]) -> Expected:
    """Everything that is to be stored of one region when these bodies, and no others, were stored."""
    expected = Expected()
    step: Step | None = None
    for at, body in sorted(bodies):
        step = (small_step if len(body) < SMALL else next_step)(step, at, body)
        expected.auctions += step.auctions
        expected.statistics += step.statistics
        expected.registry.append(step.registry)
    return expected


def next_step(before: Step | None, at: datetime, body: bytes) -> Step:
    snapshot = snapshot_of(body)
    skipped, left_out = left_out_of(body)
    hour: Hour | None = None
    interval: int | None = None
    windows = reference.first_windows(snapshot)
    estimates: Estimates = {}
    past: tuple[reference_estimate.Interval, ...] = ()
    if before is not None:
        hour = reference.compare(
            before.snapshot,
            before.windows,
            snapshot,
            old_time=before.at,
            new_time=at,
            old_left=before.left_out,
            new_left=left_out,
        )
        windows = hour.windows
        interval = math.floor((at - before.at).total_seconds())
        known = [key for key in before.snapshot if before.snapshot[key].item not in hour.unknown]
        estimates = reference_estimate.estimate(
            reference_estimate.count(before.snapshot, snapshot, hour),
            before.past,
            withdrawn=sum(hour.fate[key] == "WITHDRAWN" for key in known),
            at=at,
            seconds=interval,
        ).rows
        past = (*before.past, reference_estimate.Interval(at, interval, estimates))
    gone_from = before.snapshot if before is not None else {}
    *row, version = registry_row(body, snapshot, gone_from, hour, estimates, at=at, interval=interval)
    return Step(
        at,
        snapshot,
        windows,
        left_out,
        past,
        auctions=auction_rows(snapshot, windows, at=at),
        statistics=statistics_rows(snapshot, hour, estimates, at=at, interval=interval),
        registry=(*row, skipped, sorted(left_out.items), sorted(left_out.ids), version),
    )


# The sandbox publishes the same hours in test after test, and fractions are slow.
small_step = lru_cache(maxsize=512)(next_step)


def auction_rows(snapshot: Snapshot, windows: reference.Windows, *, at: datetime) -> list[Row]:
    return [
        (at, key, auction.price, auction.item, auction.quantity, auction.time_left, *windows[key])
        for key, auction in sorted(snapshot.items())
    ]


def statistics_rows(
    snapshot: Snapshot, hour: Hour | None, estimates: Estimates, *, at: datetime, interval: int | None
) -> list[Row]:
    lots: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for auction in snapshot.values():
        lots[auction.item].append((auction.quantity, auction.price))
    rows: list[Row] = []
    for item in sorted({*lots, *(hour.items if hour else ())} - (hour.unpriced if hour else set())):
        compared: Row = NOT_COMPARED
        if hour is not None:
            listed_now, sold = hour.items[item], estimates[item]
            sales: Row = (None,) * 9
            if sold is not None:
                units = sold.estimate, sold.low, sold.high, listed_now.new_listings, listed_now.new_auctions
                sales = *units, float(sold.seen), float(sold.unseen), sold.new_at_floor, sold.evidence
            compared = *sales, interval
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
    body: bytes,
    snapshot: Snapshot,
    previous: Snapshot,
    hour: Hour | None,
    estimates: Estimates,
    *,
    at: datetime,
    interval: int | None,
) -> Row:
    what = (
        at,
        len(snapshot),
        len({auction.item for auction in snapshot.values()}),
        len(body),
        sha256(body).hexdigest(),
    )
    highest_id = max(snapshot, default=None)
    if hour is None:
        return (*what, *(None,) * 12, highest_id, 2)

    def auctions_that(fate: str) -> int:
        return sum(1 for key, found in hour.fate.items() if found == fate and is_known(key))

    def units_that(fate: str) -> int:
        return sum(previous[key].quantity for key, found in hour.fate.items() if found == fate and is_known(key))

    def is_known(key: int) -> bool:
        return previous[key].item not in hour.unknown

    listed_now = [found for item, found in hour.items.items() if item not in hour.unknown]
    sold = [row for row in estimates.values() if row is not None]
    gone = sum(map(is_known, previous)) - auctions_that("STILL_THERE") - auctions_that("PARTLY_SOLD")
    return (
        *what,
        interval,
        sum(item.new_auctions for item in listed_now),
        gone,
        sum(row.estimate for row in sold),
        sum(row.low for row in sold),
        sum(row.high for row in sold),
        units_that("EXPIRED"),
        units_that("WITHDRAWN"),
        auctions_that("PARTLY_SOLD"),
        hour.sold_above_cheaper,
        hour.misfits,
        auctions_that("WITHDRAWN"),
        highest_id,
        2,
    )
