"""Daily partitions of the raw snapshots: what is there, by the catalog's own bounds, and making what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from psycopg import sql
from sqlalchemy import text

from ironforge_cli.db.bulk import raw
from ironforge_cli.db.engine import executor
from ironforge_cli.db.locks import advisory_key
from ironforge_cli.db.models import SNAPSHOTS

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ironforge_cli.market.partitions import DailyPartition

# Only tables whose comment begins with this are ever detached or dropped.
MARK: Final = "ironforge:"

_execute = executor("partitions")


def is_covered(connection: Connection, partition: DailyPartition) -> bool:
    """Whether the rows of a day have somewhere to go: its own partition, or a wider one that somebody attached."""
    found = _execute(
        connection,
        text(
            "SELECT EXISTS (SELECT FROM ("
            "  SELECT pg_get_expr(child.relpartbound, child.oid) AS bounds FROM pg_inherits"
            "  JOIN pg_class AS child ON child.oid = inhrelid"
            "  WHERE inhparent = CAST(:parent AS regclass) AND NOT inhdetachpending) AS partitions,"
            " LATERAL regexp_match(bounds, 'FROM \\((.*)\\) TO \\((.*)\\)') AS edges"
            " WHERE bounds = 'DEFAULT'"
            " OR (CASE edges[1] WHEN 'MINVALUE' THEN '-infinity' ELSE trim('''' FROM edges[1]) END)::timestamptz"
            "    <= :starts_at"
            " AND (CASE edges[2] WHEN 'MAXVALUE' THEN 'infinity' ELSE trim('''' FROM edges[2]) END)::timestamptz"
            "    >= :ends_at)"
        ),
        {
            "parent": SNAPSHOTS[partition.region].__tablename__,
            "starts_at": partition.starts_at,
            "ends_at": partition.ends_at,
        },
    )
    return bool(found.scalar_one())


def create(connection: Connection, partition: DailyPartition) -> None:
    """Make a day's partition and attach it, in the caller's transaction.

    `CREATE TABLE … (LIKE …)` and `ATTACH` wait for no reader and no writer of the parent, which
    `CREATE TABLE … PARTITION OF` would. Two who make the same one take turns; the second finds it there.
    """
    parent = SNAPSHOTS[partition.region].__tablename__
    _execute(
        connection, text("SELECT pg_advisory_xact_lock(:key)"), {"key": advisory_key(f"partitions:{partition.region}")}
    )
    if is_covered(connection, partition):
        return
    names = {"table": sql.Identifier(partition.name), "parent": sql.Identifier(parent)}
    region, day = partition.region.label, partition.day.isoformat()
    statements = (
        sql.SQL("/* ironforge partitions */ CREATE TABLE {table} (LIKE {parent} INCLUDING ALL)").format(**names),
        sql.SQL("/* ironforge partitions */ COMMENT ON TABLE {table} IS {comment}").format(
            comment=sql.Literal(f"{MARK} {region} commodity auctions of {day} (UTC)"), **names
        ),
        sql.SQL(
            "/* ironforge partitions */ ALTER TABLE {parent} ATTACH PARTITION {table}"
            " FOR VALUES FROM ({starts_at}) TO ({ends_at})"
        ).format(
            starts_at=sql.Literal(partition.starts_at.isoformat()),
            ends_at=sql.Literal(partition.ends_at.isoformat()),
            **names,
        ),
    )
    for statement in statements:
        raw(connection).execute(statement)
