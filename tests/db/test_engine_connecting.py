"""What is asked of libpq, and what becomes of a connection that can't be used: without a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from ironforge_cli.db.engine import Database
from ironforge_cli.db.sessions import Session
from ironforge_cli.db.silence import asking_anew
from ironforge_cli.db.turns import Purpose
from ironforge_cli.errors import ConfigurationError, DatabaseError

if TYPE_CHECKING:
    from collections.abc import Callable

URL = "postgresql://me:hidden@db.example/prices"


class Connection(Session):
    """A connection as far as it is looked at before it is handed out."""

    def __init__(self, *, encoding: str = "UTF8", version: int = 140_000, refusal: Exception | None = None) -> None:
        self.done: list[object] = []
        self.server_version = version
        self._encoding = encoding
        self._refusal = refusal

    @property
    def info(self) -> Any:
        return self

    def parameter_status(self, name: str) -> str:
        return {"server_encoding": self._encoding}[name]

    def _greet(self) -> None:
        self.done.append("greeted")
        if self._refusal is not None:
            raise self._refusal

    def close(self) -> None:
        self.done.append("closed")

    def __del__(self, *_: object) -> None:
        """Nothing was opened."""


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> Callable[[Connection], list[dict[str, Any]]]:
    """Let libpq give a connection, and note what it is asked for."""

    def give(connection: Connection) -> list[dict[str, Any]]:
        asked: list[dict[str, Any]] = []

        def connect(**options: Any) -> Connection:
            asked.append(options)
            return connection

        monkeypatch.setattr(Session, "connect", connect)
        return asked

    return give


def refused(url: str = URL) -> Exception:
    database = Database(url)
    with pytest.raises((ConfigurationError, DatabaseError)) as raised, database.connect():
        raise AssertionError
    database.close()
    return raised.value


def test_a_peer_that_vanished_is_noticed_within_a_minute(
    connected: Callable[[Connection], list[dict[str, Any]]],
) -> None:
    asked = connected(Connection(version=130_000))
    refused()
    assert asked == [
        {
            "host": "db.example",
            "dbname": "prices",
            "user": "me",
            "password": "hidden",
            "connect_timeout": 10,
            "application_name": "ironforge",
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "tcp_user_timeout": 60_000,
            "client_encoding": "utf8",
            "prepare_threshold": None,
        }
    ]


def test_what_the_url_says_is_stronger_but_for_the_encoding(
    connected: Callable[[Connection], list[dict[str, Any]]],
) -> None:
    asked = connected(Connection(version=130_000))
    refused(f"{URL}?connect_timeout=3&keepalives_idle=7&client_encoding=latin1")
    assert (asked[0]["connect_timeout"], asked[0]["keepalives_idle"], asked[0]["keepalives_count"]) == ("3", "7", 3)
    assert asked[0]["client_encoding"] == "utf8"


@pytest.mark.parametrize(
    ("connection", "told"),
    [
        (Connection(encoding="LATIN1"), "has the encoding LATIN1"),
        (Connection(version=130_099), "The server is PostgreSQL 13.99"),
    ],
    ids=["of another encoding", "too old"],
)
def test_a_server_that_will_not_do_is_left_at_once(
    connected: Callable[[Connection], list[dict[str, Any]]], connection: Connection, told: str
) -> None:
    connected(connection)
    error = refused()
    assert isinstance(error, ConfigurationError)
    assert error.status == 78
    assert told in str(error)
    assert connection.done == ["closed"]


def test_a_session_that_can_not_be_set_up_is_left_at_once(
    connected: Callable[[Connection], list[dict[str, Any]]],
) -> None:
    connection = Connection(refusal=psycopg.errors.AdminShutdown("terminating connection"))
    connected(connection)
    assert "SQLSTATE 57P01" in str(refused())
    assert connection.done == ["greeted", "closed"]


# A server that accepts and never answers.


@pytest.fixture
def unanswered(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Let nobody answer, and note what libpq is asked for."""
    asked: list[dict[str, Any]] = []

    def connect(**options: Any) -> Connection:
        asked.append(options)
        raise psycopg.errors.ConnectionTimeout("connection timeout expired")

    monkeypatch.setattr(Session, "connect", connect)
    return asked


def connect_to(database: Database) -> str:
    with pytest.raises(DatabaseError) as raised, database.connect():
        raise AssertionError
    return str(raised.value)


def test_a_server_that_does_not_answer_is_tried_once_whoever_asks_and_by_which_way(
    unanswered: list[dict[str, Any]],
) -> None:
    database = Database(URL)
    told = {connect_to(database) for _ in range(3)}
    for way in (database.transaction, lambda: database.locking(Purpose.REGION), lambda: database.locking(Purpose.RUN)):
        with pytest.raises(DatabaseError) as raised, way():
            raise AssertionError
        told.add(str(raised.value))
    assert len(told) == 1
    assert len(unanswered) == 1
    with asking_anew():
        connect_to(database)
    assert len(unanswered) == 2
    database.close()


@pytest.mark.parametrize(
    ("url", "left", "timeout"),
    [
        (URL, 1_800.0, 10),
        (URL, 12.0, 6),
        (URL, -5.0, 2),
        (f"{URL}?connect_timeout=3", 1_800.0, "3"),
        (f"{URL}?connect_timeout=0", 12.0, 6),
        (f"{URL}?connect_timeout=1", 12.0, "1"),
        # libpq says what is wrong with it.
        (f"{URL}?connect_timeout=soon", 12.0, "soon"),
        (f"{URL}?connect_timeout=60", 12.0, 6),
        ("postgresql://me@one.example,two.example/prices", 12.0, 3),
    ],
)
def test_connecting_is_limited_by_what_is_left_of_a_window(
    unanswered: list[dict[str, Any]], url: str, left: float, timeout: object
) -> None:
    database = Database(url)
    database.end_by(lambda: left)
    connect_to(database)
    assert [asked["connect_timeout"] for asked in unanswered] == [timeout]
    database.close()
