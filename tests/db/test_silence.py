"""A statement that was sent and is not answered."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from ironforge_cli.db.engine import driver
from ironforge_cli.db.silence import answered_within
from ironforge_cli.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

    from ironforge_cli.db.engine import Database

SLEEP = "SELECT pg_sleep(60)"


def by_sqlalchemy(connection: Connection) -> None:
    connection.execute(text(SLEEP))


def by_the_driver(connection: Connection) -> None:
    with driver(connection) as session:
        session.execute(SLEEP)


def by_copy(connection: Connection) -> None:
    with driver(connection) as session, session.cursor() as cursor, cursor.copy(f"COPY ({SLEEP}) TO STDOUT") as rows:
        list(rows)


@pytest.mark.parametrize("way", [by_sqlalchemy, by_the_driver, by_copy])
def test_a_statement_that_nobody_answers_is_given_up_and_its_session_with_it(
    database: Database, way: Callable[[Connection], None]
) -> None:
    with (
        pytest.raises(DatabaseError, match=r"can't be reached: a statement was sent, and not answered within 0 s"),
        answered_within(0.2),
        database.transaction() as connection,
    ):
        way(connection)
    # It counts as away for who does not ask anew, as one that never let anybody in.
    with pytest.raises(DatabaseError, match="not answered"), database.connect():
        raise AssertionError


def test_a_server_that_keeps_answering_may_take_longer(database: Database) -> None:
    rows = "SELECT repeat('x', 8000) || pg_sleep(0.06)::text FROM generate_series(1, 12)"
    with answered_within(0.4), database.connect() as connection, driver(connection) as session:
        with session.cursor() as cursor, cursor.copy(f"COPY ({rows}) TO STDOUT") as copied:
            assert len(list(copied)) == 12
        session.execute("SELECT 1")


def test_other_threads_and_later_statements_wait_as_long_as_it_takes(database: Database) -> None:
    done: list[int] = []

    def sleep() -> None:
        with database.connect() as connection:
            connection.execute(text("SELECT pg_sleep(0.3)"))
            done.append(1)

    with answered_within(0.1):
        thread = threading.Thread(target=sleep)
        thread.start()
        thread.join()
    sleep()
    assert done == [1, 1]
