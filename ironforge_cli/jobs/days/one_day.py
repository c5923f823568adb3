"""Single days in the hands of an operator: what is held and archived of each, restoring one, and dropping one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ironforge_cli.db import locks, revisions
from ironforge_cli.db.repositories import partitions, raw_days
from ironforge_cli.errors import DatabaseError, ExitStatus, UsageError, combined_status
from ironforge_cli.jobs.days.archiving import fill
from ironforge_cli.jobs.days.parts import conclude, failure_told, run_alone
from ironforge_cli.jobs.evidence.runs import Evidence, Silent
from ironforge_cli.market.partitions import DailyPartition, Mark, State

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from sqlalchemy import Connection

    from ironforge_cli.archive.days import ArchivedDays, Manifest
    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.days.archiving import Archive
    from ironforge_cli.jobs.days.housekeeping import DayArchive
    from ironforge_cli.jobs.evidence.runs import Clock, Progress
    from ironforge_cli.jobs.storage import Storage
    from ironforge_cli.market.partitions import Existing
    from ironforge_cli.regions import Region

DROP: Final = "partitions drop"
RESTORE: Final = "partitions restore"
_READERS: Final = 8
"""So many manifests are read at once: a store that is far away answers each after a while."""


@dataclass(frozen=True, slots=True)
class HeldDay:
    """A table of raw snapshots, as it is listed."""

    region: Region
    day: date | None
    """The UTC day; None for a table of other bounds."""
    table: str | None
    """None for a day that is in the archive alone."""
    state: str
    """One of `State`, or `default`, `foreign`, `restored`, `leaving`, `archived`."""
    starts_at: datetime | None
    ends_at: datetime | None
    rows: int
    bytes: int
    archived_rows: int | None = None
    """None where the day is not in the archive, or there is none."""
    archived_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of one region's day."""

    region: Region
    day: date
    table: str
    outcome: str
    """`restored`, `dropped`, `planned` or `failed`."""
    rows: int | None = None
    bytes: int | None = None
    message: str | None = None
    status: ExitStatus = ExitStatus.DONE


@dataclass(frozen=True, slots=True)
class ChangedDays:
    """What became of a day in each region."""

    days: tuple[Changed, ...]
    is_dry_run: bool = False
    """Whether nothing was done."""

    @property
    def status(self) -> ExitStatus:
        """The exit code."""
        return combined_status([changed.status for changed in self.days])


def listed(regions: Sequence[Region], *, database: Database, archive: Archive | None = None) -> list[HeldDay]:
    """Every table that holds or could hold raw snapshots, and every archived day, by region, oldest first."""
    with database.connect() as connection:
        revisions.require_current(connection)
        tables = [
            HeldDay(
                region=region,
                day=table.own.day if table.own else None,
                table=table.name,
                state=_state(table),
                starts_at=table.starts_at,
                ends_at=table.ends_at,
                rows=partitions.count(connection, table),
                bytes=table.bytes,
            )
            for region in regions
            for table in partitions.existing(connection, region)
        ]
    if archive is None:
        return tables
    archived = {
        DailyPartition(manifest.region, manifest.date): manifest for manifest in _manifests(regions, archive.days)
    }
    days: list[HeldDay] = []
    for table in tables:
        manifest = archived.pop(DailyPartition(table.region, table.day), None) if table.day else None
        days.append(replace(table, archived_rows=manifest.rows, archived_bytes=manifest.bytes) if manifest else table)
    gone = [
        HeldDay(
            region=partition.region,
            day=partition.day,
            table=None,
            state="archived",
            starts_at=partition.starts_at,
            ends_at=partition.ends_at,
            rows=0,
            bytes=0,
            archived_rows=manifest.rows,
            archived_bytes=manifest.bytes,
        )
        for partition, manifest in archived.items()
    ]
    first = datetime.min.replace(tzinfo=UTC)
    return sorted([*gone, *days], key=lambda one: (regions.index(one.region), one.starts_at or first))


def _manifests(regions: Sequence[Region], days: ArchivedDays) -> list[Manifest]:
    partitions_there = [partition for region in regions for partition in days.listed(region)]
    with ThreadPoolExecutor(_READERS, thread_name_prefix="manifests") as pool:
        return [manifest for manifest in pool.map(days.manifest, partitions_there) if manifest]


def _state(table: Existing) -> str:
    if table.is_default:
        return "default"
    if table.own is None:
        return Mark.FOREIGN
    return table.state if table.mark is Mark.MADE or table.state is State.DETACHING else table.mark


def drop(
    regions: Sequence[Region],
    day: date,
    *,
    storage: Storage,
    archive: DayArchive | None,
    clock: Clock,
    progress: Progress | None = None,
    force: bool = False,
    dry_run: bool = False,
) -> ChangedDays:
    """Drop a day's partition in each region, restored or not; with an archive only when it is archived.

    Raises `UsageError` for a day that no region holds and, without `force`, for one that nothing brings back: of today,
    or later, or without an archive; of a day without rows nothing is lost. `LockedError` where another run looks after
    partitions.
    """
    database = storage.database
    with database.connect() as connection:
        revisions.require_current(connection)
        held = {
            region: table
            for region in regions
            for table in partitions.existing(connection, region)
            if table.own == DailyPartition(region, day)
        }
        rows = {region: partitions.count(connection, table) for region, table in held.items()}
        filled = [region for region in held if raw_days.snapshot_times(connection, DailyPartition(region, day))]
    if not held:
        raise UsageError(f"No partition of ironforge's holds {day} (UTC). `ironforge partitions list` shows them.")
    lost = None if force or not filled else _why_lost(day, today=clock.now().date(), archive=archive)
    if dry_run:
        return ChangedDays(
            tuple(
                _changed(DailyPartition(region, day), "planned", rows=rows[region], size=table.bytes, message=lost)
                for region, table in held.items()
            ),
            is_dry_run=True,
        )
    if lost is not None:
        raise UsageError(f"{lost} Nothing was dropped of {', '.join(region.label for region in held)}.")

    def dropped(partition: DailyPartition) -> Changed:
        table = held[partition.region]
        _drop(database, partition, table, archive=archive)
        return _changed(partition, "dropped", rows=rows[partition.region], size=table.bytes)

    return _each(list(held), day, dropped, command=DROP, storage=storage, clock=clock, progress=progress)


def _why_lost(day: date, *, today: date, archive: DayArchive | None) -> str | None:
    """Why a day is dropped only by force; None where it may be."""
    if day >= today:
        return f"{day} (UTC) is not over: the next hour is compared with its last. --force drops it all the same."
    if archive is None:
        return (
            f"{day} (UTC) is not archived, so that nothing brings it back. Name an archive (--archive or "
            "IRONFORGE_ARCHIVE_URI), or give --force."
        )
    return None


def restore(
    regions: Sequence[Region],
    day: date,
    *,
    storage: Storage,
    archive: Archive,
    clock: Clock,
    progress: Progress | None = None,
    dry_run: bool = False,
) -> ChangedDays:
    """Bring a day back from the archive in each region, to stay until it is dropped by its date.

    Of a day that is held, only the snapshots that are missing are put into it. A region that is not archived fails, and
    hinders no other. Raises `LockedError` where another run looks after partitions.
    """
    with storage.database.connect() as connection:
        revisions.require_current(connection)

    def restored(partition: DailyPartition) -> Changed:
        rows = _restore(storage.database, partition, archive=archive)
        return _changed(partition, "restored", rows=rows)

    def planned(partition: DailyPartition) -> Changed:
        with storage.database.connect() as connection:
            table = _own(connection, partition)
            held = raw_days.tally(connection, partition).snapshots if table else {}
        manifest = archive.archived(partition)
        missing = manifest.counts.keys() - held.keys()
        return _changed(partition, "planned", rows=sum(manifest.counts[time].rows for time in missing))

    if dry_run:
        found = tuple(_told(DailyPartition(region, day), planned) for region in regions)
        return ChangedDays(found, is_dry_run=True)
    return _each(regions, day, restored, command=RESTORE, storage=storage, clock=clock, progress=progress)


def _each(
    regions: Sequence[Region],
    day: date,
    work: Callable[[DailyPartition], Changed],
    *,
    command: str,
    storage: Storage,
    clock: Clock,
    progress: Progress | None,
) -> ChangedDays:
    """Do a day's work in each region, with its evidence; none hinders another."""
    evidence = Evidence(storage.database, pending=storage.pending, command=command, clock=clock)

    def attempted(partition: DailyPartition) -> Changed:
        with evidence.attempt(partition.region, progress=progress or Silent()):
            return work(partition)

    with run_alone(evidence, locks.maintaining(storage.database)) as run:
        result = ChangedDays(tuple(_told(DailyPartition(region, day), attempted) for region in regions))
        conclude(run, result.days)
    return result


def _told(partition: DailyPartition, work: Callable[[DailyPartition], Changed]) -> Changed:
    """What became of a day; a failure is a result, too."""
    return failure_told(
        lambda: work(partition),
        failed=lambda error: _changed(partition, "failed", message=str(error), status=error.status),
    )


def _own(connection: Connection, partition: DailyPartition) -> Existing | None:
    """The table that ironforge made for a day, where there is one."""
    return next((table for table in partitions.existing(connection, partition.region) if table.own == partition), None)


def _restore(database: Database, partition: DailyPartition, *, archive: Archive) -> int:
    """Fill the day's table from the archive, and attach it when it is whole: nobody sees half a day."""
    with database.connect() as connection:
        table = _own(connection, partition)
        if table is None and partitions.is_covered(connection, partition):
            raise DatabaseError(
                f"{partition.day} (UTC) of {partition.region.label} belongs to a partition that ironforge did not "
                "make. Detach that to restore the day."
            )
        held = raw_days.tally(connection, partition).snapshots if table else {}
    manifest = archive.archived(partition)
    missing = manifest.counts.keys() - held.keys()
    if table is None:
        with database.transaction() as connection:
            partitions.make_detached(connection, partition)
            fill(connection, archive.days, partition, manifest, times=missing)
            found = raw_days.tally(connection, partition).snapshots
            if found != manifest.counts:
                raise DatabaseError(f"{partition.name} does not hold what was put into it. Nothing was restored.")
    else:
        with database.transaction() as connection:
            fill(connection, archive.days, partition, manifest, times=missing)
            partitions.mark(connection, partition, Mark.RESTORED)
    if table is not None and table.state is State.DETACHING:
        with database.connect(autocommit=True) as connection, partitions.impatient(connection):
            partitions.finish(connection, partition)
    if table is None or table.state is not State.ATTACHED:
        with database.transaction() as connection:
            partitions.limit_waiting(connection)
            partitions.create(connection, partition, beside_default=True, made=Mark.RESTORED)
    return sum(manifest.counts[time].rows for time in missing)


def _drop(database: Database, partition: DailyPartition, table: Existing, *, archive: DayArchive | None) -> None:
    if archive is not None:
        # While it can still be read: who is told that it can't be archived has lost nothing.
        archive.keep(database, partition)
    if table.state is not State.DETACHED:
        with database.connect(autocommit=True) as connection, partitions.impatient(connection):
            if table.state is State.DETACHING:
                partitions.finish(connection, partition)
            else:
                partitions.detach(connection, partition)
    with database.transaction() as connection:
        partitions.limit_waiting(connection)
        partitions.lock(connection, partition)
        if archive is not None:
            archive.require_kept(connection, partition)
        partitions.drop(connection, partition)


def _changed(
    partition: DailyPartition,
    outcome: str,
    *,
    rows: int | None = None,
    size: int | None = None,
    message: str | None = None,
    status: ExitStatus = ExitStatus.DONE,
) -> Changed:
    return Changed(
        region=partition.region,
        day=partition.day,
        table=partition.name,
        outcome=outcome,
        rows=rows,
        bytes=size,
        message=message,
        status=status,
    )
