from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, NamedTuple

import pytest
from sqlalchemy import delete, insert, text

from ironforge_cli.db.models import SCRAPER_LOGS
from ironforge_cli.db.repositories import seeders
from ironforge_cli.errors import DatabaseError, ExitStatus
from ironforge_cli.jobs.health.acknowledging import acknowledge
from ironforge_cli.jobs.health.rules import ProblemKind
from ironforge_cli.regions import Region
from tests.jobs import healthy
from tests.jobs.healthy import (
    AHEAD,
    HOUR,
    ILL,
    ILLS,
    MINUTE,
    NEWEST,
    NOW,
    attempt,
    forget,
    ill,
    keep,
    kinds,
    log_attempts,
    look,
    without_database,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from ironforge_cli.jobs.storage import Storage

OF_REGIONS = set(ILLS) - {
    ProblemKind.DATABASE,
    ProblemKind.SCHEMA,
    ProblemKind.UNREADABLE,
    ProblemKind.CRASHED,
    ProblemKind.FAILED_RUN,
    ProblemKind.PENDING_LOGS,
    ProblemKind.SEEDER,
    ProblemKind.DISK,
}


class Usage(NamedTuple):
    """As shutil.disk_usage tells it."""

    total: int
    used: int
    free: int


def nearly_full(_: Path) -> Usage:
    return Usage(total=100, used=96, free=4)


# What is judged


def test_a_healthy_installation_passes_the_check(well: Storage) -> None:
    health = look(well)
    assert health.problems == ()
    assert health.status is ExitStatus.DONE


def test_every_kind_of_problem_is_tried() -> None:
    # Lost rows are looked for with `deep` alone, in tests/db/repositories/test_lost_rows.py; only a table of 100,000
    # rows is told for want of vacuuming, in test_vacuums.py.
    elsewhere = {ProblemKind.LOST_ROWS, ProblemKind.VACUUM}
    assert {*ILLS, *elsewhere} == set(ProblemKind)
    assert elsewhere.isdisjoint(ILLS)


@pytest.mark.parametrize(("kind", "make_ill"), ILLS.items(), ids=[str(kind) for kind in ILLS])
def test_each_problem_alone_fails_the_check(
    well: Storage, monkeypatch: pytest.MonkeyPatch, kind: ProblemKind, make_ill: Callable[[Storage], Storage]
) -> None:
    if kind is ProblemKind.DISK:
        monkeypatch.setattr(shutil, "disk_usage", nearly_full)
    health = look(make_ill(well))
    assert kinds(health) == {kind}
    assert health.status is ExitStatus.UNHEALTHY
    # It speaks of the one region that is ill, and ends as a sentence does.
    (problem,) = health.problems
    assert problem.region is (ILL if kind in OF_REGIONS else None)
    assert problem.text.endswith((".", "?"))


def test_without_the_check_problems_are_told_and_no_failure(well: Storage) -> None:
    health = look(healthy.missed(well), check=False)
    assert kinds(health) == {ProblemKind.MISSING_HOUR}
    assert health.status is ExitStatus.DONE


def test_the_other_region_does_not_count_when_one_is_asked_for(well: Storage) -> None:
    assert look(healthy.crashed(healthy.missed(well)), regions=(Region.EU,)).status is ExitStatus.DONE


# Freshness


def test_a_region_that_publishes_between_windows_is_never_late(well: Storage) -> None:
    # Published at :03, stored at :30: all day long, until the next one is stored.
    assert ill(look(well)).freshness
    for minutes in range(0, 55, 5):
        health = look(well, now=NOW + minutes * MINUTE, max_age=90 * MINUTE)
        assert health.problems == (), minutes
        fresh = ill(health).freshness
        assert fresh is not None
        assert (fresh.minute, fresh.due_at, fresh.delay_seconds) == (3, NEWEST + HOUR, 27 * 60)
        assert fresh.late_seconds == 0


def test_whoever_allows_older_snapshots_is_told_of_late_ones_later(well: Storage) -> None:
    assert kinds(look(healthy.late(well), max_age=6 * HOUR)) == set()


def test_a_rhythm_that_is_not_learned_says_nothing(storage: Storage) -> None:
    with storage.database.transaction() as connection:
        healthy.install(connection, hours=2)
    fresh = ill(look(storage)).freshness
    assert fresh is not None
    assert fresh.minute is fresh.due_at is fresh.late_seconds is fresh.delay_seconds is None


# Attempts


def test_two_lost_locks_are_no_problem_and_a_window_of_failures_is_none(well: Storage) -> None:
    log_attempts(well, *[(NOW - (30 - number) * MINUTE / 10, "failed", "Away.") for number in range(30)])
    assert look(well).problems == ()
    with well.database.transaction() as connection:
        connection.execute(delete(SCRAPER_LOGS).where(SCRAPER_LOGS.c.command == "poll"))
        rows = [attempt(ILL, NOW - number * MINUTE, status="locked") for number in (2, 1)]
        connection.execute(insert(SCRAPER_LOGS), rows)
    assert look(well).problems == ()


def test_locks_that_are_lost_for_two_hours_are_a_problem_whatever_the_runs(well: Storage) -> None:
    idle_since = NOW - 3 * HOUR
    with well.database.transaction() as connection:
        own = SCRAPER_LOGS.c.region == ILL
        connection.execute(delete(SCRAPER_LOGS).where(own, SCRAPER_LOGS.c.timestamp > idle_since))
    log_attempts(well, (NOW - 2 * HOUR - 2 * MINUTE, "locked", "Held."), (NOW - MINUTE, "locked", "Held."))
    health = look(well)
    assert kinds(health) == {ProblemKind.LOCKED_OUT}
    assert "all 2 attempts since 2026-01-14T10:33:00Z lost the lock" in health.problems[0].text


def test_a_streak_of_months_is_as_long_as_what_is_looked_at(well: Storage) -> None:
    with well.database.transaction() as connection:
        connection.execute(delete(SCRAPER_LOGS).where(SCRAPER_LOGS.c.region == ILL))
        rows = [attempt(ILL, NOW - day * 24 * HOUR, status="locked") for day in range(96)]
        connection.execute(insert(SCRAPER_LOGS), rows)
    (problem,) = look(well).problems
    assert problem.kind is ProblemKind.LOCKED_OUT
    assert "all 31 attempts" in problem.text


def test_one_good_attempt_ends_a_streak(well: Storage) -> None:
    locked = healthy.locked_out(well)
    log_attempts(locked, (NOW - MINUTE / 2, "no_change", None))
    assert look(locked).problems == ()


def log_upkeep(storage: Storage, command: str, *rows: tuple[datetime, str], region: Region | None = None) -> None:
    with storage.database.transaction() as connection:
        connection.execute(
            insert(SCRAPER_LOGS),
            [
                {"command": command, "region": region, "timestamp": moment, "status": status, "error_message": "Why."}
                for moment, status in rows
            ],
        )


UPKEEP = pytest.mark.parametrize(
    ("command", "region"),
    [("seed recipes", None), ("partitions maintain", None), ("partitions maintain", ILL), ("stats recompute", ILL)],
)


@UPKEEP
def test_a_crash_of_upkeep_is_a_problem_until_it_is_run_again(
    well: Storage, command: str, region: Region | None
) -> None:
    log_upkeep(well, command, (NOW - HOUR, "running"), region=region)
    assert kinds(look(well)) == {ProblemKind.CRASHED}
    log_upkeep(well, "another", (NOW - MINUTE, "success"), region=region)
    assert kinds(look(well)) == {ProblemKind.CRASHED}
    log_upkeep(well, command, (NOW - MINUTE, "success"), region=region)
    assert look(well).problems == ()


@UPKEEP
def test_upkeep_that_failed_is_a_problem_until_it_is_run_again(
    well: Storage, command: str, region: Region | None
) -> None:
    log_upkeep(well, command, (NOW - HOUR, "failed"), region=region)
    (problem,) = look(well).problems
    assert problem.kind is ProblemKind.FAILED_RUN
    assert ": Why." in problem.text
    log_upkeep(well, command, (NOW - MINUTE, "no_change"), region=region)
    assert look(well).problems == ()


def test_upkeep_that_another_run_did_is_no_failure(well: Storage) -> None:
    log_upkeep(well, "partitions maintain", (NOW - HOUR, "success"), (NOW - MINUTE, "locked"))
    assert look(well).problems == ()
    log_upkeep(well, "seed recipes", (NOW - HOUR, "failed"), (NOW - MINUTE, "locked"))
    assert kinds(look(well)) == {ProblemKind.FAILED_RUN}


@pytest.mark.parametrize(
    "command",
    [
        "partitions restore",
        "partitions drop",
        "partitions export",
        "spool replay",
        "collect --from",
        "snapshots drop",
        "db dump",
        "db restore",
        "stats recompute --dry-run",
    ],
)
@pytest.mark.parametrize("status", ["failed", "rejected", "running"])
def test_what_a_person_runs_once_makes_no_check_fail_and_no_success_of_it_hides_a_failure(
    well: Storage, command: str, status: str
) -> None:
    log_upkeep(well, command, *[(NOW - number * MINUTE, status) for number in (3, 2, 1)], region=ILL)
    assert look(well).problems == ()
    log_upkeep(well, "stats recompute", (NOW - HOUR, "failed"), region=ILL)
    log_upkeep(well, command, (NOW - MINUTE, "success"), region=ILL)
    assert kinds(look(well)) == {ProblemKind.FAILED_RUN}


@pytest.mark.parametrize("command", ["collect", "poll", "partitions maintain", "seed items", "stats recompute"])
def test_what_a_person_cancelled_is_no_failure_and_makes_up_for_none(well: Storage, command: str) -> None:
    log_upkeep(well, command, *[(NOW - number * MINUTE, "cancelled") for number in (3, 2, 1)], region=ILL)
    assert look(well).problems == ()
    log_upkeep(well, "stats recompute", (NOW - HOUR, "failed"), (NOW - MINUTE, "cancelled"), region=ILL)
    assert kinds(look(well)) == {ProblemKind.FAILED_RUN}


@pytest.mark.parametrize("status", ["rejected", "failed"])
def test_a_body_that_a_person_could_not_store_says_nothing_of_how_collecting_goes(well: Storage, status: str) -> None:
    log_upkeep(well, "collect --from", *[(NOW - number * MINUTE, status) for number in (3, 2, 1)], region=ILL)
    streak = ill(look(well)).streak
    assert streak is not None
    assert dict(streak.counts) == {}


# What a person has seen


@pytest.mark.parametrize(
    "kind", [ProblemKind.CRASHED, ProblemKind.FAILED_RUN, ProblemKind.MISSING_HOUR, ProblemKind.QUARANTINE]
)
def test_what_a_person_has_seen_of_the_past_is_told_as_seen_and_no_problem(well: Storage, kind: ProblemKind) -> None:
    storage = ILLS[kind](well)
    assert kinds(look(storage)) == {kind}
    health = look(storage, seen_by="peter on auctions")
    assert (health.status, health.problems) == (ExitStatus.DONE, ())
    again = look(storage)
    assert again.problems == ()
    assert {problem.kind for problem in again.seen} == {kind}
    assert set(again.found.seen.values()) == {"peter on auctions"}
    with storage.database.connect() as connection:
        said = connection.execute(
            text("SELECT error_message FROM scraper_logs WHERE command = 'status --acknowledge' AND timestamp >= :now"),
            {"now": NOW},
        ).scalar_one()
        kept = connection.execute(
            text(
                "SELECT start_time, end_time, duration_seconds, record_count, error_message FROM benchmarks"
                " WHERE operation_name = 'status --acknowledge'"
            )
        ).one()
    assert said.startswith(f"peter on auctions has seen: {kind.value} ")
    assert tuple(kept) == (NOW, NOW, 0, len(again.seen), said)


def test_what_happens_after_a_person_looked_is_told_again(well: Storage) -> None:
    log_upkeep(well, "seed items", (NOW - HOUR, "failed"))
    assert look(well, seen_by="peter").problems == ()
    log_upkeep(well, "seed items", (NOW - MINUTE, "failed"))
    assert kinds(look(well)) == {ProblemKind.FAILED_RUN}


@pytest.mark.parametrize(
    "kind", [ProblemKind.STALE, ProblemKind.FAILING, ProblemKind.SPOOL, ProblemKind.PAST_RETENTION]
)
def test_what_is_wrong_now_stays_a_problem_whoever_has_seen_it(well: Storage, kind: ProblemKind) -> None:
    health = look(ILLS[kind](well), seen_by="peter")
    assert kind in kinds(health)
    assert health.status is ExitStatus.UNHEALTHY


def test_nobody_has_seen_what_could_not_be_written_down(well: Storage) -> None:
    log_upkeep(well, "seed items", (NOW - HOUR, "failed"))
    problems = look(well).problems
    with pytest.raises(DatabaseError):
        acknowledge(problems, database=without_database(well).database, now=NOW, by="peter")
    assert kinds(look(well)) == {ProblemKind.FAILED_RUN}


def test_upkeep_that_failed_longer_than_a_week_ago_is_history(well: Storage) -> None:
    log_upkeep(well, "stats recompute", (NOW - 169 * HOUR, "failed"))
    assert look(well).problems == ()


def test_a_crash_of_status_itself_is_made_up_for_by_looking(well: Storage) -> None:
    with well.database.transaction() as connection:
        row = {"command": "status", "timestamp": NOW - HOUR, "status": "running"}
        connection.execute(insert(SCRAPER_LOGS), [row])
    health = look(well)
    assert [attempt.command for attempt in health.found.crashed] == ["status"]
    assert health.problems == ()


# Bodies


def test_a_refused_body_whose_hour_was_stored_after_all_or_that_is_a_day_old_is_only_told(well: Storage) -> None:
    keep(well, quarantine=True, moment=NEWEST)
    keep(well, quarantine=True, moment=None, received_at=NEWEST + 27 * MINUTE)
    # Nothing is stored of this one's hour, but it came longer ago than a day.
    keep(well, quarantine=True, moment=NEWEST - 50 * HOUR, received_at=NOW - 24 * HOUR)
    health = look(well)
    assert health.problems == ()
    assert ill(health).unresolved == ()
    refused = ill(health).quarantine
    assert refused is not None
    assert (refused.bodies, refused.newest_reason) == (3, "It was cut off.")


def test_a_refused_body_without_a_time_is_of_the_hour_it_came_in(well: Storage) -> None:
    forget(well, hours_ago=5)
    keep(well, quarantine=True, moment=None, received_at=NEWEST - 5 * HOUR + 27 * MINUTE)
    assert kinds(look(well)) == {ProblemKind.MISSING_HOUR, ProblemKind.QUARANTINE}


def test_without_a_database_what_lies_on_disk_is_told(well: Storage) -> None:
    keep(well, quarantine=False, moment=NEWEST)
    keep(well, quarantine=True, moment=NEWEST)
    healthy.waiting_rows(well)
    health = look(healthy.without_database(well))
    assert kinds(health) == {ProblemKind.DATABASE, ProblemKind.SPOOL, ProblemKind.PENDING_LOGS}
    state = ill(health)
    assert state.spool is not None
    assert state.quarantine is not None
    assert (state.spool.bodies, state.quarantine.bodies, health.found.pending_rows) == (1, 1, 1)
    assert state.spool.bytes > 0
    assert state.spool.oldest_at == NOW - MINUTE


def test_looking_is_no_work(well: Storage) -> None:
    assert look(well).found.at_work == ()


# Partitions


def test_days_are_counted_and_one_that_is_to_leave_today_may_stay_today(well: Storage) -> None:
    with well.database.transaction() as connection:
        healthy.make_days(connection, ILL, [-30])
    health = look(well)
    days = ill(health).days
    assert health.problems == ()
    assert days is not None
    assert (days.held, days.oldest, days.newest, days.ahead) == (
        AHEAD + 4,
        healthy.day_of(ILL, -30).day,
        healthy.day_of(ILL, AHEAD).day,
        AHEAD,
    )


def test_a_default_partition_without_rows_is_only_told(well: Storage) -> None:
    with well.database.transaction() as connection:
        connection.execute(healthy.text(f"CREATE TABLE rest PARTITION OF auction_snapshots_{ILL} DEFAULT"))
    health = look(well)
    days = ill(health).days
    assert health.problems == ()
    assert days is not None
    assert (days.default, days.is_default_used) == ("rest", False)


# Robustness


def test_a_database_with_nothing_in_it_is_told_what_it_lacks(storage: Storage) -> None:
    with storage.database.transaction() as connection:
        connection.execute(healthy.text("DROP SCHEMA public CASCADE"))
        connection.execute(healthy.text("CREATE SCHEMA public"))
    health = look(storage)
    assert kinds(health) == {ProblemKind.SCHEMA}
    assert "`ironforge db upgrade`" in health.problems[0].text


# Seeders


def test_a_newer_build_of_the_game_is_told_with_what_to_do(well: Storage) -> None:
    with well.database.transaction() as connection:
        seeders.complete(connection, "recipe", build="12.0.1_65617", locale="en_US")
    assert look(well).problems == ()
    with well.database.transaction() as connection:
        seeders.see_build(connection, "12.0.5_66000")
    health = look(well)
    assert kinds(health) == {ProblemKind.SEEDER}
    assert "build 12.0.5_66000 of the game is newer. Run `ironforge seed all`" in health.problems[0].text
    told = {state.seeder: (state.completed, state.newer_build) for state in health.found.seeders}
    assert told == {
        "recipe": (False, "12.0.5_66000"),
        "reagent": (False, None),
        "item": (False, None),
        "output": (False, None),
    }
