from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ironforge_cli.db.repositories.attempts import Streak
from ironforge_cli.jobs.findings import Days, Disk, Findings, RegionFindings, SelfCheck
from ironforge_cli.jobs.health_rules import Kind, problems
from ironforge_cli.market.sales import ESTIMATOR_VERSION
from ironforge_cli.regions import Region
from tests.jobs.healthy import HOUR, MINUTE, NOW

if TYPE_CHECKING:
    from datetime import datetime

ROOM = Disk(Path("/srv"), free=50, total=100)


def kinds(*, disk: Disk = ROOM, ahead: int = 7, **state: object) -> set[Kind]:
    """The kinds of problems of a region of which only some things are known, beside that nothing is stored."""
    region = RegionFindings(region=Region.EU, **state)  # pyright: ignore[reportArgumentType] - the caller knows them
    found = Findings(
        now=NOW, max_age=2 * HOUR, database="x", away=None, regions=(region,), disk=disk, ahead=ahead, retention_days=30
    )
    return {problem.kind for problem in problems(found)} - {Kind.NO_SNAPSHOT}


def test_every_kind_says_what_it_is_and_what_to_do() -> None:
    assert [kind for kind in Kind if not kind.meaning or not kind.advice] == []
    assert len({kind.meaning for kind in Kind}) == len(Kind)


@pytest.mark.parametrize(
    ("day", "before", "is_problem"),
    [
        (0.11, 0.05, True),
        (0.099, 0.05, False),
        (0.08, 0.01, True),
        (0.05, 0.01, False),
        (0.20, 0.16, False),
        (0.0, 0.0, False),
        (0.06, 0.0, True),
        (None, 0.05, False),
        (0.9, None, False),
    ],
)
def test_the_self_check_is_a_problem_when_it_doubled_and_rose_by_five_points(
    day: float | None, before: float | None, *, is_problem: bool
) -> None:
    check = SelfCheck(newest=0.5, day=day, before=before, version=ESTIMATOR_VERSION, computed_otherwise=0)
    assert (Kind.SELF_CHECK in kinds(self_check=check)) is is_problem


def streak(first_at: datetime, *, runs: int, **counts: int) -> Streak:
    return Streak(None, counts, runs, first_at, NOW - MINUTE, "Why.")


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (streak(NOW - 3 * MINUTE, runs=3, locked=3), Kind.LOCKED_OUT),
        (streak(NOW - 3 * MINUTE, runs=2, locked=2), None),
        (streak(NOW - 2 * HOUR - 2 * MINUTE, runs=1, locked=200), Kind.LOCKED_OUT),
        (streak(NOW - 2 * HOUR - MINUTE, runs=1, locked=200), None),
        (streak(NOW - 3 * MINUTE, runs=3, locked=2, failed=1), Kind.FAILING),
        (streak(NOW - 30 * MINUTE, runs=1, rejected=60), None),
    ],
)
def test_a_streak_counts_from_three_runs_or_two_hours_on(found: Streak, kind: Kind | None) -> None:
    assert kinds(streak=found) == ({kind} if kind else set())


@pytest.mark.parametrize(
    ("ready", "wanted", "kind"),
    [
        (7, 7, None),
        (6, 7, None),
        (5, 7, Kind.AHEAD),
        (0, 7, Kind.NO_PARTITION),
        (0, 1, Kind.NO_PARTITION),
        (0, 0, None),
        (None, 0, Kind.NO_PARTITION),
    ],
)
def test_a_day_without_its_partition_and_two_that_lack_ahead(ready: int | None, wanted: int, kind: Kind | None) -> None:
    days = Days(
        held=9,
        oldest=None,
        newest=None,
        ahead=ready,
        past_retention=(),
        detaching=(),
        default=None,
        is_default_used=False,
    )
    assert kinds(days=days, ahead=wanted) == ({kind} if kind else set())


@pytest.mark.parametrize(("free", "is_problem"), [(5, False), (4, True), (0, True)])
def test_a_disk_is_full_below_a_twentieth(free: int, *, is_problem: bool) -> None:
    assert (Kind.DISK in kinds(disk=Disk(Path("/srv"), free=free, total=100))) is is_problem
