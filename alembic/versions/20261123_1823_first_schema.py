"""Every table: raw snapshots, statistics, token prices, the registry, the catalogue, logs and benchmarks.

Why: the first schema. Raw snapshots are partitioned by UTC day and keyed by (snapshot_time, auction_id), so that hours
append at the right edge of the index; statistics are keyed by (item_id, timestamp), so that an item's history is one
range. No partition is made here.

Revises: nothing
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261123_1823"
down_revision = None
branch_labels = None
depends_on = None

REGIONS = ("eu", "us")


def upgrade() -> None:
    """Apply."""
    op.execute("CREATE TYPE time_left AS ENUM ('SHORT', 'MEDIUM', 'LONG', 'VERY_LONG')")
    for region in REGIONS:
        _create_raw_snapshots(region)
        _create_price_stats(region)
        _create_token_price(region)
    _create_registry()
    _create_catalogue()
    _create_evidence()


def downgrade() -> None:
    """Undo."""
    for table in ("benchmarks", "scraper_logs", "seeder_status", "items", "reagents", "recipes", "snapshots"):
        op.drop_table(table)
    for region in REGIONS:
        op.drop_table(f"{region}_token_price")
        op.drop_table(f"{region}_commodity_price_stats")
        op.drop_table(f"auction_snapshots_{region}")
    op.execute("DROP TYPE time_left")


def _create_raw_snapshots(region: str) -> None:
    time_left = postgresql.ENUM("SHORT", "MEDIUM", "LONG", "VERY_LONG", name="time_left", create_type=False)
    op.create_table(
        f"auction_snapshots_{region}",
        sa.Column(
            "snapshot_time",
            postgresql.TIMESTAMP(timezone=True),
            nullable=False,
            comment="Blizzard's Last-Modified of the snapshot",
        ),
        sa.Column(
            "auction_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="unique in one snapshot, not for ever",
        ),
        sa.Column("unit_price", sa.BigInteger(), nullable=False, comment="copper for one unit"),
        sa.Column("item_id", sa.Integer(), nullable=False, comment="Blizzard's number of the item"),
        sa.Column("quantity", sa.Integer(), nullable=False, comment="units still for sale"),
        sa.Column(
            "time_left",
            time_left,
            nullable=False,
            comment="Blizzard's bucket of the time to expiry",
        ),
        sa.Column(
            "expires_after_min",
            sa.SmallInteger(),
            nullable=False,
            comment="minutes from snapshot_time to the earliest possible expiry, exclusive",
        ),
        sa.Column(
            "expires_before_min",
            sa.SmallInteger(),
            nullable=False,
            comment="minutes from snapshot_time to the latest possible expiry, inclusive",
        ),
        sa.CheckConstraint(
            "expires_after_min < expires_before_min", name=op.f(f"ck_auction_snapshots_{region}_window")
        ),
        sa.CheckConstraint("unit_price > 0 AND quantity > 0", name=op.f(f"ck_auction_snapshots_{region}_for_sale")),
        sa.PrimaryKeyConstraint("snapshot_time", "auction_id", name=op.f(f"pk_auction_snapshots_{region}")),
        comment=f"Every {region.upper()} commodity auction of every hour held, one partition a UTC day",
        postgresql_partition_by="RANGE (snapshot_time)",
    )


def _create_price_stats(region: str) -> None:
    op.create_table(
        f"{region}_commodity_price_stats",
        sa.Column(
            "item_id", sa.Integer(), autoincrement=False, nullable=False, comment="Blizzard's number of the item"
        ),
        sa.Column("timestamp", postgresql.TIMESTAMP(timezone=True), nullable=False, comment="the snapshot's time"),
        sa.Column("min_price", sa.BigInteger(), nullable=True, comment="cheapest unit, copper; null: sold out"),
        sa.Column("max_price", sa.BigInteger(), nullable=True, comment="dearest unit, copper"),
        sa.Column("mean_price", sa.Double(), nullable=True, comment="mean over units, copper"),
        sa.Column("median_price", sa.Double(), nullable=True, comment="median over units, copper"),
        sa.Column(
            "market_value",
            sa.Double(),
            nullable=True,
            comment="mean of the cheapest 15 to 30% of the units without outliers, copper (TradeSkillMaster's)",
        ),
        sa.Column(
            "cheapest_15_percent_price",
            sa.BigInteger(),
            nullable=True,
            comment="what a unit costs when the cheapest 15% are bought, copper, rounded up",
        ),
        sa.Column("total_quantity", sa.BigInteger(), nullable=False, comment="units for sale; 0 when sold out"),
        sa.Column("num_auctions", sa.Integer(), nullable=False, comment="auctions for sale; 0 when sold out"),
        sa.Column(
            "estimated_sales",
            sa.BigInteger(),
            nullable=True,
            comment="units sold since the previous snapshot, best estimate; null in a region's first",
        ),
        sa.Column(
            "sales_low",
            sa.BigInteger(),
            nullable=True,
            comment="units seen or very likely to be sold; cancelled lots can be among them",
        ),
        sa.Column("sales_high", sa.BigInteger(), nullable=True, comment="units that can have been sold at most"),
        sa.Column("new_listings", sa.BigInteger(), nullable=True, comment="units in auctions that are new"),
        sa.Column("new_auctions", sa.Integer(), nullable=True, comment="auctions that are new"),
        sa.Column("interval_seconds", sa.Integer(), nullable=True, comment="time since the previous snapshot"),
        sa.CheckConstraint(
            "0 <= sales_low AND sales_low <= estimated_sales AND estimated_sales <= sales_high",
            name=op.f(f"ck_{region}_commodity_price_stats_sales_bounds"),
        ),
        sa.PrimaryKeyConstraint("item_id", "timestamp", name=op.f(f"pk_{region}_commodity_price_stats")),
        comment=f"Prices and sales of every item in every {region.upper()} snapshot",
    )
    op.create_index(
        f"ix_{region}_commodity_price_stats_timestamp",
        f"{region}_commodity_price_stats",
        ["timestamp"],
        unique=False,
        postgresql_using="brin",
    )


def _create_token_price(region: str) -> None:
    op.create_table(
        f"{region}_token_price",
        sa.Column(
            "timestamp",
            postgresql.TIMESTAMP(timezone=True),
            nullable=False,
            comment="Blizzard's last_updated_timestamp",
        ),
        sa.Column("price", sa.BigInteger(), nullable=False, comment="copper"),
        sa.CheckConstraint("price > 0", name=op.f(f"ck_{region}_token_price_price")),
        sa.PrimaryKeyConstraint("timestamp", name=op.f(f"pk_{region}_token_price")),
        comment=f"The {region.upper()} price of a WoW token over time",
    )


def _create_registry() -> None:
    op.create_table(
        "snapshots",
        sa.Column("region", sa.Text(), nullable=False, comment="eu or us"),
        sa.Column(
            "snapshot_time", postgresql.TIMESTAMP(timezone=True), nullable=False, comment="Blizzard's Last-Modified"
        ),
        sa.Column("auctions", sa.Integer(), nullable=False, comment="auctions for sale"),
        sa.Column("items", sa.Integer(), nullable=False, comment="different items for sale"),
        sa.Column("bytes", sa.BigInteger(), nullable=False, comment="size of the body"),
        sa.Column("digest", sa.Text(), nullable=False, comment="SHA-256 of the body, hexadecimal"),
        sa.Column("source", sa.Text(), nullable=False, comment="live, or where a replayed body came from"),
        sa.Column(
            "stored_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when it was stored",
        ),
        sa.Column(
            "interval_seconds",
            sa.Integer(),
            nullable=True,
            comment="time since the previous stored snapshot; null, as all below, in a region's first",
        ),
        sa.Column("new_auctions", sa.Integer(), nullable=True, comment="auctions that the previous snapshot had not"),
        sa.Column(
            "gone_auctions",
            sa.Integer(),
            nullable=True,
            comment="auctions that the previous snapshot had and this has not",
        ),
        sa.Column(
            "estimated_sales", sa.BigInteger(), nullable=True, comment="units sold, best estimate, over all items"
        ),
        sa.Column(
            "sales_low", sa.BigInteger(), nullable=True, comment="units seen or very likely to be sold, over all items"
        ),
        sa.Column("sales_high", sa.BigInteger(), nullable=True, comment="units sold at most, over all items"),
        sa.Column("expired_units", sa.BigInteger(), nullable=True, comment="units in auctions that ran out"),
        sa.Column(
            "withdrawn_units",
            sa.BigInteger(),
            nullable=True,
            comment="units in auctions that were gone while a cheaper one stayed",
        ),
        sa.Column("partly_sold", sa.Integer(), nullable=True, comment="auctions that lost some of their units"),
        sa.Column(
            "partly_sold_above_cheaper",
            sa.Integer(),
            nullable=True,
            comment="of these, the ones above an untouched cheaper one: how often buyers do not take the cheapest",
        ),
        sa.Column(
            "window_misfits",
            sa.Integer(),
            nullable=True,
            comment="auctions whose bucket contradicts what was known of their expiry",
        ),
        sa.Column("estimator_version", sa.SmallInteger(), nullable=False, comment="of the rules of the sales columns"),
        sa.CheckConstraint("region IN ('eu', 'us')", name=op.f("ck_snapshots_region")),
        sa.CheckConstraint("source IN ('live', 'file', 'spool', 'quarantine')", name=op.f("ck_snapshots_source")),
        sa.PrimaryKeyConstraint("region", "snapshot_time", name=op.f("pk_snapshots")),
        comment="One row a stored snapshot: what is held, its gaps and its self-check",
    )


def _create_catalogue() -> None:
    op.create_table(
        "recipes",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False, comment="Blizzard's number of the recipe"),
        sa.Column("faction", sa.Text(), nullable=False, comment="who can craft it: Neutral, Alliance or Horde"),
        sa.Column("name", sa.Text(), nullable=True, comment="in the configured locale"),
        sa.Column("profession", sa.Text(), nullable=True, comment="such as Alchemy"),
        sa.Column("skill_tier", sa.Text(), nullable=True, comment="such as Dragon Isles Alchemy"),
        sa.Column(
            "crafted_item_id",
            sa.Integer(),
            nullable=True,
            comment="null where Blizzard names none, as for every recipe since Dragonflight",
        ),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="Blizzard's answer, whole"),
        sa.Column(
            "created_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when the row was made",
        ),
        sa.Column(
            "updated_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when it was last written",
        ),
        sa.CheckConstraint("faction IN ('Neutral', 'Alliance', 'Horde')", name=op.f("ck_recipes_faction")),
        sa.PrimaryKeyConstraint("id", "faction", name=op.f("pk_recipes")),
        comment="Crafting recipes of every profession and tier",
    )
    op.create_index(op.f("ix_recipes_crafted_item_id"), "recipes", ["crafted_item_id"], unique=False)
    op.create_table(
        "reagents",
        sa.Column("recipe_id", sa.Integer(), autoincrement=False, nullable=False, comment="of the recipe"),
        sa.Column("faction", sa.Text(), nullable=False, comment="of the recipe"),
        sa.Column("item_id", sa.Integer(), autoincrement=False, nullable=False, comment="what it takes"),
        sa.Column("quantity", sa.Integer(), nullable=False, comment="units for one craft; can be 0: so Blizzard says"),
        sa.Column(
            "optional",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="whether crafting works without it",
        ),
        sa.ForeignKeyConstraint(
            ["recipe_id", "faction"],
            ["recipes.id", "recipes.faction"],
            name=op.f("fk_reagents_recipes"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("recipe_id", "faction", "item_id", name=op.f("pk_reagents")),
        comment="What recipes take",
    )
    op.create_index(op.f("ix_reagents_item_id"), "reagents", ["item_id"], unique=False)
    op.create_table(
        "items",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False, comment="Blizzard's number of the item"),
        sa.Column("item_name", sa.Text(), nullable=True, comment="in the configured locale"),
        sa.Column("item_level", sa.Integer(), nullable=True, comment="the game's item level"),
        sa.Column("item_class", sa.Text(), nullable=True, comment="such as Tradeskill"),
        sa.Column("item_subclass", sa.Text(), nullable=True, comment="such as Herb"),
        sa.Column(
            "inventory_type", sa.Text(), nullable=True, comment="where it is worn, such as Head or Non-equippable"
        ),
        sa.Column("is_equippable", sa.Boolean(), nullable=True, comment="whether it can be worn"),
        sa.Column("is_stackable", sa.Boolean(), nullable=True, comment="whether units share a slot: commodities do"),
        sa.Column("quality", sa.Text(), nullable=True, comment="such as Rare"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_items")),
        comment="Names and kinds of items",
    )
    op.create_table(
        "seeder_status",
        sa.Column("seeder_type", sa.Text(), nullable=False, comment="recipe, reagent or item"),
        sa.Column(
            "completed",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="whether all of it is there",
        ),
        sa.Column(
            "completed_at", postgresql.TIMESTAMP(timezone=True), nullable=True, comment="when it was last complete"
        ),
        sa.Column(
            "created_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when the row was made",
        ),
        sa.Column(
            "updated_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when it was last written",
        ),
        sa.CheckConstraint("seeder_type IN ('recipe', 'reagent', 'item')", name=op.f("ck_seeder_status_seeder_type")),
        sa.PrimaryKeyConstraint("seeder_type", name=op.f("pk_seeder_status")),
        comment="What is seeded",
    )


def _create_evidence() -> None:
    op.create_table(
        "scraper_logs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False, comment="counts up"),
        sa.Column("command", sa.Text(), nullable=False, comment="such as collect or seed recipes"),
        sa.Column("region", sa.Text(), nullable=True, comment="null for a command that is not about one region"),
        sa.Column("timestamp", postgresql.TIMESTAMP(timezone=True), nullable=False, comment="start of the attempt"),
        sa.Column(
            "status",
            sa.Text(),
            nullable=False,
            comment="a row still running, whose owner holds no advisory lock on its id, has crashed",
        ),
        sa.Column(
            "last_modified",
            postgresql.TIMESTAMP(timezone=True),
            nullable=True,
            comment="the time of the answer that was judged",
        ),
        sa.Column("error_message", sa.Text(), nullable=True, comment="what went wrong and what to do"),
        sa.Column(
            "poll_attempts",
            sa.Integer(),
            server_default=sa.text("1"),
            nullable=False,
            comment="this attempt's number in its window, from 1",
        ),
        sa.CheckConstraint("region IS NULL OR region IN ('eu', 'us')", name=op.f("ck_scraper_logs_region")),
        sa.CheckConstraint(
            "status IN ('running', 'success', 'no_change', 'rejected', 'failed', 'locked', 'spooled')",
            name=op.f("ck_scraper_logs_status"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scraper_logs")),
        comment="Every attempt of every command, written before its work starts",
    )
    op.create_index(op.f("ix_scraper_logs_region_timestamp"), "scraper_logs", ["region", "timestamp"], unique=False)
    op.create_table(
        "benchmarks",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False, comment="counts up"),
        sa.Column("operation_type", sa.Text(), nullable=False, comment="command or snapshot"),
        sa.Column("operation_name", sa.Text(), nullable=False, comment="the command"),
        sa.Column("region", sa.Text(), nullable=True, comment="null for a whole command run"),
        sa.Column("start_time", postgresql.TIMESTAMP(timezone=True), nullable=False, comment="by this machine's clock"),
        sa.Column("end_time", postgresql.TIMESTAMP(timezone=True), nullable=False, comment="by this machine's clock"),
        sa.Column("duration_seconds", sa.Double(), nullable=False, comment="by a clock that never jumps"),
        sa.Column("record_count", sa.BigInteger(), nullable=True, comment="rows that were written"),
        sa.Column("status", sa.Text(), nullable=False, comment="success, partial or failed"),
        sa.Column("error_message", sa.Text(), nullable=True, comment="what went wrong and what to do"),
        sa.Column(
            "extra_data",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
            comment="steps and their seconds",
        ),
        sa.Column(
            "created_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when the row was made",
        ),
        sa.CheckConstraint("region IS NULL OR region IN ('eu', 'us')", name=op.f("ck_benchmarks_region")),
        sa.CheckConstraint("status IN ('success', 'partial', 'failed')", name=op.f("ck_benchmarks_status")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_benchmarks")),
        comment="How long runs and their steps took",
    )
    op.create_index(op.f("ix_benchmarks_start_time"), "benchmarks", ["start_time"], unique=False)
