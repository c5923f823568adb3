"""Lots sold seen and unseen beside their quarters, and what a day comes to when looked at half as often.

Why: the phase of sold lots is held against the share of what is unseen among them, by the same lots; and thinning
reads a day of raw snapshots, so that it is computed once and told by status from then on. New columns without a
default rewrite no row.

Revises: 20261127_0350
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261127_1600"
down_revision = "20261127_0350"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column(
        "snapshots",
        sa.Column("sold_lots_seen", sa.Double(), nullable=True, comment="lots seen sold, whenever they were listed"),
    )
    op.add_column(
        "snapshots",
        sa.Column(
            "sold_lots_unseen",
            sa.Double(),
            nullable=True,
            comment="lots listed and sold between two snapshots, as estimated",
        ),
    )
    op.create_table(
        "thinning_checks",
        sa.Column("region", sa.Text(), nullable=False, comment="eu or us or kr or tw"),
        sa.Column(
            "until",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="the newest snapshot that was looked at",
        ),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False, comment="the oldest one"),
        sa.Column("items", sa.Integer(), nullable=False, comment="items with evidence of sales often enough to count"),
        sa.Column(
            "ratio",
            sa.Double(),
            nullable=True,
            comment="median item's sales in double steps to those in single ones; null: too few items",
        ),
        sa.Column(
            "checked_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.func.now(),
            comment="when it was computed",
        ),
        sa.CheckConstraint("region IN ('eu', 'us', 'kr', 'tw')", name=op.f("ck_thinning_checks_region")),
        sa.PrimaryKeyConstraint("region", "until", name=op.f("pk_thinning_checks")),
        comment="What a day's sales come to when its snapshots are looked at half as often: a check of the estimate",
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("thinning_checks")
    op.drop_column("snapshots", "sold_lots_unseen")
    op.drop_column("snapshots", "sold_lots_seen")
