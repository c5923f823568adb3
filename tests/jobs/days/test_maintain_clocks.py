"""By which time days and log rows leave: never by a clock that nobody else bears out, whoever does the work."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.jobs.days import maintain as job
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.regions import Region
from ironforge_cli.values import replace
from tests.jobs.day_tables import KEPT, TODAY, ago, benchmark, execute, found, held, hold, log_row, register, told

if TYPE_CHECKING:
    from collections.abc import Callable

    from ironforge_cli.jobs.days.housekeeping import Housekeeping, Maintained
    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock

    Looked = Callable[[Storage, TickingClock, Housekeeping], Maintained | None]

DESTRUCTIVE = {"archive", "detach", "drop", "prune"}
BOTH = tuple(Region)[:2]


def command(storage: Storage, clock: TickingClock, kept: Housekeeping = KEPT, **options: Any) -> Maintained:
    return job.maintain(BOTH, storage=storage, housekeeping=kept, clock=clock, **options)


def upkeep(storage: Storage, clock: TickingClock, kept: Housekeeping = KEPT) -> Maintained | None:
    return job.upkeep(BOTH, storage=storage, housekeeping=kept, clock=clock)


whoever = pytest.mark.parametrize("look_after", [command, upkeep])


def destroyed(maintained: Maintained | None) -> list[tuple[str, str | None, str]]:
    return [step for step in told(maintained) if step[0] in DESTRUCTIVE] if maintained else []


def old_rows(storage: Storage) -> tuple[Any, ...]:
    logs = "(SELECT count(*) FROM scraper_logs WHERE command = 'x')"
    benchmarks = "(SELECT count(*) FROM benchmarks WHERE operation_name = 'x')"
    return found(storage.database, f"SELECT {logs}, {benchmarks}")[0]


@whoever
@pytest.mark.parametrize("days_off", [-5_000, 3, 500, 10_000])
def test_a_clock_that_is_off_destroys_nothing_that_is_young_by_the_newest_snapshot(
    storage: Storage, clock: TickingClock, look_after: Looked, days_off: int
) -> None:
    hold(storage.database, 29, 1, 0)
    execute(storage.database, log_row(ago(399).day), benchmark(ago(399).day))
    clock.turn_to(clock.now() + timedelta(days=days_off))
    assert destroyed(look_after(storage, clock, KEPT)) == []
    assert {ago(day).name for day in (29, 1, 0)} <= held(storage.database).keys()
    assert old_rows(storage) == (1, 1)


@whoever
def test_without_any_snapshot_nothing_is_destroyed_by_age(
    storage: Storage, clock: TickingClock, look_after: Looked
) -> None:
    hold(storage.database, 400, 40, newest=None)
    execute(storage.database, log_row(ago(999).day), benchmark(ago(999).day))
    assert destroyed(look_after(storage, clock, KEPT)) == []
    assert {ago(400).name, ago(40).name} <= held(storage.database).keys()
    assert old_rows(storage) == (1, 1)


@whoever
def test_the_newest_snapshot_of_a_region_that_is_not_looked_after_counts_as_well(
    storage: Storage, clock: TickingClock, look_after: Looked
) -> None:
    others = tuple(Region)[-1]
    hold(storage.database, 40, newest=None)
    register(storage.database, ago(35).day)
    register(storage.database, TODAY, others)
    assert ("drop", ago(40).name, "done") in destroyed(look_after(storage, clock, KEPT))


@whoever
@pytest.mark.parametrize("retention", [1, 30])
def test_the_day_of_a_regions_newest_snapshot_never_leaves_by_anothers_time(
    storage: Storage, clock: TickingClock, look_after: Looked, retention: int
) -> None:
    hold(storage.database, retention + 1, retention, newest=TODAY)
    register(storage.database, ago(retention).day, Region.EU)
    kept = replace(KEPT, retention_days=retention)
    # The next snapshot is compared with that one: without it nobody could say what was sold.
    assert destroyed(look_after(storage, clock, kept)) == [
        ("detach", ago(retention + 1).name, "done"),
        ("drop", ago(retention + 1).name, "done"),
    ]
    register(storage.database, TODAY, Region.EU)
    assert ("drop", ago(retention).name, "done") in destroyed(look_after(storage, clock, kept))


@whoever
def test_a_newest_snapshot_ahead_of_the_clock_lets_nothing_leave_early(
    storage: Storage, clock: TickingClock, look_after: Looked
) -> None:
    hold(storage.database, 29, newest=TODAY + timedelta(days=300))
    assert destroyed(look_after(storage, clock, KEPT)) == []


def test_the_plan_says_by_which_time_and_warns_of_a_clock_far_ahead(
    storage: Storage, clock: TickingClock, caplog: pytest.LogCaptureFixture
) -> None:
    hold(storage.database, 40)
    newest = datetime.combine(TODAY, datetime.min.time(), UTC) + timedelta(hours=11)
    for dry_run in (True, False):
        maintained = command(storage, clock, dry_run=dry_run)
        assert maintained.present is not None
        assert maintained.present.trusted == newest
        assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    clock.turn_to(clock.now() + timedelta(days=500))
    for dry_run in (True, False):
        with caplog.at_level(logging.WARNING):
            maintained = command(storage, clock, dry_run=dry_run)
        assert maintained.present is not None
        assert maintained.present.trusted == newest
        (warning,) = (one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING)
        assert warning.startswith(
            "This machine's clock is 500 days ahead of the newest snapshot (2026-01-14 11:00 UTC)"
        )
        caplog.clear()


def test_the_days_of_every_region_are_made_by_the_clock(storage: Storage, clock: TickingClock) -> None:
    hold(storage.database, 0)
    clock.turn_to(clock.now() + timedelta(days=500))
    command(storage, clock)
    assert DailyPartition.holding(Region.EU, clock.now()).name in held(storage.database)
