"""How far `status` looks, what it writes of itself, and the exit code of what can't be asked."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete, insert, select

from ironforge_cli.blizzard.spool import Shelf
from ironforge_cli.db.models import BENCHMARKS, REGISTRY, SCRAPER_LOGS, SNAPSHOTS
from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.health.rules import ProblemKind
from ironforge_cli.jobs.health.status import examine
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from ironforge_cli.values import replace
from tests.clocks import TickingClock
from tests.jobs import healthy
from tests.jobs.healthy import HOUR, ILL, MINUTE, NEWEST, NOW, attempt, forget, ill, keep, kinds, log_attempts, look

if TYPE_CHECKING:
    from pathlib import Path

    from ironforge_cli.blizzard.spool import Kept
    from ironforge_cli.jobs.storage import Storage

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


def own_rows(storage: Storage) -> list[tuple[str, str | None, str, str | None]]:
    """What `status` wrote of its runs: status and message of its log row and of its benchmark."""
    logs = select(SCRAPER_LOGS.c.status, SCRAPER_LOGS.c.error_message).where(SCRAPER_LOGS.c.command == "status")
    runs = select(BENCHMARKS.c.status, BENCHMARKS.c.error_message).where(BENCHMARKS.c.operation_name == "status")
    with storage.database.connect() as connection:
        pairs = zip(
            connection.execute(logs.order_by(SCRAPER_LOGS.c.id)),
            connection.execute(runs.order_by(BENCHMARKS.c.id)),
            strict=True,
        )
        return [(*log, *run) for log, run in pairs]


def test_looking_leaves_rows_that_say_what_was_wrong(well: Storage) -> None:
    look(well)
    healthy.missed(healthy.locked_out(well))
    told = " ".join(problem.text for problem in look(well).problems)
    assert told.count("US: ") == 2
    look(well, check=False)
    assert own_rows(well) == [
        ("success", None, "success", None),
        ("failed", told, "failed", told),
        ("success", told, "success", told),
    ]


def test_what_can_not_be_asked_decides_the_exit_code_where_nothing_is_checked(storage: Storage) -> None:
    away = healthy.without_database(storage)
    assert look(away, check=False).status is ExitStatus.DATABASE
    assert look(healthy.unreadable(storage), check=False).status is ExitStatus.CONFIGURATION
    # The database first: it is what most of the answer rests on.
    both = look(away, check=False)
    assert (both.status, kinds(both)) == (ExitStatus.DATABASE, {ProblemKind.DATABASE, ProblemKind.UNREADABLE})
    assert look(away, check=True).status is ExitStatus.UNHEALTHY
    assert look(healthy.without_schema(storage), check=False).status is ExitStatus.CONFIGURATION


@pytest.mark.parametrize("quarantine", [False, True])
def test_a_shelf_that_can_not_be_read_is_told_and_the_rest_is_looked_at(well: Storage, *, quarantine: bool) -> None:
    keep(well, quarantine=quarantine, moment=NEWEST)
    keep(well, quarantine=not quarantine, moment=NEWEST - HOUR)
    shelf = well.shelves.quarantine if quarantine else well.shelves.spool
    (body,) = shelf.kept(ILL)
    body.path.unlink()
    body.path.mkdir()
    health = look(well)
    assert kinds(health) >= {ProblemKind.UNREADABLE, ProblemKind.SPOOL}
    found = ill(health)
    assert found.spool is not None
    assert found.quarantine is not None
    assert (found.spool.bodies, found.quarantine.bodies) == (1, 1)


# Hours


def test_missing_hours_are_listed_from_the_first_moment_up_to_the_last(well: Storage) -> None:
    forget(well, hours_ago=5)
    missing = NEWEST - 5 * HOUR
    for since, until, is_listed in [
        (missing, NOW, True),
        (missing + SECOND, NOW, False),
        (missing - DAY, missing + SECOND, True),
        (missing - DAY, missing, False),
    ]:
        found = ill(look(well, since=since, until=until))
        assert [hour.expected_at for hour in found.missing] == ([missing] if is_listed else []), (since, until)


def test_a_gap_is_listed_while_it_reaches_into_the_span(well: Storage) -> None:
    forget(well, hours_ago=5)
    ends = NEWEST - 4 * HOUR
    assert ill(look(well, since=ends)).gaps == ()
    (gap,) = ill(look(well, since=ends - SECOND)).gaps
    assert (gap.since, gap.until, gap.missing_hours) == (NEWEST - 6 * HOUR, ends, 1)


@pytest.mark.parametrize(("late", "is_judged"), [(timedelta(0), True), (SECOND, False)])
def test_an_hour_is_judged_until_a_day_after_it_was_expected(
    well: Storage, late: timedelta, *, is_judged: bool
) -> None:
    forget(well, hours_ago=5)
    found = ill(look(well, now=NEWEST - 5 * HOUR + DAY + late))
    assert [hour.expected_at for hour in found.missing_lately] == ([NEWEST - 5 * HOUR] if is_judged else [])


def test_the_hours_of_a_silence_follow_the_rhythm_and_the_usual_delay(well: Storage) -> None:
    step = timedelta(seconds=3_601)
    held = [NEWEST - number * step for number in range(healthy.HELD_HOURS)]
    with well.database.transaction() as connection:
        connection.execute(delete(REGISTRY).where(REGISTRY.c.region == ILL))
        connection.execute(insert(REGISTRY), [healthy.snapshot(ILL, moment) for moment in held])
    # Stored 27 minutes after it is published, and 35 later at most where cron asks every hour.
    due = NEWEST + 2 * step + 62 * MINUTE
    assert [hour.expected_at for hour in ill(look(well, now=due - SECOND)).missing] == [NEWEST + step]
    late = ill(look(well, now=due))
    assert [hour.expected_at for hour in late.missing] == [NEWEST + 2 * step, NEWEST + step]
    assert late.missing_lately == ()
    assert late.freshness is not None
    assert late.freshness.due_at == NEWEST + step


# Attempts, runs and crashes


def test_crashes_and_upkeep_of_the_last_week_are_told(well: Storage) -> None:
    edge = NOW - 7 * DAY
    rows = [
        attempt(ILL, moment, command=command, status=status)
        for moment in (edge, edge - SECOND)
        for command, status in (("seed items", "running"), ("stats recompute", "failed"))
    ]
    with well.database.transaction() as connection:
        connection.execute(insert(SCRAPER_LOGS), rows[2:])
    health = look(well)
    assert (health.found.crashed, health.found.upkeep) == ((), ())
    with well.database.transaction() as connection:
        connection.execute(insert(SCRAPER_LOGS), rows[:2])
    health = look(well)
    assert [(row.command, row.timestamp) for row in health.found.crashed] == [("seed items", edge)]
    assert [(row.command, row.timestamp) for row in health.found.upkeep] == [("stats recompute", edge)]


def test_the_last_five_attempts_and_the_runs_of_ninety_days_are_told(well: Storage) -> None:
    log_attempts(well, *[(NOW - number * MINUTE, "failed", None) for number in (2, 1)])
    with well.database.transaction() as connection:
        edge = NOW - 90 * DAY
        commands = {"seed items": edge, "seed all": edge - SECOND}
        connection.execute(insert(BENCHMARKS), [healthy.ran(command, at) for command, at in commands.items()])
    health = look(well)
    assert [row.timestamp for row in ill(health).last_attempts] == [
        NOW - MINUTE,
        NOW - 2 * MINUTE,
        *(NEWEST - number * HOUR + 27 * MINUTE for number in range(3)),
    ]
    assert [run.command for run in health.found.last_runs] == ["collect", "partitions maintain", "seed items"]


def test_attempts_by_a_clock_that_was_ahead_say_nothing_yet(well: Storage) -> None:
    log_attempts(well, *[(NOW + number * MINUTE, "locked", None) for number in (1, 2, 3)])
    streak = ill(look(well)).streak
    assert streak is not None
    assert streak.counts == {}


# What is held


def test_the_self_check_looks_at_sixteen_days_of_snapshots(well: Storage) -> None:
    held = [NEWEST - number * HOUR for number in range(healthy.HELD_HOURS, 401)]
    with well.database.transaction() as connection:
        rows = [healthy.snapshot(ILL, moment, estimator_version=-1) for moment in held]
        connection.execute(insert(REGISTRY), rows)
    check = ill(look(well)).self_check
    assert check is not None
    assert check.computed_otherwise == 400 - healthy.HELD_HOURS


def test_sizes_are_those_of_the_regions_that_are_asked_for(well: Storage) -> None:
    with well.database.transaction() as connection:
        connection.execute(
            insert(SNAPSHOTS[ILL]),
            [
                {
                    "auction_id": 1,
                    "item_id": 1,
                    "unit_price": 1,
                    "quantity": 1,
                    "time_left": "LONG",
                    "snapshot_time": NOW,
                    "expires_after_min": 0,
                    "expires_before_min": 1,
                }
            ],
        )
    (other,) = set(DEFAULT_REGIONS) - {ILL}
    with_row, without = (look(well, regions=(region,)).found.sizes for region in (ILL, other))
    assert with_row is not None
    assert without is not None
    assert with_row["raw snapshots"] > without["raw snapshots"]


def test_what_is_said_comes_from_the_storage_and_the_options(well: Storage) -> None:
    found = look(replace(well, retention_days=12)).found
    assert (found.retention_days, found.ahead, found.max_age, found.now) == (12, healthy.AHEAD, 2 * HOUR, NOW)
    assert found.database == well.database.description
    assert [state.region for state in found.regions] == list(DEFAULT_REGIONS)
    assert [seeder.seeder for seeder in found.seeders] == ["recipe", "reagent", "item", "output"]


def test_the_rules_of_days_go_by_the_retention_and_the_days_ahead_that_are_set(well: Storage) -> None:
    with well.database.transaction() as connection:
        healthy.make_days(connection, ILL, [-20])
    assert look(well).problems == ()
    assert kinds(look(replace(well, retention_days=18))) == {ProblemKind.PAST_RETENTION}


def test_the_disk_is_that_of_the_home_or_of_where_it_will_be(storage: Storage, tmp_path: Path) -> None:
    def disk_of(home: Path) -> Any:
        return examine(
            (ILL,),
            storage=healthy.without_database(storage),
            home=home,
            clock=TickingClock(NOW),
            max_age=HOUR,
            since=NOW - DAY,
            until=NOW,
            ahead=1,
            check=True,
        ).found.disk

    missing, there = disk_of(tmp_path / "not" / "yet"), disk_of(tmp_path)
    assert missing.folder == there.folder == tmp_path
    assert 0 < there.free < there.total


def test_a_body_that_somebody_stores_meanwhile_is_counted_without_its_size(
    well: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(well, quarantine=False, moment=NEWEST)
    keep(well, quarantine=False, moment=NEWEST - HOUR)
    (size, _) = (one.path.stat().st_size for one in well.shelves.spool.kept(ILL))
    kept = Shelf.kept

    def kept_until_now(shelf: Shelf, region: Region | None = None) -> list[Kept]:
        found = kept(shelf, region)
        for gone in found[1:]:
            gone.path.unlink()
        return found

    monkeypatch.setattr(Shelf, "kept", kept_until_now)
    spool = ill(look(well)).spool
    assert spool is not None
    assert (spool.bodies, spool.bytes) == (2, size)
