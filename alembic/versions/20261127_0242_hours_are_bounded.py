"""Check until when the statistics that are held reach, beside whoever reads and writes.

Why: so checked, they become a partition without any row being read while the table is locked.

Revises: 20261127_0241
"""

from __future__ import annotations

from alembic import op

revision = "20261127_0242"
down_revision = "20261127_0241"
branch_labels = None
depends_on = None

REGIONS = ("eu", "us", "kr", "tw")


def upgrade() -> None:
    """Apply."""
    for region in REGIONS:
        table = f"{region}_commodity_price_stats"
        op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT ck_{table}_before")


def downgrade() -> None:
    """Undo: nothing is to be done, since what is checked is true of an older schema as well."""
