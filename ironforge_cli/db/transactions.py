"""A transaction as who sends statements in it sees it: SQLAlchemy's connection, or psycopg's session alone.

What writes builds its statements with SQLAlchemy. What answers read is written as SQL, so that a question at the
terminal, which is over in half a second, doesn't wait for a library that it needs nothing of.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import psycopg
from psycopg import sql
from psycopg.rows import namedtuple_row

from ironforge_cli.db.sessions import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from sqlalchemy import Connection

    Transaction: TypeAlias = Session | Connection
    """A session of psycopg's in which a transaction was begun, or a connection of SQLAlchemy's."""


def session_of(transaction: Transaction) -> Session:
    """The session in which a transaction's statements are sent."""
    if isinstance(transaction, Session):
        return transaction
    session = transaction.connection.driver_connection
    if not isinstance(session, Session):
        raise TypeError(f"a session of psycopg's is wanted, not {type(session).__name__}")
    return session


@contextmanager
def driver(transaction: Transaction) -> Generator[Session]:
    """The session of psycopg's in which a transaction's statements are sent; one is begun where none is."""
    if isinstance(transaction, Session):
        yield transaction
        return
    speaking = session_of(transaction)
    if not transaction.in_transaction():
        # SQLAlchemy sees no statement of ours, and commits nothing that it did not see begin.
        transaction.begin()
    try:
        yield speaking
    except psycopg.Error as error:
        if speaking.closed:
            # To roll back on a dead connection would fail as well, and hide what killed it.
            transaction.invalidate(error)
        raise


def one_state(transaction: Transaction) -> None:
    """See the database for the rest of the caller's transaction, which has just begun, as it is at this moment."""
    with driver(transaction) as speaking:
        speaking.execute("/* ironforge engine */ SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")


def reader(slice_name: str) -> Callable[..., list[Any]]:
    """A function that sends SQL of one slice under its name and returns all rows, as named tuples.

    Parameters stand in the statement as psycopg's, `%(name)s`; without any a percent sign is one. A statement that
    can't be sent, or rows that can't be named, raise `ValueError`: that is no fault of the server's.
    """
    comment = sql.SQL(f"/* ironforge {slice_name} */ ")  # pyright: ignore[reportArgumentType] - a name of our own

    def read(transaction: Transaction, statement: str | sql.Composable, parameters: Any = None) -> list[Any]:
        query = sql.SQL(statement) if isinstance(statement, str) else statement  # pyright: ignore[reportArgumentType] - made of names of our own
        with driver(transaction) as speaking, speaking.cursor(row_factory=namedtuple_row) as cursor:
            try:
                return cursor.execute(comment + query, parameters).fetchall()
            except (psycopg.ProgrammingError, psycopg.DataError) as error:
                if error.sqlstate is not None or speaking.closed:
                    raise
                raise ValueError(f"a statement of {slice_name} is wrong: {error}") from error

    return read
