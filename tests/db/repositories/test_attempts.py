from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, insert, text

from ironforge_cli.db import locks
from ironforge_cli.db.models import SCRAPER_LOGS
from ironforge_cli.db.repositories import attempts, health
from ironforge_cli.db.repositories.attempts import CRASHED, AttemptTally, Streak
from ironforge_cli.jobs.health.crashes import UPKEEP
from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database

NOON = datetime(2026, 1, 14, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def log(
    connection: Connection,
    minute: int,
    status: str,
    *,
    command: str = "poll",
    region: Region = Region.EU,
    number: int = 1,
) -> int:
    row = {
        "command": command,
        "region": region,
        "timestamp": NOON + minute * MINUTE,
        "status": status,
        "poll_attempts": number,
        "error_message": None if status == "no_change" else f"{status} at {minute}",
    }
    return connection.execute(insert(SCRAPER_LOGS).values(row).returning(SCRAPER_LOGS.c.id)).scalar_one()


def streak(connection: Connection) -> Streak:
    return attempts.streak(connection, Region.EU, since=NOON - HOUR, until=NOON + HOUR)


def test_a_streak_begins_after_the_last_good_attempt(shared: Database) -> None:
    with shared.connect() as connection:
        nothing = Streak(last_good_at=None, counts={}, runs=0, first_at=None, last_at=None, message=None)
        assert streak(connection) == nothing
        log(connection, 0, "failed")
        log(connection, 1, "no_change")
        log(connection, 2, "locked", number=1)
        log(connection, 3, "failed", number=2)
        log(connection, 4, "locked", number=1)
        # Others' rows, rows at work and rows that are not of collecting say nothing of it.
        log(connection, 5, "running")
        log(connection, 5, "cancelled")
        log(connection, 6, "failed", command="stats recompute")
        log(connection, 7, "success", region=Region.US)
        log(connection, 90, "success")
        # Nor do those of before or after what is looked at.
        log(connection, 61, "failed")
        assert streak(connection) == Streak(
            last_good_at=NOON + MINUTE,
            counts={"locked": 2, "failed": 1},
            runs=2,
            first_at=NOON + 2 * MINUTE,
            last_at=NOON + 4 * MINUTE,
            message="locked at 4",
        )
        log(connection, 8, "success")
        assert streak(connection).counts == {}
        assert streak(connection).last_good_at == NOON + 8 * MINUTE


def test_a_streak_reaches_from_the_first_moment_to_the_last(shared: Database) -> None:
    with shared.connect() as connection:
        for minute in (-61, -60, 60, 61):
            log(connection, minute, "failed")
        found = streak(connection)
        assert (found.counts, found.first_at, found.last_at) == ({"failed": 2}, NOON - HOUR, NOON + HOUR)
        assert (found.last_good_at, found.message) == (None, "failed at 60")
        log(connection, 62, "success")
        log(connection, -62, "success")
        assert streak(connection).last_good_at is None
        log(connection, -60, "success")
        assert streak(connection).last_good_at == NOON - HOUR


@pytest.mark.parametrize("command", ["collect", "poll"])
@pytest.mark.parametrize("status", ["success", "no_change"])
def test_both_commands_and_both_good_ends_end_a_streak(shared: Database, command: str, status: str) -> None:
    with shared.connect() as connection:
        log(connection, 1, "failed")
        log(connection, 2, status, command=command)
        log(connection, 3, "spooled", command=command, number=2)
        found = streak(connection)
        assert (found.last_good_at, found.counts, found.runs) == (NOON + 2 * MINUTE, {"spooled": 1}, 0)


def test_attempts_are_counted_by_span_and_end(shared: Database) -> None:
    with shared.connect() as connection:
        assert attempts.tallies(connection, Region.EU, []) == []
        for minute in (0, 1, 2):
            log(connection, minute, "no_change")
        log(connection, 3, "failed")
        log(connection, 4, "failed", command="collect")
        log(connection, 5, "failed", region=Region.US)
        log(connection, 6, "failed", command="seed all")
        log(connection, 60, "locked")
        # Where every owner is gone, none is told of as running still.
        for minute in (61, 62):
            log(connection, minute, "running")
        spans = [(NOON + HOUR, NOON + 2 * HOUR), (NOON + 5 * HOUR, NOON + 6 * HOUR), (NOON, NOON + HOUR)]
        assert attempts.tallies(connection, Region.EU, spans) == [
            AttemptTally(0, "locked", 1, "locked at 60"),
            AttemptTally(0, CRASHED, 2, "running at 62"),
            AttemptTally(2, "failed", 2, "failed at 4"),
            AttemptTally(2, "no_change", 3, None),
        ]


def test_a_row_at_work_whose_owner_is_gone_has_crashed(any_database: Database) -> None:
    with any_database.transaction() as connection:
        alive = log(connection, 0, "running")
        log(connection, 1, "running")
        log(connection, 2, "running")
    spans = [(NOON, NOON + HOUR)]
    with any_database.connect(autocommit=True) as owner, any_database.connect() as connection:
        assert locks.acquire(owner, locks.run_lock(alive))
        found = attempts.tallies(connection, Region.EU, spans)
        assert [(tally.status, tally.count) for tally in found] == [(CRASHED, 2), ("running", 1)]
        locks.release(owner, locks.run_lock(alive))


def test_the_oldest_log_is_that_of_the_region(shared: Database) -> None:
    with shared.connect() as connection:
        assert attempts.oldest_log(connection, Region.EU) is None
        log(connection, 0, "failed", region=Region.US)
        log(connection, 2, "failed")
        log(connection, 1, "failed")
        assert attempts.oldest_log(connection, Region.EU) == NOON + MINUTE


# Two years of rows


_SPANS = {
    "scraper_logs": "INSERT INTO scraper_logs (command, region, timestamp, status)"
    " SELECT 'poll', region, at, 'no_change' FROM generate_series(:since, :noon, interval '30 minutes') AS at,"
    " unnest(ARRAY['eu', 'us', NULL]) AS region",
    "benchmarks": "INSERT INTO benchmarks"
    " (operation_type, operation_name, start_time, end_time, duration_seconds, status)"
    " SELECT 'command', 'poll', at, at, 1, 'success' FROM generate_series(:since, :noon, interval '1 hour') AS at",
    "snapshots": "INSERT INTO snapshots"
    " (region, snapshot_time, auctions, items, bytes, digest, source, estimator_version)"
    " SELECT region, at, 1, 1, 1, '', 'live', 1 FROM generate_series(:since, :noon, interval '1 hour') AS at,"
    " unnest(ARRAY['eu', 'us']) AS region",
}


@pytest.fixture(scope="module")
def years(shared: Database) -> Generator[Database]:
    """Two years of logs, one attempt every half hour, and of runs and snapshots, one an hour."""
    with shared.transaction() as connection:
        for statement in _SPANS.values():
            connection.execute(text(statement), {"since": NOON - 730 * 24 * HOUR, "noon": NOON})
    with shared.connect(autocommit=True) as connection:
        connection.execute(text("ANALYZE"))
    yield shared
    with shared.transaction() as connection:
        connection.execute(text(f"TRUNCATE {', '.join(_SPANS)}"))


def plans(database: Database, ask: Callable[[Connection], object]) -> list[str]:
    """The plans of all statements of a question."""
    found: list[str] = []

    def explain(_: Connection, cursor: Any, statement: str, parameters: Any, *__: object) -> None:
        if "SET TRANSACTION" in statement:
            # What every transaction begins with has no plan.
            return
        explained = cursor.connection.execute(f"EXPLAIN (FORMAT JSON) {statement}", parameters).fetchone()
        found.append(json.dumps(explained))

    with database.connect() as connection:
        event.listen(connection, "before_cursor_execute", explain)
        ask(connection)
        event.remove(connection, "before_cursor_execute", explain)
    return found


def since(days: int) -> datetime:
    return NOON - days * 24 * HOUR


QUESTIONS: dict[str, Callable[[Connection], object]] = {
    "streak": lambda asked: attempts.streak(asked, Region.EU, since=since(30), until=NOON),
    "tallies": lambda asked: attempts.tallies(asked, Region.EU, [(since(day), since(day) + HOUR) for day in range(7)]),
    "oldest log": lambda asked: attempts.oldest_log(asked, Region.EU),
    "crashed": lambda asked: health.crashed(asked, since=since(7)),
    "upkeep": lambda asked: health.last_upkeep(asked, commands=UPKEEP, since=since(7)),
    "last attempts": lambda asked: health.last_attempts(asked, Region.EU, limit=5),
    "last runs": lambda asked: health.last_runs(asked, since=since(90)),
    "stored": lambda asked: health.stored(asked, Region.EU, limit=400),
    "gaps": lambda asked: health.gaps(asked, Region.EU, since=since(7), until=NOON, longest_seconds=5_400),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_years_of_rows_are_never_read_whole(years: Database, question: str) -> None:
    found = plans(years, QUESTIONS[question])
    assert found
    assert [plan for plan in found if "Seq Scan" in plan] == []


def test_the_check_of_plans_finds_what_reads_everything(years: Database) -> None:
    everything = text("SELECT sum(poll_attempts) FROM scraper_logs")
    (plan,) = plans(years, lambda asked: asked.execute(everything))
    assert "Seq Scan" in plan


def test_years_of_rows_are_counted_as_few_are(years: Database) -> None:
    with years.connect() as connection:
        assert attempts.tallies(connection, Region.EU, [(NOON - 9 * HOUR, NOON - 7 * HOUR)]) == [
            AttemptTally(0, "no_change", 4, None)
        ]
