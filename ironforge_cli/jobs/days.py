"""Single days in the hands of an operator: what is held of each, and dropping one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ironforge_cli.db import locks, schema
from ironforge_cli.db.repositories import partitions
from ironforge_cli.errors import ExitStatus, IronforgeError, UsageError, combined_status
from ironforge_cli.jobs.runs import Evidence, Silent
from ironforge_cli.market.partitions import DailyPartition, Mark, State

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.collect import Storage
    from ironforge_cli.jobs.housekeeping import DayArchive
    from ironforge_cli.jobs.runs import Clock, Progress
    from ironforge_cli.market.partitions import Existing
    from ironforge_cli.regions import Region

DROP: Final = "partitions drop"


@dataclass(frozen=True, slots=True)
class HeldDay:
    """A table of raw snapshots, as it is listed."""

    region: Region
    day: date | None
    """The UTC day; None for a table of other bounds."""
    table: str
    state: str
    """One of `State`, or `default`, `foreign`, `restored`, `leaving`."""
    starts_at: datetime | None
    ends_at: datetime | None
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of one region's day."""

    region: Region
    day: date
    table: str
    outcome: str
    """`dropped`, `absent`, `planned` or `failed`."""
    rows: int | None = None
    bytes: int | None = None
    message: str | None = None
    status: ExitStatus = ExitStatus.DONE


@dataclass(frozen=True, slots=True)
class ChangedDays:
    """What became of a day in each region."""

    days: tuple[Changed, ...]

    @property
    def status(self) -> ExitStatus:
        """The exit code."""
        return combined_status([changed.status for changed in self.days])


def listed(regions: Sequence[Region], *, database: Database) -> list[HeldDay]:
    """Every table that holds or could hold raw snapshots, by region, oldest first."""
    with database.connect() as connection:
        schema.require_current(connection)
        return [
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
    dry_run: bool = False,
) -> ChangedDays:
    """Drop a day's partition in each region, restored or not; with an archive only if it holds the same rows.

    Raises `UsageError` for a day that no region holds, and `LockedError` where another run looks after partitions.
    """
    database = storage.database
    with database.connect() as connection:
        schema.require_current(connection)
        held = {
            region: table
            for region in regions
            for table in partitions.existing(connection, region)
            if table.own == DailyPartition(region, day)
        }
        rows = {region: partitions.count(connection, table) for region, table in held.items()}
    if not held:
        raise UsageError(f"No partition of ironforge's holds {day} (UTC). `ironforge partitions list` shows them.")
    if dry_run:
        return ChangedDays(tuple(_changed(table, "planned", rows=rows[region]) for region, table in held.items()))
    evidence = Evidence(database, pending=storage.pending, command=DROP, clock=clock)
    changed: list[Changed] = []
    with evidence.run() as run, locks.maintaining(database):
        for region, table in held.items():
            try:
                with evidence.attempt(region, progress=progress or Silent()):
                    _drop(database, DailyPartition(region, day), table, archive=archive)
            except IronforgeError as error:
                changed.append(_changed(table, "failed", message=str(error), status=error.status))
            else:
                changed.append(_changed(table, "dropped", rows=rows[region]))
        result = ChangedDays(tuple(changed))
        run.status = result.status
        run.record_count = sum(one.rows or 0 for one in changed)
        run.message = " ".join(one.message for one in changed if one.message) or None
    return result


def _drop(database: Database, partition: DailyPartition, table: Existing, *, archive: DayArchive | None) -> None:
    if archive is not None:
        # While it can still be read: who is told that it is not archived has lost nothing.
        with database.connect() as connection:
            archive.require_kept(connection, partition)
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
    table: Existing,
    outcome: str,
    *,
    rows: int | None = None,
    message: str | None = None,
    status: ExitStatus = ExitStatus.DONE,
) -> Changed:
    own = table.own
    if own is None:
        raise TypeError(f"{table.name} is not a day's partition")
    return Changed(
        region=table.region,
        day=own.day,
        table=table.name,
        outcome=outcome,
        rows=rows,
        bytes=table.bytes,
        message=message,
        status=status,
    )
