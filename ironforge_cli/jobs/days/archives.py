"""An archive as a whole, in the hands of an operator: made once, listed, and read back to see whether it holds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from secrets import token_hex
from typing import TYPE_CHECKING, Final

from ironforge_cli.archive.days import ArchivedDays, folder_of
from ironforge_cli.archive.marker import mark, marker_of
from ironforge_cli.archive.store import TEMPORARY
from ironforge_cli.db import revisions
from ironforge_cli.db.repositories import partitions, raw_days
from ironforge_cli.errors import ArchiveError, ConfigurationError, DatabaseError, ExitStatus, combined_status
from ironforge_cli.jobs.days.export import TABLES
from ironforge_cli.jobs.days.parts import failure_told
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.market.rows import moment_of
from ironforge_cli.regions import Region
from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime
    from random import Random
    from typing import BinaryIO

    from ironforge_cli.archive.store import ArchiveStore
    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.days.archiving import Archive
    from ironforge_cli.jobs.evidence.runs import Clock, Progress
    from ironforge_cli.market.rows import Count

_READERS: Final = 8
"""So many manifests are read at once: a store that is far away answers each after a while."""
_ANEW: Final = "`ironforge partitions maintain` or `drop` archives the day anew before its table goes."


@dataclass(frozen=True, slots=True)
class MadeArchive:
    """A place that is an archive now, and what was there."""

    name: str
    made_at: datetime
    was_made: bool
    """Whether it bore the marker already."""
    days: Mapping[Region, Sequence[date]]
    """The days that it holds of each region, oldest first; regions without one are left out."""
    tables: int
    """How many files of statistics, days and token prices."""


def init(store: ArchiveStore, *, now: datetime) -> MadeArchive:
    """Make a place an archive, unless it is one, and say what it holds; nothing in it is changed.

    Raises `ArchiveError` where the place can't be written, or bears a marker that can't be read.
    """
    marker = marker_of(store)
    days = ArchivedDays(store)
    held = {region: [partition.day for partition in days.listed(region)] for region in Region}
    files = sum(path.endswith(".parquet") for table in TABLES for path in store.found(table))
    made = marker or mark(store, now=now)
    return MadeArchive(
        name=store.name,
        made_at=made.made_at,
        was_made=marker is not None,
        days={region: found for region, found in held.items() if found},
        tables=files,
    )


def probe(store: ArchiveStore) -> None:
    """Write a file into an archive, read it back, and remove it; raises `ArchiveError` where one of these fails."""
    path, content = f"{TEMPORARY}{token_hex(8)}", b"ironforge tries whether it can write here"

    def write(stream: BinaryIO) -> None:
        stream.write(content)

    store.put(path, write)
    try:
        found = None
        file = store.opened(path)
        if file is not None:
            with file:
                found = file.read()
    finally:
        store.remove(path)
    if found != content:
        raise ArchiveError(f"The archive {store.name} reads back as something else than was written. Check the store.")


@dataclass(frozen=True, slots=True)
class ArchivedDay:
    """A day of the archive, as its manifest tells of it."""

    region: Region
    day: date
    snapshots: int | None = None
    rows: int | None = None
    bytes: int | None = None
    archived_at: datetime | None = None
    message: str | None = None
    """Why its manifest can't be read."""
    status: ExitStatus = ExitStatus.DONE


def listed(regions: Sequence[Region], *, archive: Archive) -> list[ArchivedDay]:
    """The days that were archived to their end, by region, oldest first; one that can't be read hinders no other."""

    def told(partition: DailyPartition) -> ArchivedDay:
        manifest = archive.archived(partition)
        return ArchivedDay(
            partition.region,
            partition.day,
            snapshots=len(manifest.snapshots),
            rows=manifest.rows,
            bytes=manifest.bytes,
            archived_at=manifest.archived_at,
        )

    def told_of(partition: DailyPartition) -> ArchivedDay:
        return failure_told(
            lambda: told(partition),
            failed=lambda error: ArchivedDay(partition.region, partition.day, message=str(error), status=error.status),
        )

    there = [partition for region in regions for partition in archive.days.listed(region)]
    with ThreadPoolExecutor(_READERS, thread_name_prefix="manifests") as pool:
        return list(pool.map(told_of, there))


class DayVerdict(StrEnum):
    """How a day of the archive was found."""

    WHOLE = "whole"
    """It reads back as its manifest says, and as the database has it where that holds the day."""
    DIFFERS = "differs"
    """It reads back as its manifest says, and the database has other rows of the day."""
    DAMAGED = "damaged"
    """It does not read back as its manifest says, or can't be read."""
    UNFINISHED = "unfinished"
    """Its manifest is missing: the run that archived it was cut off."""


@dataclass(frozen=True, slots=True)
class CheckedDay:
    """What became of looking at one day."""

    region: Region
    day: date
    verdict: DayVerdict
    rows: int | None = None
    bytes: int | None = None
    in_database: bool | None = None
    """Whether the database holds rows of the day, with which it was compared; None: nobody could say."""
    message: str | None = None
    status: ExitStatus = ExitStatus.DONE


@dataclass(frozen=True, slots=True)
class CheckedArchive:
    """What became of every day that was looked at."""

    days: tuple[CheckedDay, ...]
    of: int
    """How many days there are."""
    away: DatabaseError | ConfigurationError | None = None
    """Why no day was compared with the database."""

    @property
    def status(self) -> ExitStatus:
        """The exit code; that some days are whole makes none of the others so."""
        parts = [day.status for day in self.days]
        return combined_status([*parts, self.away.status] if self.away else parts)


def check(
    regions: Sequence[Region],
    *,
    archive: Archive,
    database: Database,
    clock: Clock,
    progress: Progress,
    sample: int | None = None,
    chance: Random,
) -> CheckedArchive:
    """Read days back and compare each with its manifest and, where the database holds it, with that; changes nothing.

    With `sample` so many of them, by `chance`. What is wrong with one day is in the result and hinders no other; a
    database that is away keeps no day from being compared with its manifest. Raises `ArchiveError` where the archive
    can't be listed, `InterruptedRunError` between two days.
    """
    finished = [partition for region in regions for partition in archive.days.listed(region)]
    unfinished = {partition for region in regions for partition in archive.days.unfinished(region)}
    there = [*finished, *unfinished]
    chosen = there if sample is None or sample >= len(there) else chance.sample(there, sample)
    held, away = _held(regions, database)
    checked: list[CheckedDay] = []
    for day in sorted(chosen, key=lambda day: (regions.index(day.region), day.day)):
        clock.check()
        progress.step(day.region, f"{day.day}")
        if day in unfinished:
            checked.append(_unfinished(day, archive, in_database=None if held is None else day in held))
            continue
        checked.append(
            failure_told(
                partial(_checked, day, archive, database, in_database=None if held is None else day in held),
                failed=lambda error, day=day: CheckedDay(
                    day.region, day.day, DayVerdict.DAMAGED, message=str(error), status=error.status
                ),
            )
        )
    return CheckedArchive(tuple(checked), of=len(there), away=away)


def _held(
    regions: Sequence[Region], database: Database
) -> tuple[set[DailyPartition] | None, DatabaseError | ConfigurationError | None]:
    """The days of which the database holds a table; None, and why, where nobody can say."""
    try:
        with database.connect() as connection:
            revisions.require_current(connection)
            return {
                table.own for region in regions for table in partitions.existing(connection, region) if table.own
            }, None
    except (DatabaseError, ConfigurationError) as error:
        return None, error


def _checked(
    partition: DailyPartition, archive: Archive, database: Database, *, in_database: bool | None
) -> CheckedDay:
    manifest = archive.archived(partition)
    place = f"{archive.days.store.name}/{folder_of(partition)}"
    odd = _differing(archive.days.tally(partition).snapshots, manifest.counts)
    if odd:
        raise ArchiveError(
            f"{place} is damaged: {_told(odd)} other rows than its manifest says. Bring the folder back from a copy, "
            "or, where the database holds the day, remove it."
        )
    table: Mapping[int, Count] = {}
    if in_database:
        with database.connect() as connection:
            table = raw_days.tally(connection, partition).snapshots
    whole = CheckedDay(
        partition.region,
        partition.day,
        DayVerdict.WHOLE,
        rows=manifest.rows,
        bytes=manifest.bytes,
        in_database=None if in_database is None else bool(table),
    )
    # What only the archive has left the table some time ago.
    odd = _differing({time: manifest.counts.get(time) for time in table}, table)
    if not odd:
        return whole
    return CheckedDay(
        partition.region,
        partition.day,
        DayVerdict.DIFFERS,
        rows=manifest.rows,
        bytes=manifest.bytes,
        in_database=True,
        message=f"{place} is whole, and {_told(odd)} other rows in the database. {_ANEW}",
        status=ExitStatus.CONFIGURATION,
    )


def _unfinished(partition: DailyPartition, archive: Archive, *, in_database: bool | None) -> CheckedDay:
    advice = (
        "The next `ironforge partitions maintain` archives it to its end."
        if in_database
        else "Bring its manifest back from a copy, or move the folder away."
    )
    return CheckedDay(
        partition.region,
        partition.day,
        DayVerdict.UNFINISHED,
        in_database=in_database,
        message=f"{archive.days.store.name}/{folder_of(partition)} has no manifest. {advice}",
        status=ExitStatus.CONFIGURATION,
    )


def _differing(found: Mapping[int, Count | None], wanted: Mapping[int, Count]) -> list[datetime]:
    """The times of the snapshots that only one side has, or that have other rows."""
    return [moment_of(time) for time in sorted({*found, *wanted}) if found.get(time) != wanted.get(time)]


def _told(times: Sequence[datetime]) -> str:
    first = times[0].isoformat().replace("+00:00", "Z")
    if len(times) == 1:
        return f"the snapshot of {first} has"
    return f"{counted(len(times), 'snapshot')} from that of {first} on have"
