"""Daily partitions of the raw snapshots: what is there, by the catalog's own bounds, and making what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from psycopg import sql
from sqlalchemy import text

from ironforge_cli.db.bulk import driver
from ironforge_cli.db.engine import executor
from ironforge_cli.db.locks import advisory_key
from ironforge_cli.db.models import SNAPSHOTS
from ironforge_cli.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from ironforge_cli.market.partitions import DailyPartition

# Only tables whose comment begins with this are ever detached or dropped.
MARK: Final = "ironforge:"

# Bounds are read from the catalog, never from names. A partition that is being detached takes no rows any more.
_COVERAGE: Final = text(
    "WITH attached AS ("
    "  SELECT child.oid, pg_get_expr(child.relpartbound, child.oid) AS bounds FROM pg_inherits"
    "  JOIN pg_class AS child ON child.oid = inhrelid"
    "  WHERE inhparent = CAST(:parent AS regclass) AND NOT inhdetachpending),"
    " spans AS ("
    "  SELECT attached.oid, tstzrange("
    "    CASE edges[1] WHEN 'MINVALUE' THEN NULL ELSE CAST(trim('''' FROM edges[1]) AS timestamptz) END,"
    "    CASE edges[2] WHEN 'MAXVALUE' THEN NULL ELSE CAST(trim('''' FROM edges[2]) AS timestamptz) END) AS span"
    "  FROM attached, LATERAL regexp_match(bounds, 'FROM \\((.*)\\) TO \\((.*)\\)') AS edges WHERE edges IS NOT NULL)"
    " SELECT EXISTS (SELECT FROM attached WHERE bounds = 'DEFAULT')"
    "   OR coalesce((SELECT range_agg(span) FROM spans) @> tstzrange(:starts_at, :ends_at), false),"
    "  ARRAY(SELECT CAST(CAST(oid AS regclass) AS text) FROM spans WHERE span && tstzrange(:starts_at, :ends_at)"
    "    ORDER BY span)"
)

_execute = executor("partitions")


def is_covered(connection: Connection, partition: DailyPartition) -> bool:
    """Whether all rows of a day have somewhere to go: its own partition, wider or smaller ones, or DEFAULT."""
    return _coverage(connection, partition)[0]


def create(connection: Connection, partition: DailyPartition) -> None:
    """Make a day's partition and attach it, in the caller's transaction, unless the day is covered.

    `CREATE TABLE … (LIKE …)` and `ATTACH` wait for no reader and no writer of the parent, which
    `CREATE TABLE … PARTITION OF` would. Two who make the same one take turns; the second finds it there. A table
    that bears the mark and is attached no more, as after a detaching that was cut off, is attached again.
    Raises `DatabaseError` where what somebody else made is in the way.
    """
    if is_covered(connection, partition):
        return
    parent = SNAPSHOTS[partition.region].name
    _execute(
        connection, text("SELECT pg_advisory_xact_lock(:key)"), {"key": advisory_key(f"partitions:{partition.region}")}
    )
    covered, overlapping = _coverage(connection, partition)
    if covered:
        return
    if overlapping:
        raise DatabaseError(
            f"{partition.name} can't be made: {', '.join(overlapping)} covers a part of {partition.day} (UTC) and not "
            "all of it. Attach what covers the rest, or detach that."
        )
    names = {"table": sql.Identifier(partition.name), "parent": sql.Identifier(parent)}
    region, day = partition.region.label, partition.day.isoformat()
    making = (
        sql.SQL("/* ironforge partitions */ CREATE TABLE {table} (LIKE {parent} INCLUDING ALL)").format(**names),
        sql.SQL("/* ironforge partitions */ COMMENT ON TABLE {table} IS {comment}").format(
            comment=sql.Literal(f"{MARK} {region} commodity auctions of {day} (UTC)"), **names
        ),
    )
    attaching = sql.SQL(
        "/* ironforge partitions */ ALTER TABLE {parent} ATTACH PARTITION {table}"
        " FOR VALUES FROM ({starts_at}) TO ({ends_at})"
    ).format(
        starts_at=sql.Literal(partition.starts_at.isoformat()),
        ends_at=sql.Literal(partition.ends_at.isoformat()),
        **names,
    )
    statements = (attaching,) if _is_left_over(connection, partition) else (*making, attaching)
    with driver(connection) as speaking:
        for statement in statements:
            speaking.execute(statement)


def _coverage(connection: Connection, partition: DailyPartition) -> tuple[bool, Sequence[str]]:
    """Whether a day is covered, and the names of the partitions that hold any of it."""
    parameters = {
        "parent": SNAPSHOTS[partition.region].name,
        "starts_at": partition.starts_at,
        "ends_at": partition.ends_at,
    }
    covered, overlapping = _execute(connection, _COVERAGE, parameters).one()
    return covered, overlapping


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
