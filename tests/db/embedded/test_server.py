from __future__ import annotations

import stat
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from ironforge_cli.db.embedded import EmbeddedServer
from ironforge_cli.db.embedded import server as module
from ironforge_cli.db.embedded.file_lock import Hold
from ironforge_cli.errors import ConfigurationError, DatabaseError
from tests.db.embedded.pretended import PretendedServer, State, free_locks, is_shared, lock_of
from tests.servers import open_folder

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@pytest.fixture
def home() -> Generator[Path]:
    # The path of a socket has to be short.
    with open_folder() as folder:
        yield folder / "home"


@pytest.fixture
def base(home: Path) -> Path:
    return home / "postgres"


@pytest.fixture
def opened() -> Generator[ExitStack]:
    with ExitStack() as stack:
        yield stack


class Clock:
    """A clock that goes on while somebody waits."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock.monotonic)
    monkeypatch.setattr(time, "sleep", clock.sleep)
    return clock


def test_the_first_start_makes_data_and_database_while_it_keeps_all_others_waiting(home: Path, base: Path) -> None:
    state = State()
    with PretendedServer(home, state) as server:
        assert state.done == ["refuse", "clear", "initdb", "launch", "database"]
        # Nobody starts or stops meanwhile, and nobody takes it for unused.
        assert state.held == [(False, False)]
        # From now on others may start, and use it at the same time.
        assert free_locks(base) == (True, False)
        assert is_shared(base)
        assert server.start() is server
        assert state.done[5:] == []
    assert state.done[5:] == ["look", "stop"]
    assert state.held[1:] == [(False, False)]
    assert free_locks(base) == (True, True)
    for folder in (home, base, base / "run"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_data_that_is_there_is_started_as_it_is(home: Path) -> None:
    state = State(exists=True)
    with PretendedServer(home, state):
        assert state.done == ["refuse", "clear", "launch", "database"]


def test_a_server_that_runs_is_joined_and_nothing_of_it_is_touched(home: Path) -> None:
    state = State(exists=True, up=True)
    with PretendedServer(home, state):
        assert state.done == ["refuse", "join", "database"]


def test_a_server_that_went_while_it_was_joined_is_started(home: Path) -> None:
    state = State(exists=True, up=True, joins=False)
    with PretendedServer(home, state, start_timeout=30):
        assert state.done == ["refuse", "join", "clear", "launch", "database"]


def test_a_server_that_died_is_started_anew_under_the_locks_that_are_held(home: Path, base: Path) -> None:
    state = State(exists=True)
    with PretendedServer(home, state) as server:
        state.up = False
        server.start()
        assert state.done == ["refuse", "clear", "launch", "database"] * 2
        assert state.held == [(False, False)] * 2
        assert free_locks(base) == (True, False)
    assert state.done[-2:] == ["look", "stop"]


def test_what_a_killed_server_left_at_work_is_waited_for_until_the_time_is_up(
    home: Path, base: Path, waiting: Clock
) -> None:
    state = State(exists=True, launches=3)
    with PretendedServer(home, state, start_timeout=30):
        assert state.done.count("launch") == 4
    state = State(exists=True, launches=1_000)
    began = waiting.now
    with pytest.raises(DatabaseError, match=r"still at work on its data.*server\.log"):
        PretendedServer(home, state, start_timeout=30).start()
    assert 30 <= waiting.now - began < 31
    assert free_locks(base) == (True, True)
    assert "database" not in state.done


@pytest.mark.parametrize("used", [False, True], ids=["the last user", "used by another"])
def test_a_server_whose_database_can_not_be_made_is_left_as_any(
    home: Path, base: Path, opened: ExitStack, *, used: bool
) -> None:
    state = State(database=DatabaseError("no room"))
    if used:
        base.mkdir(parents=True, mode=0o700)
        home.chmod(0o700)
        assert opened.enter_context(lock_of(base, "use")).take(Hold.SHARED, seconds=0)
    server = PretendedServer(home, state, keep_running=True)
    with pytest.raises(DatabaseError, match="no room"):
        server.start()
    assert state.done[4:] == ["database", *([] if used else ["look", "stop"])]
    assert free_locks(base) == (True, not used)
    # It was never of use to anybody: nothing keeps it running.
    assert not (base / "keep-running").exists()
    state.database = None
    server.start()
    assert (base / "keep-running").exists()
    server.close()


def test_only_who_is_told_to_keeps_the_server_running(home: Path, base: Path) -> None:
    state = State()
    with PretendedServer(home, state):
        assert not (base / "keep-running").exists()
    assert not state.up
    with PretendedServer(home, state, keep_running=True):
        assert stat.S_IMODE((base / "keep-running").stat().st_mode) == 0o600
    assert state.up
    with PretendedServer(home, state):
        pass
    assert state.up
    assert PretendedServer(home, state).stop()
    assert not (base / "keep-running").exists()
    assert not state.up
    assert free_locks(base) == (True, True)


@pytest.mark.parametrize(
    ("reason", "done"), [("used", []), ("kept", []), ("down", []), ("connected", ["look"]), ("none", ["look", "stop"])]
)
def test_the_last_one_out_stops_the_server_unless_somebody_needs_it(
    home: Path, base: Path, opened: ExitStack, reason: str, done: list[str]
) -> None:
    state = State()
    server = PretendedServer(home, state).start()
    if reason == "used":
        assert opened.enter_context(lock_of(base, "use")).take(Hold.SHARED, seconds=0)
    if reason == "kept":
        (base / "keep-running").touch()
    state.up = reason != "down"
    state.connected = reason == "connected"
    state.done.clear()
    server.close()
    assert state.done == done
    assert free_locks(base) == (True, reason != "used")
    server.close()
    assert state.done == done


def test_a_server_that_is_slow_to_stop_is_no_failure_of_the_work(
    home: Path, base: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with PretendedServer(home, State(stopping=DatabaseError("still shutting down"))):
        pass
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "still shutting down")
    ]
    assert free_locks(base) == (True, True)


def test_who_leaves_does_not_seem_to_use_the_server_while_another_stops_it(
    home: Path, base: Path, opened: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = State()
    server = PretendedServer(home, state).start()
    stopper = opened.enter_context(lock_of(base, "start"))
    assert stopper.take(Hold.ALONE, seconds=0)
    found: list[tuple[bool, bool]] = []

    def sleep(_: float) -> None:
        found.append(free_locks(base))
        stopper.release()

    monkeypatch.setattr(time, "sleep", sleep)
    server.close()
    assert found == [(False, True)]
    assert not state.up


def test_who_leaves_waits_half_a_minute_for_who_starts_or_stops_and_leaves_the_rest_to_them(
    home: Path, base: Path, opened: ExitStack, waiting: Clock
) -> None:
    state = State()
    server = PretendedServer(home, state).start()
    assert opened.enter_context(lock_of(base, "start")).take(Hold.ALONE, seconds=0)
    began = waiting.now
    server.close()
    assert 30 <= waiting.now - began < 31
    assert state.up
    assert "look" not in state.done
    assert free_locks(base) == (False, True)


@pytest.mark.parametrize("lock", ["start", "use"])
def test_who_can_not_start_in_time_holds_nothing(
    home: Path, base: Path, opened: ExitStack, waiting: Clock, lock: str
) -> None:
    base.mkdir(parents=True, mode=0o700)
    home.chmod(0o700)
    assert opened.enter_context(lock_of(base, lock)).take(Hold.ALONE, seconds=0)
    state, began = State(), waiting.now
    with pytest.raises(DatabaseError, match="has been starting or stopping the embedded PostgreSQL for 7 s"):
        PretendedServer(home, state, start_timeout=7).start()
    assert 7 <= waiting.now - began < 8
    assert state.done == []
    assert free_locks(base) == (lock != "start", lock != "use")


def test_who_waits_to_start_does_not_seem_to_use_the_server(
    home: Path, base: Path, opened: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    base.mkdir(parents=True, mode=0o700)
    home.chmod(0o700)
    stopper = opened.enter_context(lock_of(base, "start"))
    assert stopper.take(Hold.ALONE, seconds=0)
    found: list[tuple[bool, bool]] = []

    def sleep(_: float) -> None:
        found.append(free_locks(base))
        stopper.release()

    monkeypatch.setattr(time, "sleep", sleep)
    with PretendedServer(home, State(), start_timeout=30):
        assert found == [(False, True)]


def test_a_server_that_others_use_is_not_stopped_and_stays_kept(
    home: Path, base: Path, opened: ExitStack, waiting: Clock
) -> None:
    state = State()
    server = PretendedServer(home, state, keep_running=True).start()
    other = opened.enter_context(lock_of(base, "use"))
    assert other.take(Hold.SHARED, seconds=0)
    began = waiting.now
    with pytest.raises(DatabaseError, match=r"Other ironforge processes use the embedded PostgreSQL\..*--force"):
        server.stop(patience=3)
    assert 3 <= waiting.now - began < 4
    assert state.up
    assert (base / "keep-running").exists()
    # Its own use ended all the same.
    assert free_locks(base) == (True, False)
    other.release()
    assert free_locks(base) == (True, True)
    assert server.stop()
    assert not (base / "keep-running").exists()


def test_a_server_is_stopped_under_those_who_use_it_by_force_alone(home: Path, base: Path, opened: ExitStack) -> None:
    state = State()
    server = PretendedServer(home, state, keep_running=True).start()
    assert opened.enter_context(lock_of(base, "use")).take(Hold.SHARED, seconds=0)
    assert server.stop(force=True)
    assert not state.up
    assert state.held[-1][0] is False
    assert not (base / "keep-running").exists()
    assert not server.stop(force=True)


def test_nobody_is_asked_about_a_server_that_a_person_stops(home: Path) -> None:
    state = State(connected=True)
    server = PretendedServer(home, state).start()
    assert server.stop()
    assert "look" not in state.done


def test_nothing_is_made_on_a_network_file_system(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "table_of_mounts", lambda: "nas:/x / nfs4 rw 0 0\n")
    state = State()
    with pytest.raises(ConfigurationError, match="network file system"):
        PretendedServer(home, state).start()
    assert not home.exists()
    assert state.done == []


def test_the_addresses_lead_to_the_socket_and_nowhere_else(home: Path, base: Path) -> None:
    state = State()
    home.mkdir()
    server = PretendedServer(home / "50 %", state)
    sockets = PretendedServer(home, state).conninfo.partition("'")[2].partition("'")[0]
    assert sockets == str(base / "run")
    assert PretendedServer(home, state).conninfo == (
        f"host='{sockets}' hostaddr='' port=5432 user=postgres dbname=ironforge"
    )
    assert server.url.startswith("postgresql+psycopg://postgres@/ironforge?host=/tmp/ironforge-")
    assert server.url.endswith("&port=5432")
    assert PretendedServer(home / "a b", state).url.partition("host=")[2] == f"{home}/a%20b/postgres/run&port=5432"
    assert server.data_folder == home / "50 %" / "postgres" / "pg18"
    assert server.log_path == home / "50 %" / "postgres" / "server.log"


class Answering:
    """A connection that answers who is connected, one answer after the other, the last one for ever."""

    def __init__(self, answers: list[Any]) -> None:
        self._answers = answers

    def __enter__(self) -> Answering:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def execute(self, _: str) -> Answering:
        return self

    def fetchone(self) -> Any:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Asked(EmbeddedServer):
    """A server whose connections are answered from a list."""

    def __init__(self, home: Path, answers: list[Any]) -> None:
        super().__init__(home, environment={}, bindir=None, account=None)
        self._answers = answers

    def _connect(self) -> Any:
        return Answering(self._answers)

    def is_used(self) -> bool:
        return self._is_somebody_connected()


@pytest.mark.parametrize(
    ("answers", "used", "waited"),
    [
        ([(0, 0)], False, False),
        # One who has been there for longer than a moment is a person; the others may be leaving.
        ([(1, 0)], True, False),
        ([(2, 1)], True, False),
        ([(2, 2), (1, 1), (0, 0)], False, True),
        ([(1, 1), (1, 0)], True, True),
        ([(1, 1)], True, True),
        ([psycopg.OperationalError("shutting down")], True, False),
    ],
)
def test_who_is_connected_by_hand_is_told_from_who_is_just_leaving(
    home: Path, waiting: Clock, caplog: pytest.LogCaptureFixture, answers: list[Any], *, used: bool, waited: bool
) -> None:
    began, warns = waiting.now, isinstance(answers[0], Exception)
    assert Asked(home, list(answers)).is_used() is used
    assert (waiting.now > began) is waited
    assert waiting.now - began < 3
    if answers == [(1, 1)]:
        assert waiting.now - began >= 2
    assert ("can't be asked who uses it" in caplog.text) is warns


def test_who_else_uses_a_server_is_named(
    home: Path, base: Path, opened: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = PretendedServer(home, State(), keep_running=True).start()
    assert opened.enter_context(lock_of(base, "use")).take(Hold.SHARED, seconds=0)
    others: dict[Path, list[int]] = {base / "use.lock": [47, 48]}
    monkeypatch.setattr(module, "holders", lambda path: others[path])  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType] - a path
    with pytest.raises(DatabaseError, match=r"use the embedded PostgreSQL \(process 47, 48\)\. Try again"):
        server.stop(patience=0)


def test_one_that_is_stopped_in_the_instant_after_it_answered_is_started_again(
    home: Path, opened: ExitStack, waiting: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[float] = []

    def leaving_at_first(_: EmbeddedServer) -> None:
        tried.append(waiting.now)
        if len(tried) < 3:
            raise DatabaseError("It can't be used: FATAL:  the database system is shutting down.")

    monkeypatch.setattr(PretendedServer, "_make_database", leaving_at_first)
    opened.enter_context(PretendedServer(home, State(), start_timeout=10.0))
    assert len(tried) == 3
    assert tried == sorted(set(tried))
