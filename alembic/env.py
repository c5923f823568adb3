"""How migrations run: one at a time, never waiting long for a lock, and blind to tables that they don't know.

`ironforge db upgrade` hands over its open connection; on Alembic's own command line the URL comes from
`IRONFORGE_DATABASE_URL` or `DATABASE_URL`.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from alembic import context
from sqlalchemy import text

from ironforge_cli.db.engine import open_engine
from ironforge_cli.db.locks import MIGRATION_LOCK, advisory_key
from ironforge_cli.db.models import Base

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alembic.operations import MigrationScript
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import Connection
    from sqlalchemy.sql.schema import SchemaItem

TURN_TIMEOUT = "60s"
LOCK_TIMEOUT = "10s"


def _is_ours(_: SchemaItem, name: str | None, kind: str, reflected: bool, __: SchemaItem | None) -> bool:  # noqa: FBT001 - Alembic's signature
    """Partitions and an operator's own tables are none of the migrations' business."""
    return not (kind == "table" and reflected and name not in Base.metadata.tables)


def _dated_revision(
    _: MigrationContext, __: str | Iterable[str | None] | Iterable[str], directives: list[MigrationScript]
) -> None:
    """Revisions are named for the minute they were written, so that their names sort by age."""
    for script in directives:
        script.rev_id = datetime.now(tz=UTC).strftime("%Y%m%d_%H%M")


def _migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_object=_is_ours,
        compare_type=True,
        compare_server_default=True,
        process_revision_directives=_dated_revision,
        transaction_per_migration=True,
    )
    key = advisory_key(MIGRATION_LOCK)
    connection.execute(text(f"SET lock_timeout = '{TURN_TIMEOUT}'"))
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": key})
    connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
    connection.commit()
    try:
        with context.begin_transaction():
            context.run_migrations()
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": key})
        connection.execute(text("SET lock_timeout = DEFAULT"))
        connection.commit()


given: Connection | None = context.config.attributes.get("connection")
if given is not None:
    _migrate(given)
else:
    url = os.environ.get("IRONFORGE_DATABASE_URL") or os.environ.get("DATABASE_URL")
    if not url:
        raise SystemExit(
            "Set IRONFORGE_DATABASE_URL: `ironforge db start` and `ironforge db url` give the embedded one's."
        )
    with open_engine(url).connect() as own:
        _migrate(own)
