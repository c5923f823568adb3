"""Taking turns for connections: without a server, by a pool whose server gives so many and no more."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest

from ironforge_cli.db import turns
from ironforge_cli.db.turns import Purpose, TurnPool, is_full, wanted_for


class Given:
    """A connection that a server gave."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def rollback(self) -> None:
        """Nothing was begun."""

    def close(self) -> None:
        self._server.open -= 1


class Server:
    """A server that gives a user so many connections."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.open = 0

    def connect(self) -> Given:
        if self.open >= self.limit:
            raise psycopg.OperationalError('FATAL:  too many connections for role "me"')
        self.open += 1
        return Given(self)


def taken(pool: TurnPool, purpose: Purpose = Purpose.WORK) -> Any:
    with wanted_for(purpose):
        return pool.connect()


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for other programs as long as a test may."""
    monkeypatch.setattr(turns, "LONGEST_WAIT_SECONDS", 0.0)


def test_whoever_finds_no_room_waits_for_the_next_that_is_given_back() -> None:
    server = Server(1)
    pool = TurnPool(server.connect)
    first = taken(pool)
    got: list[Any] = []
    waiting = threading.Thread(target=lambda: got.append(taken(pool)))
    waiting.start()
    assert not got
    first.close()
    waiting.join(timeout=30)
    assert len(got) == 1
    assert server.open == 1
    got[0].close()


def test_locks_leave_one_connection_for_work() -> None:
    server = Server(3)
    pool = TurnPool(server.connect)
    run, region = taken(pool, Purpose.RUN), taken(pool, Purpose.REGION)
    # The one for work was opened before them, and is nobody's yet.
    assert server.open == 3
    work = taken(pool)
    assert server.open == 3
    for connection in (work, region, run):
        connection.close()
    assert pool.status() == "3 for work, 3 of them idle; 0 hold locks"


@pytest.mark.parametrize("limit", [0, 1, 2])
def test_fewer_than_three_are_refused_and_not_waited_for(limit: int) -> None:
    server = Server(limit)
    pool = TurnPool(server.connect)

    def use() -> None:
        work = taken(pool)
        work.close()
        run = taken(pool, Purpose.RUN)
        try:
            taken(pool, Purpose.REGION)
        finally:
            run.close()

    with pytest.raises(psycopg.OperationalError, match="too many"):
        use()


def test_the_lock_of_one_region_waits_for_that_of_another() -> None:
    server = Server(3)
    pool = TurnPool(server.connect)
    run, region = taken(pool, Purpose.RUN), taken(pool, Purpose.REGION)
    got: list[Any] = []
    waiting = threading.Thread(target=lambda: got.append(taken(pool, Purpose.REGION)))
    waiting.start()
    work = taken(pool)
    work.close()
    assert not got
    region.close()
    waiting.join(timeout=30)
    for connection in (*got, run):
        connection.close()
    assert server.open == 3


def test_another_refusal_is_no_reason_to_wait() -> None:
    def refuse() -> Any:
        raise psycopg.OperationalError('FATAL:  password authentication failed for user "me"')

    with pytest.raises(psycopg.OperationalError, match="password"):
        taken(TurnPool(refuse))


@pytest.mark.parametrize("closed_before", [True, False])
def test_a_pool_that_is_disposed_of_leaves_no_connection(*, closed_before: bool) -> None:
    server = Server(2)
    pool = TurnPool(server.connect)
    connection = taken(pool)
    if closed_before:
        connection.close()
        pool.dispose()
    else:
        pool.dispose()
        connection.close()
    assert server.open == 0


@pytest.mark.parametrize(
    "said",
    [
        "sorry, too many clients already",
        'too many connections for database "prices"',
        "remaining connection slots are reserved for roles with the SUPERUSER attribute",
        "no more connections allowed (max_client_conn)",
        "Max client connections reached",
        "MaxClientsInSessionMode: max clients reached - in Session mode max clients are limited to pool_size",
    ],
)
def test_servers_and_poolers_say_in_ways_of_their_own_that_they_are_full(said: str) -> None:
    assert is_full(psycopg.OperationalError(f"connection failed: FATAL:  {said}"))
