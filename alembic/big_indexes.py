"""Indexes on tables that are large and in use, for migrations: `op.build_index` and `op.remove_index`.

`CREATE INDEX CONCURRENTLY` keeps nobody waiting and waits for everybody who reads: where it is cut off, it leaves an
INVALID index, which stands in the way of the next try. So whatever was left is dropped first, what is there already is
left as it is, and no lock time-out cuts off who keeps nobody waiting. A migration that builds an index does nothing
else: what it did before is committed by then, and would be done again by the next try.
"""

from __future__ import annotations

from contextlib import contextmanager
from hashlib import blake2b
from typing import TYPE_CHECKING

from alembic.operations import MigrateOperation, Operations
from sqlalchemy import text

from ironforge_cli.db.engine import MORE_PINS

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection

_PASSES = 3


@Operations.register_operation("build_index")
class BuildIndex(MigrateOperation):
    """Make an index while its table is used; done twice it changes nothing."""

    def __init__(self, name: str, table: str, definition: str, *, unique: bool) -> None:
        self.name = name
        self.table = table
        self.definition = definition
        self.unique = unique

    @classmethod
    def build_index(
        cls, operations: Operations, name: str, table: str, definition: str, *, unique: bool = False
    ) -> None:
        """Make an index while its table is used, be it partitioned or not; done twice it changes nothing.

        `definition` is what stands after the table's name, such as `(item_id)` or `USING brin (timestamp)`.
        """
        operations.invoke(cls(name, table, definition, unique=unique))

    def statement(self, how: str, *, name: str, table: str) -> str:
        """The statement that makes it on the table or on one of its partitions."""
        return f'CREATE {"UNIQUE " if self.unique else ""}INDEX {how} "{name}" ON {table} {self.definition}'

    def name_on(self, partition: str) -> str:
        """The name of its part on a partition: the same in every try."""
        mark = blake2b(self.name.encode(), digest_size=4).hexdigest()
        return f"{partition[:50]}_{mark}"


@Operations.register_operation("remove_index")
class RemoveIndex(MigrateOperation):
    """Drop an index while its table is used; one that is not there is none to drop."""

    def __init__(self, name: str) -> None:
        self.name = name

    @classmethod
    def remove_index(cls, operations: Operations, name: str) -> None:
        """Drop an index while its table is used; one that is not there is none to drop."""
        operations.invoke(cls(name))


@Operations.implementation_for(BuildIndex)
def build(operations: Operations, index: BuildIndex) -> None:
    """Make it, or in printed statements say how: these don't know what is there."""
    context = operations.migration_context
    connection = context.connection
    if context.as_sql or connection is None:
        context.execute(index.statement("IF NOT EXISTS", name=index.name, table=f'"{index.table}"'))
        return
    with context.autocommit_block(), _as_pinned(connection):
        if not _is_partitioned(connection, index.table):
            _build_on(connection, index, name=index.name, table=index.table)
            return
        connection.execute(text(index.statement("IF NOT EXISTS", name=index.name, table=f'ONLY "{index.table}"')))
        for _ in range(_PASSES):
            # Days that are made meanwhile bring their part along; only those that were there need one.
            for partition in _without_part(connection, index):
                part = index.name_on(partition)
                _build_on(connection, index, name=part, table=partition)
                connection.execute(text(f'ALTER INDEX "{index.name}" ATTACH PARTITION "{part}"'))
            if _is_valid(connection, index.name, index.table):
                return
        raise RuntimeError(
            f"{index.name} has no part on some partition of {index.table} that came meanwhile; try again"
        )


@Operations.implementation_for(RemoveIndex)
def remove(operations: Operations, index: RemoveIndex) -> None:
    """Drop it. PostgreSQL can't do that concurrently with one of a partitioned table, which needs an instant alone."""
    context = operations.migration_context
    connection = context.connection
    if context.as_sql or connection is None:
        context.execute(f'DROP INDEX IF EXISTS "{index.name}"')
        return
    with context.autocommit_block(), _as_pinned(connection):
        kind = text("SELECT relkind FROM pg_class WHERE oid = to_regclass(quote_ident(:name))")
        if connection.execute(kind, {"name": index.name}).scalar() == "I":
            connection.execute(text(f'DROP INDEX IF EXISTS "{index.name}"'))
            return
        with _patient(connection):
            connection.execute(text(f'DROP INDEX CONCURRENTLY IF EXISTS "{index.name}"'))


def _build_on(connection: Connection, index: BuildIndex, *, name: str, table: str) -> None:
    valid = _is_valid(connection, name, table)
    with _patient(connection):
        if valid is False:
            connection.execute(text(f'DROP INDEX CONCURRENTLY "{name}"'))
        if not valid:
            connection.execute(text(index.statement("CONCURRENTLY", name=name, table=f'"{table}"')))


def _is_valid(connection: Connection, name: str, table: str) -> bool | None:
    """Whether a table's index can be used; None where there is none of that name."""
    found = text(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(quote_ident(:name))"
        " AND indrelid = to_regclass(quote_ident(:table))"
    )
    return connection.execute(found, {"name": name, "table": table}).scalar()


def _is_partitioned(connection: Connection, table: str) -> bool:
    kind = text("SELECT relkind FROM pg_class WHERE oid = to_regclass(quote_ident(:table))")
    return connection.execute(kind, {"table": table}).scalar_one() == "p"


def _without_part(connection: Connection, index: BuildIndex) -> list[str]:
    """The partitions of a table that have no part of its index yet."""
    found = text(
        "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid"
        " WHERE inhparent = to_regclass(quote_ident(:table)) AND NOT EXISTS (SELECT FROM pg_inherits AS parts"
        "  JOIN pg_index ON indexrelid = parts.inhrelid"
        "  WHERE parts.inhparent = to_regclass(quote_ident(:name)) AND indrelid = pg_class.oid) ORDER BY relname"
    )
    return list(connection.execute(found, {"table": index.table, "name": index.name}).scalars())


def _as_pinned(connection: Connection) -> AbstractContextManager[None]:
    """Wait for locks no longer than migrations do: their transactions are pinned to that, and here there is none."""
    return _waiting(connection, connection.get_execution_options().get(MORE_PINS, {}).get("lock_timeout", "10s"))


def _patient(connection: Connection) -> AbstractContextManager[None]:
    """Wait without end for what keeps nobody waiting."""
    return _waiting(connection, "0")


@contextmanager
def _waiting(connection: Connection, limit: str) -> Generator[None]:
    before = connection.execute(text("SELECT current_setting('lock_timeout')")).scalar_one()
    setting = text("SELECT set_config('lock_timeout', :limit, false)")
    connection.execute(setting, {"limit": limit})
    try:
        yield
    finally:
        if not connection.invalidated:
            connection.execute(setting, {"limit": before})
