"""Auctions that made no sense and were left out of their snapshot: how many, of which items, and their ids.

Why: one odd auction must not cost the hour, and what it hides must not look like a sale, however often the hour is
computed again. A snapshot that was stored before has 0 of them, which is true: a body with any was refused then. The
defaults are constant, so that no row is rewritten.

Revises: 20261127_0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261127_0015"
down_revision = "20261127_0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column(
        "snapshots",
        sa.Column(
            "skipped",
            sa.Integer(),
            nullable=False,
            server_default=sa.text("0"),
            comment="auctions of the body that made no sense and were left out",
        ),
    )
    op.add_column(
        "snapshots",
        sa.Column(
            "skipped_items",
            postgresql.ARRAY(sa.Integer()),
            nullable=False,
            server_default=sa.text("'{}'::integer[]"),
            comment="the items that these name: their sales are null in this interval and the next",
        ),
    )
    op.add_column(
        "snapshots",
        sa.Column(
            "skipped_auctions",
            postgresql.ARRAY(sa.BigInteger()),
            nullable=False,
            server_default=sa.text("'{}'::bigint[]"),
            comment="the ids of these: so are the sales of the items that they bear in the snapshot before or after",
        ),
    )
    op.create_check_constraint(op.f("ck_snapshots_skipped"), "snapshots", "skipped >= 0")


def downgrade() -> None:
    """Undo."""
    op.drop_constraint(op.f("ck_snapshots_skipped"), "snapshots", type_="check")
    for column in ("skipped_auctions", "skipped_items", "skipped"):
        op.drop_column("snapshots", column)
