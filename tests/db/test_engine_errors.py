from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from psycopg.conninfo import make_conninfo
from sqlalchemy import text

from ironforge_cli.db.engine import Database, conninfo
from ironforge_cli.errors import ConfigurationError, DatabaseError

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.servers import TestServer

SECRET = "p4ss-w0rd"  # noqa: S105 - of no server


@contextmanager
def plain_role(database: Database, options: str) -> Generator[str]:
    """A role of the server's for as long as the block lasts; it has no rights of its own."""
    name = "ironforge_tests_plain_role"
    with database.connect(autocommit=True) as connection:
        connection.execute(text(f"CREATE ROLE {name} {options}"))
    try:
        yield name
    finally:
        with database.connect(autocommit=True) as connection:
            connection.execute(text(f"DROP ROLE {name}"))


def refusal(url: str) -> str:
    """What is said when a connection can't be had."""
    database = Database(url)
    try:
        with pytest.raises(DatabaseError) as refused, database.connect():
            raise AssertionError
    finally:
        database.close()
    message = str(refused.value)
    assert refused.value.status == 74
    assert "\n" not in message
    assert SECRET not in message
    assert f"The database {database.description} can't be reached: " in message
    return message


def test_wrong_credentials_are_said_to_be_wrong(any_server: TestServer) -> None:
    url = make_conninfo(conninfo(any_server.admin_url), user="stranger", password=SECRET)
    message = refusal(url)
    assert '"stranger"' in message
    assert message.endswith(". Check user and password in IRONFORGE_DATABASE_URL.")


def test_a_missing_database_is_to_be_created(any_server: TestServer) -> None:
    message = refusal(any_server.url_of("not_there"))
    assert message.endswith(
        'database "not_there" does not exist. Create the database first, or correct IRONFORGE_DATABASE_URL.'
    )


def test_a_server_without_a_connection_left_says_so(shared: Database) -> None:
    with plain_role(shared, f"LOGIN CONNECTION LIMIT 0 PASSWORD '{SECRET}'") as role:
        message = refusal(make_conninfo(conninfo(shared.url), user=role, password=SECRET))
    assert "too many connections" in message
    assert message.endswith("raise max_connections or stop what holds them.")


def test_where_no_server_listens_the_message_says_what_to_check() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    message = refusal(f"postgresql://me:{SECRET}@127.0.0.1:{port}/prices")
    assert message.startswith(f"The database prices at 127.0.0.1:{port} can't be reached: connection to server at")
    assert "refused. Check that the server runs and that the database URL names it" in message


def test_every_host_that_refused_is_described() -> None:
    message = refusal(f"postgresql+psycopg://me:{SECRET}@/prices?host=/nowhere/a&host=/nowhere/b")
    assert "prices at /nowhere/a, /nowhere/b" in message


def failure(database: Database, *statements: str) -> str:
    """What is said when the last of some statements fails."""

    def execute() -> None:
        with database.transaction() as connection:
            for statement in statements:
                connection.execute(text(statement))

    with pytest.raises(DatabaseError) as failed:
        execute()
    assert failed.value.status == 74
    assert "\n" not in str(failed.value)
    assert str(failed.value).startswith(f"The database {database.description} refused the work: ")
    return str(failed.value)


def test_a_read_only_server_is_said_to_be_one(shared: Database) -> None:
    insert = "INSERT INTO eu_token_price VALUES (now(), 1)"
    message = failure(shared, "SET TRANSACTION READ ONLY", insert)
    assert "(SQLSTATE 25006). The server is read-only: a standby, or default_transaction_read_only is on" in message


def test_a_statement_that_was_cut_off_names_its_limit(shared: Database) -> None:
    message = failure(shared, "SET LOCAL statement_timeout = 1", "SELECT pg_sleep(60)")
    assert "(SQLSTATE 57014). An operator or statement_timeout cancelled the statement; raise the limit" in message


def test_a_lock_that_another_session_holds_is_not_waited_for_without_end(shared: Database) -> None:
    with shared.transaction() as holder:
        holder.execute(text("LOCK TABLE items"))
        message = failure(shared, "SET LOCAL lock_timeout = 1", "SELECT FROM items")
    assert "(SQLSTATE 55P03). Another session holds a lock that this needs; see pg_stat_activity." in message


def test_missing_rights_are_to_be_granted(shared: Database) -> None:
    with plain_role(shared, "NOLOGIN") as role:
        message = failure(shared, f"SET LOCAL ROLE {role}", "SELECT FROM items")
    assert "permission denied for table items (SQLSTATE 42501). Grant this user the rights on ironforge's" in message


def test_a_search_path_to_nowhere_is_explained(shared: Database) -> None:
    message = failure(shared, "SET LOCAL search_path = nowhere", "CREATE TABLE somewhere ()")
    assert "(SQLSTATE 3F000). Create the schema that this user's search_path names" in message


def test_tables_that_somebody_else_made_are_not_taken_for_ironforges(shared: Database) -> None:
    message = failure(shared, "CREATE TABLE items ()")
    assert '"items" already exists (SQLSTATE 42P07). ' in message
    assert message.endswith("give ironforge a database of its own.")


def test_what_contradicts_the_stored_rows_is_said(shared: Database) -> None:
    insert = "INSERT INTO eu_token_price VALUES ('2026-01-14', 1)"
    message = failure(shared, insert, insert)
    assert "pk_eu_token_price" in message
    assert "(SQLSTATE 23505). What is stored already contradicts it" in message


@pytest.mark.parametrize(
    ("state", "advice"),
    [
        ("08006", "Check that the server runs"),
        ("25P03", "Raise idle_in_transaction_session_timeout"),
        ("25P04", "Raise transaction_timeout"),
        ("28000", "Check user and password"),
        ("3D000", "Create the database first"),
        ("40001", "run the command again"),
        ("40P01", "run the command again"),
        ("53100", "The server's disk is full; make room"),
        ("53200", "The server is out of memory"),
        ("53300", "raise max_connections"),
        ("57P03", "try again when it is back"),
        ("XX000", "The server's log says more"),
        ("P0001", "The server's log says more"),
    ],
)
def test_every_group_of_errors_has_its_advice(shared: Database, state: str, advice: str) -> None:
    message = failure(shared, f"DO $$ BEGIN RAISE EXCEPTION 'as it happens.' USING ERRCODE = '{state}'; END $$")
    assert f"refused the work: as it happens (SQLSTATE {state}). " in message
    assert advice in message


@pytest.mark.parametrize(
    "statement", ["SELECT FROM auction_snapshots_of_mars", "SELECT colour FROM items", "SELECT 'LONG'::time_right"]
)
def test_a_schema_that_does_not_fit_is_to_be_upgraded(shared: Database, statement: str) -> None:
    def execute() -> None:
        with shared.connect() as connection:
            connection.execute(text(statement))

    with pytest.raises(
        ConfigurationError, match=r"does not fit.*does not exist.*Run `ironforge db upgrade`\.$"
    ) as failed:
        execute()
    assert failed.value.status == 78


def test_a_session_that_was_ended_is_reported_and_the_next_one_works(shared: Database) -> None:
    own = text("SELECT pg_backend_pid()")

    def be_ended() -> None:
        with shared.transaction() as connection:
            process = connection.execute(own).scalar_one()
            with shared.connect(autocommit=True) as other:
                other.execute(text("SELECT pg_terminate_backend(:process, 5000)"), {"process": process})
            connection.execute(own)

    with pytest.raises(DatabaseError, match=r"SQLSTATE 57P01.*try again when it is back"):
        be_ended()
    with shared.connect() as connection:
        assert connection.execute(own).scalar_one()


def test_a_pooled_session_that_was_ended_meanwhile_is_replaced_unnoticed(any_database: Database) -> None:
    own = text("SELECT pg_backend_pid()")
    with any_database.connect() as connection:
        process = connection.execute(own).scalar_one()
    other = Database(any_database.url)
    with other.connect(autocommit=True) as connection:
        connection.execute(text("SELECT pg_terminate_backend(:process, 5000)"), {"process": process})
    other.close()
    with any_database.connect() as connection:
        assert connection.execute(own).scalar_one() != process
