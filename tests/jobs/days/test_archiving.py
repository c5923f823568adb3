from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sqlalchemy import text

from ironforge_cli.archive.days import DATA, MANIFEST, ArchivedDays, folder_of
from ironforge_cli.archive.marker import MadeStore
from ironforge_cli.archive.store import FolderStore, store_at
from ironforge_cli.db.repositories import partitions, raw_days
from ironforge_cli.errors import ArchiveError, ExitStatus, UsageError
from ironforge_cli.jobs.days import maintain as job
from ironforge_cli.jobs.days import one_day as by_day
from ironforge_cli.jobs.days.archiving import Archive
from ironforge_cli.jobs.days.housekeeping import Housekeeping, StepOutcome
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.market.rows import Count, RawRows, RowTally
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from ironforge_cli.values import replace
from tests.jobs.day_tables import register
from tests.jobs.one_process import STEPS, one_maintenance, started
from tests.market.made_up_rows import day_of_rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.days.housekeeping import Maintained
    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock
    from tests.jobs.conftest import Collector
    from tests.stores import S3

FIRST = date(2026, 1, 1)
OLD = DailyPartition(Region.EU, FIRST)
TODAY = DailyPartition(Region.EU, date(2026, 2, 10))
LATER = datetime(2026, 2, 10, 12, tzinfo=UTC)
EU = (Region.EU,)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch, clock: TickingClock) -> None:
    """Wait for locks as long as a test may, in February."""
    monkeypatch.setattr(partitions, "LOCK_PATIENCE", timedelta(milliseconds=200))
    clock.turn_to(LATER)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "archive"


@pytest.fixture
def archive(folder: Path, clock: TickingClock) -> Archive:
    return Archive(ArchivedDays(FolderStore(folder)), now=clock.now)


def store(database: Database, partition: DailyPartition, rows: RawRows, *, newest: date = TODAY.day) -> None:
    register(database, newest, Region.US)
    with database.transaction() as connection:
        partitions.create(connection, partition)
        raw_days.append(connection, partition, rows)


def held(database: Database, partition: DailyPartition) -> dict[int, Count]:
    """What a day's table holds, attached or not; nothing where there is none."""
    with database.connect() as connection:
        there = {table.own for table in partitions.existing(connection, partition.region)}
        return raw_days.tally(connection, partition).snapshots if partition in there else {}


def archived(archive: Archive, partition: DailyPartition) -> dict[int, Count]:
    """What is really in a day's file."""
    if archive.days.manifest(partition) is None:
        return {}
    return archive.days.tally(partition).snapshots


def states(database: Database, regions: tuple[Region, ...] = EU) -> dict[str, str]:
    return {one.table: one.state for one in by_day.listed(regions, database=database) if one.table}


def maintain(storage: Storage, archive: Archive | None, clock: TickingClock, **options: Any) -> Maintained:
    kept = Housekeeping(ahead=0, retention_days=30, log_retention_days=400, archive=archive)
    return job.maintain(EU, storage=storage, housekeeping=kept, clock=clock, **options)


def undone(maintained: Maintained) -> list[str]:
    return [job.described(result) for result in maintained.results if result.outcome is not StepOutcome.DONE]


def restore(storage: Storage, archive: Archive, clock: TickingClock, day: date = FIRST, **options: Any) -> Any:
    return by_day.restore(EU, day, storage=storage, archive=archive, clock=clock, **options)


def drop(storage: Storage, archive: Archive | None, clock: TickingClock, day: date = FIRST) -> Any:
    return by_day.drop(EU, day, storage=storage, archive=archive, clock=clock)


@pytest.mark.slow
def test_after_forty_days_every_day_is_in_exactly_one_of_table_and_archive(
    storage: Storage, archive: Archive, clock: TickingClock
) -> None:
    kept = Housekeeping(ahead=7, retention_days=30, log_retention_days=400, archive=archive)
    days = [DailyPartition(region, FIRST + timedelta(days=n)) for n in range(40) for region in DEFAULT_REGIONS]
    expected = {day: day_of_rows(day, auctions=20) for day in days}
    for day, rows in expected.items():
        with storage.database.transaction() as connection:
            partitions.create(connection, day)
            raw_days.append(connection, day, rows)
        if day.region is Region.US:
            clock.turn_to(day.ends_at - timedelta(hours=1))
            register(storage.database, day.day, Region.US)
            maintained = job.maintain(DEFAULT_REGIONS, storage=storage, housekeeping=kept, clock=clock)
            assert undone(maintained) == []
    for day, rows in expected.items():
        in_table, in_archive = held(storage.database, day), archived(archive, day)
        assert bool(in_table) != bool(in_archive)
        assert bool(in_table) == (day.starts_at >= clock.now() - timedelta(days=30))
        assert {**in_table, **in_archive} == RowTally.of([rows]).snapshots
    listed = by_day.listed(DEFAULT_REGIONS, database=storage.database, archive=archive)
    assert sum(one.rows + (one.archived_rows or 0) for one in listed) == sum(map(len, expected.values()))
    assert {one.state for one in listed} == {"attached", "archived"}
    # Any day comes back equal, and stays.
    for day in (days[0], days[7]):
        by_day.restore((day.region,), day.day, storage=storage, archive=archive, clock=clock)
        job.maintain(DEFAULT_REGIONS, storage=storage, housekeeping=kept, clock=clock)
        assert held(storage.database, day) == RowTally.of([expected[day]]).snapshots
        assert states(storage.database, (day.region,))[day.name] == "restored"
        by_day.drop((day.region,), day.day, storage=storage, archive=archive, clock=clock)
        assert held(storage.database, day) == {}


@pytest.mark.parametrize("step", STEPS, ids=[f"{when} {name.partition(':')[2]} {n}" for name, n, when in STEPS])
def test_killed_at_any_step_nothing_is_lost_and_the_next_run_goes_on(
    storage: Storage, archive: Archive, folder: Path, clock: TickingClock, step: tuple[str, int, str]
) -> None:
    days = [DailyPartition(Region.EU, FIRST + timedelta(days=number)) for number in range(2)]
    expected = {day: day_of_rows(day, auctions=20) for day in days}
    for day, rows in expected.items():
        store(storage.database, day, rows)
    process = started(
        one_maintenance,
        url=storage.database.url,
        home=str(folder.parent / "home"),
        archive=str(folder),
        now=clock.now().isoformat(),
        step=step,
    )
    process.join()
    assert process.exitcode == -9
    for day, rows in expected.items():
        whole = RowTally.of([rows]).snapshots
        in_table = held(storage.database, day)
        # Whoever was dropped is archived, and nothing is in between.
        assert in_table in ({}, whole)
        assert in_table or archived(archive, day) == whole
    assert undone(maintain(storage, archive, clock)) == []
    for day, rows in expected.items():
        assert held(storage.database, day) == {}
        assert archived(archive, day) == RowTally.of([rows]).snapshots
        assert sorted(path.name for path in (folder / folder_of(day)).iterdir()) == [MANIFEST, DATA]
        restore(storage, archive, clock, day.day)
        assert held(storage.database, day) == RowTally.of([rows]).snapshots


def test_the_whole_way_by_a_store_that_speaks_s3(storage: Storage, clock: TickingClock, s3: S3) -> None:
    uri = f"s3://{s3.new_bucket()}/ironforge"
    archive = Archive(ArchivedDays(store_at(uri, environment=s3.environment)), now=clock.now)
    rows = day_of_rows(OLD)
    store(storage.database, OLD, rows)
    assert undone(maintain(storage, archive, clock)) == []
    assert held(storage.database, OLD) == {}
    (listed, _) = by_day.listed(EU, database=storage.database, archive=archive)
    assert (listed.state, listed.archived_rows) == ("archived", 240)
    restore(storage, archive, clock)
    assert held(storage.database, OLD) == RowTally.of([rows]).snapshots
    drop(storage, archive, clock)
    assert held(storage.database, OLD) == {}


# What keeps a day from being dropped


def refused(storage: Storage, archive: Archive, clock: TickingClock) -> str:
    """What maintenance says that may not drop the old day; the day is still there, whole and attached."""
    before = held(storage.database, OLD)
    maintained = maintain(storage, archive, clock)
    assert maintained.status is not ExitStatus.DONE
    assert held(storage.database, OLD) == before
    assert states(storage.database)[OLD.name] == "attached"
    return undone(maintained)[0]


def test_an_archive_that_cannot_be_written_drops_nothing(
    storage: Storage, clock: TickingClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ironforge_cli.archive.store._ATTEMPTS", 1)
    store(storage.database, OLD, day_of_rows(OLD))
    (tmp_path / "file").write_bytes(b"")
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    for uri in (str(tmp_path / "file"), "s3://bucket/prefix"):
        away = Archive(ArchivedDays(store_at(uri, environment=keys)), now=clock.now)
        told = refused(storage, away, clock)
        assert told.startswith(f"archive {OLD.name} was failed: The archive")
        with pytest.raises(ArchiveError), storage.database.connect() as connection:
            away.require_kept(connection, OLD)
        assert drop(storage, away, clock).status is ExitStatus.CONFIGURATION
        assert states(storage.database) == {OLD.name: "attached", TODAY.name: "attached"}


def test_upkeep_with_an_archive_that_is_away_only_warns(storage: Storage, clock: TickingClock, tmp_path: Path) -> None:
    store(storage.database, OLD, day_of_rows(OLD))
    away = Archive(ArchivedDays(MadeStore(FolderStore(tmp_path / "not mounted"))), now=clock.now)
    kept = Housekeeping(ahead=0, retention_days=30, log_retention_days=400, archive=away)
    maintained = job.upkeep(EU, storage=storage, housekeeping=kept, clock=clock)
    assert maintained is not None
    assert not (tmp_path / "not mounted").exists()
    assert held(storage.database, OLD)
    with storage.database.connect() as connection:
        query = "SELECT command, status FROM scraper_logs WHERE region = 'eu'"
        assert [tuple(row) for row in connection.execute(text(query))] == [("partitions maintain", "failed")]


def test_a_file_that_was_changed_after_the_archiving_keeps_its_table_from_being_dropped(
    storage: Storage, archive: Archive, folder: Path, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(storage.database, OLD, day_of_rows(OLD))
    keep = Archive.keep

    def kept_and_changed(self: Archive, database: Database, partition: DailyPartition) -> int:
        rows = keep(self, database, partition)
        (folder / folder_of(partition) / DATA).write_bytes(b"")
        return rows

    monkeypatch.setattr(Archive, "keep", kept_and_changed)
    maintained = maintain(storage, archive, clock)
    assert "holds rows that the archive" in " ".join(undone(maintained))
    assert held(storage.database, OLD)
    monkeypatch.setattr(Archive, "keep", keep)
    assert undone(maintain(storage, archive, clock)) == []


def test_rows_that_come_between_archiving_and_dropping_are_not_lost(
    storage: Storage, archive: Archive, clock: TickingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = day_of_rows(OLD, snapshots=3)
    late = np.unique(rows.snapshot_time)[1]
    store(storage.database, OLD, rows.taken(rows.snapshot_time != late))
    keep = Archive.keep

    def kept_and_added(self: Archive, database: Database, partition: DailyPartition) -> int:
        archived_rows = keep(self, database, partition)
        store(database, partition, rows.taken(rows.snapshot_time == late))
        return archived_rows

    monkeypatch.setattr(Archive, "keep", kept_and_added)
    assert maintain(storage, archive, clock).status is ExitStatus.PARTIAL
    assert held(storage.database, OLD) == RowTally.of([rows]).snapshots
    monkeypatch.setattr(Archive, "keep", keep)
    assert undone(maintain(storage, archive, clock)) == []
    assert archived(archive, OLD) == RowTally.of([rows]).snapshots


def test_a_day_stored_again_after_its_archiving_adds_to_the_archive(
    storage: Storage, archive: Archive, clock: TickingClock
) -> None:
    rows = day_of_rows(OLD, snapshots=4)
    late = np.unique(rows.snapshot_time)[2]
    store(storage.database, OLD, rows.taken(rows.snapshot_time != late))
    maintain(storage, archive, clock)
    # A body of the day turns up.
    store(storage.database, OLD, rows.taken(rows.snapshot_time == late))
    assert undone(maintain(storage, archive, clock)) == []
    assert held(storage.database, OLD) == {}
    assert archived(archive, OLD) == RowTally.of([rows]).snapshots


def test_a_day_whose_windows_were_computed_again_is_archived_again(
    storage: Storage, archive: Archive, clock: TickingClock
) -> None:
    rows = day_of_rows(OLD, snapshots=3)
    last = rows.snapshot_time[-1]
    store(storage.database, OLD, rows)
    maintain(storage, archive, clock)
    # The same snapshot with as many rows: only what is in them tells the two apart.
    changed = replace(rows, expires_after_min=(rows.expires_after_min - (rows.snapshot_time == last)).astype("i2"))
    store(storage.database, OLD, changed.taken(changed.snapshot_time == last))
    assert undone(maintain(storage, archive, clock)) == []
    assert held(storage.database, OLD) == {}
    assert archived(archive, OLD) == RowTally.of([changed]).snapshots


def test_a_damaged_archive_is_not_written_over_where_it_alone_holds_snapshots(
    storage: Storage, archive: Archive, folder: Path, clock: TickingClock
) -> None:
    rows = day_of_rows(OLD, snapshots=3)
    store(storage.database, OLD, rows)
    maintain(storage, archive, clock)
    file = folder / folder_of(OLD) / DATA
    whole = file.read_bytes()
    file.write_bytes(whole[:-9])
    store(storage.database, OLD, rows.taken(rows.snapshot_time == rows.snapshot_time[0]))
    assert "Bring the file back from a copy" in refused(storage, archive, clock)
    assert file.read_bytes() == whole[:-9]
    (folder / folder_of(OLD) / MANIFEST).rename(folder / "manifest")
    file.write_bytes(whole)
    assert "holds 2 snapshots that" in refused(storage, archive, clock)
    (folder / "manifest").rename(folder / folder_of(OLD) / MANIFEST)
    assert undone(maintain(storage, archive, clock)) == []
    assert archived(archive, OLD) == RowTally.of([rows]).snapshots


def test_an_empty_day_is_dropped_and_takes_nothing_from_the_archive(
    storage: Storage, archive: Archive, clock: TickingClock
) -> None:
    rows = day_of_rows(OLD)
    store(storage.database, OLD, rows)
    maintain(storage, archive, clock)
    with storage.database.transaction() as connection:
        partitions.create(connection, OLD)
    assert undone(maintain(storage, archive, clock)) == []
    assert archived(archive, OLD) == RowTally.of([rows]).snapshots
    assert OLD.name not in states(storage.database)


# Restoring


def test_a_restored_day_that_was_changed_is_archived_again_before_it_is_dropped(
    storage: Storage, archive: Archive, clock: TickingClock
) -> None:
    rows = day_of_rows(OLD, snapshots=3)
    store(storage.database, OLD, rows.taken(rows.snapshot_time > rows.snapshot_time[0]))
    maintain(storage, archive, clock)
    assert restore(storage, archive, clock).days[0].rows == 20
    store(storage.database, OLD, rows.taken(rows.snapshot_time == rows.snapshot_time[0]))
    assert states(storage.database)[OLD.name] == "restored"
    assert drop(storage, archive, clock).status is ExitStatus.DONE
    assert archived(archive, OLD) == RowTally.of([rows]).snapshots


def test_restoring_twice_or_into_a_day_that_is_held_adds_what_is_missing(
    storage: Storage, archive: Archive, clock: TickingClock
) -> None:
    rows = day_of_rows(OLD, snapshots=3)
    store(storage.database, OLD, rows)
    maintain(storage, archive, clock)
    store(storage.database, OLD, rows.taken(rows.snapshot_time == rows.snapshot_time[0]))
    shown = restore(storage, archive, clock, dry_run=True)
    assert [(day.outcome, day.rows) for day in shown.days] == [("planned", 20)]
    assert restore(storage, archive, clock).days[0].rows == 20
    assert held(storage.database, OLD) == RowTally.of([rows]).snapshots
    assert restore(storage, archive, clock).days[0].rows == 0
    assert undone(maintain(storage, archive, clock)) == []
    assert states(storage.database)[OLD.name] == "restored"


@pytest.mark.parametrize("damage", ["cut", "another"])
def test_a_day_that_is_damaged_in_the_archive_is_not_restored_by_half(
    storage: Storage, archive: Archive, folder: Path, clock: TickingClock, damage: str
) -> None:
    rows = day_of_rows(OLD)
    store(storage.database, OLD, rows)
    maintain(storage, archive, clock)
    file, manifest = (folder / folder_of(OLD) / name for name in (DATA, MANIFEST))
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-9])
    else:
        # A file that is whole, of the same times, whose last snapshot is not what the manifest says.
        says = manifest.read_bytes()
        other = replace(rows, unit_price=rows.unit_price + (rows.snapshot_time == rows.snapshot_time[-1]))
        archive.days.write(OLD, [other.by_auction()], archived_at=clock.now())
        manifest.write_bytes(says)
    result = restore(storage, archive, clock)
    assert result.status is ExitStatus.CONFIGURATION
    assert "Bring the file back from a copy" in str(result.days[0].message)
    assert OLD.name not in states(storage.database)


def test_a_region_that_is_not_archived_hinders_no_other(
    storage: Storage, archive: Archive, clock: TickingClock
) -> None:
    store(storage.database, OLD, day_of_rows(OLD))
    maintain(storage, archive, clock)
    restored = by_day.restore(DEFAULT_REGIONS, FIRST, storage=storage, archive=archive, clock=clock)
    assert [day.outcome for day in restored.days] == ["restored", "failed"]
    assert restored.status is ExitStatus.PARTIAL
    with pytest.raises(UsageError):
        drop(storage, archive, clock, FIRST + timedelta(days=1))


def test_a_day_that_belongs_to_somebody_elses_partition_is_not_restored(
    storage: Storage, archive: Archive, clock: TickingClock
) -> None:
    store(storage.database, OLD, day_of_rows(OLD))
    maintain(storage, archive, clock)
    with storage.database.transaction() as connection:
        connection.execute(
            text("CREATE TABLE mine PARTITION OF auction_snapshots_eu FOR VALUES FROM (MINVALUE) TO ('2026-01-05')")
        )
    result = restore(storage, archive, clock)
    assert result.status is ExitStatus.DATABASE
    assert "a partition that ironforge did not make" in str(result.days[0].message)


# Beside others


def test_collecting_never_fails_beside_maintenance_that_archives_and_drops(
    make_collector: Callable[..., Collector], database: Database, archive: Archive
) -> None:
    collector = make_collector(database, auctions=300, items=40)
    today = collector.clock.now().date()
    old = [DailyPartition(Region.EU, today - timedelta(days=number)) for number in range(31, 43)]
    for day in old:
        store(database, day, day_of_rows(day), newest=FIRST)
    kept = Housekeeping(ahead=7, retention_days=30, log_retention_days=400, archive=archive)
    ended = threading.Event()
    failures: list[str] = []

    def maintaining() -> None:
        while not ended.is_set():
            maintained = job.maintain(
                DEFAULT_REGIONS, storage=collector.storage, housekeeping=kept, clock=collector.clock
            )
            failures.extend(
                job.described(result) for result in maintained.results if result.outcome is StepOutcome.FAILED
            )

    thread = threading.Thread(target=maintaining)
    thread.start()
    try:
        for _ in range(4):
            assert collector.collect().status is ExitStatus.DONE
            collector.publish()
    finally:
        ended.set()
        thread.join()
    assert failures == []
    job.maintain(DEFAULT_REGIONS, storage=collector.storage, housekeeping=kept, clock=collector.clock)
    assert [day for day in old if held(database, day)] == []
    assert [day for day in old if not archived(archive, day)] == []
