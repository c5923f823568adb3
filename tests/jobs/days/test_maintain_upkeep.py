"""What runs that collect do about partitions: when it is due, by which clock, and what they say of it."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.blizzard.spool import Shelf
from ironforge_cli.db import locks
from ironforge_cli.db.repositories import partitions
from ironforge_cli.errors import InterruptedRunError
from ironforge_cli.jobs.days import maintain as job
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from tests.jobs.day_tables import (
    EU,
    KEPT,
    TODAY,
    ago,
    benchmark,
    execute,
    found,
    held,
    hold,
    log_row,
    log_rows,
    maintain,
    register,
    told,
    upkeep,
)

if TYPE_CHECKING:
    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock

PRUNABLE = "SELECT count(*) FROM scraper_logs WHERE command = 'x'"


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for locks as long as a test may."""
    monkeypatch.setattr(partitions, "LOCK_PATIENCE", timedelta(milliseconds=50))


def test_days_leave_by_the_newest_snapshot_of_any_region_and_by_no_clock_ahead_of_it(
    storage: Storage, clock: TickingClock
) -> None:
    hold(storage.database, 45, 40, 31, 0, newest=None)
    # Nobody stored anything of EU for a while, and the newest of US is of twelve days ago.
    register(storage.database, ago(20).day)
    register(storage.database, ago(12).day, Region.US)
    execute(
        storage.database,
        log_row(TODAY - timedelta(days=413)),
        log_row(TODAY - timedelta(days=411)),
    )
    done = job.upkeep(DEFAULT_REGIONS, storage=storage, housekeeping=KEPT, clock=clock)
    assert done is not None
    assert [step for step in told(done) if step[0] != "create"] == [
        ("detach", ago(45).name, "done"),
        ("drop", ago(45).name, "done"),
        ("prune", "scraper_logs", "done"),
    ]
    assert held(storage.database).keys() == {ago(day).name for day in (40, 31, 0, -1)}
    assert found(storage.database, PRUNABLE) == [(1,)]
    # Days are made by the clock: whoever stores next needs them.
    assert ("create", DailyPartition(Region.US, TODAY).name, "done") in told(done)


@pytest.mark.parametrize("row", [log_row, benchmark])
def test_rows_that_are_to_go_are_reason_enough_though_every_day_is_as_it_should_be(
    storage: Storage, clock: TickingClock, row: Any
) -> None:
    register(storage.database, TODAY)
    maintain(storage, clock)
    execute(storage.database, "TRUNCATE scraper_logs, benchmarks", row(TODAY - timedelta(days=402)))
    done = upkeep(storage, clock)
    assert done is not None
    assert [(result.action, result.rows) for result in done.results] == [("prune", 1)]


def test_another_run_that_is_at_it_is_nothing_to_be_told_of(
    storage: Storage, clock: TickingClock, caplog: pytest.LogCaptureFixture
) -> None:
    with locks.maintaining(storage.database), caplog.at_level(logging.INFO):
        assert upkeep(storage, clock) is None
    assert caplog.messages == []
    assert log_rows(storage.database) == [("partitions maintain", None, "locked")]


def test_that_it_was_not_done_is_a_warning_and_that_it_was_ended_is_none(
    storage: Storage, clock: TickingClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Asked(type(clock)):
        def check(self) -> None:
            raise InterruptedRunError("SIGTERM")

    with caplog.at_level(logging.INFO):
        assert upkeep(storage, Asked(clock.now())) is None
    assert [(record.levelname, "The next run goes on." in record.message) for record in caplog.records] == [
        ("INFO", True)
    ]


def test_that_nobody_can_see_what_is_due_is_a_warning_and_a_row(
    storage: Storage, clock: TickingClock, caplog: pytest.LogCaptureFixture
) -> None:
    execute(storage.database, "ALTER TABLE snapshots RENAME TO away")
    with caplog.at_level(logging.WARNING):
        assert upkeep(storage, clock) is None
    (warning,) = caplog.messages
    assert warning.startswith("Partitions: ")
    assert found(storage.database, "SELECT command, region, status, error_message FROM scraper_logs") == [
        ("partitions maintain", None, "failed", warning.removeprefix("Partitions: "))
    ]


def test_a_bug_in_it_is_told_and_makes_no_failure_of_an_hour_that_is_stored(
    storage: Storage, clock: TickingClock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*_: object) -> list[object]:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Shelf, "kept", wrong)
    assert upkeep(storage, clock) is None
    assert "please report it" in caplog.text
    assert "RuntimeError: a bug" in caplog.text


def test_what_is_done_is_no_warning_and_a_day_that_leaves_is_told(
    storage: Storage, clock: TickingClock, caplog: pytest.LogCaptureFixture
) -> None:
    hold(storage.database, 40)
    with caplog.at_level(logging.INFO):
        assert job.upkeep(EU, storage=storage, housekeeping=KEPT, clock=clock) is not None
    # That days are made ahead is nothing to be told of.
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("INFO", f"EU: {action} {ago(40).name}") for action in ("detach", "drop")
    ]
