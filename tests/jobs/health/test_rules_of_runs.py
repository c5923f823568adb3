from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.db.repositories.attempts import Streak
from ironforge_cli.db.repositories.health import LoggedAttempt
from ironforge_cli.db.repositories.seeders import SeederState
from ironforge_cli.errors import ConfigurationError, UnreachableError
from ironforge_cli.jobs.evidence.windows import KilledWindow, OpenWindow
from ironforge_cli.jobs.health.rules import ProblemKind, problems
from ironforge_cli.jobs.health.status_findings import Disk
from ironforge_cli.regions import Region
from ironforge_cli.values import replace
from tests.jobs.healthy import HOUR, MINUTE, NOW
from tests.jobs.well_found import WELL, found

if TYPE_CHECKING:
    from datetime import datetime

    from ironforge_cli.jobs.health.status_findings import RegionFindings, StatusFindings

SECOND = timedelta(seconds=1)
CRASHED_AT = NOW - HOUR


def told(findings: StatusFindings) -> list[tuple[ProblemKind, str]]:
    """What is wrong beside the regions."""
    named = problems(findings)
    assert {problem.region for problem in named} <= {None}
    return [(problem.kind, problem.text) for problem in named]


def attempt(
    command: str,
    *,
    region: str | None = "eu",
    at: datetime = CRASHED_AT,
    status: str = "running",
    message: str | None = None,
) -> LoggedAttempt:
    return LoggedAttempt(id=7, command=command, region=region, timestamp=at, status=status, error_message=message)


def collected(region: Region, last_good_at: datetime | None, *, last_at: datetime | None = None) -> RegionFindings:
    """A region that was tried lately, and when that last ended well."""
    tried = last_at or NOW - MINUTE
    return replace(WELL, region=region, streak=Streak(last_good_at, {"failed": 1}, 1, tried, tried, "Why."))


# Crashes


@pytest.mark.parametrize("command", ["collect", "poll"])
@pytest.mark.parametrize(
    ("last_good_at", "is_made_up_for"),
    [(CRASHED_AT + SECOND, True), (CRASHED_AT, False), (CRASHED_AT - SECOND, False), (None, False)],
)
def test_a_crash_of_collecting_is_made_up_for_by_a_later_good_attempt_at_its_region(
    command: str, last_good_at: datetime | None, *, is_made_up_for: bool
) -> None:
    # The other region's good attempts are nothing to it.
    states = (collected(Region.EU, last_good_at), collected(Region.US, NOW - MINUTE))
    text = (
        f"The run 7 ({command} eu) of 2026-01-14T11:35:00Z crashed. "
        "Run it again, and see the system's log for what killed it."
    )
    expected = [] if is_made_up_for else [(ProblemKind.CRASHED, text)]
    assert told(found(*states, crashed=(attempt(command),))) == expected


def test_a_crash_of_collecting_a_region_that_nobody_asks_for_is_left_alone() -> None:
    assert told(found(collected(Region.US, None), crashed=(attempt("collect"),))) == []


def test_a_crash_of_collecting_is_told_where_the_attempts_are_not_known() -> None:
    unknown = replace(WELL, streak=None)
    assert [kind for kind, _ in told(found(unknown, crashed=(attempt("collect"),)))] == [ProblemKind.CRASHED]


# Windows that were killed while they waited

KILLED = KilledWindow(
    OpenWindow("poll", (Region.EU,), CRASHED_AT - MINUTE, CRASHED_AT + 29 * MINUTE), CRASHED_AT, Path("/locks/a.window")
)
KILLED_EVENT = "crashed window 2026-01-14T11:34:00Z"
KILLED_TEXT = (
    "The window that began at 2026-01-14T11:34:00Z was killed while it waited, after 2026-01-14T11:35:00Z: by kill -9, "
    "for want of memory, or with the machine. See the system's log; the next `ironforge poll` goes on."
)


@pytest.mark.parametrize(
    ("last_good_at", "is_made_up_for"),
    # Its own good attempts, before it was killed, make up for nothing.
    [(CRASHED_AT + SECOND, True), (CRASHED_AT - SECOND, False), (None, False)],
)
def test_a_window_that_was_killed_is_made_up_for_by_a_later_good_attempt_at_its_regions(
    last_good_at: datetime | None, *, is_made_up_for: bool
) -> None:
    states = (collected(Region.EU, last_good_at), collected(Region.US, None))
    expected = [] if is_made_up_for else [(ProblemKind.CRASHED, KILLED_TEXT)]
    assert told(found(*states, killed_windows=(KILLED,))) == expected


def test_a_window_that_was_killed_is_told_though_the_attempts_are_not_known() -> None:
    unknown = replace(WELL, streak=None)
    away = UnreachableError("The server is away.")
    given = found(unknown, killed_windows=(KILLED,), away=away)
    assert told(given) == [(ProblemKind.DATABASE, "The server is away."), (ProblemKind.CRASHED, KILLED_TEXT)]


def test_a_window_that_was_killed_at_work_is_told_once_by_its_attempt() -> None:
    for at in (CRASHED_AT, KILLED.window.started_at):
        given = found(collected(Region.EU, None), killed_windows=(KILLED,), crashed=(attempt("poll", at=at),))
        assert [text[:9] for _, text in told(given)] == ["The run 7"]
    before = attempt("poll", at=KILLED.window.started_at - SECOND)
    assert len(told(found(collected(Region.EU, None), killed_windows=(KILLED,), crashed=(before,)))) == 2


def test_what_a_person_ran_once_is_that_person_s_business_though_it_failed() -> None:
    assert told(found(upkeep=(attempt("snapshots drop", status="failed"),))) == []
    assert len(told(found(upkeep=(attempt("seed items", status="failed"),)))) == 1


def test_a_window_that_was_killed_counts_as_seen_when_a_person_has_seen_it() -> None:
    given = found(collected(Region.EU, None), killed_windows=(KILLED,), seen={KILLED_EVENT: "me"})
    assert told(given) == []


@pytest.mark.parametrize(
    ("later", "is_made_up_for"),
    [
        (attempt("seed items", region=None, at=CRASHED_AT + SECOND, status="success"), True),
        (attempt("seed items", region=None, at=CRASHED_AT + SECOND, status="no_change"), True),
        (attempt("seed items", region=None, at=CRASHED_AT, status="success"), False),
        (attempt("seed items", region=None, at=CRASHED_AT - SECOND, status="success"), False),
        (attempt("seed items", region="eu", at=CRASHED_AT + SECOND, status="success"), False),
        (attempt("seed recipes", region=None, at=CRASHED_AT + SECOND, status="success"), False),
    ],
)
def test_a_crash_of_upkeep_is_made_up_for_by_a_later_good_run_of_the_same(
    later: LoggedAttempt, *, is_made_up_for: bool
) -> None:
    # What only collecting did says nothing of it, nor what is good of a region.
    given = found(crashed=(attempt("seed items", region=None),), upkeep=(later,))
    assert [kind for kind, _ in told(given)] == ([] if is_made_up_for else [ProblemKind.CRASHED])


def test_a_crash_of_upkeep_is_not_made_up_for_by_a_failure() -> None:
    later = attempt("seed items", region=None, at=NOW, status="failed")
    given = found(crashed=(attempt("seed items", region=None),), upkeep=(later,))
    assert [kind for kind, _ in told(given)] == [ProblemKind.CRASHED, ProblemKind.FAILED_RUN]


def test_a_crash_of_looking_is_made_up_for_by_looking() -> None:
    assert told(found(crashed=(attempt("status", region=None),))) == []


# Upkeep


@pytest.mark.parametrize(
    ("run", "text"),
    [
        (
            attempt("stats recompute", status="failed", message="The disk is full."),
            "The last run of stats recompute eu, of 2026-01-14T11:35:00Z, failed: The disk is full. Run it again.",
        ),
        (
            attempt("seed items", region=None, status="rejected"),
            "The last run of seed items, of 2026-01-14T11:35:00Z, failed. Run it again.",
        ),
    ],
)
def test_upkeep_that_failed_is_told_with_its_reason(run: LoggedAttempt, text: str) -> None:
    assert told(found(upkeep=(run,))) == [(ProblemKind.FAILED_RUN, text)]


@pytest.mark.parametrize("status", ["success", "no_change"])
def test_upkeep_that_ended_well_is_not_told(status: str) -> None:
    assert told(found(upkeep=(attempt("stats recompute", status=status),))) == []


# Seeders, rows that wait, disk


def seeder(*, completed: bool, completed_at: datetime | None, newer_build: str | None = None) -> SeederState:
    return SeederState(
        "item", completed=completed, completed_at=completed_at, build="1", locale="en_US", newer_build=newer_build
    )


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (seeder(completed=True, completed_at=NOW - HOUR), None),
        (seeder(completed=False, completed_at=None), None),
        (seeder(completed=False, completed_at=NOW - HOUR), "is not any more"),
        (seeder(completed=False, completed_at=NOW - HOUR, newer_build="2"), "build 2 of the game is newer"),
    ],
)
def test_a_seeder_that_was_complete_once_is_told(state: SeederState, said: str | None) -> None:
    text = f"The seeder item was complete on 2026-01-14T11:35:00Z, and {said}. Run `ironforge seed all`."
    assert told(found(seeders=(state,))) == ([] if said is None else [(ProblemKind.SEEDER, text)])


def test_log_rows_that_wait_are_told_by_their_number() -> None:
    assert told(found(pending_rows=0)) == []
    text = "2 log rows wait for the database: the next run of `ironforge collect` writes them."
    assert told(found(pending_rows=2)) == [(ProblemKind.PENDING_LOGS, text)]


def test_what_can_not_be_read_is_told_beside_everything_else() -> None:
    error = ConfigurationError("The spool can't be read.")
    assert told(found(unreadable=error, pending_rows=1))[0] == (ProblemKind.UNREADABLE, "The spool can't be read.")


@pytest.mark.parametrize(("free", "is_problem"), [(5, False), (4, True), (0, True)])
def test_a_disk_is_full_below_a_twentieth(free: int, *, is_problem: bool) -> None:
    disk = Disk(Path("/srv"), free=free * 10**9, total=100 * 10**9)
    text = f"The disk of /srv is nearly full: {free}.0 GB are left. Make room."
    assert told(found(disk=disk)) == ([(ProblemKind.DISK, text)] if is_problem else [])
