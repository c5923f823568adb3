"""The whole schema, as SQLAlchemy Core tables.

Prices are copper; times are `timestamptz` in UTC. The columns of a table that exists once a region stand once, in
`regional_tables.py`, and a mapping finds the region's table: `SNAPSHOTS[Region.EU]`.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Double,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    false,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

from ironforge_cli.db import crafting_tables, watching_tables
from ironforge_cli.db.generations import generations_table
from ironforge_cli.db.regional_tables import RegionalTables, price_days, price_stats, raw_snapshots, token_prices
from ironforge_cli.market.factions import FACTIONS
from ironforge_cli.regions import Region

METADATA = MetaData(
    # Constraints are named the same way everywhere, so that migrations can name them too.
    naming_convention={
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
Time = TIMESTAMP(timezone=True)
_Real: Double[float] = Double()

REGION_NAMES = tuple(region.value for region in Region)
SNAPSHOT_SOURCES = ("live", "file", "spool", "quarantine")
SEEDER_TYPES = ("recipe", "reagent", "item", "output")
NOT_SHOWN_KINDS = ("recipe", "item")
LOG_STATUSES = ("running", "success", "no_change", "rejected", "failed", "locked", "spooled", "cancelled")
BENCHMARK_STATUSES = ("success", "partial", "failed", "locked", "cancelled")


def _one_of(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


SNAPSHOTS = RegionalTables(METADATA, raw_snapshots)
PRICE_STATS = RegionalTables(METADATA, price_stats)
PRICE_DAYS = RegionalTables(METADATA, price_days)
TOKEN_PRICES = RegionalTables(METADATA, token_prices)
REGIONAL = (SNAPSHOTS, PRICE_STATS, PRICE_DAYS, TOKEN_PRICES)

REGISTRY = Table(
    "snapshots",
    METADATA,
    Column("region", Text, primary_key=True, comment=" or ".join(REGION_NAMES)),
    Column("snapshot_time", Time, primary_key=True, comment="Blizzard's Last-Modified"),
    Column("auctions", Integer, nullable=False, comment="auctions for sale"),
    Column("items", Integer, nullable=False, comment="different items for sale"),
    Column("bytes", BigInteger, nullable=False, comment="size of the body"),
    Column(
        "skipped",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="auctions of the body that made no sense and were left out",
    ),
    Column(
        "skipped_items",
        ARRAY(Integer),
        nullable=False,
        server_default=text("'{}'::integer[]"),
        comment="the items that these name: their sales are null in this interval and the next",
    ),
    Column(
        "skipped_auctions",
        ARRAY(BigInteger),
        nullable=False,
        server_default=text("'{}'::bigint[]"),
        comment="the ids of these: so are the sales of the items that they bear in the snapshot before or after",
    ),
    Column("digest", Text, nullable=False, comment="SHA-256 of the body, hexadecimal"),
    Column("source", Text, nullable=False, comment="live, or where a replayed body came from"),
    Column("stored_at", Time, nullable=False, server_default=func.now(), comment="when it was stored"),
    Column(
        "interval_seconds",
        Integer,
        comment="time since the previous stored snapshot; null, as all below, in a region's first",
    ),
    Column("new_auctions", Integer, comment="auctions that the previous snapshot had not"),
    Column("gone_auctions", Integer, comment="auctions that the previous snapshot had and this has not"),
    Column("estimated_sales", BigInteger, comment="units sold, best estimate, over all items"),
    Column("sales_low", BigInteger, comment="units seen or very likely to be sold, over all items"),
    Column("sales_high", BigInteger, comment="units sold at most, over all items"),
    Column("expired_units", BigInteger, comment="units in auctions that ran out"),
    Column("withdrawn_units", BigInteger, comment="units in auctions that were gone while a cheaper one stayed"),
    Column("partly_sold", Integer, comment="auctions that lost some of their units"),
    Column(
        "partly_sold_above_cheaper",
        Integer,
        comment="of these, the ones above an untouched cheaper one: how often buyers do not take the cheapest",
    ),
    Column("window_misfits", Integer, comment="auctions whose bucket contradicts what was known of their expiry"),
    Column("withdrawn_auctions", Integer, comment="auctions that were gone while a cheaper one stayed"),
    Column("highest_auction_id", BigInteger, comment="the highest id of its auctions: later ones lie above it"),
    # Lots seen sold by when they were listed before their first snapshot, each by its units to the item's mean lot.
    Column("sold_lots_quarter_1", _Real, comment="lots seen sold that were listed in the interval's first quarter"),
    Column("sold_lots_quarter_2", _Real, comment="lots seen sold that were listed in its second quarter"),
    Column("sold_lots_quarter_3", _Real, comment="lots seen sold that were listed in its third quarter"),
    Column("sold_lots_quarter_4", _Real, comment="lots seen sold that were listed in its last quarter"),
    Column("sold_lots_seen", _Real, comment="lots seen sold, whenever they were listed"),
    Column("sold_lots_unseen", _Real, comment="lots listed and sold between two snapshots, as estimated"),
    Column("estimator_version", SmallInteger, nullable=False, comment="of the rules of the sales columns"),
    CheckConstraint(_one_of("region", REGION_NAMES), name="region"),
    CheckConstraint(_one_of("source", SNAPSHOT_SOURCES), name="source"),
    CheckConstraint("skipped >= 0", name="skipped"),
    comment="One row a stored snapshot: what is held, its gaps and its self-check",
)

THINNING_CHECKS = Table(
    "thinning_checks",
    METADATA,
    Column("region", Text, primary_key=True, comment=" or ".join(REGION_NAMES)),
    Column("until", Time, primary_key=True, comment="the newest snapshot that was looked at"),
    Column("since", Time, nullable=False, comment="the oldest one"),
    Column("items", Integer, nullable=False, comment="items with evidence of sales often enough to count"),
    Column("ratio", _Real, comment="median item's sales in double steps to those in single ones; null: too few items"),
    Column("checked_at", Time, nullable=False, server_default=func.now(), comment="when it was computed"),
    CheckConstraint(_one_of("region", REGION_NAMES), name="region"),
    comment="What a day's sales come to when its snapshots are looked at half as often: a check of the estimate",
)

STATISTICS_MONTHS = Table(
    "statistics_months",
    METADATA,
    Column("region", Text, primary_key=True, comment=" or ".join(REGION_NAMES)),
    Column("month", Date, primary_key=True, comment="its first day, UTC"),
    Column(
        "changes",
        BigInteger,
        nullable=False,
        comment="how often hours of it were written: whoever lays it by item sees whether anything changed meanwhile",
    ),
    CheckConstraint(_one_of("region", REGION_NAMES), name="region"),
    comment="Months of statistics, and how often each was written to",
)

RECIPES = Table(
    "recipes",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False, comment="Blizzard's number of the recipe"),
    Column("faction", Text, primary_key=True, comment="who can craft it: Neutral, Alliance or Horde"),
    Column("name", Text, comment="in the configured locale"),
    Column("profession", Text, comment="such as Alchemy"),
    Column("skill_tier", Text, comment="such as Dragon Isles Alchemy"),
    Column("skill_tier_id", Integer, comment="Blizzard's number of the tier, which rises with the game's eras"),
    Column(
        "crafted_item_id", Integer, comment="null where Blizzard names none, as for every recipe since Dragonflight"
    ),
    Column("data", JSONB, nullable=False, comment="Blizzard's answer, whole"),
    Column("created_at", Time, nullable=False, server_default=func.now(), comment="when the row was made"),
    Column("updated_at", Time, nullable=False, server_default=func.now(), comment="when it was last written"),
    CheckConstraint(_one_of("faction", FACTIONS), name="faction"),
    Index(None, "crafted_item_id"),
    comment="Crafting recipes of every profession and tier",
)

REAGENTS = Table(
    "reagents",
    METADATA,
    Column("recipe_id", Integer, primary_key=True, autoincrement=False, comment="of the recipe"),
    Column("faction", Text, primary_key=True, comment="of the recipe"),
    Column("item_id", Integer, primary_key=True, autoincrement=False, comment="what it takes"),
    Column("quantity", Integer, nullable=False, comment="units for one craft; can be 0: so Blizzard says"),
    Column("optional", Boolean, nullable=False, server_default=false(), comment="whether crafting works without it"),
    ForeignKeyConstraint(["recipe_id", "faction"], ["recipes.id", "recipes.faction"], ondelete="CASCADE"),
    Index(None, "item_id"),
    comment="What recipes take",
)

ITEMS = Table(
    "items",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False, comment="Blizzard's number of the item"),
    Column("item_name", Text, comment="in the configured locale"),
    Column("item_level", Integer, comment="the game's item level"),
    Column("item_class", Text, comment="such as Tradeskill"),
    Column("item_subclass", Text, comment="such as Herb"),
    Column("inventory_type", Text, comment="where it is worn, such as Head or Non-equippable"),
    Column("is_equippable", Boolean, comment="whether it can be worn"),
    Column("is_stackable", Boolean, comment="whether units share a slot: commodities do"),
    Column("quality", Text, comment="such as Rare"),
    Column("build", Text, comment="the game's build that it was read of; null where it is to be read again"),
    Column("locale", Text, comment="of the name"),
    Column("crafting_category_id", Integer, comment="which slots of recipes it fits into; null where nothing says so"),
    comment="Names and kinds of items",
)

ITEM_RANKS = Table(
    "item_ranks",
    METADATA,
    Column("item_id", Integer, primary_key=True, autoincrement=False, comment="Blizzard's number of the item"),
    Column("source", Text, primary_key=True, comment="who says so"),
    Column("rank", SmallInteger, nullable=False, comment="1 to 5, of several items of one name"),
    Column("noted_at", Time, nullable=False, server_default=func.now(), comment="when it was noted: the newest counts"),
    CheckConstraint("rank BETWEEN 1 AND 5", name="rank"),
    comment="Crafting ranks of items, by who says so",
)

RECIPE_OUTPUTS = crafting_tables.recipe_outputs(METADATA)
RECIPE_SLOTS = crafting_tables.recipe_slots(METADATA)
SLOT_CATEGORIES = crafting_tables.slot_categories(METADATA)
VENDOR_PRICES = crafting_tables.vendor_prices(METADATA)
IMPORTS = crafting_tables.imports(METADATA)
WATCH_STATES = watching_tables.watch_states(METADATA)
GENERATIONS = generations_table(METADATA)

NOT_SHOWN = Table(
    "not_shown",
    METADATA,
    Column("kind", Text, primary_key=True, comment="recipe or item"),
    Column("id", Integer, primary_key=True, autoincrement=False, comment="Blizzard's number of it"),
    Column("status", SmallInteger, nullable=False, comment="what Blizzard answered: 404, or 403"),
    Column("build", Text, comment="the game's build when it was asked for"),
    Column("asked_at", Time, nullable=False, server_default=func.now(), comment="when that was"),
    CheckConstraint(_one_of("kind", NOT_SHOWN_KINDS), name="kind"),
    comment="Recipes and items that something names and Blizzard doesn't show: not asked for again",
)

SEEDER_STATUS = Table(
    "seeder_status",
    METADATA,
    Column("seeder_type", Text, primary_key=True, comment="recipe, reagent, item or output"),
    Column("completed", Boolean, nullable=False, server_default=false(), comment="whether all of it is there"),
    Column("completed_at", Time, comment="when it was last complete"),
    Column("build", Text, comment="the game's build that it was complete for"),
    Column("locale", Text, comment="of its names"),
    Column("seen_build", Text, comment="the newest build that any seeder has seen"),
    Column("created_at", Time, nullable=False, server_default=func.now(), comment="when the row was made"),
    Column("updated_at", Time, nullable=False, server_default=func.now(), comment="when it was last written"),
    CheckConstraint(_one_of("seeder_type", SEEDER_TYPES), name="seeder_type"),
    comment="What is seeded",
)

SCRAPER_LOGS = Table(
    "scraper_logs",
    METADATA,
    Column("id", BigInteger, Identity(), primary_key=True, comment="counts up"),
    Column("command", Text, nullable=False, comment="such as collect or seed recipes"),
    Column("region", Text, comment="null for a command that is not about one region"),
    Column("timestamp", Time, nullable=False, comment="start of the attempt"),
    Column(
        "status",
        Text,
        nullable=False,
        comment="a row still running, whose owner holds no advisory lock on its id, has crashed",
    ),
    Column("last_modified", Time, comment="the time of the answer that was judged"),
    Column("error_message", Text, comment="what went wrong and what to do"),
    Column(
        "poll_attempts",
        Integer,
        nullable=False,
        server_default=text("1"),
        comment="this attempt's number in its window, from 1",
    ),
    CheckConstraint(f"region IS NULL OR {_one_of('region', REGION_NAMES)}", name="region"),
    CheckConstraint(_one_of("status", LOG_STATUSES), name="status"),
    Index(None, "region", "timestamp"),
    comment="Every attempt of every command, written before its work starts",
)

BENCHMARKS = Table(
    "benchmarks",
    METADATA,
    Column("id", BigInteger, Identity(), primary_key=True, comment="counts up"),
    Column("operation_type", Text, nullable=False, comment="command or snapshot"),
    Column("operation_name", Text, nullable=False, comment="the command"),
    Column("region", Text, comment="null for a whole command run"),
    Column("start_time", Time, nullable=False, comment="by this machine's clock"),
    Column("end_time", Time, nullable=False, comment="by this machine's clock"),
    Column("duration_seconds", _Real, nullable=False, comment="by a clock that never jumps"),
    Column("record_count", BigInteger, comment="rows that were written"),
    Column("status", Text, nullable=False, comment="success, partial, failed, locked or cancelled"),
    Column("error_message", Text, comment="what went wrong and what to do"),
    Column("extra_data", JSONB, nullable=False, server_default=text("'{}'::jsonb"), comment="steps and their seconds"),
    Column("created_at", Time, nullable=False, server_default=func.now(), comment="when the row was made"),
    CheckConstraint(f"region IS NULL OR {_one_of('region', REGION_NAMES)}", name="region"),
    CheckConstraint(_one_of("status", BENCHMARK_STATUSES), name="status"),
    Index(None, "start_time"),
    comment="How long runs and their steps took",
)


def whole_schema() -> MetaData:
    """The schema with every region's tables, which are there otherwise from when they are first asked for."""
    for tables in REGIONAL:
        tables.make_all()
    return METADATA
