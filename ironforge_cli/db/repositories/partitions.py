"""Daily partitions of the raw snapshots: what is there by the catalog, making them, and taking them out."""

from __future__ import annotations

import re
from contextlib import contextmanager
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg import sql
from sqlalchemy import exists, func, literal_column, select, text

from ironforge_cli.db.engine import executor
from ironforge_cli.db.generations import changed
from ironforge_cli.db.locks import advisory_key
from ironforge_cli.db.models import REGISTRY, SNAPSHOTS
from ironforge_cli.db.partition_bounds import EDGES_OF, LOWER, UPPER
from ironforge_cli.db.transactions import driver, session_of
from ironforge_cli.errors import BusyError, DatabaseError
from ironforge_cli.market.partitions import DailyPartition, Existing, Mark, State

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from ironforge_cli.db.sessions import Session
    from ironforge_cli.regions import Region

# Only tables whose comment begins with this are ever detached or dropped.
MARK: Final = "ironforge:"
LOCK_PATIENCE: Final = timedelta(seconds=2)
"""How long maintenance waits for a lock. Whoever comes after it waits behind it, so that this delays them, too."""
DETACH_PATIENCE: Final = timedelta(seconds=10)
"""How long one detaching may wait for all who read at that moment."""

COUNTED_BYTES: Final = 256_000_000
"""Of tables larger than this the rows are not counted: it would take longer than anybody wants to wait for a list."""

_SUFFIXES: Final = {Mark.MADE: "", Mark.LEAVING: ", leaving", Mark.RESTORED: ", restored"}

# A table's bounds as times: what lies before or after all times that Python knows counts as none.
# Bounds are read from the catalog, never from names. They name no column, so that PostgreSQL puts them into words
# without opening the partition, which 0 stands for. A partition that is being detached takes no rows any more.
_COVERAGE: Final = text(
    "WITH attached AS ("  # noqa: S608 - made of constants
    "  SELECT child.oid, pg_get_expr(child.relpartbound, 0) AS bounds FROM pg_inherits"
    "  JOIN pg_class AS child ON child.oid = inhrelid"
    "  WHERE inhparent = CAST(:parent AS regclass) AND NOT inhdetachpending),"
    " spans AS ("
    f"  SELECT attached.oid, tstzrange({LOWER}, {UPPER}) AS span FROM attached, {EDGES_OF} WHERE edges IS NOT NULL)"
    " SELECT EXISTS (SELECT FROM attached WHERE bounds = 'DEFAULT'),"
    "  coalesce((SELECT range_agg(span) FROM spans) @> tstzrange(:starts_at, :ends_at), false),"
    "  ARRAY(SELECT CAST(CAST(oid AS regclass) AS text) FROM spans WHERE span && tstzrange(:starts_at, :ends_at)"
    "    ORDER BY span)"
)

# The catalog's rows of one table alone: whoever asks for all bounds reads those of every partition that there is.
_TAKES: Final = text(
    "SELECT edges IS NOT NULL"  # noqa: S608 - made of constants
    f" AND coalesce(({LOWER}) <= :since, true) AND coalesce(({UPPER}) >= :until, true)"
    " AND has_table_privilege(oid, 'INSERT') FROM"
    " (SELECT oid, pg_get_expr(relpartbound, 0) AS bounds FROM pg_class WHERE oid = to_regclass(:name)"
    # Not joined: it would be looked for among the children of the parent.
    "  AND (SELECT inhparent = CAST(:parent AS regclass) AND NOT inhdetachpending"
    "   FROM pg_inherits WHERE inhrelid = to_regclass(:name))"
    "  AND NOT (SELECT relhastriggers FROM pg_class WHERE oid = CAST(:parent AS regclass))) AS attached"
    f", {EDGES_OF}"
)

# Every partition, and every other table that bears a day's name.
_EXISTING: Final = text(
    "WITH parent AS (SELECT oid, relnamespace FROM pg_class"  # noqa: S608 - made of constants
    "  WHERE oid = CAST(:parent AS regclass)),"
    " tables AS ("
    "  SELECT child.oid, pg_get_expr(child.relpartbound, 0) AS bounds,"
    "   CASE WHEN inhdetachpending THEN 'detaching' ELSE 'attached' END AS state"
    "  FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid WHERE inhparent = (SELECT oid FROM parent)"
    " UNION ALL SELECT other.oid, NULL, 'detached' FROM pg_class AS other, parent"
    "  WHERE other.relnamespace = parent.relnamespace AND other.relname ~ :pattern"
    "  AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = other.oid AND inhparent = parent.oid)),"
    " bounded AS ("
    f"  SELECT oid, bounds, state, tstzrange({LOWER}, {UPPER}, '[)') AS span FROM tables, {EDGES_OF})"
    " SELECT CAST(CAST(oid AS regclass) AS text), state, coalesce(obj_description(oid, 'pg_class'), ''),"
    "  CASE WHEN lower(span) >= '0001-01-02' THEN least(lower(span), '9999-12-30') END,"
    "  CASE WHEN upper(span) <= '9999-12-30' THEN greatest(upper(span), '0001-01-02') END,"
    "  coalesce(bounds = 'DEFAULT', false), pg_total_relation_size(oid)"
    " FROM bounded ORDER BY 4 NULLS FIRST, 1"
)

_DAY_IN_COMMENT: Final = re.compile(r" of (\d{4}-\d{2}-\d{2}) \(UTC\)")

_execute = executor("partitions")


def existing(connection: Connection, region: Region) -> list[Existing]:
    """Every table that holds or could hold raw snapshots of a region, oldest first."""
    parent = SNAPSHOTS[region].name
    pattern = rf"^{parent}_\d{{4}}_\d{{2}}_\d{{2}}$"
    found = _execute(connection, _EXISTING, {"parent": parent, "pattern": pattern})
    return [
        Existing(
            region=region,
            name=name,
            state=State(state),
            mark=_mark_of(comment),
            made_for=_day_of(comment),
            starts_at=starts_at,
            ends_at=ends_at,
            is_default=is_default,
            bytes=int(size),
        )
        for name, state, comment, starts_at, ends_at, is_default, size in found
    ]


def _mark_of(comment: str) -> Mark:
    """What a table's comment says of its making.

    >>> _mark_of("ironforge: EU commodity auctions of 2024-01-15 (UTC), leaving").name
    'LEAVING'
    >>> _mark_of("ironforge: EU commodity auctions of 2024-01-15 (UTC), restored").name
    'RESTORED'
    >>> _mark_of("ironforge: EU commodity auctions of 2024-01-15 (UTC)").name
    'MADE'
    >>> _mark_of("a copy of ironforge: EU commodity auctions of 2024-01-15 (UTC), leaving").name
    'FOREIGN'
    """
    if not comment.startswith(MARK):
        return Mark.FOREIGN
    return next((mark for mark, suffix in _SUFFIXES.items() if suffix and comment.endswith(suffix)), Mark.MADE)


def _day_of(comment: str) -> date | None:
    """The day that a table's comment names, if it names one.

    >>> str(_day_of("ironforge: EU commodity auctions of 2024-01-15 (UTC), leaving"))
    '2024-01-15'
    >>> [_day_of(f"ironforge: commodity auctions of {day} (UTC)") for day in ("2024-02-30", "today")]
    [None, None]
    """
    found = _DAY_IN_COMMENT.search(comment)
    try:
        return date.fromisoformat(found[1]) if found else None
    except ValueError:
        return None


def days_in_default(connection: Connection, region: Region, wanted: Sequence[DailyPartition]) -> set[date]:
    """The days of which a region's default partition, which somebody else attached, holds rows."""
    table = SNAPSHOTS[region]
    default = text("SELECT partdefid FROM pg_partitioned_table WHERE partrelid = CAST(:parent AS regclass)")
    found = _execute(connection, default, {"parent": table.name}).scalar_one()
    if not found:
        return set()
    time = table.c.snapshot_time
    held: set[date] = set()
    for partition in wanted:
        of_the_day = exists().where(
            time >= partition.starts_at, time < partition.ends_at, literal_column("tableoid") == found
        )
        if _execute(connection, select(of_the_day)).scalar_one():
            held.add(partition.day)
    return held


def is_covered(connection: Connection, partition: DailyPartition) -> bool:
    """Whether all rows of a day have somewhere to go: its own partition, wider or smaller ones, or DEFAULT."""
    has_default, covered, _ = _coverage(connection, partition)
    return has_default or covered


def count(connection: Connection, table: Existing) -> int:
    """How many rows a table holds: counted, or for a large one that is attached as the registry says."""
    if table.bytes > COUNTED_BYTES and table.state is State.ATTACHED and not table.is_default:
        time = REGISTRY.c.snapshot_time
        bounds = [
            *([time >= table.starts_at] if table.starts_at else []),
            *([time < table.ends_at] if table.ends_at else []),
        ]
        summed = select(func.coalesce(func.sum(REGISTRY.c.auctions), 0))
        return int(_execute(connection, summed.where(REGISTRY.c.region == table.region, *bounds)).scalar_one())
    parts = _execute(connection, text("SELECT parse_ident(:name)"), {"name": table.name}).scalar_one()
    with driver(connection) as speaking:
        counting = sql.SQL("/* ironforge partitions */ SELECT count(*) FROM {}").format(sql.Identifier(*parts))
        found = speaking.execute(counting).fetchone()
    return int(found[0]) if found else 0


def create(
    connection: Connection, partition: DailyPartition, *, beside_default: bool = False, made: Mark = Mark.MADE
) -> None:
    """Make a day's partition and attach it, in the caller's transaction, unless the day is covered.

    A default partition covers every day, unless the day is to be made `beside_default`.

    `CREATE TABLE … (LIKE …)` and `ATTACH` wait for no reader and no writer of the parent, which
    `CREATE TABLE … PARTITION OF` would. Two who make the same one take turns; the second finds it there. A table
    that bears the mark and is attached no more, as after a detaching that was cut off, is attached again.
    Raises `DatabaseError` where what somebody else made is in the way.
    """
    parent = SNAPSHOTS[partition.region].name
    if takes(connection, parent, partition.name, partition.starts_at, partition.ends_at):
        return
    has_default, covered, _ = _coverage(connection, partition)
    if covered or (has_default and not beside_default):
        return
    _execute(
        connection, text("SELECT pg_advisory_xact_lock(:key)"), {"key": advisory_key(f"partitions:{partition.region}")}
    )
    has_default, covered, overlapping = _coverage(connection, partition)
    if covered or (has_default and not beside_default):
        return
    if overlapping:
        raise DatabaseError(
            f"{partition.name} can't be made: {', '.join(overlapping)} covers a part of {partition.day} (UTC) and not "
            "all of it. Attach what covers the rest, or detach that."
        )
    names = {"table": sql.Identifier(partition.name), "parent": sql.Identifier(parent)}
    attaching = sql.SQL(
        "/* ironforge partitions */ ALTER TABLE {parent} ATTACH PARTITION {table}"
        " FOR VALUES FROM ({starts_at}) TO ({ends_at})"
    ).format(
        starts_at=sql.Literal(partition.starts_at.isoformat()),
        ends_at=sql.Literal(partition.ends_at.isoformat()),
        **names,
    )
    left_over = _is_left_over(connection, partition)
    statements = () if left_over else (_making(partition),)
    with driver(connection) as speaking:
        for statement in (*statements, _marking(partition, made), attaching):
            speaking.execute(statement)
    if left_over:
        changed(connection, partition.region)


def make_detached(connection: Connection, partition: DailyPartition) -> None:
    """Make a day's table that is to be filled before it is attached, in the caller's transaction."""
    with driver(connection) as speaking:
        speaking.execute(_making(partition))
        speaking.execute(_marking(partition, Mark.RESTORED))


def mark(connection: Connection, partition: DailyPartition, made: Mark) -> None:
    """Write into a table's comment what becomes of it."""
    with driver(connection) as speaking:
        _execute_pinned(speaking, _marking(partition, made))


def finish(connection: Connection, partition: DailyPartition) -> None:
    """Finish the detaching of a partition that was cut off, on a connection that commits by itself."""
    _detach(connection, partition, sql.SQL("FINALIZE"))


def detach(connection: Connection, partition: DailyPartition) -> None:
    """Take a partition out of its region's table, on a connection that commits by itself.

    Its comment says first that it leaves, so that a table which somebody else detached is told from it. Waits for all
    who read the region's table, and hinders none of them; cut off, it stays pending until `finish`. Beside a default
    partition PostgreSQL can't do it concurrently, and behind a pooler the waiting could not be limited: then it needs
    the whole table for an instant. Raises `BusyError` where somebody reads for longer than is waited for.
    """
    mark(connection, partition, Mark.LEAVING)
    has_default, _, _ = _coverage(connection, partition)
    at_once = has_default or session_of(connection).is_pooled
    _detach(connection, partition, sql.SQL("" if at_once else "CONCURRENTLY"))


def _detach(connection: Connection, partition: DailyPartition, how: sql.SQL) -> None:
    statement = sql.SQL("/* ironforge partitions */ ALTER TABLE {} DETACH PARTITION {} {}").format(
        sql.Identifier(SNAPSHOTS[partition.region].name), sql.Identifier(partition.name), how
    )
    try:
        with driver(connection) as speaking:
            _execute_pinned(speaking, statement)
    except psycopg.errors.QueryCanceled as error:
        raise BusyError(
            f"{partition.name} could not be detached: others have read the table for longer than "
            f"{DETACH_PATIENCE.seconds} s; see pg_stat_activity."
        ) from error
    changed(connection, partition.region)


def lock(connection: Connection, partition: DailyPartition) -> None:
    """Keep everybody out of a detached table for the rest of the caller's transaction."""
    with driver(connection) as speaking:
        speaking.execute(
            sql.SQL("/* ironforge partitions */ LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(
                sql.Identifier(partition.name)
            )
        )


def drop(connection: Connection, partition: DailyPartition) -> None:
    """Drop a day's table, in the caller's transaction, if it is detached and bears the mark; else `DatabaseError`."""
    lock(connection, partition)
    _is_left_over(connection, partition)
    changed(connection, partition.region)
    with driver(connection) as speaking:
        speaking.execute(sql.SQL("/* ironforge partitions */ DROP TABLE {}").format(sql.Identifier(partition.name)))


def limit_waiting(connection: Connection) -> None:
    """Wait only shortly for locks in the caller's transaction: who collects must not wait behind it."""
    _execute(connection, text(f"SET LOCAL lock_timeout = '{_milliseconds(LOCK_PATIENCE)}'"))


@contextmanager
def impatient(connection: Connection) -> Generator[None]:
    """The same on a connection that commits by itself, where one statement may wait for several in a row.

    Behind a pooler nothing is set, since others would find it: each statement has its limit with it.
    """
    if session_of(connection).is_pooled:
        yield
        return
    limits = text("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')")
    before = _execute(connection, limits).one()
    _set_limits(connection, _milliseconds(LOCK_PATIENCE), _milliseconds(DETACH_PATIENCE))
    try:
        yield
    finally:
        if not connection.invalidated:
            _set_limits(connection, *before)


def _execute_pinned(session: Session, statement: sql.Composed) -> None:
    """Execute a statement; where it commits by itself behind a pooler, with what is pinned otherwise sent along.

    Sent as one, all of it is one transaction.
    """
    if not (session.autocommit and session.is_pooled):
        session.execute(statement)
        return
    limits = (
        f"{session.local_pins}; SET LOCAL lock_timeout = '{_milliseconds(LOCK_PATIENCE)}';"
        f" SET LOCAL statement_timeout = '{_milliseconds(DETACH_PATIENCE)}'; "
    )
    session.execute(limits.encode() + statement.as_bytes(session))


def _milliseconds(span: timedelta) -> str:
    """A span of time as PostgreSQL's settings take it.

    >>> _milliseconds(timedelta(seconds=2))
    '2000ms'
    """
    return f"{span // timedelta(milliseconds=1)}ms"


def _set_limits(connection: Connection, for_locks: str, for_statements: str) -> None:
    _execute(
        connection,
        text("SELECT set_config('lock_timeout', :locks, false), set_config('statement_timeout', :statements, false)"),
        {"locks": for_locks, "statements": for_statements},
    )


def _making(partition: DailyPartition) -> sql.Composed:
    return sql.SQL("/* ironforge partitions */ CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(
        sql.Identifier(partition.name), sql.Identifier(SNAPSHOTS[partition.region].name)
    )


def _marking(partition: DailyPartition, made: Mark) -> sql.Composed:
    comment = (
        f"{MARK} {partition.region.label} commodity auctions of {partition.day.isoformat()} (UTC){_SUFFIXES[made]}"
    )
    return sql.SQL("/* ironforge partitions */ COMMENT ON TABLE {} IS {}").format(
        sql.Identifier(partition.name), sql.Literal(comment)
    )


def _coverage(connection: Connection, partition: DailyPartition) -> tuple[bool, bool, Sequence[str]]:
    """Whether there is a default partition, whether others cover a day, and the names of those that hold any of it."""
    return coverage(connection, SNAPSHOTS[partition.region].name, partition.starts_at, partition.ends_at)


def coverage(
    connection: Connection, parent: str, starts_at: datetime, ends_at: datetime
) -> tuple[bool, bool, Sequence[str]]:
    """Whether a table has a default partition, whether others cover [starts_at, ends_at), and which hold any of it."""
    parameters = {"parent": parent, "starts_at": starts_at, "ends_at": ends_at}
    has_default, covered, overlapping = _execute(connection, _COVERAGE, parameters).one()
    return has_default, covered, overlapping


def takes(connection: Connection, parent: str, name: str, starts_at: datetime, ends_at: datetime) -> bool:
    """Whether a partition of that name takes every row of [starts_at, ends_at), from this role.

    Not where somebody has put triggers on the whole table: those for statements run for what goes through it alone.
    No other partition is opened for the answer, however many there are.
    """
    parameters = {"parent": parent, "name": name, "since": starts_at, "until": ends_at}
    return bool(_execute(connection, _TAKES, parameters).scalar())


def _is_left_over(connection: Connection, partition: DailyPartition) -> bool:
    """Whether the day's own table is there, and free to be attached; raises `DatabaseError` where it is not free."""
    found = _execute(
        connection,
        text(
            "SELECT coalesce(obj_description(oid, 'pg_class'), ''), relispartition FROM pg_class"
            " WHERE oid = to_regclass(:name)"
        ),
        {"name": partition.name},
    ).one_or_none()
    if found is None:
        return False
    comment, attached = found
    parent = SNAPSHOTS[partition.region].name
    if attached:
        raise DatabaseError(
            f"{partition.name} is in the way: it is being detached, or is a partition of other bounds or another "
            f"table. Finish a detaching that was cut off by ALTER TABLE {parent} DETACH PARTITION {partition.name} "
            "FINALIZE."
        )
    if not comment.startswith(MARK):
        raise DatabaseError(
            f"{partition.name} is in the way: a table of that name is there that ironforge did not make. Rename it, "
            "or attach it as the partition of its day."
        )
    return True
