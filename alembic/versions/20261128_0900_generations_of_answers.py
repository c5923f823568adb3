"""A number for each region and one for the catalogue, raised by every transaction that changes what answers read.

Why: who asked before wants to know by one small look whether the answer is another one now.

Revises: 20261127_1800
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261128_0900"
down_revision = "20261127_1800"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "generations",
        sa.Column("scope", sa.Text(), nullable=False, comment="a region, or catalogue: what changed"),
        sa.Column(
            "number",
            sa.BigInteger(),
            nullable=False,
            comment="rises whenever that changes: microseconds since 1970, or one more than before",
        ),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_generations")),
        comment="Which state of its data a region's answers are of, and the catalogue's",
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("generations")
