"""The crafting ranks of items, as evidence: who says so, and when.

Why: several items bear one name, and which of them is of which rank stands in no answer of Blizzard's. The table is
empty until something is imported.

Revises: 20261127_0305
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "20261127_0350"
down_revision = "20261127_0305"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "item_ranks",
        sa.Column(
            "item_id", sa.Integer(), autoincrement=False, nullable=False, comment="Blizzard's number of the item"
        ),
        sa.Column("source", sa.Text(), nullable=False, comment="who says so"),
        sa.Column("rank", sa.SmallInteger(), nullable=False, comment="1 to 5, of several items of one name"),
        sa.Column(
            "noted_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when it was noted: the newest counts",
        ),
        sa.CheckConstraint("rank BETWEEN 1 AND 5", name=op.f("ck_item_ranks_rank")),
        sa.PrimaryKeyConstraint("item_id", "source", name=op.f("pk_item_ranks")),
        comment="Crafting ranks of items, by who says so",
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("item_ranks")
