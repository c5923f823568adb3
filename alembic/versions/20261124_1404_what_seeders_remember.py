"""Builds and locales of what is seeded, and what Blizzard doesn't show.

Why: a seeder is complete for one build of the game and one locale, and an item is read of one, so that an interrupted
or repeated run reads only what is missing. Recipes and items that answer 403 or 404 are remembered, so that nobody asks
for them in every run.

Revises: 20261123_1823
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261124_1404"
down_revision = "20261123_1823"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column(
        "seeder_status",
        sa.Column("build", sa.Text(), nullable=True, comment="the game's build that it was complete for"),
    )
    op.add_column("seeder_status", sa.Column("locale", sa.Text(), nullable=True, comment="of its names"))
    op.add_column(
        "seeder_status",
        sa.Column("seen_build", sa.Text(), nullable=True, comment="the newest build that any seeder has seen"),
    )
    op.add_column(
        "items",
        sa.Column(
            "build",
            sa.Text(),
            nullable=True,
            comment="the game's build that it was read of; null where it is to be read again",
        ),
    )
    op.add_column("items", sa.Column("locale", sa.Text(), nullable=True, comment="of the name"))
    op.create_table(
        "not_shown",
        sa.Column("kind", sa.Text(), nullable=False, comment="recipe or item"),
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False, comment="Blizzard's number of it"),
        sa.Column("status", sa.SmallInteger(), nullable=False, comment="what Blizzard answered: 404, or 403"),
        sa.Column("build", sa.Text(), nullable=True, comment="the game's build when it was asked for"),
        sa.Column(
            "asked_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when that was",
        ),
        sa.CheckConstraint("kind IN ('recipe', 'item')", name=op.f("ck_not_shown_kind")),
        sa.PrimaryKeyConstraint("kind", "id", name=op.f("pk_not_shown")),
        comment="Recipes and items that something names and Blizzard doesn't show: not asked for again",
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("not_shown")
    for column in ("locale", "build"):
        op.drop_column("items", column)
    for column in ("seen_build", "locale", "build"):
        op.drop_column("seeder_status", column)
