"""Which state of the data answers are of: a number for each region and one for the catalogue.

Whoever writes what answers read says so by `changed`; the numbers rise in the same transaction, as its very last step,
so that nobody waits for a long one and no two wait for each other. They are of the clock, and so never those of other
data that were there before a dump was restored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, Column, MetaData, Table, Text, event

from ironforge_cli.db.transactions import reader

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from ironforge_cli.db.transactions import Transaction
    from ironforge_cli.regions import Region

CATALOGUE: Final = "catalogue"
"""The scope of recipes, reagents, items, their ranks and what vendors ask."""
_KEY: Final = "ironforge_changed_scopes"
_RAISE: Final = (
    "/* ironforge generations */ INSERT INTO generations AS old (scope, number)"
    " SELECT scope, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint FROM unnest(%s::text[]) AS scope"
    " ORDER BY scope ON CONFLICT (scope) DO UPDATE SET number = greatest(old.number + 1, excluded.number)"
)
_read = reader("generations")


def generations_table(metadata: MetaData) -> Table:
    """The table of the numbers."""
    return Table(
        "generations",
        metadata,
        Column("scope", Text, primary_key=True, comment="a region, or catalogue: what changed"),
        Column(
            "number",
            BigInteger,
            nullable=False,
            comment="rises whenever that changes: microseconds since 1970, or one more than before",
        ),
        comment="Which state of its data a region's answers are of, and the catalogue's",
    )


def changed(connection: Connection, scope: Region | str) -> None:
    """Say that the caller's transaction changes what answers about a region, or about the catalogue, read.

    Where each statement is a transaction of its own, the number rises at once.
    """
    session: Any = connection.connection.driver_connection
    if session.autocommit:
        session.execute(_RAISE, [[str(scope)]])
        return
    connection.info.setdefault(_KEY, set()).add(str(scope))


def read(connection: Transaction) -> dict[str, int]:
    """The number of each scope that ever changed."""
    return {row.scope: row.number for row in _read(connection, "SELECT scope, number FROM generations")}


def listen(engine: Engine) -> None:
    """Let the transactions of an engine raise the numbers of what they changed."""
    event.listen(engine, "commit", _raise)
    event.listen(engine, "rollback", _forget)
    event.listen(engine, "begin", _forget)


def _raise(connection: Connection) -> None:
    scopes = connection.info.pop(_KEY, None)
    if scopes:
        session: Any = connection.connection.driver_connection
        session.execute(_RAISE, [sorted(scopes)])


def _forget(connection: Connection) -> None:
    # The notes lie beside the session, which outlives its transactions.
    if not connection.invalidated:
        connection.info.pop(_KEY, None)
