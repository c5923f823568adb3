"""That a question was asked is noted by whoever may, and by nobody else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from ironforge_cli.db.repositories import asked_questions
from ironforge_cli.db.repositories.asked_questions import AskedQuestion

if TYPE_CHECKING:
    from collections.abc import Generator

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database

NOON = datetime(2026, 1, 14, 12, tzinfo=UTC)
ASKED = AskedQuestion("price", NOON, NOON + timedelta(seconds=2), 1.5)


@pytest.fixture
def connection(shared: Database) -> Generator[Connection]:
    with shared.connect() as opened:
        yield opened


def noted(connection: Connection) -> list[tuple[object, ...]]:
    query = (
        "SELECT operation_type, operation_name, region, start_time, end_time, duration_seconds, status FROM benchmarks"
    )
    return [tuple(row) for row in connection.execute(text(query))]


def test_a_row_says_which_command_when_and_how_long(connection: Connection) -> None:
    assert asked_questions.note(connection, ASKED)
    row = ("command", "price", None, NOON, NOON + timedelta(seconds=2), 1.5, "success")
    assert noted(connection) == [row]


def test_who_was_answered_waits_two_seconds_at_most_for_a_row_and_one_for_whoever_holds_the_table(
    connection: Connection,
) -> None:
    # What a row says that the note leaves out is what holds in the moment in which it is written.
    patience = "current_setting('lock_timeout') || ' ' || current_setting('statement_timeout')"
    connection.execute(text(f"ALTER TABLE benchmarks ALTER COLUMN error_message SET DEFAULT {patience}"))
    asked_questions.note(connection, ASKED)
    assert connection.execute(text("SELECT error_message FROM benchmarks")).scalar_one() == "1s 2s"


@pytest.mark.parametrize(
    "statement",
    [
        "SET TRANSACTION READ ONLY",
        "CREATE ROLE asks_alone; GRANT SELECT ON benchmarks TO asks_alone; SET ROLE asks_alone",
    ],
)
def test_whoever_may_not_write_leaves_none(connection: Connection, statement: str) -> None:
    connection.execute(text(statement))
    assert not asked_questions.note(connection, ASKED)
    assert noted(connection) == []
