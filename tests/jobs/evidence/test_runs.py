from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from ironforge_cli.db import locks
from ironforge_cli.db.engine import MissingDatabase
from ironforge_cli.db.repositories import health, runs
from ironforge_cli.errors import (
    ConfigurationError,
    DatabaseError,
    ExitStatus,
    InterruptedRunError,
    LockedError,
    RefusedAnswerError,
    UnavailableError,
    UsageError,
)
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.jobs.evidence.pending import PendingRows
from ironforge_cli.jobs.evidence.runs import Evidence, Silent
from ironforge_cli.regions import Region
from tests.clocks import EventfulClock, TickingClock

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database
    from ironforge_cli.db.repositories.runs import LogRow

NOW = datetime(2026, 1, 14, 12, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
AWAY = MissingDatabase(DatabaseError("It is away."))


class Unwritable(PendingRows):
    """A file for waiting rows on a disk that takes nothing."""

    def add(self, row: object) -> None:
        raise ConfigurationError(f"There is no room for {row}.")

    def settle(self, database: Database) -> int:
        raise DatabaseError(f"{database.description} is away.")


class Steps(Silent):
    """Remembers which steps began."""

    def __init__(self) -> None:
        self.begun: list[tuple[Region | None, str]] = []

    def step(self, region: Region | None, name: str) -> None:
        self.begun.append((region, name))


@pytest.fixture
def clock() -> EventfulClock:
    """A clock that can be set without seconds passing."""
    return EventfulClock(NOW)


@pytest.fixture
def waiting(tmp_path: Path) -> Path:
    """The file of the rows that wait for a database."""
    return tmp_path / "log-rows.jsonl"


@pytest.fixture
def pending(waiting: Path) -> PendingRows:
    """Rows that wait for a database."""
    return PendingRows(waiting)


def logged(database: Database) -> list[tuple[Any, ...]]:
    query = "SELECT command, region, timestamp, status, last_modified, error_message, poll_attempts FROM scraper_logs"
    with database.connect() as connection:
        return [tuple(row) for row in connection.execute(text(f"{query} ORDER BY id"))]


def measured(database: Database) -> list[tuple[Any, ...]]:
    query = (
        "SELECT operation_type, operation_name, region, start_time, end_time, duration_seconds, record_count, status,"
        " error_message, extra_data FROM benchmarks ORDER BY id"
    )
    with database.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def crashed(database: Database) -> list[int]:
    with database.connect() as connection:
        return [row.id for row in health.crashed(connection, since=NOW)]


# Attempts


def test_a_row_says_running_while_the_work_goes_on_and_is_finished_afterwards(
    database: Database, clock: EventfulClock
) -> None:
    evidence = Evidence(database, pending=None, command="poll", clock=clock)
    with evidence.attempt(Region.US, progress=Silent(), number=4) as attempt:
        assert logged(database) == [("poll", "us", NOW, "running", None, None, 4)]
        assert crashed(database) == []
        clock.sleep(60)
        attempt.ends(Outcome.NO_CHANGE, "It is the same.", last_modified=NOW - MINUTE)
    assert logged(database) == [("poll", "us", NOW, "no_change", NOW - MINUTE, "It is the same.", 4)]
    with evidence.attempt(None, progress=Silent()):
        pass
    assert logged(database)[1:] == [("poll", None, NOW + MINUTE, "success", None, None, 1)]


def test_a_running_row_is_seen_by_nobody_before_its_lock_is_held_and_by_nobody_without_it(
    database: Database, clock: EventfulClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    owning, start, add_log = locks.owning, runs.start, runs.add_log
    seen: list[list[int]] = []

    def owned(held_in: Database, number: int) -> AbstractContextManager[None]:
        seen.append(crashed(database))
        return owning(held_in, number)

    def started(connection: Connection, row: LogRow) -> int:
        number = start(connection, row)
        seen.append(crashed(database))
        return number

    def added(connection: Connection, row: LogRow) -> None:
        seen.append(crashed(database))
        add_log(connection, row)

    monkeypatch.setattr(locks, "owning", owned)
    monkeypatch.setattr(runs, "start", started)
    monkeypatch.setattr(runs, "add_log", added)
    evidence = Evidence(database, pending=None, command="collect", clock=clock)
    with evidence.attempt(Region.EU, progress=Silent()):
        pass
    assert seen == [[], [], []]
    # The lock is given back: a row that is running again for want of a better word has no owner.
    with database.transaction() as connection:
        connection.execute(text("UPDATE scraper_logs SET status = 'running'"))
    assert len(crashed(database)) == 1


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (LockedError("Held."), "locked", "Held."),
        (RefusedAnswerError("Cut."), "rejected", "Cut."),
        (UnavailableError("503."), "failed", "503."),
        (InterruptedRunError("SIGTERM"), "failed", str(InterruptedRunError("SIGTERM"))),
        (InterruptedRunError("SIGINT", is_from_terminal=True), "cancelled", str(InterruptedRunError("SIGINT"))),
        (UsageError("--profession x is none."), "cancelled", "--profession x is none."),
        (KeyboardInterrupt(), "failed", "KeyboardInterrupt"),
    ],
)
def test_an_error_says_how_the_attempt_ended_and_is_raised_again(
    clock: EventfulClock, waiting: Path, error: BaseException, status: str, message: str
) -> None:
    # What became of it is in the row that waits, as it would be in the database.
    evidence = Evidence(AWAY, pending=PendingRows(waiting), command="collect", clock=clock)
    with pytest.raises(type(error)), evidence.attempt(Region.EU, progress=Silent()) as attempt:
        raise error
    assert (attempt.ended.outcome.row_status, attempt.ended.message) == (status, message)
    (line,) = waiting.read_text(encoding="utf-8").splitlines()
    assert f'"{status}"' in line
    assert message in line


def test_what_the_database_could_not_take_waits_and_is_written_by_the_next_run(
    database: Database, clock: EventfulClock, pending: PendingRows
) -> None:
    away = Evidence(AWAY, pending=pending, command="collect", clock=clock)
    with away.run() as run:
        run.record_count = 7
        with away.attempt(Region.EU, progress=Silent()) as attempt:
            attempt.ends(Outcome.SPOOLED)
    assert pending.waiting() == 2
    assert logged(database) == measured(database) == []
    Evidence(database, pending=None, command="collect", clock=clock).settle()
    assert pending.waiting() == 2
    Evidence(database, pending=pending, command="collect", clock=clock).settle()
    assert pending.waiting() == 0
    assert [row[3] for row in logged(database)] == ["spooled"]
    assert [row[6] for row in measured(database)] == [7]


def test_what_a_command_that_changes_nothing_can_not_write_is_let_go(clock: EventfulClock) -> None:
    evidence = Evidence(AWAY, pending=None, command="status", clock=clock)
    with evidence.run(), evidence.attempt(None, progress=Silent()) as attempt:
        pass
    assert attempt.ended.outcome.row_status == "success"


def test_a_database_that_comes_back_gets_the_whole_row(database: Database, clock: EventfulClock) -> None:
    evidence = Evidence(AWAY, pending=None, command="collect", clock=clock)
    with evidence.attempt(Region.EU, progress=Silent()) as attempt:
        clock.sleep(60)
        attempt.ends(Outcome.DONE, "It came back.")
        evidence._database = database  # pyright: ignore[reportPrivateUsage] - no server has to be ended for it
    assert logged(database) == [("collect", "eu", NOW, "success", None, "It came back.", 1)]


def test_a_row_that_was_begun_is_finished_by_the_next_run_where_the_database_left_meanwhile(
    database: Database, clock: EventfulClock, pending: PendingRows
) -> None:
    evidence = Evidence(database, pending=pending, command="collect", clock=clock)
    with evidence.attempt(Region.EU, progress=Silent()) as attempt:
        attempt.ends(Outcome.SPOOLED)
        evidence._database = AWAY  # pyright: ignore[reportPrivateUsage] - no server has to be ended for it
    assert [row[3] for row in logged(database)] == ["running"]
    assert pending.settle(database) == 1
    assert [row[3] for row in logged(database)] == ["spooled"]


def test_evidence_that_can_be_written_nowhere_hides_no_failure(
    clock: EventfulClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    evidence = Evidence(AWAY, pending=Unwritable(tmp_path / "x"), command="collect", clock=clock)
    evidence.settle()
    assert "Log rows of earlier runs could not be written" in caplog.text
    with (
        pytest.raises(UnavailableError, match="503"),
        evidence.run(),
        evidence.attempt(Region.EU, progress=Silent()),
    ):
        raise UnavailableError("503.")
    assert caplog.text.count("A row of collect could not be written") == 2


def test_an_unexpected_error_of_the_writing_takes_nothing_back(
    clock: EventfulClock, pending: PendingRows, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = MissingDatabase(DatabaseError("It is away."))

    def fail(**_: object) -> None:
        raise ZeroDivisionError("by zero")

    for way in ("connect", "transaction"):
        monkeypatch.setattr(broken, way, fail)
    evidence = Evidence(broken, pending=pending, command="collect", clock=clock)
    with evidence.run() as run, evidence.attempt(Region.EU, progress=Silent()) as attempt:
        run.record_count = 7
        attempt.ends(Outcome.STORED, last_modified=NOW)
    # Both rows wait for the next run.
    assert pending.waiting() == 2
    assert caplog.text.count("ZeroDivisionError: by zero") == 3


def test_a_lock_that_can_not_be_given_back_takes_nothing_back_and_is_told(
    clock: EventfulClock, waiting: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    class There(MissingDatabase):
        @contextmanager
        def transaction(self) -> Generator[Any]:
            yield None

    @contextmanager
    def owning(*_: object) -> Generator[None]:
        yield
        raise ZeroDivisionError("by zero")

    told: list[str] = []
    monkeypatch.setattr(locks, "owning", owning)

    def next_id(_: object) -> int:
        return 7

    def written(_: object, row: LogRow) -> None:
        told.append(f"{row.id} {row.status}")

    monkeypatch.setattr(runs, "next_log_id", next_id)
    monkeypatch.setattr(runs, "start", written)
    monkeypatch.setattr(runs, "add_log", written)
    there = There(DatabaseError("It is there."))
    evidence = Evidence(there, pending=PendingRows(waiting), command="collect", clock=clock)
    with evidence.attempt(Region.EU, progress=Silent()):
        pass
    assert (told, waiting.exists()) == (["7 running", "7 success"], False)
    (record,) = caplog.records
    assert record.message == "The lock of a row of collect could not be given back"
    assert record.exc_info is not None


@pytest.mark.parametrize("error", [DatabaseError("It is away."), ConfigurationError("Its schema is another's.")])
def test_a_database_that_refuses_is_no_unexpected_error(
    clock: EventfulClock, pending: PendingRows, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    evidence = Evidence(MissingDatabase(error), pending=pending, command="collect", clock=clock)  # pyright: ignore[reportArgumentType] - both are what a database raises
    with evidence.run() as run:
        run.record_count = 7
    assert pending.waiting() == 1
    assert "unexpected" not in caplog.text


# Runs


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (ExitStatus.DONE, "success"),
        (ExitStatus.PARTIAL, "partial"),
        (ExitStatus.UNHEALTHY, "failed"),
        (ExitStatus.BUG, "failed"),
    ],
)
def test_a_run_is_measured_by_a_clock_that_never_jumps_and_dated_by_the_time_of_day(
    database: Database, clock: EventfulClock, status: ExitStatus, told: str
) -> None:
    evidence = Evidence(database, pending=None, command="seed all", clock=clock)
    with evidence.run() as run:
        clock.sleep(5)
        clock.turn_to(NOW + 60 * MINUTE)
        run.status, run.message, run.record_count, run.extra = status, "So it ended.", 3, {"steps": {"a": 1.5}}
    assert measured(database) == [
        ("command", "seed all", None, NOW, NOW + 60 * MINUTE, 5.0, 3, told, "So it ended.", {"steps": {"a": 1.5}})
    ]


def test_the_row_of_a_small_attempt_is_dated_by_when_it_began(database: Database, clock: EventfulClock) -> None:
    evidence = Evidence(database, pending=None, command="watch", clock=clock)
    evidence.note(Region.EU, Outcome.STORED, "Told.", began_at=NOW - MINUTE)
    assert logged(database) == [("watch", "eu", NOW - MINUTE, "success", None, "Told.", 1)]


def test_the_benchmark_of_one_snapshot_is_of_its_region(database: Database, clock: EventfulClock) -> None:
    evidence = Evidence(database, pending=None, command="poll", clock=clock)
    evidence.benchmark(
        "snapshot", region=Region.US, started_at=NOW - MINUTE, seconds=2.5, record_count=9, extra={"items": 1}
    )
    assert measured(database) == [
        ("snapshot", "poll", "us", NOW - MINUTE, NOW, 2.5, 9, "success", None, {"items": 1}),
    ]


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (UnavailableError("503."), ExitStatus.UNAVAILABLE, "failed"),
        (InterruptedRunError("SIGTERM"), ExitStatus.TERMINATED, "failed"),
        (InterruptedRunError("SIGINT"), ExitStatus.INTERRUPTED, "failed"),
        (InterruptedRunError("SIGINT", is_from_terminal=True), ExitStatus.INTERRUPTED, "cancelled"),
        (UsageError("No such thing."), ExitStatus.USAGE, "cancelled"),
        (LockedError("Held."), ExitStatus.LOCKED, "locked"),
        (ZeroDivisionError(), ExitStatus.BUG, "failed"),
        (KeyboardInterrupt("now"), ExitStatus.BUG, "failed"),
    ],
)
def test_a_run_that_an_error_ends_has_its_status_and_leaves_its_benchmark(
    clock: EventfulClock, waiting: Path, error: BaseException, status: ExitStatus, said: str
) -> None:
    evidence = Evidence(AWAY, pending=PendingRows(waiting), command="collect", clock=clock)
    with pytest.raises(type(error)), evidence.run() as run:
        raise error
    assert (run.status, run.message) == (status, str(error) or type(error).__name__)
    (line,) = waiting.read_text(encoding="utf-8").splitlines()
    assert f'"{said}"' in line


# Steps


class Ended(TickingClock):
    """The clock of a program that was asked to end."""

    def check(self) -> None:
        raise InterruptedRunError("SIGTERM")


def test_a_step_is_shown_and_timed_and_adds_up_though_it_fails(clock: EventfulClock) -> None:
    shown = Steps()
    evidence = Evidence(AWAY, pending=None, command="collect", clock=clock)
    with evidence.attempt(Region.EU, progress=shown) as attempt:
        with attempt.step("download"):
            clock.sleep(2)
            clock.turn_to(NOW + 60 * MINUTE)
        with attempt.step("store"):
            clock.sleep(1)
        with pytest.raises(UnavailableError), attempt.step("download"):  # noqa: PT012 - time passes before it fails
            clock.sleep(3)
            raise UnavailableError("503.")
    assert attempt.steps == {"download": 5.0, "store": 1.0}
    assert list(attempt.steps) == ["download", "store"]
    assert shown.begun == [(Region.EU, "download"), (Region.EU, "store"), (Region.EU, "download")]


def test_a_step_does_not_begin_where_the_program_was_asked_to_end() -> None:
    shown = Steps()
    evidence = Evidence(AWAY, pending=None, command="collect", clock=Ended(NOW))
    with (
        pytest.raises(InterruptedRunError),
        evidence.attempt(Region.EU, progress=shown) as attempt,
        attempt.step("download"),
    ):
        pytest.fail("it began")
    assert (attempt.ended.outcome, attempt.steps, shown.begun) == (Outcome.FAILED, {}, [])
