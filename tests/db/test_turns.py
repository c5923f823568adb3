"""Taking turns for connections: without a server, by a pool whose server gives so many and no more."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest

from ironforge_cli.db import turns
from ironforge_cli.db.refusals import is_full
from ironforge_cli.db.silence import UnansweredError
from ironforge_cli.db.turns import Purpose, TurnPool, wanted_for


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


def test_a_state_that_says_something_else_counts_more_than_words() -> None:
    class Denied(psycopg.OperationalError):
        sqlstate = "28000"

    class Full(psycopg.OperationalError):
        sqlstate = "53300"

    assert not is_full(Denied("too many connections"))
    assert is_full(Full("nothing that is known"))
    assert not is_full(ValueError("too many connections"))


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long is waited for at most, told and not done."""
    monkeypatch.setattr(turns, "LONGEST_TURN_SECONDS", 300.0)
    monkeypatch.setattr(turns, "LONGEST_WAIT_SECONDS", 5.0)
    clock, told = [1_000.0], list[float]()
    monkeypatch.setattr(turns.time, "monotonic", lambda: clock[0])

    def wait(_: object, timeout: float) -> None:
        told.append(timeout)
        clock[0] += timeout

    monkeypatch.setattr(threading.Condition, "wait", wait)
    return told


@pytest.mark.parametrize(
    ("held", "wanted", "seconds"),
    [
        # Nobody of this program works: only another one can make room.
        ([], Purpose.WORK, 5),
        ([Purpose.WORK], Purpose.WORK, 300),
        # The one that is left for work makes no room for a lock; a second one that works does.
        ([Purpose.WORK], Purpose.RUN, 5),
        ([Purpose.WORK, Purpose.WORK], Purpose.RUN, 300),
        ([Purpose.WORK, Purpose.REGION], Purpose.REGION, 300),
        ([Purpose.WORK, Purpose.REGION], Purpose.RUN, 5),
        ([Purpose.WORK, Purpose.RUN], Purpose.REGION, 5),
    ],
)
def test_a_turn_is_waited_for_longer_than_room(
    waits: list[float], held: list[Purpose], wanted: Purpose, seconds: float
) -> None:
    server = Server(len(held))
    pool = TurnPool(server.connect)
    kept = [taken(pool, purpose) for purpose in held]
    with pytest.raises(psycopg.OperationalError, match="too many"):
        taken(pool, wanted)
    # Other programs make room of which nobody tells: it is looked for now and then.
    assert sum(waits) == pytest.approx(seconds)
    assert max(waits) <= 0.25
    assert server.open == len(kept)


def test_a_pooler_that_answers_nobody_says_how_long_a_turn_may_be_waited_for(waits: list[float]) -> None:
    def connect() -> Given:
        error = UnansweredError("no session was free")
        error.longest_turn = 2.0
        raise error

    with pytest.raises(UnansweredError):
        taken(TurnPool(connect))
    assert sum(waits) == pytest.approx(2)


def test_no_more_than_eight_idle_connections_are_kept() -> None:
    server = Server(20)
    pool = TurnPool(server.connect)
    used = [taken(pool) for _ in range(10)]
    for connection in used:
        connection.close()
    assert (pool.status(), server.open) == ("8 for work, 8 of them idle; 0 hold locks", 8)
    again = pool.recreate()
    pool.dispose()
    assert server.open == 0
    assert again.status() == "0 for work, 0 of them idle; 0 hold locks"
    taken(again).close()
    assert server.open == 1


def test_what_is_wanted_for_something_is_so_in_the_block_alone() -> None:
    server = Server(3)
    pool = TurnPool(server.connect)
    with wanted_for(Purpose.RUN), wanted_for(Purpose.REGION):
        pass
    work = taken(pool)
    assert pool.status() == "1 for work, 0 of them idle; 0 hold locks"
    work.close()
