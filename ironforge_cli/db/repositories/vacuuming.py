"""Vacuum and analyze, where no autovacuum will do it: a server that lives for seconds an hour never comes to it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg import sql
from sqlalchemy import text

from ironforge_cli.db.engine import executor
from ironforge_cli.db.transactions import driver, session_of
from ironforge_cli.errors import BusyError
from ironforge_cli.values import Value

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

# What autovacuum goes by, but sooner for what was only appended: reads of whole snapshots want the visibility map.
_OURS: Final = (
    "schemaname = current_schema()"
    " AND (relname ~ '^[a-z]{2}_(commodity_price_(stats|days)|token_price)(_[0-9]{4}_[0-9]{2}|_before)?$'"
    " OR relname IN ('snapshots', 'scraper_logs', 'benchmarks', 'items', 'recipes', 'reagents'))"
)
_WANTED: Final = (
    "(n_dead_tup > 1000 + 0.2 * n_live_tup OR n_ins_since_vacuum > 1000 + 0.2 * n_live_tup"
    " OR n_mod_since_analyze > 1000 + 0.1 * n_live_tup)"
)
_NEEDED: Final = text(
    "SELECT relname, n_live_tup, n_dead_tup FROM pg_stat_user_tables AS seen"  # noqa: S608 - made of constants
    " JOIN (SELECT oid AS relid, relowner FROM pg_class) AS known USING (relid)"
    f" WHERE {_OURS} AND pg_has_role(relowner, 'USAGE') AND {_WANTED}"
    " ORDER BY n_dead_tup + n_ins_since_vacuum DESC, relname"
)
_LAST: Final = text(
    "SELECT relname, n_live_tup, n_dead_tup, greatest(last_vacuum, last_autovacuum),"  # noqa: S608 - made of constants
    f" greatest(last_analyze, last_autoanalyze), {_WANTED}, (SELECT min(stored_at) FROM snapshots)"
    f" FROM pg_stat_user_tables WHERE {_OURS} AND n_live_tup >= :least ORDER BY relname"
)
_LARGER: Final = 10_000

_execute = executor("vacuum")


class Untidy(Value, frozen=True):
    """A table that wants vacuuming."""

    name: str
    rows: int
    dead: int
    """Rows that nobody sees any more."""


class VacuumedTable(Value, frozen=True):
    """A table, and when it was last vacuumed and analyzed, by whomever."""

    name: str
    rows: int
    """About how many, as the server counts them; as `dead`."""
    dead: int
    vacuumed_at: datetime | None
    """None, as `analyzed_at`: never, or not since the server last lost its counts, as in a crash."""
    analyzed_at: datetime | None
    is_wanted: bool
    """Whether it wants vacuuming or analyzing."""
    stored_since: datetime | None
    """When the first snapshot was stored."""


def last_vacuums(connection: Connection) -> tuple[VacuumedTable, ...] | None:
    """The tables of ironforge's that are not small, by name; None on a replica, which counts nothing of it."""
    if _execute(connection, text("SELECT pg_is_in_recovery()")).scalar_one():
        return None
    return tuple(VacuumedTable(*row) for row in _execute(connection, _LAST, {"least": _LARGER}))


def needed(connection: Connection) -> list[Untidy]:
    """The tables of ironforge's that want vacuuming, raw days left aside: they leave whole."""
    return [Untidy(name, int(rows), int(dead)) for name, rows, dead in _execute(connection, _NEEDED)]


def vacuum(connection: Connection, table: str, *, limit: timedelta) -> None:
    """Vacuum and analyze a table, on a connection that commits by itself, for so long at most.

    A table that somebody has locked is left. Raises `BusyError` where the time is over: what was done is not lost.
    """
    statement = sql.SQL("/* ironforge vacuum */ VACUUM (ANALYZE, SKIP_LOCKED) {}").format(sql.Identifier(table))
    pooled = session_of(connection).is_pooled
    if not pooled:
        # Behind a pooler others would find the setting; there vacuuming takes the time that it takes.
        _limit(connection, f"{max(1, limit // timedelta(milliseconds=1))}ms")
    try:
        with driver(connection) as speaking:
            speaking.execute(statement)
    except psycopg.errors.QueryCanceled as error:
        raise BusyError(f"Vacuuming {table} took longer than there was time.") from error
    finally:
        if not pooled and not connection.invalidated:
            _limit(connection, "0")


def _limit(connection: Connection, value: str) -> None:
    _execute(connection, text("SELECT set_config('statement_timeout', :value, false)"), {"value": value})
