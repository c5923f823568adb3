"""Single days in the hands of an operator: from whatever state a day's table is in."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sqlalchemy import text

from ironforge_cli.archive.days import ArchivedDays, folder_of
from ironforge_cli.archive.store import FolderStore
from ironforge_cli.db import locks
from ironforge_cli.db.repositories import partitions, raw_days
from ironforge_cli.errors import (
    ArchiveError,
    BusyError,
    ConfigurationError,
    ExitStatus,
    InterruptedRunError,
    LockedError,
    UsageError,
)
from ironforge_cli.jobs.days import one_day as by_day
from ironforge_cli.jobs.days.archiving import Archive
from ironforge_cli.market.partitions import DailyPartition, Mark
from ironforge_cli.market.rows import RowTally
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from ironforge_cli.values import replace
from tests.jobs.day_tables import EU, KEPT, PARENT, ago, execute, found, held, hold, log_rows, maintain
from tests.market.made_up_rows import day_of_rows

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.storage import Storage
    from ironforge_cli.market.rows import Count, RawRows
    from tests.clocks import TickingClock

OLD = ago(40)
ROWS = day_of_rows(OLD, snapshots=3, auctions=4)
FIRST = ROWS.taken(ROWS.snapshot_time == ROWS.snapshot_time[0])
WHOLE = RowTally.of([ROWS]).snapshots
STATES = ("attached", "leaving", "detached", "left", "detaching")


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for locks as long as a test may."""
    monkeypatch.setattr(partitions, "LOCK_PATIENCE", timedelta(milliseconds=50))


@pytest.fixture
def archive(tmp_path: Path, clock: TickingClock) -> Archive:
    return Archive(ArchivedDays(FolderStore(tmp_path / "archive")), now=clock.now)


def put(database: Database, rows: RawRows = ROWS, partition: DailyPartition = OLD) -> None:
    with database.transaction() as connection:
        partitions.create(connection, partition)
        raw_days.append(connection, partition, rows)


def bring(database: Database, state: str) -> None:
    """Let the day's table be in a state that some run left it in."""
    if state in {"leaving", "left", "detaching"}:
        with database.transaction() as connection:
            partitions.mark(connection, OLD, Mark.LEAVING)
    if state in {"detached", "left"}:
        execute(database, f"ALTER TABLE {PARENT} DETACH PARTITION {OLD.name}")
    if state == "detaching":
        with database.connect() as reader:
            reader.execute(text(f"SELECT FROM {PARENT}"))
            with pytest.raises(BusyError):
                detach(database)


def detach(database: Database) -> None:
    with database.connect(autocommit=True) as connection, partitions.impatient(connection):
        partitions.detach(connection, OLD)


def rows_of(database: Database, partition: DailyPartition = OLD) -> dict[int, Count]:
    with database.connect() as connection:
        return raw_days.tally(connection, partition).snapshots


def file_of(rows: RawRows, archive: Archive, partition: DailyPartition = OLD) -> None:
    """Have rows archived that no table holds."""
    archive.days.write(partition, [rows.by_auction()], archived_at=archive.now())


# Dropping


@pytest.mark.parametrize("state", STATES)
def test_a_day_is_dropped_by_its_date_from_whatever_state_it_is_in(
    storage: Storage, archive: Archive, clock: TickingClock, state: str
) -> None:
    put(storage.database)
    hold(storage.database, 1)
    bring(storage.database, state)
    (dropped,) = by_day.drop(EU, OLD.day, storage=storage, archive=archive, clock=clock).days
    assert (dropped.outcome, dropped.region, dropped.day, dropped.table) == ("dropped", Region.EU, OLD.day, OLD.name)
    assert dropped.rows == len(ROWS)
    assert (dropped.bytes or 0) > 0
    assert held(storage.database) == {ago(1).name: "attached"}
    assert archive.days.tally(OLD).snapshots == WHOLE


def test_a_dry_run_of_dropping_names_every_region_and_drops_nothing(storage: Storage, clock: TickingClock) -> None:
    us = DailyPartition(Region.US, OLD.day)
    put(storage.database)
    put(storage.database, day_of_rows(us, snapshots=1, auctions=2), us)
    shown = by_day.drop(DEFAULT_REGIONS, OLD.day, storage=storage, archive=None, clock=clock, dry_run=True)
    assert [(one.region, one.outcome, one.rows, one.status) for one in shown.days] == [
        (Region.EU, "planned", 12, ExitStatus.DONE),
        (Region.US, "planned", 2, ExitStatus.DONE),
    ]
    assert all(one.bytes for one in shown.days)
    assert rows_of(storage.database) == WHOLE
    assert log_rows(storage.database) == []


@pytest.mark.parametrize("days_ago", [0, -1])
def test_a_day_that_is_not_over_is_dropped_by_force_alone(
    storage: Storage, archive: Archive, clock: TickingClock, days_ago: int
) -> None:
    day = ago(days_ago)
    put(storage.database, day_of_rows(day, snapshots=1, auctions=2), day)
    with pytest.raises(UsageError, match=r"is not over.*--force.*Nothing was dropped of EU"):
        by_day.drop(EU, day.day, storage=storage, archive=archive, clock=clock)
    assert len(rows_of(storage.database, day)) == 1
    assert log_rows(storage.database) == []
    (dropped,) = by_day.drop(EU, day.day, storage=storage, archive=archive, clock=clock, force=True).days
    assert (dropped.outcome, dropped.rows) == ("dropped", 2)
    # With an archive it goes there first all the same.
    assert archive.days.tally(day).total.rows == 2


def test_of_a_day_without_rows_nothing_is_lost(storage: Storage, clock: TickingClock) -> None:
    put(storage.database, ROWS.taken(np.zeros(len(ROWS), np.bool_)))
    (dropped,) = by_day.drop(EU, OLD.day, storage=storage, archive=None, clock=clock).days
    assert (dropped.outcome, dropped.rows) == ("dropped", 0)


class Refusing:
    """An archive that takes no day of a region's, as an error says; days of others are nothing to it."""

    def __init__(self, region: Region, error: Exception) -> None:
        self._region = region
        self._error = error

    def keep(self, database: Database, partition: DailyPartition) -> int:
        del database
        if partition.region is self._region:
            raise self._error
        return 0

    def require_kept(self, connection: Connection, partition: DailyPartition) -> None:
        """Take it for kept."""


def test_a_region_whose_day_can_not_be_archived_keeps_it_attached_and_hinders_no_other(
    storage: Storage, clock: TickingClock
) -> None:
    us = DailyPartition(Region.US, OLD.day)
    put(storage.database)
    put(storage.database, day_of_rows(us, snapshots=1, auctions=2), us)
    away = Refusing(Region.EU, ArchiveError("The archive is away."))
    changed = by_day.drop(DEFAULT_REGIONS, OLD.day, storage=storage, archive=away, clock=clock)
    assert [(one.outcome, one.status, one.message) for one in changed.days] == [
        ("failed", ExitStatus.CONFIGURATION, "The archive is away."),
        ("dropped", ExitStatus.DONE, None),
    ]
    assert changed.status is ExitStatus.PARTIAL
    assert held(storage.database) == {OLD.name: "attached"}
    assert log_rows(storage.database) == [
        ("partitions drop", "eu", "failed"),
        ("partitions drop", "us", "success"),
    ]
    benchmark = "SELECT operation_name, status, record_count, error_message FROM benchmarks"
    assert found(storage.database, benchmark) == [("partitions drop", "partial", 2, "The archive is away.")]


def test_a_signal_ends_dropping_before_the_next_region(storage: Storage, clock: TickingClock) -> None:
    us = DailyPartition(Region.US, OLD.day)
    put(storage.database)
    put(storage.database, day_of_rows(us, snapshots=1, auctions=2), us)
    asked = Refusing(Region.EU, InterruptedRunError("SIGTERM"))
    with pytest.raises(InterruptedRunError):
        by_day.drop(DEFAULT_REGIONS, OLD.day, storage=storage, archive=asked, clock=clock)
    assert rows_of(storage.database, us)
    assert [status for *_, status in log_rows(storage.database)] == ["failed"]


def test_beside_a_run_that_looks_after_partitions_no_day_is_dropped_or_restored(
    storage: Storage, archive: Archive, clock: TickingClock
) -> None:
    put(storage.database, FIRST)
    file_of(ROWS, archive)
    with locks.maintaining(storage.database):
        with pytest.raises(LockedError):
            by_day.drop(EU, OLD.day, storage=storage, archive=archive, clock=clock)
        with pytest.raises(LockedError):
            by_day.restore(EU, OLD.day, storage=storage, archive=archive, clock=clock)
    assert rows_of(storage.database) == RowTally.of([FIRST]).snapshots
    assert held(storage.database) == {OLD.name: "attached"}


def test_of_a_schema_that_is_none_of_this_programs_nothing_is_listed_dropped_or_restored(
    storage: Storage, archive: Archive, clock: TickingClock
) -> None:
    put(storage.database, FIRST)
    file_of(ROWS, archive)
    execute(storage.database, "UPDATE alembic_version SET version_num = 'unheard_of'")
    with pytest.raises(ConfigurationError):
        by_day.listed(EU, database=storage.database)
    with pytest.raises(ConfigurationError):
        by_day.drop(EU, OLD.day, storage=storage, archive=None, clock=clock)
    with pytest.raises(ConfigurationError):
        by_day.restore(EU, OLD.day, storage=storage, archive=archive, clock=clock)
    assert rows_of(storage.database) == RowTally.of([FIRST]).snapshots


# Restoring


def restore(storage: Storage, archive: Archive, clock: TickingClock, **options: Any) -> by_day.Changed:
    (changed,) = by_day.restore(EU, OLD.day, storage=storage, archive=archive, clock=clock, **options).days
    return changed


@pytest.mark.parametrize("state", ["gone", *STATES])
def test_a_day_is_restored_whole_and_to_stay_from_whatever_state_it_is_in(
    storage: Storage, archive: Archive, clock: TickingClock, state: str
) -> None:
    # What the table holds is left as it is, and counts.
    mine = replace(FIRST, unit_price=FIRST.unit_price + 1)
    if state != "gone":
        put(storage.database, mine)
        bring(storage.database, state)
    file_of(ROWS, archive)
    restored = restore(storage, archive, clock)
    assert (restored.outcome, restored.table, restored.status) == ("restored", OLD.name, ExitStatus.DONE)
    assert restored.rows == (len(ROWS) if state == "gone" else len(ROWS) - len(FIRST))
    assert held(storage.database) == {OLD.name: "restored"}
    assert found(storage.database, f"SELECT count(*) FROM {PARENT}") == [(len(ROWS),)]
    assert rows_of(storage.database) == (WHOLE if state == "gone" else {**WHOLE, **RowTally.of([mine]).snapshots})
    assert maintain(storage, clock, replace(KEPT, ahead=0)).status is ExitStatus.DONE
    assert held(storage.database)[OLD.name] == "restored"
    assert log_rows(storage.database)[0] == ("partitions restore", "eu", "success")
    benchmark = "SELECT status, record_count, error_message FROM benchmarks WHERE operation_name = 'partitions restore'"
    assert found(storage.database, benchmark) == [("success", restored.rows, None)]


def test_a_restoring_that_was_ended_before_the_attaching_is_gone_on_with(
    storage: Storage, archive: Archive, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_of(ROWS, archive)

    def ended(*_: object, **__: object) -> None:
        raise InterruptedRunError("SIGTERM")

    with monkeypatch.context() as patched:
        patched.setattr(partitions, "create", ended)
        with pytest.raises(InterruptedRunError):
            restore(storage, archive, clock)
    assert rows_of(storage.database) == WHOLE
    assert found(storage.database, f"SELECT count(*) FROM {PARENT}") == [(0,)]
    # It is nothing that maintenance may drop.
    maintain(storage, clock, replace(KEPT, ahead=0, archive=archive))
    assert rows_of(storage.database) == WHOLE
    assert restore(storage, archive, clock).rows == 0
    assert found(storage.database, f"SELECT count(*) FROM {PARENT}") == [(len(ROWS),)]


def test_what_the_table_does_not_hold_as_it_was_put_is_not_restored(
    storage: Storage, archive: Archive, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_of(ROWS, archive)
    append = raw_days.append

    def losing(connection: Connection, partition: DailyPartition, rows: RawRows) -> None:
        append(connection, partition, rows.taken(np.arange(len(rows)) > 0))

    monkeypatch.setattr(raw_days, "append", losing)
    failed = restore(storage, archive, clock)
    assert (failed.outcome, failed.status) == ("failed", ExitStatus.DATABASE)
    assert "Nothing was restored" in (failed.message or "")
    assert found(storage.database, f"SELECT to_regclass('{OLD.name}') IS NULL") == [(True,)]


def test_a_dry_run_of_restoring_tells_each_region_and_puts_nothing(
    storage: Storage, archive: Archive, clock: TickingClock
) -> None:
    put(storage.database, FIRST)
    file_of(ROWS, archive)
    shown = by_day.restore(DEFAULT_REGIONS, OLD.day, storage=storage, archive=archive, clock=clock, dry_run=True)
    assert [(one.region, one.outcome, one.rows, one.status) for one in shown.days] == [
        (Region.EU, "planned", 8, ExitStatus.DONE),
        (Region.US, "failed", None, ExitStatus.CONFIGURATION),
    ]
    assert rows_of(storage.database) == RowTally.of([FIRST]).snapshots
    assert held(storage.database) == {OLD.name: "attached"}
    assert log_rows(storage.database) == []


def test_a_day_that_left_is_put_back_beside_a_default_partition(
    storage: Storage, archive: Archive, clock: TickingClock
) -> None:
    put(storage.database, FIRST)
    bring(storage.database, "left")
    file_of(ROWS, archive)
    execute(storage.database, f"CREATE TABLE rest PARTITION OF {PARENT} DEFAULT")
    assert restore(storage, archive, clock).rows == 8
    assert held(storage.database) == {"rest": "default", OLD.name: "restored"}
    with storage.database.connect() as connection:
        # It is attached again: its rows are seen through the parent.
        assert connection.execute(text(f"SELECT count(*) FROM {PARENT}")).scalar_one() == len(ROWS)


def test_rows_of_another_region_are_never_restored_into_a_day(
    storage: Storage, archive: Archive, clock: TickingClock, tmp_path: Path
) -> None:
    us = DailyPartition(Region.US, OLD.day)
    file_of(day_of_rows(us, snapshots=2, auctions=3), archive, us)
    root = tmp_path / "archive"
    (root / folder_of(OLD)).parent.mkdir(parents=True)
    (root / folder_of(us)).rename(root / folder_of(OLD))
    failed = restore(storage, archive, clock)
    assert (failed.outcome, failed.status) == ("failed", ExitStatus.CONFIGURATION)
    assert "of US" in (failed.message or "")
    assert held(storage.database) == {}


# Listing


def test_every_table_and_every_archived_day_is_listed_by_region_oldest_first(
    storage: Storage, archive: Archive
) -> None:
    database = storage.database
    hold(database, 9, 8, 7, 6, 5)
    for number, mark in ((8, Mark.LEAVING), (7, Mark.RESTORED)):
        with database.transaction() as connection:
            partitions.mark(connection, ago(number), mark)
    execute(
        database,
        f"ALTER TABLE {PARENT} DETACH PARTITION {ago(6).name}",
        f"CREATE TABLE before PARTITION OF {PARENT} FOR VALUES FROM (MINVALUE) TO ('2025-01-01')",
        f"CREATE TABLE rest PARTITION OF {PARENT} DEFAULT",
    )
    us = DailyPartition(Region.US, ago(60).day)
    for partition in (ago(9), ago(30), us):
        file_of(day_of_rows(partition, snapshots=2, auctions=3), archive, partition)
    listed = by_day.listed(DEFAULT_REGIONS, database=database, archive=archive)
    # What has no beginning stands first.
    assert {(one.table, one.state, one.day) for one in listed[:3]} == {
        ("before", "foreign", None),
        ("rest", "default", None),
        (ago(6).name, "detached", ago(6).day),
    }
    assert [(one.region, one.day, one.table, one.state, one.rows, one.archived_rows) for one in listed[3:]] == [
        (Region.EU, ago(30).day, None, "archived", 0, 6),
        (Region.EU, ago(9).day, ago(9).name, "attached", 1, 6),
        (Region.EU, ago(8).day, ago(8).name, "leaving", 1, None),
        (Region.EU, ago(7).day, ago(7).name, "restored", 1, None),
        (Region.EU, ago(5).day, ago(5).name, "attached", 1, None),
        (Region.US, us.day, None, "archived", 0, 6),
    ]
    for one in listed:
        assert bool(one.archived_bytes) is bool(one.archived_rows)
        assert bool(one.bytes) is (one.table is not None)
    assert (listed[3].starts_at, listed[3].ends_at) == (ago(30).starts_at, ago(30).ends_at)
    # Without an archive, the same tables as the catalog has them.
    tables = by_day.listed(DEFAULT_REGIONS, database=database)
    assert {one.table for one in tables} == {one.table for one in listed if one.table}
    assert {one.archived_rows for one in tables} == {None}
    other_way_round = by_day.listed([Region.US, Region.EU], database=database, archive=archive)
    assert [one.region for one in other_way_round] == [Region.US, *[Region.EU] * 8]


def test_a_detaching_that_was_cut_off_is_listed_as_what_it_is(storage: Storage) -> None:
    put(storage.database)
    bring(storage.database, "detaching")
    (one,) = by_day.listed(EU, database=storage.database)
    assert (one.state, one.day, one.rows) == ("detaching", OLD.day, len(ROWS))
