"""Statements in a transaction: of SQLAlchemy's connection, and of psycopg's session alone."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from ironforge_cli.db.reading import DatabaseToRead
from ironforge_cli.db.transactions import driver, one_state, reader, session_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager

    from ironforge_cli.db.engine import Database
    from ironforge_cli.db.transactions import Transaction

read = reader("trying")


@pytest.fixture(params=["SQLAlchemy's", "psycopg's"])
def begun(
    request: pytest.FixtureRequest, shared: Database
) -> Generator[Callable[[], AbstractContextManager[Transaction]]]:
    """Begins a transaction of either kind."""
    alone = DatabaseToRead(shared.url)
    yield shared.transaction if request.param == "SQLAlchemy's" else alone.transaction
    alone.close()


def test_rows_come_by_name_and_by_place(begun: Callable[[], AbstractContextManager[Transaction]]) -> None:
    with begun() as transaction:
        (row,) = read(transaction, "SELECT %(some)s::int AS number, '100%%'::text AS share", {"some": 7})
        assert (row.number, row.share, row[0], tuple(row)) == (7, "100%", 7, (7, "100%"))
        assert read(transaction, "SELECT 1 WHERE 'a' LIKE '%b'") == []
        assert read(transaction, sql.SQL("SELECT {}").format(sql.Literal("it's"))) == [("it's",)]


@pytest.mark.parametrize(
    ("statement", "parameters"),
    [
        ("SELECT %(missing)s", {"given": 1}),
        ("SELECT 1 WHERE 'a' LIKE 'a%'", {"given": 1}),
        ("SELECT coalesce(1, 2), coalesce(3, 4)", None),
        ("", None),
    ],
)
def test_a_statement_that_is_wrong_is_no_fault_of_the_servers(
    begun: Callable[[], AbstractContextManager[Transaction]], statement: str, parameters: dict[str, int] | None
) -> None:
    with begun() as transaction:
        with pytest.raises(ValueError, match="a statement of trying is wrong"):
            read(transaction, statement, parameters)
        session_of(transaction).rollback()


def test_the_server_is_told_whose_statement_it_is(begun: Callable[[], AbstractContextManager[Transaction]]) -> None:
    with begun() as transaction:
        asked = "SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid()"
        ((query,),) = read(transaction, asked)
    assert query == f"/* ironforge trying */ {asked}"


def test_a_transaction_sees_one_state_where_that_is_asked_for(
    begun: Callable[[], AbstractContextManager[Transaction]],
) -> None:
    with begun() as transaction:
        one_state(transaction)
        assert read(transaction, "SHOW transaction_isolation") == [("repeatable read",)]


def test_statements_are_of_the_caller_s_transaction(shared: Database) -> None:
    with shared.connect() as connection:
        assert not connection.in_transaction()
        assert read(connection, "SELECT 1") == [(1,)]
        assert connection.in_transaction()
        with driver(connection) as speaking:
            assert speaking is session_of(connection)
            speaking.execute("CREATE TABLE of_the_caller ()")
        connection.rollback()
        assert read(connection, "SELECT to_regclass('of_the_caller')") == [(None,)]


def test_a_connection_whose_session_died_is_given_up(shared: Database) -> None:
    with shared.connect() as other, shared.connect() as connection:
        dead = session_of(connection)
        with driver(other) as speaking:
            speaking.execute("SELECT pg_terminate_backend(%s, 10000)", [dead.info.backend_pid])
        with pytest.raises(psycopg.OperationalError):
            read(connection, "SELECT 1")
        assert connection.invalidated
        connection.rollback()


@contextmanager
def refused(transaction: Transaction) -> Generator[None]:
    with pytest.raises(psycopg.errors.DivisionByZero), driver(transaction):
        yield


def test_one_that_was_only_refused_is_kept(begun: Callable[[], AbstractContextManager[Transaction]]) -> None:
    with begun() as transaction:
        session = session_of(transaction)
        with refused(transaction):
            read(transaction, "SELECT 1 / 0")
        session.rollback()
        assert session_of(transaction) is session
        assert not session.closed
