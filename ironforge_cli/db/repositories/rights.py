"""What the role that is connected may do with the tables, asked of the server before somebody counts on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, text

from ironforge_cli.db.engine import executor
from ironforge_cli.db.models import SNAPSHOTS, whole_schema

if TYPE_CHECKING:
    from sqlalchemy import Connection

_execute = executor("rights")


@dataclass(frozen=True, slots=True)
class Rights:
    """What stands between a role and storing a snapshot."""

    role: str
    is_replica: bool
    """Whether the server only follows another one."""
    is_read_only: bool
    """Whether its transactions are begun so that they can't write."""
    not_written: tuple[str, ...]
    """Tables that it may not insert into, update and delete from."""
    not_owned: tuple[str, ...]
    """Tables of raw snapshots to which it can add no day, since they are another role's."""
    makes_tables: bool
    """Whether it may make tables in the schema in use, as each new day is one."""

    @property
    def reads_alone(self) -> bool:
        """Whether it can write nothing at all."""
        return self.is_replica or self.is_read_only or len(self.not_written) == len(whole_schema().tables)

    @property
    def lacking(self) -> str | None:
        """What it lacks to do all that cron runs, in words; None: nothing."""
        if self.is_replica:
            return "the server is a replica, which can only be read"
        if self.is_read_only:
            return f"transactions of the role {self.role} are read-only (default_transaction_read_only)"
        if self.reads_alone:
            return f"the role {self.role} may only read"
        missing = [f"write {', '.join(self.not_written)}"] if self.not_written else []
        if self.not_owned:
            missing.append(f"add days to {', '.join(self.not_owned)}, whose owner is another role")
        if not self.makes_tables:
            missing.append("make tables in the schema, as each new day is one")
        return f"the role {self.role} may not {', nor '.join(missing)}" if missing else None


def rights(connection: Connection) -> Rights:
    """What the connected role may do; the schema has to be there."""
    asked = _execute(
        connection,
        text(
            "SELECT current_user AS role, pg_is_in_recovery() AS is_replica,"
            " current_setting('default_transaction_read_only') = 'on' AS is_read_only,"
            " has_schema_privilege(current_schema(), 'CREATE') AS makes_tables,"
            " ARRAY(SELECT name FROM unnest(CAST(:tables AS text[])) AS name"
            "  WHERE NOT (has_table_privilege(name, 'INSERT') AND has_table_privilege(name, 'UPDATE')"
            "   AND has_table_privilege(name, 'DELETE')) ORDER BY name) AS not_written,"
            " ARRAY(SELECT name FROM unnest(CAST(:raw AS text[])) AS name"
            "  JOIN pg_class ON pg_class.oid = to_regclass(name)"
            "  WHERE NOT pg_has_role(relowner, 'USAGE') ORDER BY name) AS not_owned"
        ).bindparams(
            bindparam("tables", sorted(whole_schema().tables)),
            bindparam("raw", sorted(table.name for table in SNAPSHOTS.values())),
        ),
    ).one()
    return Rights(
        role=asked.role,
        is_replica=asked.is_replica,
        is_read_only=asked.is_read_only,
        not_written=tuple(asked.not_written),
        not_owned=tuple(asked.not_owned),
        makes_tables=asked.makes_tables,
    )
