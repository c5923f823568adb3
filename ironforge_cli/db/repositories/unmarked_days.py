"""Days' tables without a mark: in what they differ from those that ironforge makes, and giving the mark back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from psycopg import sql
from sqlalchemy import text

from ironforge_cli.db.engine import executor
from ironforge_cli.db.models import SNAPSHOTS
from ironforge_cli.db.repositories import partitions
from ironforge_cli.db.transactions import driver
from ironforge_cli.errors import ConfigurationError
from ironforge_cli.market.partitions import Mark
from ironforge_cli.market.unmarked_days import UnmarkedDay, day_named, place_differs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

    from ironforge_cli.market.partitions import DailyPartition, Existing

# Columns by their order, and constraints but those of NOT NULL, which newer servers list here, too. The names of
# constraints are the table's own; what they say is the same text for both tables.
_SHAPE: Final = (
    "ARRAY(SELECT concat_ws(' ', quote_ident(attname), format_type(atttypid, atttypmod), attnotnull, attidentity,"
    "  attgenerated, attcollation, pg_get_expr(adbin, adrelid)) FROM pg_attribute"
    "  LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum"
    "  WHERE attrelid = {table}.oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum),"
    " ARRAY(SELECT pg_get_constraintdef(oid) FROM pg_constraint"
    "  WHERE conrelid = {table}.oid AND contype <> 'n' ORDER BY 1)"
)
_COMPARED: Final = text(
    "SELECT child.relkind = 'r' AND child.relpersistence = parent.relpersistence AND NOT child.relhasrules"  # noqa: S608 - made of constants
    "  AND NOT child.relrowsecurity,"
    f" {_SHAPE.format(table='child')}, {_SHAPE.format(table='parent')},"
    " pg_get_userbyid(child.relowner), pg_get_userbyid(parent.relowner),"
    " coalesce(obj_description(child.oid, 'pg_class'), '')"
    " FROM pg_class AS child, pg_class AS parent"
    " WHERE child.oid = to_regclass(:table) AND parent.oid = CAST(:parent AS regclass)"
)
_FOREIGN_OWNERS: Final = text(
    "SELECT child.relname, pg_get_userbyid(child.relowner), pg_get_userbyid(parent.relowner)"
    " FROM pg_class AS parent JOIN pg_inherits ON inhparent = parent.oid JOIN pg_class AS child ON child.oid = inhrelid"
    " WHERE parent.oid = CAST(:parent AS regclass) AND child.relowner <> parent.relowner"
    "  AND NOT pg_has_role(child.relowner, 'USAGE') AND pg_has_role(parent.relowner, 'USAGE')"
    " ORDER BY 1"
)

_execute = executor("partitions")


def unmarked(connection: Connection, existing: Iterable[Existing]) -> list[UnmarkedDay]:
    """Those of some tables that bear a day's name and no mark, each with what keeps it from being adopted."""
    return [
        UnmarkedDay(table, partition, tuple(_differences(connection, table, partition)))
        for table in existing
        if (partition := day_named(table)) is not None
    ]


def adopt(connection: Connection, partition: DailyPartition) -> None:
    """Give a day's table its mark back, in the caller's transaction.

    Raises `ConfigurationError` where it is not, or not any more, like one that ironforge makes.
    """
    with driver(connection) as speaking:
        # Nobody changes its columns or takes it out meanwhile; rows come and go.
        speaking.execute(
            sql.SQL("/* ironforge partitions */ LOCK TABLE {} IN SHARE UPDATE EXCLUSIVE MODE").format(
                sql.Identifier(partition.name)
            )
        )
    found = [
        one
        for one in unmarked(connection, partitions.existing(connection, partition.region))
        if one.partition == partition
    ]
    differences = found[0].differences if found else ("it is marked already, or gone",)
    if differences:
        raise ConfigurationError(f"{partition.name} was not adopted: {'; '.join(differences)}.")
    partitions.mark(connection, partition, Mark.MADE)


def of_other_owners(connection: Connection, own: Sequence[Existing]) -> list[str]:
    """What to do about days of ironforge's that belong to a role which this one may not act for, in words.

    A restoration by another role leaves them so: they can be written, and neither marked nor dropped.
    """
    names = {table.name for table in own if table.own is not None}
    if not own:
        return []
    parent = SNAPSHOTS[own[0].region].name
    return [
        f"{name} belongs to the role {owner}, and {parent} to {right}, so that it can't leave. As a superuser: "
        f'ALTER TABLE {name} OWNER TO "{right}".'
        for name, owner, right in _execute(connection, _FOREIGN_OWNERS, {"parent": parent})
        if name in names
    ]


def _differences(connection: Connection, table: Existing, partition: DailyPartition) -> Iterable[str]:
    parent = SNAPSHOTS[partition.region].name
    place = place_differs(table, partition)
    if place is not None:
        yield place
    found = _execute(connection, _COMPARED, {"table": table.name, "parent": parent}).one_or_none()
    if found is None:
        yield "it is gone"
        return
    is_plain, columns, constraints, own_columns, own_constraints, owner, right, comment = found
    if not is_plain:
        yield "it is not a plain table, or has rules or row security"
    if columns != own_columns:
        yield f"its columns are not those of {parent}"
    if constraints != own_constraints:
        yield f"its key or its checks are not those of {parent}"
    if owner != right:
        yield f'it belongs to the role {owner}, and {parent} to {right} (ALTER TABLE {table.name} OWNER TO "{right}")'
    if comment:
        yield "it has a comment of somebody else's"
