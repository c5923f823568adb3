"""How migrations run: one at a time, never waiting long for a lock, and blind to tables that they don't know.

`ironforge db upgrade` hands over its open connection; on Alembic's own command line the URL comes from
`IRONFORGE_DATABASE_URL` or `DATABASE_URL`, and `alembic upgrade head --sql` prints the statements instead.
"""

from __future__ import annotations

import importlib.util
import os
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic import context
from sqlalchemy import text

from ironforge_cli.db.engine import MORE_PINS, open_engine
from ironforge_cli.db.locks import MIGRATION_LOCK, advisory_key
from ironforge_cli.db.models import whole_schema
from ironforge_cli.errors import BusyError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

    from alembic.operations import MigrationScript
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import Connection

TURN_SECONDS = 60.0
LOCK_TIMEOUT = "10s"
_LOOK_SECONDS = 0.2


def _bring_operations() -> None:
    """Give migrations the operations that stand beside this file; there is no package that it could import."""
    place = Path(__file__).with_name("big_indexes.py")
    specification = importlib.util.spec_from_file_location("ironforge_big_indexes", place)
    if specification is None or specification.loader is None:
        raise ImportError(f"{place} can't be loaded")
    specification.loader.exec_module(importlib.util.module_from_spec(specification))


def _is_ours(name: str | None, kind: str, _: Mapping[Any, str | None]) -> bool:
    """Partitions and an operator's own tables are none of the migrations' business, and are not even read."""
    return kind != "table" or name in whole_schema().tables


def _dated_revision(
    _: MigrationContext, __: str | Iterable[str | None] | Iterable[str], directives: list[MigrationScript]
) -> None:
    """Revisions are named for the minute they were written, so that their names sort by age."""
    for script in directives:
        script.rev_id = datetime.now(tz=UTC).strftime("%Y%m%d_%H%M")


@contextmanager
def _turn(connection: Connection) -> Generator[None]:
    """Let one migrate at a time. What it does may take its time; what it waits for may not, since others wait for it.

    The turn is a lock that a transaction of its own holds: neither the migrations' commits nor a pooler give it back
    early, and no session is left with settings of ours. Whoever waits looks again and again: a statement that waited
    would be waited for by an index that is built concurrently, and neither would ever end. Raises `BusyError` where
    another one has not come to its end after a minute, and `DBAPIError`.
    """
    take = text(f"SELECT pg_try_advisory_xact_lock({advisory_key(MIGRATION_LOCK)})")
    with connection.engine.connect() as turn:
        give_up_at = time.monotonic() + TURN_SECONDS
        while not turn.execute(take).scalar_one():
            turn.rollback()
            if time.monotonic() > give_up_at:
                raise BusyError(
                    "Another run is upgrading the database's schema, and has been for a minute. Try again when it is "
                    "done; pg_stat_activity shows what it waits for."
                )
            time.sleep(_LOOK_SECONDS)
        connection.execution_options(**{MORE_PINS: {"lock_timeout": LOCK_TIMEOUT, "statement_timeout": "0"}})
        try:
            yield
        finally:
            connection.execution_options(**{MORE_PINS: {}})


def _migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=whole_schema(),
        include_name=_is_ours,
        compare_type=True,
        compare_server_default=True,
        process_revision_directives=_dated_revision,
        transaction_per_migration=True,
    )
    with _turn(connection), context.begin_transaction():
        context.run_migrations()


def _print() -> None:
    context.configure(
        dialect_name="postgresql",
        target_metadata=whole_schema(),
        literal_binds=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


_bring_operations()
given: Connection | None = context.config.attributes.get("connection")
if context.is_offline_mode():
    _print()
elif given is not None:
    _migrate(given)
else:
    url = os.environ.get("IRONFORGE_DATABASE_URL") or os.environ.get("DATABASE_URL")
    if not url:
        raise SystemExit(
            "Set IRONFORGE_DATABASE_URL: `ironforge db start` and `ironforge db url` give the embedded one's."
        )
    with open_engine(url).connect() as own:
        _migrate(own)
