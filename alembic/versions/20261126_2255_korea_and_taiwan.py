"""Korea and Taiwan: raw snapshots, statistics and token prices of their own, and their names where regions are checked.

Why: Blizzard publishes commodities and the token price of both as it does of EU and US. Nothing is collected of them
until somebody names them, and the tables stay empty. No partition is made here.

Going back drops what was collected of them, and forgets their snapshots, log rows and benchmarks.

Revises: 20261124_1404
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261126_2255"
down_revision = "20261124_1404"
branch_labels = None
depends_on = None

BEFORE = ("eu", "us")
NEW = ("kr", "tw")


def upgrade() -> None:
    """Apply."""
    for region in NEW:
        _create_raw_snapshots(region)
        _create_price_stats(region)
        _create_token_price(region)
    _name_regions(*BEFORE, *NEW)


def downgrade() -> None:
    """Undo."""
    for table in ("snapshots", "scraper_logs", "benchmarks"):
        op.execute(f"DELETE FROM {table} WHERE region IN ({_quoted(NEW)})")  # noqa: S608 - names of this file's own
    _name_regions(*BEFORE)
    for region in NEW:
        op.drop_table(f"{region}_token_price")
        op.drop_table(f"{region}_commodity_price_stats")
        op.drop_table(f"auction_snapshots_{region}")


def _quoted(names: tuple[str, ...]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _name_regions(*names: str) -> None:
    """Let columns hold these regions, and say so where they are described."""
    known = f"region IN ({_quoted(names)})"
    for table, check in (
        ("snapshots", known),
        ("scraper_logs", f"region IS NULL OR {known}"),
        ("benchmarks", f"region IS NULL OR {known}"),
    ):
        op.drop_constraint(op.f(f"ck_{table}_region"), table, type_="check")
        op.create_check_constraint(op.f(f"ck_{table}_region"), table, check)
    op.alter_column("snapshots", "region", comment=" or ".join(names), existing_type=sa.Text(), existing_nullable=False)


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
