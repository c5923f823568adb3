"""A server that does not answer is waited for once: what is known of its silence, and who connects all the same."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import text

from ironforge_cli.db import sessions
from ironforge_cli.db import silence as silence_module
from ironforge_cli.db.silence import AWAY_SECONDS, KEPT_SECONDS, Silence, UnansweredError, answered_within, asking_anew
from ironforge_cli.db.transactions import driver
from ironforge_cli.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from sqlalchemy.engine import Connection

    from ironforge_cli.db.engine import Database

TIMED_OUT = psycopg.errors.ConnectionTimeout("connection timeout expired")


class Watch:
    """A clock that is moved by hand."""

    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def silence(watch: Watch) -> Silence:
    return Silence(monotonic=watch)


@pytest.mark.parametrize("error", [TIMED_OUT, UnansweredError("no session was free")])
def test_whoever_comes_after_an_attempt_that_nobody_answered_is_told_the_same(
    silence: Silence, error: psycopg.Error
) -> None:
    silence.require_over()
    silence.began(error)
    with pytest.raises(type(error), match=str(error)) as told:
        silence.require_over()
    assert told.value is not error


def test_an_answer_that_refuses_is_no_silence(silence: Silence) -> None:
    silence.began(psycopg.OperationalError("connection refused"))
    silence.require_over()
    assert not silence.lasts


def test_silence_ends_when_somebody_is_let_in_or_a_minute_later(silence: Silence, watch: Watch) -> None:
    silence.began(TIMED_OUT)
    assert silence.lasts
    silence.ended()
    assert not silence.lasts
    silence.began(TIMED_OUT)
    # A minute, and a second for a session that is open: a window counts on both.
    assert (AWAY_SECONDS, KEPT_SECONDS) == (60, 1)
    watch.seconds += AWAY_SECONDS - 1
    assert silence.lasts
    watch.seconds += 1
    assert not silence.lasts


def test_who_asks_anew_is_let_through_and_nobody_else(silence: Silence) -> None:
    silence.began(TIMED_OUT)
    with asking_anew():
        silence.require_over()
    with pytest.raises(psycopg.errors.ConnectionTimeout):
        silence.require_over()


def test_no_attempt_takes_more_than_half_of_what_is_left_of_a_window(silence: Silence) -> None:
    assert silence.seconds(10) == 10
    for left, seconds in ((1_800.0, 10), (12.0, 6), (3.0, 2), (-60.0, 2)):
        silence.left = lambda left=left: left
        assert silence.seconds(10) == seconds


def test_another_thread_s_connection_is_waited_for_within_the_window_alone(silence: Silence) -> None:
    error = UnansweredError("no session was free")
    assert error.longest_turn == float("inf")
    silence.left = lambda: 8.0
    silence.began(error)
    with pytest.raises(UnansweredError) as told:
        silence.require_over()
    assert (error.longest_turn, told.value.longest_turn) == (4, 4)


def test_a_session_waits_for_its_first_answer_as_long_as_its_window_leaves(silence: Silence) -> None:
    def patience(of: Silence | None) -> float:
        session: Any = SimpleNamespace(silence=of)
        return sessions.Session.patience.fget(session)  # pyright: ignore[reportOptionalCall] - a property has one

    assert patience(None) == patience(silence) == sessions.LONGEST_GREETING_SECONDS
    silence.left = lambda: 6.0
    assert patience(silence) == 3


# A statement that was sent and is not answered.

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


@pytest.mark.parametrize(
    ("waited", "raises"),
    [
        ([(0.0, False), (9.9, False)], False),
        ([(0.0, False), (10.0, False)], True),
        # Each word of the server begins the time anew.
        ([(9.9, True), (19.8, False)], False),
        ([(9.9, True), (19.9, False)], True),
        ([(9.9, True), (30.0, True)], False),
    ],
)
def test_an_answer_is_waited_for_from_the_last_word_on(
    monkeypatch: pytest.MonkeyPatch, waited: list[tuple[float, bool]], *, raises: bool
) -> None:
    clock = [1_000.0]
    monkeypatch.setattr(silence_module.time, "monotonic", lambda: clock[0])
    got: list[int] = []

    def waiting() -> Generator[str, int, str]:
        while len(got) < len(waited):
            is_ready = yield "state"
            got.append(is_ready)
        return "answer"

    def drive() -> object:
        given: Any = waiting()
        limited: Any = silence_module.limited(given)
        next(limited)
        try:
            for seconds, is_ready in waited:
                clock[0] = 1_000.0 + seconds
                limited.send(int(is_ready))
        except StopIteration as done:
            return done.value
        return None

    with answered_within(10):
        if raises:
            with pytest.raises(psycopg.errors.ConnectionTimeout, match="not answered within 10 s"):
                drive()
            return
        assert drive() == "answer"
    assert got == [int(is_ready) for _, is_ready in waited]
