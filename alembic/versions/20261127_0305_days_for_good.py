"""A row an item and closed UTC day, kept for good.

Why: lists over all items and long histories read days, 24 times fewer rows. Nothing is computed here: `ironforge
partitions maintain` makes the days that are missing, from the hours that are held.

Revises: 20261127_0243
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261127_0305"
down_revision = "20261127_0243"
branch_labels = None
depends_on = None

REGIONS = ("eu", "us", "kr", "tw")


def upgrade() -> None:
    """Apply."""
    for region in REGIONS:
        op.create_table(
            f"{region}_commodity_price_days",
            sa.Column("day", sa.Date(), nullable=False, comment="the UTC day"),
            sa.Column(
                "item_id", sa.Integer(), autoincrement=False, nullable=False, comment="Blizzard's number of the item"
            ),
            sa.Column(
                "min_price",
                sa.BigInteger(),
                nullable=True,
                comment="lowest min_price, copper; null, as all prices: never for sale",
            ),
            sa.Column("median_min_price", sa.Double(), nullable=True, comment="median of min_price, copper"),
            sa.Column(
                "market_value",
                sa.Double(),
                nullable=True,
                comment="mean of market_value over the snapshots that price the item, copper",
            ),
            sa.Column("lowest_market_value", sa.Double(), nullable=True, comment="lowest market_value, copper"),
            sa.Column("highest_market_value", sa.Double(), nullable=True, comment="highest market_value, copper"),
            sa.Column("mean_quantity", sa.Double(), nullable=False, comment="mean units for sale, over all snapshots"),
            sa.Column(
                "sales_low",
                sa.BigInteger(),
                nullable=True,
                comment="sum over the intervals that end on the day; null, as all sales: none of them is known",
            ),
            sa.Column("estimated_sales", sa.BigInteger(), nullable=True, comment="sum of the best estimates"),
            sa.Column("sales_high", sa.BigInteger(), nullable=True, comment="sum of what can have been sold at most"),
            sa.Column(
                "turnover",
                sa.Double(),
                nullable=True,
                comment="sum of estimated_sales times market_value, or the previous snapshot's where sold out, copper",
            ),
            sa.Column(
                "covered_seconds", sa.Integer(), nullable=False, comment="length of the intervals whose sales are known"
            ),
            sa.Column("snapshots", sa.Integer(), nullable=False, comment="the region's snapshots of the day"),
            sa.Column("priced_snapshots", sa.Integer(), nullable=False, comment="those that price the item"),
            sa.PrimaryKeyConstraint("day", "item_id", name=op.f(f"pk_{region}_commodity_price_days")),
            comment=f"Prices and sales of every item on every closed UTC day of {region.upper()}",
        )


def downgrade() -> None:
    """Undo."""
    for region in REGIONS:
        op.drop_table(f"{region}_commodity_price_days")
