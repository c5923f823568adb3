from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.db.repositories.attempts import Streak
from ironforge_cli.db.repositories.health import LoggedAttempt
from ironforge_cli.db.repositories.thinning_checks import ThinningCheck
from ironforge_cli.errors import ConfigurationError, DatabaseError
from ironforge_cli.jobs.health.rules import Problem, ProblemKind, problems
from ironforge_cli.jobs.health.status_findings import Disk, MissingHour, RegionFindings, Shelved, Unresolved
from ironforge_cli.market.doubts import Doubt
from ironforge_cli.market.estimator_version import ESTIMATOR_VERSION
from ironforge_cli.regions import Region
from ironforge_cli.values import replace
from tests.jobs.healthy import HOUR, MINUTE, NOW
from tests.jobs.well_found import CHECKED, ENDED_WELL, FRESH, READY, WELL, found

if TYPE_CHECKING:
    from datetime import datetime

SECOND = timedelta(seconds=1)


def told(state: RegionFindings, **everything: Any) -> list[tuple[ProblemKind, str]]:
    """What is wrong with one region, and how it is said."""
    named = problems(found(state, **everything))
    assert {problem.region for problem in named} <= {state.region}
    return [(problem.kind, problem.text) for problem in named]


def kinds(state: RegionFindings, **everything: Any) -> list[ProblemKind]:
    return [kind for kind, _ in told(state, **everything)]


def test_every_kind_says_what_it_is_and_what_to_do() -> None:
    assert [kind for kind in ProblemKind if not kind.meaning or not kind.advice] == []
    assert len({kind.meaning for kind in ProblemKind}) == len(ProblemKind)


def test_nothing_is_said_where_all_is_well() -> None:
    assert problems(found()) == ()


# Freshness


def aged(age: timedelta, **of: Any) -> RegionFindings:
    return replace(WELL, freshness=replace(FRESH, age_seconds=int(age.total_seconds()), **of))


@pytest.mark.parametrize("region", list(Region))
def test_a_region_without_a_snapshot_is_told_once(region: Region) -> None:
    tried = LoggedAttempt(1, "collect", region.value, NOW, "failed", None)
    nothing = RegionFindings(region=region, streak=Streak(None, {}, 0, None, None, None), last_attempts=(tried,))
    assert told(nothing) == [
        (ProblemKind.NO_SNAPSHOT, f"{region.label}: no snapshot is stored. Run `ironforge collect`."),
    ]


@pytest.mark.parametrize(
    ("age", "kind"),
    [
        (2 * HOUR, None),
        (2 * HOUR + SECOND, ProblemKind.STALE),
        (timedelta(0), None),
        (-SECOND, None),
        (-5 * MINUTE, None),
        (-5 * MINUTE - SECOND, ProblemKind.FUTURE),
    ],
)
def test_a_snapshot_is_stale_past_the_limit_and_clocks_may_differ_by_five_minutes(
    age: timedelta, kind: ProblemKind | None
) -> None:
    assert kinds(aged(age)) == ([kind] if kind else [])


@pytest.mark.parametrize("region", list(Region))
def test_a_snapshot_in_the_future_is_told_with_the_command_that_takes_it_out(region: Region) -> None:
    (problem,) = told(replace(aged(-HOUR), region=region))
    assert "not stored" in problem[1]
    assert f"`ironforge snapshots drop --region {region} 2026-01-14T12:03:00Z`" in problem[1]


def test_what_was_never_begun_is_one_problem_of_no_region() -> None:
    nothing = [RegionFindings(region=region, streak=Streak(None, {}, 0, None, None, None)) for region in Region]
    assert problems(found(*nothing)) == (
        Problem(ProblemKind.NO_SNAPSHOT, None, "Nothing has been collected yet. Run `ironforge collect`."),
    )


@pytest.mark.parametrize(
    ("late", "max_age", "is_late"),
    [
        (35 * MINUTE, 2 * HOUR, False),
        (35 * MINUTE + SECOND, 2 * HOUR, True),
        (270 * MINUTE, 6 * HOUR, False),
        (270 * MINUTE + SECOND, 6 * HOUR, True),
    ],
)
def test_the_next_snapshot_may_be_35_minutes_late_or_until_half_an_hour_before_the_limit(
    late: timedelta, max_age: timedelta, *, is_late: bool
) -> None:
    state = aged(90 * MINUTE, late_seconds=int(late.total_seconds()))
    assert kinds(state, max_age=max_age) == ([ProblemKind.LATE] if is_late else [])


def test_a_stale_region_is_not_called_late_as_well() -> None:
    assert kinds(aged(3 * HOUR, late_seconds=99 * 60)) == [ProblemKind.STALE]


def test_without_a_rhythm_nothing_is_late() -> None:
    assert kinds(aged(HOUR, minute=None, due_at=None, delay_seconds=None, late_seconds=None)) == []


@pytest.mark.parametrize(
    ("due_at", "said"),
    [
        (NOW - SECOND, ", and the next was due at 2026-01-14T12:34:59Z"),
        (NOW, ""),
        (NOW + SECOND, ""),
        (None, ""),
    ],
)
def test_what_is_stale_or_late_says_when_the_next_one_was_due(due_at: datetime | None, said: str) -> None:
    assert told(aged(150 * MINUTE, due_at=due_at)) == [
        (ProblemKind.STALE, f"EU: the newest snapshot is 2 h 30 min old{said}. Does cron run `ironforge poll`?"),
    ]
    assert told(aged(HOUR, due_at=due_at, late_seconds=40 * 60)) == [
        (ProblemKind.LATE, f"EU: the next snapshot is 40 min later than usual{said}. Did the last runs fail?"),
    ]


def hour(number: int, explanation: str, *, since: int, until: int | None) -> MissingHour:
    """A missing hour, by hours since midnight."""
    midnight = NOW.replace(hour=0, minute=0)
    return MissingHour(
        expected_at=midnight + number * HOUR,
        since=midnight + since * HOUR,
        until=None if until is None else midnight + until * HOUR,
        attempts={},
        explanation=explanation,
    )


def test_the_missing_hours_of_each_gap_are_told_together_each_reason_once() -> None:
    missing = (
        hour(9, "Nothing ran.", since=8, until=10),
        hour(6, "Failed once.", since=3, until=7),
        hour(5, "Nothing ran.", since=3, until=7),
        hour(4, "Nothing ran.", since=3, until=7),
        hour(1, "Failed once.", since=0, until=None),
    )
    assert told(replace(WELL, missing_lately=missing)) == [
        (
            ProblemKind.MISSING_HOUR,
            "EU: 1 h are missing between 2026-01-14T08:00:00Z and 2026-01-14T10:00:00Z. Nothing ran.",
        ),
        (
            ProblemKind.MISSING_HOUR,
            "EU: 3 h are missing between 2026-01-14T03:00:00Z and 2026-01-14T07:00:00Z. Failed once. Nothing ran.",
        ),
        (ProblemKind.MISSING_HOUR, "EU: 1 h are missing since 2026-01-14T00:00:00Z. Failed once."),
    ]


def test_what_is_listed_beyond_the_last_day_is_no_problem() -> None:
    assert kinds(replace(WELL, missing=(hour(5, "Nothing ran.", since=4, until=6),))) == []


# Attempts


def streak(first_at: datetime, *, runs: int, last_good_at: datetime | None = None, **counts: int) -> RegionFindings:
    return replace(WELL, streak=Streak(last_good_at, counts, runs, first_at, NOW - MINUTE, "Why."))


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (streak(NOW - 3 * MINUTE, runs=3, locked=3), ProblemKind.LOCKED_OUT),
        (streak(NOW - 3 * MINUTE, runs=2, locked=2), None),
        (streak(NOW - 2 * HOUR - 2 * MINUTE, runs=1, locked=200), ProblemKind.LOCKED_OUT),
        (streak(NOW - 2 * HOUR - MINUTE, runs=1, locked=200), None),
        (streak(NOW - 3 * MINUTE, runs=3, locked=2, failed=1), ProblemKind.FAILING),
        (streak(NOW - 30 * MINUTE, runs=1, rejected=60), None),
    ],
)
def test_a_streak_counts_from_three_runs_or_two_hours_on(state: RegionFindings, kind: ProblemKind | None) -> None:
    assert kinds(state) == ([kind] if kind else [])


def test_a_streak_is_told_with_its_beginning_its_size_and_the_last_reason() -> None:
    since = NOW - 3 * HOUR
    assert told(streak(since, runs=3, locked=3)) == [
        (
            ProblemKind.LOCKED_OUT,
            (
                "EU: all 3 attempts since 2026-01-14T09:35:00Z lost the lock to another run. "
                "End the process that holds it: see pg_locks."
            ),
        )
    ]
    ((_, alone),) = told(streak(since, runs=1, locked=1))
    assert alone.startswith("EU: the only attempt since 2026-01-14T09:35:00Z lost the lock")
    assert told(streak(since, runs=3, rejected=1, failed=4)) == [
        (
            ProblemKind.FAILING,
            "EU: no attempt since 2026-01-14T09:35:00Z ended well (4 failed, 1 rejected). The last one: Why.",
        )
    ]


@pytest.mark.parametrize(("last", "is_idle"), [(NOW - 2 * HOUR, False), (NOW - 2 * HOUR - SECOND, True)])
def test_a_region_that_nobody_tried_for_longer_than_the_limit_is_told(last: datetime, *, is_idle: bool) -> None:
    text = "EU: nothing has tried to collect since 2026-01-14T10:34:59Z. Does cron run `ironforge poll`?"
    state = replace(WELL, streak=replace(ENDED_WELL, last_good_at=last))
    assert told(state) == ([(ProblemKind.NOTHING_RAN, text)] if is_idle else [])


def test_an_attempt_that_failed_is_one_that_was_made() -> None:
    assert kinds(streak(NOW - 3 * MINUTE, runs=1, last_good_at=NOW - 3 * HOUR, failed=1)) == []


def test_a_region_with_snapshots_and_without_any_log_is_told() -> None:
    state = replace(WELL, streak=Streak(None, {}, 0, None, None, None))
    text = "EU: no attempt to collect is logged. Does cron run `ironforge poll`?"
    assert told(state) == [(ProblemKind.NOTHING_RAN, text)]


# Days


@pytest.mark.parametrize(
    ("ready", "wanted", "kind"),
    [
        (7, 7, None),
        (6, 7, None),
        (5, 7, ProblemKind.AHEAD),
        (0, 7, ProblemKind.NO_PARTITION),
        (0, 1, ProblemKind.NO_PARTITION),
        (0, 0, None),
        (None, 0, ProblemKind.NO_PARTITION),
    ],
)
@pytest.mark.parametrize("default", [None, "rest"])
def test_a_day_without_its_partition_and_two_that_lack_ahead(
    ready: int | None, wanted: int, kind: ProblemKind | None, default: str | None
) -> None:
    state = replace(WELL, days=replace(READY, ahead=ready, default=default))
    # A default partition has a place for every row.
    assert kinds(state, ahead=wanted) == ([kind] if kind and default is None else [])


@pytest.mark.parametrize(
    ("changed", "kind", "text"),
    [
        (
            {"ahead": None},
            ProblemKind.NO_PARTITION,
            "there is no partition for today (UTC). Run `ironforge partitions maintain`; does cron?",
        ),
        (
            {"ahead": 0},
            ProblemKind.NO_PARTITION,
            "there is no partition for tomorrow (UTC). Run `ironforge partitions maintain`; does cron?",
        ),
        ({"ahead": 3}, ProblemKind.AHEAD, "3 days ahead are ready instead of 7. Run `ironforge partitions maintain`."),
        (
            {"past_retention": ("first", "second")},
            ProblemKind.PAST_RETENTION,
            (
                "raw data older than 30 days is still held, from first on (2 partitions). "
                "Run `ironforge partitions maintain`."
            ),
        ),
        (
            {"past_retention": ("first",), "held_back": ("first",)},
            ProblemKind.PAST_RETENTION,
            (
                "raw data older than 30 days is still held, from first on (1 partition). They leave by the time of "
                "the newest snapshot, not by the clock: set the clock, if it is wrong, collect again, or drop each "
                "by its date (ironforge partitions drop --force)."
            ),
        ),
        (
            # One of them the next run does drop.
            {"past_retention": ("first", "second"), "held_back": ("first",)},
            ProblemKind.PAST_RETENTION,
            (
                "raw data older than 30 days is still held, from first on (2 partitions). "
                "Run `ironforge partitions maintain`."
            ),
        ),
        (
            {"default": "rest", "is_default_used": True},
            ProblemKind.DEFAULT_PARTITION,
            (
                "rows lie in the default partition rest, and no day leaves it. Detach it, run "
                "`ironforge partitions maintain`, and insert its rows again."
            ),
        ),
        (
            {"detaching": ("one",)},
            ProblemKind.DETACHING,
            "detaching one was cut off. Run `ironforge partitions maintain`, which finishes it.",
        ),
    ],
)
def test_what_is_wrong_with_the_days_names_them(changed: dict[str, Any], kind: ProblemKind, text: str) -> None:
    assert told(replace(WELL, days=replace(READY, **changed))) == [(kind, f"EU: {text}")]


def test_each_detaching_that_was_cut_off_is_told() -> None:
    assert kinds(replace(WELL, days=replace(READY, detaching=("one", "two")))) == [ProblemKind.DETACHING] * 2


# Estimates


@pytest.mark.parametrize(
    ("day", "before", "is_problem"),
    [
        (0.11, 0.05, True),
        (0.099, 0.05, False),
        (0.08, 0.01, True),
        (0.05, 0.01, False),
        # It rose by far more than five points, and not to the double.
        (0.28, 0.16, False),
        # Exactly the double, and exactly five points: numbers of which a double has the very sum and product.
        (0.5, 0.25, False),
        (0.05, 0.0, False),
        (0.0, 0.0, False),
        (0.06, 0.0, True),
        (None, 0.05, False),
        (0.9, None, False),
    ],
)
def test_the_self_check_is_a_problem_when_it_doubled_and_rose_by_five_points(
    day: float | None, before: float | None, *, is_problem: bool
) -> None:
    assert (
        ProblemKind.SELF_CHECK in kinds(replace(WELL, self_check=replace(CHECKED, day=day, before=before)))
    ) is is_problem


def test_the_self_check_is_told_with_both_shares() -> None:
    assert told(replace(WELL, self_check=replace(CHECKED, newest=0.9, day=0.31, before=0.125))) == [
        (
            ProblemKind.SELF_CHECK,
            (
                "EU: 31.0% of the partly sold auctions of the last 24 hours stood above an untouched cheaper one, "
                "12.5% in the 14 days before. Estimated sales may be off."
            ),
        )
    ]


@pytest.mark.parametrize(
    ("figures", "doubt"),
    [
        ({"phase": 0.5}, Doubt.LISTED_EARLY),
        ({"phase": 1.2}, Doubt.LISTED_LATE),
        ({"withdrawn_an_hour": 0.09}, Doubt.CANCELLING),
        ({"thinned": ThinningCheck(NOW, NOW, items=50, ratio=0.6)}, Doubt.THINNING),
        ({"phase": 1.0, "withdrawn_an_hour": 0.03, "thinned": ThinningCheck(NOW, NOW, items=2, ratio=None)}, None),
    ],
)
def test_a_market_that_behaves_otherwise_is_a_problem(figures: dict[str, Any], doubt: Doubt | None) -> None:
    problems_found = told(replace(WELL, self_check=replace(CHECKED, **figures)))
    words = f"EU: {doubt.value}. See `ironforge stats check`." if doubt else ""
    assert problems_found == ([(ProblemKind.SELF_CHECK, words)] if doubt else [])


@pytest.mark.parametrize("version", [ESTIMATOR_VERSION - 1, ESTIMATOR_VERSION + 1])
def test_sales_by_rules_of_another_version_are_told_with_both(version: int) -> None:
    assert told(replace(WELL, self_check=replace(CHECKED, version=version))) == [
        (
            ProblemKind.ESTIMATOR,
            (
                f"EU: the newest sales were estimated by version {version} of the rules, this program has "
                f"{ESTIMATOR_VERSION}. `ironforge stats recompute` makes it even."
            ),
        )
    ]


# Bodies


def test_what_waits_in_the_spool_is_told_with_the_oldest() -> None:
    waiting = Shelved(bodies=2, bytes=9, oldest_at=NOW - HOUR, newest_at=NOW, newest_reason="Away.")
    text = "EU: 2 bodies wait in the spool, the oldest since 2026-01-14T11:35:00Z: `ironforge spool list`."
    assert told(replace(WELL, spool=waiting)) == [(ProblemKind.SPOOL, text)]
    # Whether a refused body is a problem is another question than whether there is one.
    assert told(replace(WELL, quarantine=waiting)) == []


def test_of_refused_bodies_whose_hour_is_missing_the_newest_is_told() -> None:
    bodies = tuple(Unresolved(str(age), NOW - age * HOUR, f"Reason {age}.") for age in (3, 1, 2))
    text = (
        "EU: a body that was refused at 2026-01-14T11:35:00Z is of an hour that is missing (Reason 1.) "
        "Look at `ironforge spool list --quarantine`."
    )
    assert told(replace(WELL, unresolved=bodies)) == [(ProblemKind.QUARANTINE, text)]


# Everything else


@pytest.mark.parametrize(
    ("error", "kind"),
    [(DatabaseError("Away."), ProblemKind.DATABASE), (ConfigurationError("Old."), ProblemKind.SCHEMA)],
)
def test_without_a_database_only_what_lies_on_disk_is_judged(
    error: DatabaseError | ConfigurationError, kind: ProblemKind
) -> None:
    on_disk = RegionFindings(
        region=Region.EU, spool=Shelved(bodies=1), unresolved=(Unresolved("a", NOW - MINUTE, "Why."),)
    )
    ill = replace(on_disk, streak=Streak(None, {"failed": 9}, 9, NOW - HOUR, NOW, "Why."))
    assert problems(found(ill, away=error)) == (
        Problem(kind, None, str(error)),
        Problem(ProblemKind.SPOOL, Region.EU, "EU: 1 body waits in the spool: `ironforge spool list`."),
    )


def test_what_is_wrong_is_told_worst_first_whatever_it_is_of() -> None:
    eu = replace(
        aged(3 * HOUR),
        streak=replace(ENDED_WELL, last_good_at=NOW - 3 * HOUR),
        days=replace(READY, ahead=0),
        self_check=replace(CHECKED, version=ESTIMATOR_VERSION - 1),
        spool=Shelved(bodies=1),
    )
    us = replace(WELL, region=Region.US, days=replace(READY, ahead=1))
    named = problems(found(eu, us, pending_rows=1, disk=Disk(Path("/srv"), free=0, total=1)))
    assert [(problem.region, problem.kind) for problem in named] == [
        (None, ProblemKind.DISK),
        (Region.EU, ProblemKind.STALE),
        (Region.EU, ProblemKind.NOTHING_RAN),
        (Region.EU, ProblemKind.NO_PARTITION),
        (Region.EU, ProblemKind.SPOOL),
        (None, ProblemKind.PENDING_LOGS),
        (Region.US, ProblemKind.AHEAD),
        (Region.EU, ProblemKind.ESTIMATOR),
    ]
