"""What watches remember: one document each, read and written whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Text, bindparam, cast, func, select, text
from sqlalchemy.dialects.postgresql import JSONB, insert

from ironforge_cli.db.engine import executor
from ironforge_cli.db.models import BENCHMARKS, SCRAPER_LOGS, WATCH_STATES

if TYPE_CHECKING:
    from sqlalchemy import Connection

_execute = executor("watch")


def may_write(connection: Connection) -> bool:
    """Whether the connected role may write them, on a server that can be written."""
    return _has_rights(connection, WATCH_STATES.name)


def may_log(connection: Connection) -> bool:
    """Whether it may write the rows of runs."""
    return _has_rights(connection, SCRAPER_LOGS.name) and _has_rights(connection, BENCHMARKS.name)


def _has_rights(connection: Connection, table: str) -> bool:
    asked = text(
        "SELECT NOT pg_is_in_recovery() AND current_setting('default_transaction_read_only') = 'off'"
        " AND has_table_privilege(:table, 'SELECT') AND has_table_privilege(:table, 'INSERT')"
        " AND has_table_privilege(:table, 'UPDATE')"
    )
    return bool(_execute(connection, asked, {"table": table}).scalar_one())


def load(connection: Connection, watch: str) -> str | None:
    """The document of a watch as JSON; None where nothing is remembered."""
    document = select(cast(WATCH_STATES.c.state, Text)).where(WATCH_STATES.c.watch == watch)
    return _execute(connection, document).scalar()


def save(connection: Connection, watch: str, document: str) -> None:
    """Replace the document of a watch, JSON."""
    values = insert(WATCH_STATES).values(watch=watch, state=cast(bindparam("document", document, Text), JSONB))
    changed = {"state": values.excluded.state, "updated_at": func.now()}
    _execute(connection, values.on_conflict_do_update(index_elements=["watch"], set_=changed))


def names(connection: Connection) -> list[str]:
    """The watches that are remembered, by name."""
    return list(_execute(connection, select(WATCH_STATES.c.watch).order_by(WATCH_STATES.c.watch)).scalars())
