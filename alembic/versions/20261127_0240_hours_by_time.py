"""A unique index of the hourly statistics in the order of time, built beside whoever reads and writes.

Why: it becomes the primary key of what is held, when that becomes a partition of months. It is built before, since no
hour may wait for it. Cut off, it is built again.

Revises: 20261127_0015
"""

from __future__ import annotations

from alembic import op

revision = "20261127_0240"
down_revision = "20261127_0015"
branch_labels = None
depends_on = None

REGIONS = ("eu", "us", "kr", "tw")


def upgrade() -> None:
    """Apply."""
    for region in REGIONS:
        table = f"{region}_commodity_price_stats"
        name = f"pk_{table}_before"
        op.build_index(name, table, "(timestamp, item_id)", unique=True)  # pyright: ignore[reportAttributeAccessIssue] - env.py brings it


def downgrade() -> None:
    """Undo."""
    for region in REGIONS:
        name = f"pk_{region}_commodity_price_stats_before"
        op.remove_index(name)  # pyright: ignore[reportAttributeAccessIssue] - env.py brings it
