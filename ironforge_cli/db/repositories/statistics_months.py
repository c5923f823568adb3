"""Monthly partitions of the hourly statistics: what is there, making them, laying closed ones by item, dropping them.

Whoever writes hours of a month counts that in `statistics_months`, in the same transaction. So a month is copied
beside everybody who reads and writes, and put in its place only where nothing was written meanwhile.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from psycopg import sql
from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert

from ironforge_cli.db.engine import executor
from ironforge_cli.db.generations import changed as answers_changed
from ironforge_cli.db.locks import advisory_key
from ironforge_cli.db.models import PRICE_STATS, STATISTICS_MONTHS
from ironforge_cli.db.partition_bounds import EDGES, EDGES_OF
from ironforge_cli.db.repositories import partitions
from ironforge_cli.db.repositories.months_to_read import COMMENT, told
from ironforge_cli.db.transactions import driver, one_state
from ironforge_cli.errors import BusyError, DatabaseError
from ironforge_cli.market.statistics_months import HeldMonths, StatisticsMonth
from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from ironforge_cli.regions import Region

LOCK_PATIENCE: Final = timedelta(seconds=1)
"""How long whoever puts a month in its place waits for a lock: an hour that is stored meanwhile waits behind it."""
PAGES_PER_RANGE: Final = 16
"""Pages that the index by item of a month tells apart: an item's month is about as many."""

_HELD: Final = text(
    "WITH tables AS ("  # noqa: S608 - made of constants
    " SELECT child.oid, child.relname, child.reltuples, pg_get_expr(child.relpartbound, 0) AS bounds"
    " FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid"
    " WHERE inhparent = CAST(:parent AS regclass)),"
    f" bounded AS (SELECT tables.*, {EDGES} FROM tables LEFT JOIN {EDGES_OF} ON true)"
    " SELECT relname, starts_at, ends_at, coalesce(obj_description(oid, 'pg_class'), ''),"
    "  pg_total_relation_size(oid), greatest(reltuples, 0)::bigint FROM bounded ORDER BY starts_at NULLS FIRST, relname"
)
_FROM_BEFORE: Final = re.compile(r"^ironforge: \w+ statistics from before there were months \(UTC\)$")
_BEING_LAID: Final = "_new"
_INSTANT: Final = timedelta(microseconds=1)

_execute = executor("months")


def held(connection: Connection, region: Region) -> list[HeldMonths]:
    """Every partition of a region's statistics, oldest first, by the catalog."""
    found: list[HeldMonths] = []
    for name, starts_at, ends_at, comment, size, rows in _execute(
        connection, _HELD, {"parent": PRICE_STATS[region].name}
    ):
        month, laid_at = told(region, name, starts_at, ends_at, comment)
        found.append(
            HeldMonths(
                name=name,
                month=month,
                starts_at=starts_at,
                ends_at=ends_at,
                bytes=int(size),
                rows=int(rows),
                laid_at_change=laid_at,
                is_from_before=_FROM_BEFORE.match(comment) is not None,
            )
        )
    return found


def changes(connection: Connection, region: Region) -> dict[StatisticsMonth, int]:
    """How often hours of each month were written."""
    columns = STATISTICS_MONTHS.c
    rows = _execute(connection, select(columns.month, columns.changes).where(columns.region == region))
    return {StatisticsMonth(region, month): int(count) for month, count in rows}


def make_room(connection: Connection, region: Region, at: datetime) -> str:
    """Count that hours are written at a time, and make the month for them unless it is there; the table to write to.

    That is the month's own partition, so that no other has to be opened, or the whole table where the time lies in one
    of another name, has triggers, or this role was granted the whole alone. In the caller's transaction, which writes
    them. Raises `DatabaseError` where what somebody else made is in the way.
    """
    month = StatisticsMonth.holding(region, at)
    statement = insert(STATISTICS_MONTHS).values(region=region, month=month.first, changes=1)
    counted = statement.on_conflict_do_update(
        index_elements=[STATISTICS_MONTHS.c.region, STATISTICS_MONTHS.c.month],
        set_={"changes": STATISTICS_MONTHS.c.changes + 1},
    )
    _execute(connection, counted)
    parent = PRICE_STATS[region].name
    if partitions.takes(connection, parent, month.name, at, at + _INSTANT):
        return month.name
    create(connection, month, holding=at)
    return parent


def create(connection: Connection, month: StatisticsMonth, *, holding: datetime | None = None) -> None:
    """Make a month's partition and attach it, in the caller's transaction, unless it or `holding` is covered.

    It waits for no reader and no writer of the others. Two who make the same one take turns. Raises `DatabaseError`
    where what somebody else made is in the way.
    """
    parent = PRICE_STATS[month.region].name
    since = month.starts_at if holding is None else holding
    until = month.ends_at if holding is None else holding + _INSTANT
    if _is_covered(connection, parent, since, until):
        return
    _execute(connection, text("SELECT pg_advisory_xact_lock(:key)"), {"key": advisory_key(f"months:{month.region}")})
    if _is_covered(connection, parent, since, until):
        return
    *_, overlapping = partitions.coverage(connection, parent, month.starts_at, month.ends_at)
    if overlapping:
        raise DatabaseError(
            f"{month.name} can't be made: {', '.join(overlapping)} covers a part of {month.first:%Y-%m} (UTC) and not "
            "all of it. Attach what covers the rest, or detach that."
        )
    if _comment_of(connection, month.name) is not None:
        raise DatabaseError(
            f"{month.name} is in the way: a table of that name is there that is no partition of {parent}. Rename it, "
            "or attach it as the partition of its month."
        )
    names = {"table": sql.Identifier(month.name), "parent": sql.Identifier(parent)}
    _run(connection, sql.SQL("CREATE TABLE {table} (LIKE {parent} INCLUDING ALL)").format(**names))
    _run(connection, _marking(month.name, month, None))
    _run(connection, _attaching(month))


def begin_copying(connection: Connection, month: StatisticsMonth) -> None:
    """Have a count of what is written into a month, in a transaction of its own: what is copied is told by it."""
    statement = insert(STATISTICS_MONTHS).values(region=month.region, month=month.first, changes=0)
    _execute(connection, statement.on_conflict_do_nothing())


def is_copied(connection: Connection, month: StatisticsMonth) -> bool:
    """Whether a copy of a month by item is there already that nothing was written after."""
    words = COMMENT.match(_comment_of(connection, month.name + _BEING_LAID) or "")
    return words is not None and words[2] is not None and int(words[2]) == _change(connection, month)


def months_with_rows(connection: Connection, region: Region, table: str) -> list[StatisticsMonth]:
    """The months of which a partition holds rows, oldest first."""
    time = PRICE_STATS[region].c.timestamp
    name = sql.Identifier(table)
    found: list[StatisticsMonth] = []
    since = _one(connection, sql.SQL("SELECT min({}) FROM {}").format(sql.Identifier(time.name), name))
    while since is not None:
        found.append(StatisticsMonth.holding(region, since))
        after = sql.SQL("SELECT min(timestamp) FROM {} WHERE timestamp >= {}").format(
            name, sql.Literal(found[-1].ends_at)
        )
        since = _one(connection, after)
    return found


def copy_by_item(connection: Connection, month: StatisticsMonth, *, out_of: str) -> int:
    """Write a month anew beside the table that holds it, in the order of items; how many rows.

    In the caller's transaction, which has just begun: it sees the table as it is at this moment, and keeps nobody from
    reading or writing it. The copy is compared with the original, row by row. Raises `DatabaseError` where they differ.
    """
    one_state(connection)
    copy = month.name + _BEING_LAID
    names = sql.SQL(", ").join(sql.Identifier(column.name) for column in PRICE_STATS[month.region].columns)
    parts = {
        "copy": sql.Identifier(copy),
        "parent": sql.Identifier(PRICE_STATS[month.region].name),
        "source": sql.Identifier(out_of),
        "names": names,
        "bounds": sql.Identifier(copy + "_bounds"),
        "since": sql.Literal(month.starts_at),
        "until": sql.Literal(month.ends_at),
        "pages": sql.Literal(PAGES_PER_RANGE),
    }
    change = _change(connection, month)
    for statement in (
        "DROP TABLE IF EXISTS {copy}",
        "CREATE TABLE {copy} (LIKE {parent} INCLUDING ALL EXCLUDING INDEXES)",
        (
            "INSERT INTO {copy} ({names}) SELECT {names} FROM {source}"
            " WHERE timestamp >= {since} AND timestamp < {until} ORDER BY item_id, timestamp"
        ),
        "ALTER TABLE {copy} ADD PRIMARY KEY (timestamp, item_id)",
        "CREATE INDEX ON {copy} USING brin (item_id) WITH (pages_per_range = {pages}, autosummarize = on)",
        # So checked, it is attached without being read.
        "ALTER TABLE {copy} ADD CONSTRAINT {bounds} CHECK (timestamp >= {since} AND timestamp < {until})",
        "ANALYZE {copy}",
    ):
        _run(connection, sql.SQL(statement).format(**parts))
    _run(connection, _marking(copy, month, change))
    summed = (
        "SELECT count(*), coalesce(sum(hash_record_extended(ROW({names}), 0)::numeric), 0) FROM {source}"
        " WHERE timestamp >= {since} AND timestamp < {until}"
    )
    original = _row(connection, sql.SQL(summed).format(**parts))
    written = _row(connection, sql.SQL(summed).format(**{**parts, "source": parts["copy"]}))
    if written != original:
        raise DatabaseError(
            f"{copy} holds {counted(written[0], 'row')} that are not the {original[0]:,} of {out_of}: the disk or the "
            "server is at fault, and nothing was changed."
        )
    return int(written[0])


def put_in_place(connection: Connection, months: Sequence[StatisticsMonth], *, instead_of: str) -> None:
    """Let copies by item take the place of a partition, which is dropped, in the caller's transaction.

    Needs the region's statistics for an instant alone. Raises `BusyError` where a month was written to after it was
    copied, or where the instant is not to be had within `LOCK_PATIENCE`.
    """
    region = months[0].region
    parent = PRICE_STATS[region].name
    limit_waiting(connection)
    locked = (
        select(STATISTICS_MONTHS.c.month, STATISTICS_MONTHS.c.changes)
        .where(STATISTICS_MONTHS.c.region == region, STATISTICS_MONTHS.c.month.in_([one.first for one in months]))
        .order_by(STATISTICS_MONTHS.c.month)
        .with_for_update()
    )
    _execute(connection, locked).all()
    for month in months:
        if not is_copied(connection, month):
            raise BusyError(f"{month.name} was written to while it was copied.")
    source = sql.Identifier(instead_of)
    if [one for one in months_with_rows(connection, region, instead_of) if one not in months]:
        raise BusyError(f"{instead_of} was written to while it was copied.")
    _run(connection, sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(parent)))
    _run(connection, sql.SQL("ALTER TABLE {} DETACH PARTITION {}").format(sql.Identifier(parent), source))
    _run(connection, sql.SQL("DROP TABLE {}").format(source))
    for month in months:
        copy = month.name + _BEING_LAID
        renaming = sql.SQL("ALTER TABLE {} RENAME TO {}").format(sql.Identifier(copy), sql.Identifier(month.name))
        _run(connection, renaming)
        _run(connection, _attaching(month))
        _run(
            connection,
            sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(
                sql.Identifier(month.name), sql.Identifier(copy + "_bounds")
            ),
        )


def forget_copies(connection: Connection, months: Sequence[StatisticsMonth]) -> None:
    """Drop copies that are of no use any more, in the caller's transaction."""
    for month in months:
        _run(connection, sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(month.name + _BEING_LAID)))


def drop(connection: Connection, month: StatisticsMonth, *, at_change: int) -> None:
    """Drop a month's partition, in the caller's transaction.

    Raises `BusyError` where hours were written into it since `at_change`, or others use the table for longer than is
    waited for.
    """
    limit_waiting(connection)
    columns = STATISTICS_MONTHS.c
    mine = (columns.region == month.region, columns.month == month.first)
    _execute(connection, select(columns.changes).where(*mine).with_for_update()).all()
    if _change(connection, month) != at_change:
        raise BusyError(f"{month.name} was written to while it was to be dropped.")
    parts = {"parent": sql.Identifier(PRICE_STATS[month.region].name), "table": sql.Identifier(month.name)}
    _run(connection, sql.SQL("LOCK TABLE {parent} IN ACCESS EXCLUSIVE MODE").format(**parts))
    _run(connection, sql.SQL("ALTER TABLE {parent} DETACH PARTITION {table}").format(**parts))
    _run(connection, sql.SQL("DROP TABLE {table}").format(**parts))
    forget_copies(connection, [month])
    answers_changed(connection, month.region)
    _execute(connection, STATISTICS_MONTHS.delete().where(*mine))


def limit_waiting(connection: Connection) -> None:
    """Wait only shortly for locks in the caller's transaction."""
    milliseconds = LOCK_PATIENCE // timedelta(milliseconds=1)
    _execute(connection, text(f"SET LOCAL lock_timeout = '{milliseconds}ms'"))


def change_of(connection: Connection, month: StatisticsMonth) -> int:
    """How often hours of a month were written; 0 where that is not counted yet."""
    return _change(connection, month)


def _change(connection: Connection, month: StatisticsMonth) -> int:
    columns = STATISTICS_MONTHS.c
    counted = select(func.coalesce(func.max(columns.changes), 0)).where(
        columns.region == month.region, columns.month == month.first
    )
    return int(_execute(connection, counted).scalar_one())


def _is_covered(connection: Connection, parent: str, since: datetime, until: datetime) -> bool:
    has_default, covered, _ = partitions.coverage(connection, parent, since, until)
    return has_default or covered


def _comment_of(connection: Connection, table: str) -> str | None:
    """A table's comment; None where there is no such table."""
    found = text("SELECT coalesce(obj_description(oid, 'pg_class'), '') FROM pg_class WHERE oid = to_regclass(:name)")
    return _execute(connection, found, {"name": table}).scalar_one_or_none()


def _marking(table: str, month: StatisticsMonth, laid_at_change: int | None) -> sql.Composed:
    comment = f"{partitions.MARK} {month.region.label} statistics of {month.first:%Y-%m} (UTC)"
    if laid_at_change is not None:
        comment += f", by item at change {laid_at_change}"
    return sql.SQL("COMMENT ON TABLE {} IS {}").format(sql.Identifier(table), sql.Literal(comment))


def _attaching(month: StatisticsMonth) -> sql.Composed:
    return sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
        sql.Identifier(PRICE_STATS[month.region].name),
        sql.Identifier(month.name),
        sql.Literal(month.starts_at.isoformat()),
        sql.Literal(month.ends_at.isoformat()),
    )


def _run(connection: Connection, statement: sql.Composed) -> None:
    with driver(connection) as speaking:
        speaking.execute(sql.SQL("/* ironforge months */ ") + statement)


def _row(connection: Connection, statement: sql.Composed) -> tuple[Any, ...]:
    with driver(connection) as speaking:
        found = speaking.execute(sql.SQL("/* ironforge months */ ") + statement).fetchone()
    return tuple(found or ())


def _one(connection: Connection, statement: sql.Composed) -> datetime | None:
    return _row(connection, statement)[0]
