"""Columns of the estimator's version 2, null for now, and until when the statistics that are held can reach.

Why: tables of years are changed once. New columns without a default rewrite no row. The bound is the month after that
of now and of the newest hour; it is checked by the next migration, which keeps nobody waiting, so that becoming a
partition reads no row. What is held of a month that follows has its own partition.

Revises: 20261127_0240
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261127_0241"
down_revision = "20261127_0240"
branch_labels = None
depends_on = None

REGIONS = ("eu", "us", "kr", "tw")


def _hours() -> list[sa.Column[object]]:
    return [
        sa.Column(
            "seen_sales",
            sa.Double(),
            nullable=True,
            comment="units whose sale left a trace, a multiple of 1/64; null in version 1",
        ),
        sa.Column(
            "unseen_sales",
            sa.Double(),
            nullable=True,
            comment="units listed and sold between two snapshots, a multiple of 1/64; null in version 1",
        ),
        sa.Column(
            "new_at_floor",
            sa.BigInteger(),
            nullable=True,
            comment="units of new auctions in reach of buyers; null in version 1",
        ),
        sa.Column(
            "evidence",
            sa.SmallInteger(),
            nullable=True,
            comment="that anything was sold: 0 none, 1 by pairs alone, 2 plain; null in version 1",
        ),
    ]


def _registry() -> list[sa.Column[object]]:
    return [
        sa.Column(
            "withdrawn_auctions",
            sa.Integer(),
            nullable=True,
            comment="auctions that were gone while a cheaper one stayed",
        ),
        sa.Column(
            "highest_auction_id",
            sa.BigInteger(),
            nullable=True,
            comment="the highest id of its auctions: later ones lie above it",
        ),
        sa.Column(
            "sold_lots_quarter_1",
            sa.Double(),
            nullable=True,
            comment="lots seen sold that were listed in the interval's first quarter",
        ),
        sa.Column(
            "sold_lots_quarter_2",
            sa.Double(),
            nullable=True,
            comment="lots seen sold that were listed in its second quarter",
        ),
        sa.Column(
            "sold_lots_quarter_3",
            sa.Double(),
            nullable=True,
            comment="lots seen sold that were listed in its third quarter",
        ),
        sa.Column(
            "sold_lots_quarter_4",
            sa.Double(),
            nullable=True,
            comment="lots seen sold that were listed in its last quarter",
        ),
    ]


def upgrade() -> None:
    """Apply."""
    for column in _registry():
        op.add_column("snapshots", column)
    for region in REGIONS:
        table = f"{region}_commodity_price_stats"
        for column in _hours():
            op.add_column(table, column)
        op.execute(
            f"""
            DO $$
            DECLARE
                newest timestamptz := (SELECT max(timestamp) FROM {table});
                bound timestamptz := (date_trunc('month', greatest(newest, now()) AT TIME ZONE 'UTC')
                                      + interval '1 month') AT TIME ZONE 'UTC';
            BEGIN
                EXECUTE format('ALTER TABLE {table} ADD CONSTRAINT ck_{table}_before CHECK (timestamp < %L) NOT VALID',
                               bound);
            END
            $$
            """  # noqa: S608 - names of this file's own
        )


def downgrade() -> None:
    """Undo."""
    for region in REGIONS:
        table = f"{region}_commodity_price_stats"
        op.drop_constraint(op.f(f"ck_{table}_before"), table, type_="check")
        for column in reversed(_hours()):
            op.drop_column(table, column.name)
    for column in reversed(_registry()):
        op.drop_column("snapshots", column.name)
