"""A database as a command that asks one question reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from ironforge_cli.db import reading
from ironforge_cli.db.reading import DatabaseToRead
from ironforge_cli.db.repositories import asked_spans, asking, item_names
from ironforge_cli.db.sessions import PINS, Session
from ironforge_cli.errors import ConfigurationError, DatabaseError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Generator

    from ironforge_cli.db.engine import Database


@pytest.fixture
def read(shared: Database) -> Generator[DatabaseToRead]:
    """The database of the module, as a question reads it."""
    database = DatabaseToRead(shared.url)
    yield database
    database.close()


def values(session: Session, *names: str) -> list[str]:
    return [session.execute("SELECT current_setting(%s)", [name]).fetchall()[0][0] for name in names]


def test_a_transaction_is_pinned_as_every_other(read: DatabaseToRead, shared: Database) -> None:
    with shared.connect() as connection:
        wanted = [connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in PINS]
    with read.transaction() as session:
        assert values(session, *PINS) == wanted
        session.execute("SET LOCAL lock_timeout = '1s'; SET LOCAL extra_float_digits = 0")
        assert values(session, "lock_timeout", "extra_float_digits") == ["1s", "0"]
    with read.transaction() as session:
        assert values(session, *PINS) == wanted


def test_what_was_set_for_longer_than_a_transaction_counts_for_nothing_in_the_next(read: DatabaseToRead) -> None:
    with read.transaction() as session:
        wanted = values(session, "lock_timeout")
        session.execute("SET lock_timeout = '7s'")
    with read.transaction() as session:
        assert values(session, "lock_timeout") == wanted


def test_one_session_serves_one_transaction_after_the_other(read: DatabaseToRead) -> None:
    seen: list[int] = []
    for _ in range(3):
        with read.transaction() as session:
            seen.append(session.info.backend_pid)
    assert len(set(seen)) == 1


def test_what_ends_well_is_kept_and_what_raises_is_not(read: DatabaseToRead) -> None:
    with read.transaction() as session:
        session.execute("CREATE TABLE kept (number int)")

    def broken_off() -> None:
        with read.transaction() as session:
            session.execute("DROP TABLE kept")
            raise KeyError

    with pytest.raises(KeyError):
        broken_off()
    with read.transaction() as session:
        assert session.execute("SELECT count(*) FROM kept").fetchall() == [(0,)]
        session.execute("DROP TABLE kept")


def test_an_error_is_told_in_words_and_the_next_question_is_answered(read: DatabaseToRead) -> None:
    with pytest.raises(ConfigurationError, match="does not fit this version"), read.transaction() as session:
        session.execute("SELECT * FROM nowhere")
    with pytest.raises(DatabaseError, match=r"division by zero.*22012"), read.transaction() as session:
        session.execute("SELECT 1 / 0")
    with read.transaction() as session:
        assert session.execute("SELECT 1").fetchall() == [(1,)]


def test_one_transaction_inside_another_is_a_mistake_and_spoils_none(read: DatabaseToRead) -> None:
    with read.transaction() as session:
        with pytest.raises(RuntimeError, match="lasts still"), read.transaction():
            pass
        assert session.execute("SELECT 1").fetchall() == [(1,)]
    with read.transaction() as session:
        assert session.execute("SELECT 2").fetchall() == [(2,)]


def test_what_a_look_kept_ends_with_it(read: DatabaseToRead) -> None:
    with asking.reading(read) as looking:
        assert item_names.all_named(looking) == {}
    with read.transaction() as session:
        assert session is looking
        session.execute("INSERT INTO items (id, item_name) VALUES (7, 'Ore')")
        assert list(item_names.all_named(session)) == [7]
        assert session not in asked_spans._LOOKS.kept  # pyright: ignore[reportPrivateUsage] - what is kept shows in nothing else
        session.rollback()


def test_a_session_that_the_server_ended_is_replaced(read: DatabaseToRead, shared: Database) -> None:
    def ended(process: int) -> None:
        with shared.connect() as connection:
            connection.exec_driver_sql(f"SELECT pg_terminate_backend({process}, 10000)")

    with read.transaction() as session:
        first = session.info.backend_pid
    ended(first)
    with read.transaction() as session:
        second = session.info.backend_pid
    assert second != first

    def ended_meanwhile() -> None:
        with read.transaction() as session:
            ended(session.info.backend_pid)
            session.execute("SELECT 1")

    with pytest.raises(UnreachableError, match=r"57P01|reached"):
        ended_meanwhile()
    with read.transaction() as session:
        assert session.info.backend_pid not in {first, second}


def test_a_session_that_answers_no_more_is_closed(read: DatabaseToRead, monkeypatch: pytest.MonkeyPatch) -> None:
    def is_there(_: Session) -> bool:
        return False

    with read.transaction() as silent:
        pass
    monkeypatch.setattr(reading, "answers", is_there)
    with read.transaction() as session:
        assert session is not silent
    assert silent.closed


def test_whoever_closes_it_may_ask_again(read: DatabaseToRead) -> None:
    read.close()
    with read.transaction() as session:
        kept = session
    read.close()
    read.close()
    assert kept.closed
    with read.transaction() as session:
        assert session is not kept


@pytest.mark.parametrize("url", ["postgresql://127.0.0.1:1/none", "postgresql://nobody.invalid/none"])
def test_a_server_that_is_away_is_told_at_once(url: str) -> None:
    database = DatabaseToRead(url)
    with pytest.raises(UnreachableError, match=r"none at .*can't be reached"), database.transaction():
        pass
    database.close()


class Clock:
    """Time that passes while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(
    ("message", "tries"),
    [('FATAL:  too many connections for role "me"', 21), ("FATAL:  the database system is starting up", 1)],
)
def test_room_that_others_can_make_is_waited_for_a_little(
    monkeypatch: pytest.MonkeyPatch, message: str, tries: int
) -> None:
    tried: list[str] = []

    def refused(*_: Any, **options: Any) -> Session:
        tried.append(options["described"])
        raise psycopg.OperationalError(message)

    monkeypatch.setattr(reading, "time", Clock())
    monkeypatch.setattr(Session, "open", refused)
    with pytest.raises(UnreachableError), DatabaseToRead("postgresql://me@db.example/prices").transaction():
        pass
    assert tried == ["prices at db.example"] * tries


def test_room_that_was_made_is_taken(monkeypatch: pytest.MonkeyPatch, read: DatabaseToRead) -> None:
    really, tried = Session.open, list[str]()

    def full_at_first(*arguments: Any, **options: Any) -> Session:
        tried.append("")
        if len(tried) < 3:
            raise psycopg.OperationalError('FATAL:  too many connections for role "me"')
        return really(*arguments, **options)

    monkeypatch.setattr(reading, "time", Clock())
    monkeypatch.setattr(Session, "open", full_at_first)
    with read.transaction() as session:
        assert session.execute("SELECT 1").fetchall() == [(1,)]
    assert len(tried) == 3
