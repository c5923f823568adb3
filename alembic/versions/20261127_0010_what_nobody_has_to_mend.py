"""Attempts and runs that nobody has to mend: cancelled by whoever started them, or locked out by another run.

Why: a mistyped option and Ctrl-C at a terminal were `failed`, and made the check of cron's runs fail for a week. A run
that lost its lock to another was `failed` in benchmarks, though that one did the work.

Going back calls both `failed`.

Revises: 20261126_2255
"""

from __future__ import annotations

from alembic import op

revision = "20261127_0010"
down_revision = "20261126_2255"
branch_labels = None
depends_on = None

LOGS = ("running", "success", "no_change", "rejected", "failed", "locked", "spooled")
RUNS = ("success", "partial", "failed")


def upgrade() -> None:
    """Apply."""
    _name_statuses("scraper_logs", *LOGS, "cancelled")
    _name_statuses("benchmarks", *RUNS, "locked", "cancelled")
    _describe("success, partial, failed, locked or cancelled")


def downgrade() -> None:
    """Undo."""
    op.execute("UPDATE scraper_logs SET status = 'failed' WHERE status = 'cancelled'")
    op.execute("UPDATE benchmarks SET status = 'failed' WHERE status IN ('locked', 'cancelled')")
    _name_statuses("scraper_logs", *LOGS)
    _name_statuses("benchmarks", *RUNS)
    _describe("success, partial or failed")


def _name_statuses(table: str, *names: str) -> None:
    op.drop_constraint(op.f(f"ck_{table}_status"), table, type_="check")
    op.create_check_constraint(
        op.f(f"ck_{table}_status"), table, f"status IN ({', '.join(repr(name) for name in names)})"
    )


def _describe(comment: str) -> None:
    op.execute(f"COMMENT ON COLUMN benchmarks.status IS '{comment}'")
