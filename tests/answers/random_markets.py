"""Random markets of two regions, with all that questions must cope with, and how they are stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import insert, text

from ironforge_cli.db.models import PRICE_DAYS, PRICE_STATS, REGISTRY, SNAPSHOTS, STATISTICS_MONTHS, TOKEN_PRICES
from ironforge_cli.db.repositories import partitions, price_days, statistics_months
from ironforge_cli.market.estimator_version import ESTIMATOR_VERSION
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.market.statistics_months import StatisticsMonth
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from tests.statistics_months import make_months

if TYPE_CHECKING:
    from datetime import date
    from random import Random

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
NAMES: Final = {11: "Éclair's Ink", 12: "Dracothyst", 13: "Dracothyst", 14: "Draconium Ore", 15: "Rare Ore", 16: None}
"""Two ranks of one name among them, and an item without one."""
RANKS: Final = {12: 1, 13: 2}
ITEMS: Final = tuple(NAMES)
_DAYS: Final = 17


class Row(NamedTuple):
    """What a snapshot says of an item; prices in copper, None when it is sold out."""

    min_price: int | None
    market_value: float | None
    quantity: int
    auctions: int
    sold: tuple[int, int, int] | None
    """Low, estimate, high; None where they are not known."""


class Lot(NamedTuple):
    """An auction."""

    auction_id: int
    item: int
    price: int
    units: int


@dataclass(slots=True)
class Snapshot:
    """A stored snapshot."""

    at: datetime
    seconds: int | None
    """Since the one before; None in the first."""
    rows: dict[int, Row]
    lots: list[Lot] = field(default_factory=list[Lot])
    is_raw_held: bool = False
    is_gone: bool = False
    """Whether its hours have left with their month."""


@dataclass(slots=True)
class RandomMarket:
    """All that is stored."""

    snapshots: dict[Region, list[Snapshot]]
    """Oldest first; none of a region that was never collected."""
    tokens: dict[Region, list[tuple[datetime, int]]]
    made: dict[Region, list[date]]
    """The closed days that are made, in the order of making them."""
    is_laid: bool
    """Whether the month before is laid by item."""
    is_dropped: bool
    """Whether it has left, after its days were made."""

    def newest(self, region: Region) -> datetime | None:
        """The newest snapshot's time."""
        return self.snapshots[region][-1].at if self.snapshots[region] else None


def random_market(random: Random, *, is_laid: bool, is_dropped: bool) -> RandomMarket:
    """Make one up; the month before the newest is laid by item, or has left after its days were made."""
    # Around the turn of a month, and a change of clocks in Berlin.
    newest = datetime(2026, 4, 1, tzinfo=UTC) + timedelta(seconds=random.choice([0, random.randrange(9 * 86_400)]))
    collected = random.choices([DEFAULT_REGIONS, (Region.EU,), (Region.US,), ()], [12, 1, 1, 1])[0]
    market = RandomMarket(
        snapshots={region: _snapshots(random, newest) if region in collected else [] for region in DEFAULT_REGIONS},
        tokens={region: _tokens(random, newest) if random.random() < 0.9 else [] for region in DEFAULT_REGIONS},
        made={region: [] for region in DEFAULT_REGIONS},
        is_laid=is_laid,
        is_dropped=is_dropped,
    )
    for region in collected:
        last = market.snapshots[region][-1].at.date()
        # A day on which nothing was listed leaves no row.
        closed = sorted({one.at.date() for one in market.snapshots[region] if one.rows} - {last})
        ends_at = datetime(last.year, last.month, 1, tzinfo=UTC)
        share = random.choice([0.0, 0.5, 1.0])
        market.made[region] = [
            day for day in closed if random.random() < share or (market.is_dropped and day < ends_at.date())
        ]
        random.shuffle(market.made[region])
        if market.is_dropped:
            for one in market.snapshots[region]:
                one.is_gone = one.at < ends_at
    return market


def _times(random: Random, newest: datetime) -> list[datetime]:
    """Hours with gaps, days with few, days without any; and often the very edges of spans."""
    newest -= timedelta(seconds=random.choice([0, random.randrange(3_000)]))
    found = {newest}
    for back in range(1, 30):
        if random.random() < 0.75:
            found.add(newest - back * HOUR - timedelta(seconds=random.choice([0, 0, random.randrange(900)])))
    without = {random.randrange(2, _DAYS) for _ in range(3)}
    for back in range(1, _DAYS):
        for _ in range(0 if back in without else random.randrange(1, 4)):
            found.add(newest - back * DAY - timedelta(seconds=random.randrange(86_400)))
    edges = (3 * HOUR, DAY, DAY + 3 * HOUR, 7 * DAY, 7 * DAY + 3 * HOUR)
    found |= {newest - edge for edge in edges if random.random() < 0.4}
    for back in range(_DAYS):
        if random.random() < 0.15:
            found.add(datetime.combine((newest - back * DAY).date(), time(), tzinfo=UTC))
    return sorted(found)


def _snapshots(random: Random, newest: datetime) -> list[Snapshot]:
    found: list[Snapshot] = []
    mood = {item: 10 ** random.uniform(1, 7) for item in ITEMS}
    scarce = {item: random.choice([0.0, 0.0, 0.1, 0.6]) for item in ITEMS}
    never = set(random.choices(ITEMS, k=random.randrange(2)))
    never_known = set(random.choices(ITEMS, k=random.randrange(2)))
    for at in _times(random, newest):
        seconds = int((at - found[-1].at).total_seconds()) if found else None
        rows: dict[int, Row] = {}
        # Now and then a market is empty.
        listed = () if random.random() < 0.02 else ITEMS
        for item in listed:
            if item in never or random.random() < scarce[item]:
                continue
            is_known = seconds is not None and item not in never_known and random.random() < 0.95
            units = random.choice([0, random.randrange(2_000)])
            sold = (units // 2, units, 2 * units) if is_known else None
            if random.random() < 0.1:
                rows[item] = Row(None, None, 0, 0, sold)
                continue
            lowest = max(1, int(mood[item] * random.uniform(0.5, 1.5)))
            value = lowest * random.choice([1.0, 1.25, 1.37])
            rows[item] = Row(lowest, value, random.randrange(1, 500), random.choice([1, 4, 5, 12]), sold)
        found.append(Snapshot(at, seconds, rows))
    for one in found[-1:] + (found[-3:-2] if random.random() < 0.5 else []):
        one.is_raw_held = True
        # Their ids are the same in each snapshot, whatever item they stood for before.
        for item, row in sorted(one.rows.items(), key=lambda _: random.random()):
            if row.min_price is None:
                continue
            for price in (row.min_price, row.min_price, *(int(row.min_price * f) + 1 for f in (1.0, 1.4, 9.0))):
                one.lots.append(Lot(100 + len(one.lots), item, price, random.randrange(1, 300)))
    return found


def _tokens(random: Random, newest: datetime) -> list[tuple[datetime, int]]:
    times = {newest - timedelta(seconds=random.randrange(20 * 86_400)) for _ in range(20)}
    times |= {newest - 3 * DAY, newest}
    return [(at, random.randrange(10**9, 4 * 10**9)) for at in sorted(times)]


def store(database: Database, market: RandomMarket) -> None:
    """Store a market in the place of whatever is there."""
    with database.transaction() as connection:
        for region in DEFAULT_REGIONS:
            for held in statistics_months.held(connection, region):
                connection.execute(text(f'DROP TABLE "{held.name}"'))
            for table in (PRICE_DAYS[region], SNAPSHOTS[region], TOKEN_PRICES[region]):
                connection.execute(text(f"TRUNCATE {table.name}"))
        for name in (REGISTRY.name, STATISTICS_MONTHS.name, "item_ranks", "items"):
            connection.execute(text(f"TRUNCATE {name} CASCADE"))
        named = [{"id": item, "name": name} for item, name in NAMES.items() if name is not None]
        connection.execute(
            text("INSERT INTO items (id, item_name, item_level, item_class, quality) VALUES (:id, :name, 9, 'T', 'Q')"),
            named,
        )
        ranked = [{"item": item, "rank": rank} for item, rank in RANKS.items()]
        connection.execute(text("INSERT INTO item_ranks (item_id, rank, source) VALUES (:item, :rank, 'a')"), ranked)
        for region in DEFAULT_REGIONS:
            _store_region(connection, region, market)
    for region in DEFAULT_REGIONS:
        _close(database, region, market)


def _store_region(connection: Connection, region: Region, market: RandomMarket) -> None:
    stored = market.snapshots[region]
    if market.tokens[region]:
        prices = [{"timestamp": at, "price": price} for at, price in market.tokens[region]]
        connection.execute(insert(TOKEN_PRICES[region]), prices)
    if not stored:
        return
    make_months(connection, *(one.at for one in stored), regions=(region,))
    registered = [
        {
            "region": region,
            "snapshot_time": one.at,
            "auctions": sum(row.auctions for row in one.rows.values()),
            "items": len(one.rows),
            "bytes": 1,
            "digest": "x",
            "source": "live",
            "interval_seconds": one.seconds,
            "estimator_version": ESTIMATOR_VERSION,
        }
        for one in stored
    ]
    connection.execute(insert(REGISTRY), registered)
    statistics = [_statistics(one, item, row) for one in stored for item, row in one.rows.items()]
    connection.execute(insert(PRICE_STATS[region]), statistics)
    raw = [
        {
            "snapshot_time": one.at,
            "auction_id": lot.auction_id,
            "item_id": lot.item,
            "unit_price": lot.price,
            "quantity": lot.units,
            "time_left": "LONG",
            "expires_after_min": 0,
            "expires_before_min": 720,
        }
        for one in stored
        for lot in one.lots
    ]
    held = {partition.made_for for partition in partitions.existing(connection, region)}
    for day in sorted({one.at.date() for one in stored if one.is_raw_held} - held):
        partitions.create(connection, DailyPartition(region, day))
    if raw:
        connection.execute(insert(SNAPSHOTS[region]), raw)
    for day in market.made[region]:
        price_days.make(connection, region, day)


def _close(database: Database, region: Region, market: RandomMarket) -> None:
    """Lay all months but the newest by item, or drop them."""
    months = sorted({StatisticsMonth.holding(region, one.at) for one in market.snapshots[region]})
    for month in months[:-1]:
        if market.is_dropped:
            with database.transaction() as connection:
                statistics_months.drop(connection, month, at_change=0)
        elif market.is_laid:
            with database.transaction() as connection:
                statistics_months.begin_copying(connection, month)
            with database.transaction() as connection:
                statistics_months.copy_by_item(connection, month, out_of=month.name)
            with database.transaction() as connection:
                statistics_months.put_in_place(connection, [month], instead_of=month.name)


def _statistics(snapshot: Snapshot, item: int, row: Row) -> dict[str, Any]:
    low, sold, high = row.sold or (None, None, None)
    return {
        "item_id": item,
        "timestamp": snapshot.at,
        "min_price": row.min_price,
        "max_price": row.min_price and 9 * row.min_price,
        "mean_price": row.market_value and row.market_value + 1.5,
        "median_price": row.market_value and row.market_value + 0.5,
        "market_value": row.market_value,
        "cheapest_15_percent_price": row.min_price,
        "total_quantity": row.quantity,
        "num_auctions": row.auctions,
        "sales_low": low,
        "estimated_sales": sold,
        "sales_high": high,
        "interval_seconds": snapshot.seconds,
    }
