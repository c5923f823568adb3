from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import delete, select

from ironforge_cli.db import locks
from ironforge_cli.db.models import SCRAPER_LOGS
from ironforge_cli.jobs.health.rules import ProblemKind
from tests.jobs import healthy
from tests.jobs.healthy import HOUR, MINUTE, NEWEST, NOW, forget, ill, keep, kinds, log_attempts, look

if TYPE_CHECKING:
    from ironforge_cli.jobs.health.status import Health
    from ironforge_cli.jobs.health.status_findings import MissingHour
    from ironforge_cli.jobs.storage import Storage


def hour_of(health: Health) -> MissingHour:
    (hour,) = ill(health).missing
    return hour


def test_nothing_ran_is_said_of_an_hour_without_attempts(well: Storage) -> None:
    forget(well, hours_ago=5)
    hour = hour_of(look(well))
    assert (hour.expected_at, hour.since, hour.until) == (
        NEWEST - 5 * HOUR,
        NEWEST - 6 * HOUR,
        NEWEST - 4 * HOUR,
    )
    assert hour.explanation == "Nothing ran."
    assert hour.attempts == {}


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("no_change", "Blizzard had published nothing new once (Why.)."),
        ("rejected", "Blizzard's answer was refused once (Why.)."),
        ("failed", "Failed once (Why.)."),
        ("locked", "Locked out once by another run (Why.)."),
        ("spooled", "Received once and put into the spool, since it could not be stored (Why.)."),
        ("running", "Crashed once (Why.)."),
    ],
)
def test_the_logs_explain_a_missing_hour(well: Storage, status: str, told: str) -> None:
    forget(well, hours_ago=5)
    log_attempts(well, (NEWEST - 5 * HOUR + 27 * MINUTE, status, "Why."))
    assert hour_of(look(well)).explanation == told


def test_attempts_that_ended_differently_are_all_told(well: Storage) -> None:
    forget(well, hours_ago=5)
    began = NEWEST - 5 * HOUR + 27 * MINUTE
    log_attempts(
        well,
        (began, "rejected", "The body is cut."),
        (began + MINUTE, "no_change", None),
        (began + 2 * MINUTE, "no_change", None),
        (began + 3 * MINUTE, "no_change", None),
    )
    hour = hour_of(look(well))
    assert hour.explanation == (
        "Blizzard's answer was refused once (The body is cut.); Blizzard had published nothing new 3 times."
    )
    assert hour.attempts == {"rejected": 1, "no_change": 3}


def test_a_run_at_work_is_not_called_crashed(well: Storage) -> None:
    forget(well, hours_ago=5)
    log_attempts(well, (NEWEST - 5 * HOUR + 27 * MINUTE, "running", None))
    with well.database.connect(autocommit=True) as owner:
        running = owner.execute(select(SCRAPER_LOGS.c.id).where(SCRAPER_LOGS.c.status == "running")).scalar_one()
        assert locks.acquire(owner, locks.run_lock(running))
        assert hour_of(look(well)).explanation == "Still at work once."
        locks.release(owner, locks.run_lock(running))


def test_bodies_on_disk_are_told_with_their_hour(well: Storage) -> None:
    forget(well, hours_ago=5)
    keep(well, quarantine=True, moment=NEWEST - 5 * HOUR)
    health = look(well)
    assert hour_of(health).explanation.endswith("a refused body of it is kept: `ironforge spool list --quarantine`.")
    assert kinds(health) == {ProblemKind.MISSING_HOUR, ProblemKind.QUARANTINE}
    keep(well, quarantine=False, moment=NEWEST - 5 * HOUR)
    assert hour_of(look(well)).explanation.endswith("its body waits in the spool, and the next run stores it.")


def test_hours_before_the_oldest_log_are_not_called_idle(well: Storage) -> None:
    forget(well, hours_ago=30)
    with well.database.transaction() as connection:
        connection.execute(delete(SCRAPER_LOGS).where(SCRAPER_LOGS.c.timestamp < NOW - 24 * HOUR))
    assert hour_of(look(well)).explanation == "No logs are kept of that time."


def test_rows_that_wait_for_the_database_are_thought_of(well: Storage) -> None:
    forget(well, hours_ago=5)
    assert hour_of(look(healthy.waiting_rows(well))).explanation == (
        "Nothing ran, or its log rows still wait for the database."
    )


def test_a_missed_hour_is_a_problem_for_a_day_and_then_history(well: Storage) -> None:
    forget(well, hours_ago=30)
    health = look(well)
    assert health.problems == ()
    assert hour_of(health).expected_at == NEWEST - 30 * HOUR


def test_any_range_can_be_listed_and_changes_no_judgement(well: Storage) -> None:
    for hours_ago in (5, 20, 21, 30):
        forget(well, hours_ago=hours_ago)
    health = look(well, since=NEWEST - 30 * HOUR, until=NEWEST - 20 * HOUR)
    assert [hour.expected_at for hour in ill(health).missing] == [NEWEST - 21 * HOUR, NEWEST - 30 * HOUR]
    judged = [problem.text for problem in health.problems]
    assert [text.partition(" are missing")[0] for text in judged] == ["US: 1 h", "US: 2 h"]
    assert judged == [problem.text for problem in look(well).problems]


def test_every_hour_of_a_silence_is_listed_and_judged_as_one_staleness(well: Storage) -> None:
    health = look(healthy.stale(well))
    assert kinds(health) == {ProblemKind.STALE}
    # The hour of 12:03 may still come.
    assert [hour.expected_at for hour in ill(health).missing] == [NEWEST - HOUR, NEWEST - 2 * HOUR]
    assert {hour.until for hour in ill(health).missing} == {None}
    assert ill(health).gaps == ()
