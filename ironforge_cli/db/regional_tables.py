"""Tables that exist once a region: raw snapshots, statistics by hour and by day, prices of the token.

A region's table is described when it is first asked for: a run that reads two regions doesn't wait for four.
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, CheckConstraint, Column, Date, Double, Enum, Integer, MetaData, SmallInteger, Table
from sqlalchemy.dialects.postgresql import TIMESTAMP

from ironforge_cli.db import table_names
from ironforge_cli.market.time_left import TimeLeft
from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_Time = TIMESTAMP(timezone=True)
_Real: Double[float] = Double()
_one_at_a_time = Lock()


class RegionalTables(Mapping[Region, Table]):
    """A table for each region that there is, in the order of regions; threads may share it."""

    def __init__(self, metadata: MetaData, describe: Callable[[MetaData, Region], Table]) -> None:
        """Describe none yet."""
        self._metadata = metadata
        self._describe = describe
        self._described: dict[Region, Table] = {}

    def __getitem__(self, region: Region) -> Table:
        """The region's table. Raises `KeyError` for what is no region."""
        found = self._described.get(region)
        if found is None:
            with _one_at_a_time:
                # Of two threads that both missed it the second finds it now.
                found = self._described.get(region)
                if found is None:
                    found = self._described[region] = self._describe(self._metadata, _as_region(region))
        return found

    def __iter__(self) -> Iterator[Region]:
        """The regions."""
        return iter(Region)

    def __len__(self) -> int:
        """How many regions there are."""
        return len(Region)

    def make_all(self) -> None:
        """Describe the tables of all regions."""
        for region in self:
            _ = self[region]


def _as_region(word: str) -> Region:
    try:
        return Region(word)
    except ValueError:
        raise KeyError(word) from None


def raw_snapshots(metadata: MetaData, region: Region) -> Table:
    """Raw snapshots of one region. Rows are appended in (snapshot_time, auction_id) order."""
    return Table(
        table_names.SNAPSHOTS[region],
        metadata,
        Column("snapshot_time", _Time, primary_key=True, comment="Blizzard's Last-Modified of the snapshot"),
        Column(
            "auction_id",
            BigInteger,
            primary_key=True,
            autoincrement=False,
            comment="unique in one snapshot, not for ever",
        ),
        Column("unit_price", BigInteger, nullable=False, comment="copper for one unit"),
        Column("item_id", Integer, nullable=False, comment="Blizzard's number of the item"),
        Column("quantity", Integer, nullable=False, comment="units still for sale"),
        Column(
            "time_left",
            Enum(TimeLeft, name="time_left"),
            nullable=False,
            comment="Blizzard's bucket of the time to expiry",
        ),
        Column(
            "expires_after_min",
            SmallInteger,
            nullable=False,
            comment="minutes from snapshot_time to the earliest possible expiry, exclusive",
        ),
        Column(
            "expires_before_min",
            SmallInteger,
            nullable=False,
            comment="minutes from snapshot_time to the latest possible expiry, inclusive",
        ),
        CheckConstraint("unit_price > 0 AND quantity > 0", name="for_sale"),
        CheckConstraint("expires_after_min < expires_before_min", name="window"),
        comment=f"Every {region.label} commodity auction of every hour held, one partition a UTC day",
        postgresql_partition_by="RANGE (snapshot_time)",
    )


def price_stats(metadata: MetaData, region: Region) -> Table:
    """What one snapshot says about one item. The widest columns first: so a row has no gaps."""
    return Table(
        table_names.PRICE_STATS[region],
        metadata,
        Column("timestamp", _Time, primary_key=True, comment="the snapshot's time"),
        Column("item_id", Integer, primary_key=True, autoincrement=False, comment="Blizzard's number of the item"),
        Column("num_auctions", Integer, nullable=False, comment="auctions for sale; 0 when sold out"),
        Column("min_price", BigInteger, comment="cheapest unit, copper; null: sold out"),
        Column("max_price", BigInteger, comment="dearest unit, copper"),
        Column("mean_price", _Real, comment="mean over units, copper"),
        Column("median_price", _Real, comment="median over units, copper"),
        Column(
            "market_value",
            _Real,
            comment="mean of the cheapest 15 to 30% of the units without outliers, copper (TradeSkillMaster's)",
        ),
        Column(
            "cheapest_15_percent_price",
            BigInteger,
            comment="what a unit costs when the cheapest 15% are bought, copper, rounded up",
        ),
        Column("total_quantity", BigInteger, nullable=False, comment="units for sale; 0 when sold out"),
        Column(
            "estimated_sales",
            BigInteger,
            comment="units sold since the previous snapshot, best estimate; null in a region's first",
        ),
        Column(
            "sales_low",
            BigInteger,
            comment="units seen or very likely to be sold; cancelled lots can be among them",
        ),
        Column("sales_high", BigInteger, comment="units that can have been sold at most"),
        Column("new_listings", BigInteger, comment="units in auctions that are new"),
        Column("seen_sales", _Real, comment="units whose sale left a trace, a multiple of 1/64; null in version 1"),
        Column(
            "unseen_sales",
            _Real,
            comment="units listed and sold between two snapshots, a multiple of 1/64; null in version 1",
        ),
        Column("new_at_floor", BigInteger, comment="units of new auctions in reach of buyers; null in version 1"),
        Column("new_auctions", Integer, comment="auctions that are new"),
        Column("interval_seconds", Integer, comment="time since the previous snapshot"),
        Column(
            "evidence",
            SmallInteger,
            comment="that anything was sold: 0 none, 1 by pairs alone, 2 plain; null in version 1",
        ),
        CheckConstraint(
            "0 <= sales_low AND sales_low <= estimated_sales AND estimated_sales <= sales_high", name="sales_bounds"
        ),
        comment=f"Prices and sales of every item in every {region.label} snapshot, one partition a UTC month",
        postgresql_partition_by="RANGE (timestamp)",
    )


def price_days(metadata: MetaData, region: Region) -> Table:
    """What one closed UTC day says about one item; kept for good."""
    return Table(
        table_names.PRICE_DAYS[region],
        metadata,
        Column("day", Date, primary_key=True, comment="the UTC day"),
        Column("item_id", Integer, primary_key=True, autoincrement=False, comment="Blizzard's number of the item"),
        Column("min_price", BigInteger, comment="lowest min_price, copper; null, as all prices: never for sale"),
        Column("median_min_price", _Real, comment="median of min_price, copper"),
        Column("market_value", _Real, comment="mean of market_value over the snapshots that price the item, copper"),
        Column("lowest_market_value", _Real, comment="lowest market_value, copper"),
        Column("highest_market_value", _Real, comment="highest market_value, copper"),
        Column("mean_quantity", _Real, nullable=False, comment="mean units for sale, over all snapshots"),
        Column(
            "sales_low",
            BigInteger,
            comment="sum over the intervals that end on the day; null, as all sales: none of them is known",
        ),
        Column("estimated_sales", BigInteger, comment="sum of the best estimates"),
        Column("sales_high", BigInteger, comment="sum of what can have been sold at most"),
        Column(
            "turnover",
            _Real,
            comment="sum of estimated_sales times market_value, or the previous snapshot's where sold out, copper",
        ),
        Column("covered_seconds", Integer, nullable=False, comment="length of the intervals whose sales are known"),
        Column("snapshots", Integer, nullable=False, comment="the region's snapshots of the day"),
        Column("priced_snapshots", Integer, nullable=False, comment="those that price the item"),
        comment=f"Prices and sales of every item on every closed UTC day of {region.label}",
    )


def token_prices(metadata: MetaData, region: Region) -> Table:
    """The price of a WoW token over time."""
    return Table(
        table_names.TOKEN_PRICES[region],
        metadata,
        Column("timestamp", _Time, primary_key=True, comment="Blizzard's last_updated_timestamp"),
        Column("price", BigInteger, nullable=False, comment="copper"),
        CheckConstraint("price > 0", name="price"),
        comment=f"The {region.label} price of a WoW token over time",
    )
