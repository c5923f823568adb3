from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import text

from ironforge_cli.db import engine, sessions
from ironforge_cli.db.engine import Database, executor
from ironforge_cli.db.sessions import require_supported
from ironforge_cli.db.transactions import driver
from ironforge_cli.errors import ConfigurationError, DatabaseError, UnreachableError
from tests.db.embedded_playground import eventually

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tests.servers import TestServer


@pytest.mark.parametrize(("version", "named"), [(130_004, "13.4"), (90_603, "9.603")])
def test_a_server_older_than_14_is_refused(version: int, named: str) -> None:
    with pytest.raises(ConfigurationError, match=f"PostgreSQL {named}; ironforge needs 14"):
        require_supported(version)
    require_supported(140_000)


def shown(connection: Connection, setting: str) -> str:
    return str(connection.execute(text("SELECT current_setting(:name)"), {"name": setting}).scalar_one())


def test_a_session_is_the_same_whatever_the_database_is_set_to(any_server: TestServer) -> None:
    with any_server.empty_database() as url:
        database = Database(url)
        with database.connect(autocommit=True) as connection:
            name = connection.execute(text("SELECT current_database()")).scalar_one()
            for setting in (
                "timezone = 'America/New_York'",
                "datestyle = 'German'",
                "idle_session_timeout = '1s'",
                "default_transaction_isolation = 'serializable'",
                "client_encoding = 'LATIN1'",
                "synchronous_commit = off",
            ):
                connection.execute(text(f"ALTER DATABASE {name} SET {setting}"))
        database.close()
        database = Database(url)
        with database.connect() as connection:
            found = {setting: shown(connection, setting) for setting in (
                "timezone", "datestyle", "idle_session_timeout", "transaction_isolation", "client_encoding",
                "application_name", "lock_timeout", "synchronous_commit",
            )}  # fmt: skip
            moment = connection.execute(text("SELECT '2026-07-14 12:00+02'::timestamptz")).scalar_one()
            offset = moment.utcoffset()
            bounds = connection.execute(text("SELECT '2026-07-14 12:00+02'::timestamptz::text")).scalar_one()
        database.close()
    assert found == {
        "timezone": "UTC",
        "datestyle": "ISO, YMD",
        "idle_session_timeout": "0",
        "transaction_isolation": "read committed",
        "client_encoding": "UTF8",
        "application_name": "ironforge",
        "lock_timeout": "1min",
        "synchronous_commit": "local",
    }
    assert (moment.isoformat(), offset.total_seconds()) == ("2026-07-14T10:00:00+00:00", 0)
    assert bounds == "2026-07-14 10:00:00+00"


def test_a_session_keeps_its_settings_after_a_rollback_and_in_autocommit(database: Database) -> None:
    with database.connect() as connection:
        assert shown(connection, "timezone") == "UTC"
        connection.rollback()
        assert shown(connection, "timezone") == "UTC"
    with database.connect(autocommit=True) as connection:
        assert shown(connection, "timezone") == "UTC"


def test_names_of_the_users_own_win_over_the_defaults(database_url: str) -> None:
    separator = "&" if "?" in database_url else "?"
    database = Database(f"{database_url}{separator}application_name=mine")
    with database.connect() as connection:
        assert shown(connection, "application_name") == "mine"
    database.close()


def test_pg_stat_activity_names_the_slice_of_each_statement(any_database: Database) -> None:
    with any_database.connect() as connection, any_database.connect(autocommit=True) as other:
        process = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        query = text("SELECT query FROM pg_stat_activity WHERE pid = :process")
        executor("stats")(connection, text("SELECT 1 + :one"), {"one": 1})
        assert other.execute(query, {"process": process}).scalar_one().startswith("/* ironforge stats */ SELECT 1 +")
        connection.execute(text("SELECT 2"))
        assert other.execute(query, {"process": process}).scalar_one() == "/* ironforge db */ SELECT 2"


def tables(database: Database) -> list[str]:
    with database.connect() as connection:
        return list(connection.execute(text("SELECT tablename FROM pg_tables WHERE tablename LIKE 'made_%'")).scalars())


def test_what_is_not_committed_is_rolled_back(database: Database) -> None:
    with database.connect() as connection:
        connection.execute(text("CREATE TABLE made_and_left ()"))
    assert tables(database) == []
    with database.connect() as connection:
        connection.execute(text("CREATE TABLE made_and_committed ()"))
        connection.commit()
        connection.execute(text("CREATE TABLE made_afterwards ()"))
    assert tables(database) == ["made_and_committed"]


def test_a_transaction_is_committed_when_its_block_ends_and_rolled_back_when_it_raises(database: Database) -> None:
    def fail() -> None:
        with database.transaction() as connection:
            connection.execute(text("CREATE TABLE made_by_a_failure ()"))
            raise ValueError("of the block's own")

    with pytest.raises(ValueError, match="of the block's own"):
        fail()
    assert tables(database) == []
    with database.transaction() as connection:
        connection.execute(text("CREATE TABLE made_well ()"))
    assert tables(database) == ["made_well"]


def test_an_autocommit_connection_leaves_its_manner_to_nobody(database: Database) -> None:
    with database.connect(autocommit=True) as connection:
        connection.execute(text("CREATE TABLE made_at_once ()"))
    with database.connect() as connection:
        connection.execute(text("CREATE TABLE made_and_rolled_back ()"))
    assert tables(database) == ["made_at_once"]


def test_a_database_that_is_closed_leaves_no_session(database: Database) -> None:
    other = Database(database.url)
    assert other.url == database.url
    with other.connect() as connection:
        process = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    there = text("SELECT count(*) FROM pg_stat_activity WHERE pid = :process")
    with database.connect(autocommit=True) as connection:
        assert connection.execute(there, {"process": process}).scalar_one() == 1
        other.close()
        eventually(lambda: connection.execute(there, {"process": process}).scalar_one() == 0)


def test_what_ended_a_session_is_told_and_not_that_it_can_not_be_rolled_back(database: Database) -> None:
    def be_ended() -> None:
        with database.transaction() as connection:
            process = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            with database.connect(autocommit=True) as other:
                other.execute(text("SELECT pg_terminate_backend(:process, 5000)"), {"process": process})
            try:
                with driver(connection) as speaking:
                    speaking.execute("SELECT 1")
            finally:
                assert connection.invalidated

    with pytest.raises(DatabaseError, match="SQLSTATE 57P01"):
        be_ended()


def test_a_session_that_did_not_answer_at_the_beginning_is_not_used_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: object, **__: object) -> None:
        raise psycopg.OperationalError("nobody answers")

    with database.connect() as connection, monkeypatch.context() as patched:
        patched.setattr(sessions, "ask", silent)
        with pytest.raises(psycopg.OperationalError, match="nobody answers"):
            connection.execute(text("SELECT 1"))
        assert connection.invalidated


def test_room_is_counted_by_transactions_that_begin_until_there_is_none_left(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    places, begun, refusal = 3, list[str](), "FATAL:  sorry, too many clients already"

    def ask(_: object, statements: str, *, seconds: float) -> None:
        assert seconds > 0
        if len(begun) == places:
            raise psycopg.OperationalError(refusal)
        begun.append(statements.rpartition("/ ")[2])

    assert database.room(wanted=2) == 2
    monkeypatch.setattr(engine, "ask", ask)
    assert database.room(wanted=5) == 3
    assert begun == ["BEGIN"] * 3
    # No room at all, and what says nothing of room.
    begun.clear()
    places = 0
    with pytest.raises(UnreachableError, match="too many clients"):
        database.room()
    places, refusal = 2, "the server closed the connection unexpectedly"
    with pytest.raises(UnreachableError, match=refusal):
        database.room()
