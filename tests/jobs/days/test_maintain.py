from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from sqlalchemy import text

from ironforge_cli.db import locks
from ironforge_cli.db.engine import Database
from ironforge_cli.db.repositories import partitions
from ironforge_cli.errors import ExitStatus, InterruptedRunError, LockedError, UsageError
from ironforge_cli.jobs.days import maintain as job
from ironforge_cli.jobs.days import one_day as by_day
from ironforge_cli.jobs.days.housekeeping import StepOutcome
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from ironforge_cli.values import replace
from tests.jobs.day_tables import (
    EU,
    KEPT,
    PARENT,
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
from tests.jobs.evidence.test_shown import Screen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for locks as long as a test may."""
    monkeypatch.setattr(partitions, "LOCK_PATIENCE", timedelta(milliseconds=200))


# Maintaining


def test_days_are_made_and_old_ones_dropped(any_storage: Storage, clock: TickingClock) -> None:
    database = any_storage.database
    hold(database, 40, 31, 30, 29)
    maintained = maintain(any_storage, clock)
    assert told(maintained) == [
        ("create", ago(0).name, "done"),
        ("create", ago(-1).name, "done"),
        *((action, ago(day).name, "done") for day in (40, 31, 30) for action in ("detach", "drop")),
    ]
    assert maintained.status is ExitStatus.DONE
    assert held(database) == {ago(day).name: "attached" for day in (29, 0, -1)}
    assert log_rows(database) == [
        ("partitions maintain", "eu", "success"),
        ("partitions maintain", None, "no_change"),
    ]
    assert found(database, "SELECT operation_name, status, extra_data->'steps' FROM benchmarks") == [
        ("partitions maintain", "success", {"create": 2, "detach": 3, "drop": 3})
    ]


def test_maintaining_again_finds_nothing_to_do(storage: Storage, clock: TickingClock) -> None:
    screen = Screen([None] * 9)
    maintain(storage, clock, progress=screen)
    assert screen.shown == ["plan", "create", "create", "prune"]
    assert maintain(storage, clock).results == ()


def test_a_dry_run_says_the_same_and_does_nothing(storage: Storage, clock: TickingClock) -> None:
    hold(storage.database, 40)
    execute(storage.database, log_row(TODAY - timedelta(days=500)))
    before = held(storage.database)
    shown = maintain(storage, clock, dry_run=True)
    assert held(storage.database) == before
    assert found(storage.database, "SELECT count(*) FROM scraper_logs") == [(1,)]
    assert {outcome for *_, outcome in told(shown)} == {"planned"}
    done = maintain(storage, clock)
    assert [step[:2] for step in told(done)] == [step[:2] for step in told(shown)]


def test_days_are_made_from_the_oldest_spooled_one_on(storage: Storage, clock: TickingClock) -> None:
    spooled = datetime.combine(ago(2).day, datetime.min.time(), tzinfo=UTC)
    storage.shelves.spool.keep(
        b"{}", region=Region.EU, snapshot_time=spooled, headers={}, received_at=clock.now(), reason="no database"
    )
    assert told(maintain(storage, clock)) == [("create", ago(day).name, "done") for day in (2, 1, 0, -1)]


def test_the_region_whose_days_are_in_somebodys_way_hinders_no_other(storage: Storage, clock: TickingClock) -> None:
    execute(storage.database, f"CREATE TABLE {ago(0).name} (LIKE {PARENT} INCLUDING ALL)")
    maintained = job.maintain(DEFAULT_REGIONS, storage=storage, housekeeping=KEPT, clock=clock)
    assert maintained.status is ExitStatus.PARTIAL
    (problem,) = [result for result in maintained.results if result.outcome is not StepOutcome.DONE]
    assert problem.message is not None
    assert f"{ago(0).name} can't be made: a table of that name is there" in problem.message
    assert ("partitions maintain", "eu", "failed") in log_rows(storage.database)
    assert ("partitions maintain", "us", "success") in log_rows(storage.database)
    # What nobody can go on with is a failure of its own.
    again = maintain(storage, clock)
    assert again.status is ExitStatus.DATABASE


def test_a_default_partition_with_rows_in_the_way_is_reported_and_then_mended(
    any_storage: Storage, clock: TickingClock
) -> None:
    database = any_storage.database
    hold(database, 40)
    execute(
        database,
        f"CREATE TABLE rest PARTITION OF {PARENT} DEFAULT",
        f"INSERT INTO {PARENT} VALUES ('{TODAY} 03:04:05+00', 1, 1, 1, 1, 'LONG', 120, 720)",
    )
    maintained = maintain(any_storage, clock)
    (problem,) = [result for result in maintained.results if result.outcome is not StepOutcome.DONE]
    assert problem.message is not None
    assert f"the default partition rest holds rows of {TODAY}" in problem.message
    # Days without rows in the way are made beside it, and old ones leave.
    assert held(database) == {"rest": "default", ago(-1).name: "attached"}
    remedy = problem.message.partition("Take it out by ")[2].partition(", run ")[0]
    execute(database, remedy)
    assert maintain(any_storage, clock).status is ExitStatus.DONE
    execute(database, f"INSERT INTO {PARENT} SELECT * FROM rest")
    assert found(database, f"SELECT count(*) FROM {ago(0).name}") == [(1,)]


def test_an_operators_partition_stays_whatever_its_age(storage: Storage, clock: TickingClock) -> None:
    execute(
        storage.database,
        f"CREATE TABLE by_hand PARTITION OF {PARENT} FOR VALUES FROM ('2020-01-01') TO ('2020-02-01')",
        "COMMENT ON TABLE by_hand IS 'ironforge: EU commodity auctions of 2020-01-01 (UTC)'",
    )
    maintain(storage, clock)
    assert held(storage.database)["by_hand"] == "foreign"


# Beside others


def test_a_long_read_postpones_a_day_and_the_next_run_finishes_it(any_storage: Storage, clock: TickingClock) -> None:
    database = any_storage.database
    hold(database, 41, 40)
    with database.connect() as reader:
        reader.execute(text(f"SELECT count(*) FROM {PARENT}"))
        maintained = maintain(any_storage, clock)
        assert [step for step in told(maintained) if "create" not in step] == [
            ("detach", ago(41).name, "postponed"),
            ("drop", ago(41).name, "blocked"),
            # PostgreSQL detaches one at a time.
            ("detach", ago(40).name, "postponed"),
            ("drop", ago(40).name, "blocked"),
        ]
        assert maintained.status is ExitStatus.PARTIAL
        assert held(database)[ago(41).name] == "detaching"
        # Whoever collects stores meanwhile.
        execute(database, f"INSERT INTO {PARENT} VALUES ('{TODAY} 03:04:05+00', 1, 1, 1, 1, 'LONG', 120, 720)")
    maintained = maintain(any_storage, clock)
    assert told(maintained)[0] == ("finish", ago(41).name, "done")
    assert maintained.status is ExitStatus.DONE
    assert held(database) == {ago(day).name: "attached" for day in (0, -1)}


def test_a_lock_that_lasts_postpones_and_one_that_ends_is_waited_for(storage: Storage, clock: TickingClock) -> None:
    database = storage.database
    with database.connect() as holder:
        holder.execute(text(f"LOCK TABLE {PARENT} IN SHARE UPDATE EXCLUSIVE MODE"))
        maintained = maintain(storage, clock)
        assert told(maintained) == [("create", ago(day).name, "postponed") for day in (0, -1)]
        assert maintained.status is ExitStatus.DATABASE

        class Releasing(type(clock)):
            def sleep(self, seconds: float) -> None:
                holder.rollback()
                super().sleep(seconds)

        assert maintain(storage, Releasing(clock.now())).status is ExitStatus.DONE


def test_the_second_of_two_runs_leaves_the_work_to_the_first(storage: Storage, clock: TickingClock) -> None:
    with locks.maintaining(storage.database):
        with pytest.raises(LockedError):
            maintain(storage, clock)
        assert upkeep(storage, clock) is None
    assert {status for *_, status in log_rows(storage.database)} == {"locked"}
    assert held(storage.database) == {}


# Log rows


def test_log_rows_past_their_setting_go_and_younger_ones_stay(storage: Storage, clock: TickingClock) -> None:
    old, young = TODAY - timedelta(days=401), TODAY - timedelta(days=399)
    register(storage.database, TODAY)
    execute(storage.database, log_row(old), log_row(young), benchmark(old), benchmark(young), benchmark(old))
    maintained = maintain(storage, clock)
    assert [(result.table, result.rows) for result in maintained.results if result.action == "prune"] == [
        ("scraper_logs", 1),
        ("benchmarks", 2),
    ]
    assert found(storage.database, "SELECT timestamp::date FROM scraper_logs WHERE command = 'x'") == [(young,)]
    assert found(storage.database, "SELECT start_time::date FROM benchmarks WHERE operation_name = 'x'") == [(young,)]


def test_many_old_rows_go_in_several_transactions(
    storage: Storage, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ironforge_cli.db.repositories.runs.PRUNED_AT_ONCE", 2)
    register(storage.database, TODAY)
    execute(storage.database, *[log_row(TODAY - timedelta(days=500 + number)) for number in range(5)])
    assert [result.rows for result in maintain(storage, clock).results if result.action == "prune"] == [5]


# Upkeep of runs that collect


def test_upkeep_does_what_is_due_once_and_writes_nothing_when_nothing_is(storage: Storage, clock: TickingClock) -> None:
    hold(storage.database, 40)
    register(storage.database, TODAY)
    first = upkeep(storage, clock)
    assert first is not None
    assert ("drop", ago(40).name, "done") in told(first)
    rows = log_rows(storage.database)
    assert upkeep(storage, clock) is None
    assert log_rows(storage.database) == rows
    clock.turn_to(clock.now() + timedelta(days=1))
    following = upkeep(storage, clock)
    assert following is not None
    assert told(following) == [("create", ago(-2).name, "done")]


def test_upkeep_prunes_log_rows_once_a_day(storage: Storage, clock: TickingClock) -> None:
    register(storage.database, TODAY)
    maintain(storage, clock)
    # The first row is the oldest: what maintaining wrote itself must not stand before it.
    execute(storage.database, "DELETE FROM scraper_logs", log_row(TODAY - timedelta(days=400)))
    assert upkeep(storage, clock) is None
    assert found(storage.database, "SELECT count(*) FROM scraper_logs") == [(1,)]
    execute(storage.database, "DELETE FROM scraper_logs", log_row(TODAY - timedelta(days=402)))
    pruned = upkeep(storage, clock)
    assert pruned is not None
    assert told(pruned) == [("prune", "scraper_logs", "done")]


@pytest.mark.parametrize("years", [-20, 20])
def test_a_clock_that_is_years_off_costs_upkeep_no_day_and_no_row(
    storage: Storage, clock: TickingClock, years: int
) -> None:
    hold(storage.database, 29, 0)
    register(storage.database, TODAY)
    execute(storage.database, log_row(TODAY - timedelta(days=399)))
    clock.turn_to(clock.now() + timedelta(days=365 * years))
    upkeep(storage, clock)
    # Nor is the row ever due by such a clock, at each attempt again.
    assert upkeep(storage, clock) is None
    assert {ago(29).name, ago(0).name} <= held(storage.database).keys()
    assert found(storage.database, "SELECT count(*) FROM scraper_logs WHERE command = 'x'") == [(1,)]


def test_what_goes_wrong_in_upkeep_is_a_warning_and_a_row(
    storage: Storage, clock: TickingClock, caplog: pytest.LogCaptureFixture
) -> None:
    register(storage.database, TODAY)
    hold(storage.database, 40)
    with storage.database.connect() as reader, caplog.at_level(logging.WARNING):
        reader.execute(text(f"SELECT count(*) FROM {PARENT}"))
        maintained = upkeep(storage, clock)
    assert maintained is not None
    assert f"detach {ago(40).name} was postponed" in caplog.text
    assert ("partitions maintain", "eu", "failed") in log_rows(storage.database)
    # One try, without a pause: an hourly run ends soon.
    assert clock.slept == []


@pytest.fixture
def reader(storage: Storage) -> Iterator[Storage]:
    """The same storage as a role that may only read."""
    role = f"reads_{uuid4().hex[:12]}"
    execute(storage.database, f"CREATE ROLE {role}", f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    database = Database(f"{storage.database.url}&options=-c%20role%3D{role}")
    yield replace(storage, database=database)
    database.close()
    execute(storage.database, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_a_role_that_may_only_read_sees_the_list_and_the_plan(reader: Storage, clock: TickingClock) -> None:
    assert held(reader.database) == {}
    assert len(maintain(reader, clock, dry_run=True).results) == 2
    maintained = maintain(reader, clock)
    assert maintained.status is ExitStatus.DATABASE
    assert {result.outcome for result in maintained.results} == {StepOutcome.FAILED}


def test_a_signal_ends_upkeep_and_is_no_failure_of_the_collection(storage: Storage, clock: TickingClock) -> None:
    class Asked(type(clock)):
        def check(self) -> None:
            raise InterruptedRunError("SIGTERM")

    assert upkeep(storage, Asked(clock.now())) is None
    assert held(storage.database) == {}


# Single days


def test_dropping_a_day_takes_that_day_of_the_regions_alone(storage: Storage, clock: TickingClock) -> None:
    hold(storage.database, 2, 1)
    shown = by_day.drop(EU, ago(2).day, storage=storage, archive=None, clock=clock, dry_run=True)
    assert [(day.outcome, day.rows) for day in shown.days] == [("planned", 1)]
    assert "is not archived" in str(shown.days[0].message)
    assert len(held(storage.database)) == 2
    with pytest.raises(UsageError, match=r"is not archived.*--force"):
        by_day.drop(DEFAULT_REGIONS, ago(2).day, storage=storage, archive=None, clock=clock)
    assert len(held(storage.database)) == 2
    dropped = by_day.drop(DEFAULT_REGIONS, ago(2).day, storage=storage, archive=None, clock=clock, force=True)
    assert [(day.region, day.outcome, day.rows) for day in dropped.days] == [(Region.EU, "dropped", 1)]
    assert held(storage.database) == {ago(1).name: "attached"}
    with pytest.raises(UsageError, match="No partition of ironforge's holds"):
        by_day.drop(EU, ago(2).day, storage=storage, archive=None, clock=clock)


def test_nothing_that_somebody_else_made_can_be_dropped(storage: Storage, clock: TickingClock) -> None:
    day = ago(2)
    bounds = f"FOR VALUES FROM ('{day.starts_at}') TO ('{day.ends_at}')"
    execute(storage.database, f"CREATE TABLE {day.name} PARTITION OF {PARENT} {bounds}")
    with pytest.raises(UsageError):
        by_day.drop(EU, day.day, storage=storage, archive=None, clock=clock)
    assert held(storage.database) == {day.name: "foreign"}


def test_the_list_tells_rows_and_bytes_also_of_large_tables(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    hold(storage.database, 1)
    (day,) = by_day.listed(EU, database=storage.database)
    assert (day.region, day.day, day.rows) == (Region.EU, ago(1).day, 1)
    assert day.bytes > 0
    monkeypatch.setattr(partitions, "COUNTED_BYTES", 0)
    register(storage.database, ago(1).day, auctions=1)
    (day,) = by_day.listed(EU, database=storage.database)
    assert day.rows == 1


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Los_Angeles"])
def test_days_are_utc_days_whatever_the_servers_time_zone(storage: Storage, clock: TickingClock, zone: str) -> None:
    with storage.database.connect() as connection:
        name = connection.execute(text("SELECT current_database()")).scalar_one()
    execute(storage.database, f"ALTER DATABASE {name} SET timezone = '{zone}'")
    storage.database.close()
    hold(storage.database, 31, 29)
    maintain(storage, clock, replace(KEPT, ahead=0))
    bounds = found(
        storage.database,
        "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relispartition AND relkind = 'r' ORDER BY relname",
    )
    assert bounds == [
        (f"FOR VALUES FROM ('{day.starts_at:%Y-%m-%d} 00:00:00+00') TO ('{day.ends_at:%Y-%m-%d} 00:00:00+00')",)
        for day in (ago(29), ago(0))
    ]
