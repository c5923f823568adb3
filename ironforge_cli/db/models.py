"""The whole schema on one page.

Prices are copper; times are `timestamptz` in UTC. The columns of a table that exists once a region
stand in an abstract class, two short classes name the tables, and a dictionary finds them:
`SNAPSHOTS[Region.EU]`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Double,
    Enum,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Text,
    false,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column

from ironforge_cli.market.auctions import TimeLeft
from ironforge_cli.regions import Region


class Base(DeclarativeBase):
    """Names constraints the same way everywhere, so that migrations can name them too."""

    metadata = MetaData(
        naming_convention={
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(referred_table_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: TIMESTAMP(timezone=True),
        str: Text,
        int: Integer,
        float: Double,
        bool: Boolean,
    }


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


REGION_NAMES = tuple(region.value for region in Region)
FACTIONS = ("Neutral", "Alliance", "Horde")
SNAPSHOT_SOURCES = ("live", "file", "spool", "quarantine")
SEEDER_TYPES = ("recipe", "reagent", "item")
LOG_STATUSES = ("running", "success", "no_change", "rejected", "failed", "locked", "spooled")
BENCHMARK_STATUSES = ("success", "partial", "failed")


class AuctionSnapshot(Base):
    """One auction of one snapshot. Rows are appended in (snapshot_time, auction_id) order."""

    __abstract__ = True

    snapshot_time: Mapped[datetime] = mapped_column(
        primary_key=True, comment="Blizzard's Last-Modified of the snapshot"
    )
    auction_id: Mapped[int] = mapped_column(
        BigInteger, primary_key=True, autoincrement=False, comment="unique in one snapshot, not for ever"
    )
    unit_price: Mapped[int] = mapped_column(BigInteger, comment="copper for one unit")
    item_id: Mapped[int] = mapped_column(comment="Blizzard's number of the item")
    quantity: Mapped[int] = mapped_column(comment="units still for sale")
    time_left: Mapped[TimeLeft] = mapped_column(
        Enum(TimeLeft, name="time_left", native_enum=True), comment="Blizzard's bucket of the time to expiry"
    )
    expires_after_min: Mapped[int] = mapped_column(
        SmallInteger, comment="minutes from snapshot_time to the earliest possible expiry, exclusive"
    )
    expires_before_min: Mapped[int] = mapped_column(
        SmallInteger, comment="minutes from snapshot_time to the latest possible expiry, inclusive"
    )


def _snapshot_table(region: Region) -> tuple[Any, ...]:
    return (
        CheckConstraint("unit_price > 0 AND quantity > 0", name="for_sale"),
        CheckConstraint("expires_after_min < expires_before_min", name="window"),
        {
            "comment": f"Every {region.label} commodity auction of every hour held, one partition a UTC day",
            "postgresql_partition_by": "RANGE (snapshot_time)",
        },
    )


class AuctionSnapshotEu(AuctionSnapshot):
    """EU's raw snapshots."""

    __tablename__ = "auction_snapshots_eu"
    __table_args__ = _snapshot_table(Region.EU)


class AuctionSnapshotUs(AuctionSnapshot):
    """US's raw snapshots."""

    __tablename__ = "auction_snapshots_us"
    __table_args__ = _snapshot_table(Region.US)


class PriceStats(Base):
    """What one snapshot says about one item; kept for good."""

    __abstract__ = True

    item_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, comment="Blizzard's number of the item")
    timestamp: Mapped[datetime] = mapped_column(primary_key=True, comment="the snapshot's time")
    min_price: Mapped[int | None] = mapped_column(BigInteger, comment="cheapest unit, copper; null: sold out")
    max_price: Mapped[int | None] = mapped_column(BigInteger, comment="dearest unit, copper")
    mean_price: Mapped[float | None] = mapped_column(comment="mean over units, copper")
    median_price: Mapped[float | None] = mapped_column(comment="median over units, copper")
    market_value: Mapped[float | None] = mapped_column(
        comment="mean of the cheapest 15 to 30% of the units without outliers, copper (TradeSkillMaster's)"
    )
    cheapest_15_percent_price: Mapped[int | None] = mapped_column(
        BigInteger, comment="what a unit costs when the cheapest 15% are bought, copper, rounded up"
    )
    total_quantity: Mapped[int] = mapped_column(BigInteger, comment="units for sale; 0 when sold out")
    num_auctions: Mapped[int] = mapped_column(comment="auctions for sale; 0 when sold out")
    estimated_sales: Mapped[int | None] = mapped_column(
        BigInteger, comment="units sold since the previous snapshot, best estimate; null in a region's first"
    )
    sales_low: Mapped[int | None] = mapped_column(BigInteger, comment="units that were sold for certain")
    sales_high: Mapped[int | None] = mapped_column(BigInteger, comment="units that can have been sold at most")
    new_listings: Mapped[int | None] = mapped_column(BigInteger, comment="units in auctions that are new")
    new_auctions: Mapped[int | None] = mapped_column(comment="auctions that are new")
    interval_seconds: Mapped[int | None] = mapped_column(comment="time since the previous snapshot")

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:  # noqa: N805 - SQLAlchemy passes the class
        """Find one snapshot's rows among years of them: rows come in the order of time, so a few bytes do."""
        region = Region(cls.__tablename__[:2])
        return (
            Index(f"ix_{cls.__tablename__}_timestamp", "timestamp", postgresql_using="brin"),
            CheckConstraint(
                "0 <= sales_low AND sales_low <= estimated_sales AND estimated_sales <= sales_high",
                name="sales_bounds",
            ),
            {"comment": f"Prices and sales of every item in every {region.label} snapshot"},
        )


class PriceStatsEu(PriceStats):
    """EU's statistics."""

    __tablename__ = "eu_commodity_price_stats"


class PriceStatsUs(PriceStats):
    """US's statistics."""

    __tablename__ = "us_commodity_price_stats"


class TokenPrice(Base):
    """The price of a WoW token at one time."""

    __abstract__ = True

    timestamp: Mapped[datetime] = mapped_column(primary_key=True, comment="Blizzard's last_updated_timestamp")
    price: Mapped[int] = mapped_column(BigInteger, comment="copper")


class TokenPriceEu(TokenPrice):
    """EU's token prices."""

    __tablename__ = "eu_token_price"
    __table_args__ = (
        CheckConstraint("price > 0", name="price"),
        {"comment": "The EU price of a WoW token over time"},
    )


class TokenPriceUs(TokenPrice):
    """US's token prices."""

    __tablename__ = "us_token_price"
    __table_args__ = (
        CheckConstraint("price > 0", name="price"),
        {"comment": "The US price of a WoW token over time"},
    )


class Snapshot(Base):
    """The registry: one row a stored snapshot, also after its raw rows have left."""

    __tablename__ = "snapshots"

    region: Mapped[str] = mapped_column(primary_key=True, comment="eu or us")
    snapshot_time: Mapped[datetime] = mapped_column(primary_key=True, comment="Blizzard's Last-Modified")
    auctions: Mapped[int] = mapped_column(comment="auctions for sale")
    items: Mapped[int] = mapped_column(comment="different items for sale")
    bytes: Mapped[int] = mapped_column(BigInteger, comment="size of the body")
    digest: Mapped[str] = mapped_column(comment="SHA-256 of the body, hexadecimal")
    source: Mapped[str] = mapped_column(comment="live, or where a replayed body came from")
    stored_at: Mapped[datetime] = mapped_column(server_default=func.now(), comment="when it was stored")
    interval_seconds: Mapped[int | None] = mapped_column(
        comment="time since the previous stored snapshot; null, as all below, in a region's first"
    )
    new_auctions: Mapped[int | None] = mapped_column(comment="auctions that the previous snapshot had not")
    gone_auctions: Mapped[int | None] = mapped_column(
        comment="auctions that the previous snapshot had and this has not"
    )
    estimated_sales: Mapped[int | None] = mapped_column(BigInteger, comment="units sold, best estimate, over all items")
    sales_low: Mapped[int | None] = mapped_column(BigInteger, comment="units sold for certain, over all items")
    sales_high: Mapped[int | None] = mapped_column(BigInteger, comment="units sold at most, over all items")
    expired_units: Mapped[int | None] = mapped_column(BigInteger, comment="units in auctions that ran out")
    withdrawn_units: Mapped[int | None] = mapped_column(
        BigInteger, comment="units in auctions that were gone while a cheaper one stayed"
    )
    partly_sold: Mapped[int | None] = mapped_column(comment="auctions that lost some of their units")
    partly_sold_above_cheaper: Mapped[int | None] = mapped_column(
        comment="of these, the ones above an untouched cheaper one: how often buyers do not take the cheapest"
    )
    window_misfits: Mapped[int | None] = mapped_column(
        comment="auctions whose bucket contradicts what was known of their expiry"
    )
    estimator_version: Mapped[int] = mapped_column(SmallInteger, comment="of the rules of the sales columns")

    __table_args__ = (
        CheckConstraint(_one_of("region", REGION_NAMES), name="region"),
        CheckConstraint(_one_of("source", SNAPSHOT_SOURCES), name="source"),
        {"comment": "One row a stored snapshot: what is held, its gaps and its self-check"},
    )


class Recipe(Base):
    """A crafting recipe, once per faction where the factions craft different items."""

    __tablename__ = "recipes"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, comment="Blizzard's number of the recipe")
    faction: Mapped[str] = mapped_column(primary_key=True, comment="who can craft it: Neutral, Alliance or Horde")
    name: Mapped[str | None] = mapped_column(comment="in the configured locale")
    profession: Mapped[str | None] = mapped_column(comment="such as Alchemy")
    skill_tier: Mapped[str | None] = mapped_column(comment="such as Dragon Isles Alchemy")
    crafted_item_id: Mapped[int | None] = mapped_column(
        comment="null where Blizzard names none, as for every recipe since Dragonflight"
    )
    data: Mapped[dict[str, Any]] = mapped_column(JSONB, comment="Blizzard's answer, whole")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), comment="when the row was made")
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), comment="when it was last written")

    __table_args__ = (
        CheckConstraint(_one_of("faction", FACTIONS), name="faction"),
        Index(None, "crafted_item_id"),
        {"comment": "Crafting recipes of every profession and tier"},
    )


class Reagent(Base):
    """An item that a recipe takes."""

    __tablename__ = "reagents"

    recipe_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, comment="of the recipe")
    faction: Mapped[str] = mapped_column(primary_key=True, comment="of the recipe")
    item_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, comment="what it takes")
    quantity: Mapped[int] = mapped_column(comment="units for one craft; can be 0: so Blizzard says")
    optional: Mapped[bool] = mapped_column(server_default=false(), comment="whether crafting works without it")

    __table_args__ = (
        ForeignKeyConstraint(["recipe_id", "faction"], ["recipes.id", "recipes.faction"], ondelete="CASCADE"),
        Index(None, "item_id"),
        {"comment": "What recipes take"},
    )


class Item(Base):
    """An item's name and kind."""

    __tablename__ = "items"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, comment="Blizzard's number of the item")
    item_name: Mapped[str | None] = mapped_column(comment="in the configured locale")
    item_level: Mapped[int | None] = mapped_column(comment="the game's item level")
    item_class: Mapped[str | None] = mapped_column(comment="such as Tradeskill")
    item_subclass: Mapped[str | None] = mapped_column(comment="such as Herb")
    inventory_type: Mapped[str | None] = mapped_column(comment="where it is worn, such as Head or Non-equippable")
    is_equippable: Mapped[bool | None] = mapped_column(comment="whether it can be worn")
    is_stackable: Mapped[bool | None] = mapped_column(comment="whether units share a slot: commodities do")
    quality: Mapped[str | None] = mapped_column(comment="such as Rare")

    __table_args__ = ({"comment": "Names and kinds of items"},)


class SeederStatus(Base):
    """How far the seeding of one kind of static data is."""

    __tablename__ = "seeder_status"

    seeder_type: Mapped[str] = mapped_column(primary_key=True, comment="recipe, reagent or item")
    completed: Mapped[bool] = mapped_column(server_default=false(), comment="whether all of it is there")
    completed_at: Mapped[datetime | None] = mapped_column(comment="when it was last complete")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), comment="when the row was made")
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), comment="when it was last written")

    __table_args__ = (
        CheckConstraint(_one_of("seeder_type", SEEDER_TYPES), name="seeder_type"),
        {"comment": "What is seeded"},
    )


class ScraperLog(Base):
    """One attempt of one command at one region."""

    __tablename__ = "scraper_logs"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True, comment="counts up")
    command: Mapped[str] = mapped_column(comment="such as collect or seed recipes")
    region: Mapped[str | None] = mapped_column(comment="null for a command that is not about one region")
    timestamp: Mapped[datetime] = mapped_column(comment="start of the attempt")
    status: Mapped[str] = mapped_column(
        comment="a row still running, whose owner holds no advisory lock on its id, has crashed"
    )
    last_modified: Mapped[datetime | None] = mapped_column(comment="the time of the answer that was judged")
    error_message: Mapped[str | None] = mapped_column(comment="what went wrong and what to do")
    poll_attempts: Mapped[int] = mapped_column(
        server_default=text("1"), comment="this attempt's number in its window, from 1"
    )

    __table_args__ = (
        CheckConstraint(f"region IS NULL OR {_one_of('region', REGION_NAMES)}", name="region"),
        CheckConstraint(_one_of("status", LOG_STATUSES), name="status"),
        Index(None, "region", "timestamp"),
        {"comment": "Every attempt of every command, written before its work starts"},
    )


class Benchmark(Base):
    """How long a command run, or the storing of one snapshot, took."""

    __tablename__ = "benchmarks"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True, comment="counts up")
    operation_type: Mapped[str] = mapped_column(comment="command or snapshot")
    operation_name: Mapped[str] = mapped_column(comment="the command")
    region: Mapped[str | None] = mapped_column(comment="null for a whole command run")
    start_time: Mapped[datetime] = mapped_column(comment="by this machine's clock")
    end_time: Mapped[datetime] = mapped_column(comment="by this machine's clock")
    duration_seconds: Mapped[float] = mapped_column(comment="by a clock that never jumps")
    record_count: Mapped[int | None] = mapped_column(BigInteger, comment="rows that were written")
    status: Mapped[str] = mapped_column(comment="success, partial or failed")
    error_message: Mapped[str | None] = mapped_column(comment="what went wrong and what to do")
    extra_data: Mapped[dict[str, Any]] = mapped_column(
        JSONB, server_default=text("'{}'::jsonb"), comment="steps and their seconds"
    )
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), comment="when the row was made")

    __table_args__ = (
        CheckConstraint(f"region IS NULL OR {_one_of('region', REGION_NAMES)}", name="region"),
        CheckConstraint(_one_of("status", BENCHMARK_STATUSES), name="status"),
        Index(None, "start_time"),
        {"comment": "How long runs and their steps took"},
    )


SNAPSHOTS: dict[Region, type[AuctionSnapshot]] = {Region.EU: AuctionSnapshotEu, Region.US: AuctionSnapshotUs}
PRICE_STATS: dict[Region, type[PriceStats]] = {Region.EU: PriceStatsEu, Region.US: PriceStatsUs}
TOKEN_PRICES: dict[Region, type[TokenPrice]] = {Region.EU: TokenPriceEu, Region.US: TokenPriceUs}
