"""What watches remember: which rules are armed, what was told, and what waits to be delivered.

Why: an alert is sent once per crossing, so that each run has to know what the one before saw and sent.

Revises: 20261128_0900
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261128_1000"
down_revision = "20261128_0900"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "watch_states",
        sa.Column(
            "watch",
            sa.Text(),
            nullable=False,
            comment="the path of the file of rules, or the rule of the arguments",
        ),
        sa.Column(
            "state",
            postgresql.JSONB(),
            nullable=False,
            comment="which rules are armed, what was told, and what waits to be delivered; no address in full",
        ),
        sa.Column(
            "updated_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when it was last written",
        ),
        sa.PrimaryKeyConstraint("watch", name=op.f("pk_watch_states")),
        comment="What `ironforge watch` remembers from run to run",
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("watch_states")
