"""${message}

Why: say here what the change is for.

Policy: never import the package (a migration must run as it was written, years later). Take no lock for long: no
rewrite of a large table. An index on a table that is filled is made by `op.build_index("ix_…", "table", "(column)")` and
dropped by `op.remove_index("ix_…")`, in a migration that does nothing else: both can be done again, whatever an earlier
try left. Partitions are never made here: `partitions maintain` makes them. Every table and column has a comment.
`downgrade` undoes it all.

Revises: ${down_revision | comma,n}
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Undo."""
    ${downgrades if downgrades else "pass"}
