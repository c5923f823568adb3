"""A small market of two regions with all that questions must cope with, and its rows read plainly."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, text

from ironforge_cli.db.models import PRICE_STATS, REGISTRY, SNAPSHOTS, TOKEN_PRICES
from ironforge_cli.db.repositories import partitions
from ironforge_cli.market.estimator_version import ESTIMATOR_VERSION
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from tests.statistics_months import make_months

if TYPE_CHECKING:
    from sqlalchemy import Connection

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
NEWEST: Final = datetime(2026, 1, 14, 12, 3, 7, tzinfo=UTC)
NAMES: Final = {11: "Éclair's Ink", 12: "Dracothyst", 13: "Dracothyst", 14: "Draconium Ore", 15: "Sold Out Ore"}
GONE: Final = 15
"""Sold out in the newest snapshot; without a row there."""
NAMELESS: Final = 16
GAP: Final = tuple(range(30, 34))
"""Hours before the newest of which nothing is stored."""
ITEMS: Final = (*NAMES, NAMELESS)
_WINDOW: Final = {"expires_after_min": 0, "expires_before_min": 720}


@dataclass(frozen=True, slots=True)
class Hour:
    """A stored row, plainly."""

    time: datetime
    min_price: int
    market_value: float
    quantity: int
    auctions: int
    low: int | None
    sold: int | None
    high: int | None


def times() -> list[datetime]:
    """Ten days: three hours apart, and the last two of them hourly with a gap; a day is missing whole."""
    far = [NEWEST - hours * HOUR for hours in range(240, 48, -3) if not 96 <= hours < 120]
    near = [NEWEST - hours * HOUR for hours in range(48, -1, -1) if hours not in GAP]
    return far + near


def hours_of(region: Region, item: int) -> dict[datetime, Hour]:
    """The rows of an item; prices go up and down, by other steps in each region."""
    found: dict[datetime, Hour] = {}
    shift = 3 if region is Region.EU else 7
    for number, at in enumerate(times()):
        if item == GONE and at > NEWEST - 2 * HOUR:
            continue
        wave = (number * (1 + (3 * item + shift) % 16)) % 17
        lowest = 10_000 * (item - 9) + 900 * wave
        sold = None if number == 0 else (number * item + shift) % 60
        found[at] = Hour(
            time=at,
            min_price=lowest,
            market_value=lowest * 1.25,
            quantity=200 + wave,
            auctions=4 + (item + wave) % 9,
            low=None if sold is None else sold // 2,
            sold=sold,
            high=None if sold is None else sold * 2,
        )
    return found


def levels(region: Region, item: int) -> list[tuple[int, int]]:
    """The newest book of an item: price and units of each auction, cheapest first."""
    newest = hours_of(region, item).get(NEWEST)
    if newest is None:
        return []
    lowest = newest.min_price
    return [(lowest // 2, 7), (lowest, 3), (lowest, 10), (lowest + 500, 40), (2 * lowest, 147)]


def tokens(region: Region) -> list[tuple[datetime, int]]:
    """Prices of tokens, every 8 hours."""
    base = 2_500_000_000 if region is Region.EU else 3_000_000_000
    return [(NEWEST - hours * HOUR, base + 10_000_000 * (hours % 7)) for hours in range(240, -1, -8)]


def install(connection: Connection) -> None:
    """Store all of it."""
    make_months(connection, *times(), regions=DEFAULT_REGIONS)
    for region in DEFAULT_REGIONS:
        _install(connection, region)
    named = [{"id": number, "name": name} for number, name in NAMES.items()]
    connection.execute(
        text(
            "INSERT INTO items (id, item_name, item_level, item_class, quality) VALUES (:id, :name, 1, 'Trade', 'Rare')"
        ),
        named,
    )
    connection.execute(text("INSERT INTO item_ranks (item_id, rank, source) VALUES (12, 1, 'test'), (13, 2, 'test')"))


def _install(connection: Connection, region: Region) -> None:
    stored = times()
    statistics: list[dict[str, Any]] = []
    lasted: dict[datetime, int | None] = {stored[0]: None}
    for before, at in pairwise(stored):
        lasted[at] = int((at - before).total_seconds())
    registered = [
        {
            "region": region,
            "snapshot_time": at,
            "stored_at": at + timedelta(minutes=27),
            "auctions": 30,
            "items": len(ITEMS),
            "bytes": 1,
            "digest": at.isoformat(),
            "source": "live",
            "interval_seconds": lasted[at],
            "estimator_version": ESTIMATOR_VERSION,
        }
        for at in stored
    ]
    for item in ITEMS:
        statistics += [
            {
                "item_id": item,
                "timestamp": hour.time,
                "min_price": hour.min_price,
                "max_price": 2 * hour.min_price,
                "mean_price": hour.market_value + 1.5,
                "median_price": hour.market_value + 0.5,
                "market_value": hour.market_value,
                "cheapest_15_percent_price": hour.min_price,
                "total_quantity": hour.quantity,
                "num_auctions": hour.auctions,
                "sales_low": hour.low,
                "estimated_sales": hour.sold,
                "sales_high": hour.high,
                "new_listings": None,
                "new_auctions": None,
                "interval_seconds": lasted[hour.time],
            }
            for hour in hours_of(region, item).values()
        ]
    connection.execute(insert(REGISTRY), registered)
    connection.execute(insert(PRICE_STATS[region]), statistics)
    connection.execute(
        insert(TOKEN_PRICES[region]), [{"timestamp": at, "price": price} for at, price in tokens(region)]
    )
    partitions.create(connection, DailyPartition(region, NEWEST.date()))
    raw = [
        {"auction_id": 100 * item + place, "item_id": item, "unit_price": price, "quantity": units}
        for item in ITEMS
        for place, (price, units) in enumerate(levels(region, item))
    ]
    connection.execute(
        insert(SNAPSHOTS[region]), [{**row, "snapshot_time": NEWEST, "time_left": "LONG", **_WINDOW} for row in raw]
    )
