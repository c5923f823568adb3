"""Raw snapshots that are held: in the partitions of their days, or in the archive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ironforge_cli.db.repositories import snapshots
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.market.rows import microseconds_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from ironforge_cli.archive.days import ArchivedDays, Manifest
    from ironforge_cli.db.repositories.snapshots import Registered
    from ironforge_cli.market.auctions import Book
    from ironforge_cli.market.rows import RawRows
    from ironforge_cli.regions import Region


@dataclass(frozen=True, slots=True)
class RawSnapshot:
    """A snapshot whose raw rows can be read."""

    book: Book
    """With the windows that were stored."""
    is_in_table: bool
    """Whether other windows can be stored; what is archived stays as it is."""


class RawSnapshots(Protocol):
    """Where raw snapshots are read from."""

    def load(self, connection: Connection, region: Region, registered: Registered) -> RawSnapshot | None:
        """A registered snapshot; None where its raw rows are not held, or not all of them."""
        ...


class RawSnapshotsInTable:
    """The raw snapshots that lie in the partitions."""

    def load(self, connection: Connection, region: Region, registered: Registered) -> RawSnapshot | None:
        """A registered snapshot; None where its raw rows are not held, or not all of them."""
        book = snapshots.load(connection, region, registered.snapshot_time)
        # Of a part of a snapshot the statistics would come out wrong.
        if book is None or len(book.auctions) != registered.auctions:
            return None
        return RawSnapshot(book, is_in_table=True)


class RawSnapshotsInTableOrArchive:
    """The raw snapshots of the partitions and, where they have left, of the archive.

    A day's file is read from its beginning, however little of it is wanted: who asks for one snapshot after the other,
    by time, has it read as seldom as can be. Not to be shared between threads.
    """

    def __init__(self, archive: ArchivedDays) -> None:
        self._archive = archive
        self._table = RawSnapshotsInTable()
        self._day: DailyPartition | None = None
        self._manifest: Manifest | None = None
        self._reading: Iterator[RawRows] = iter(())
        self._ahead: list[int] = []
        """The times of the snapshots that are still to be read."""

    def load(self, connection: Connection, region: Region, registered: Registered) -> RawSnapshot | None:
        """A registered snapshot; None where its raw rows are not held, or not all of them.

        Raises `ArchiveError` where the archive is damaged or can't be read.
        """
        held = self._table.load(connection, region, registered)
        if held is not None:
            return held
        day = DailyPartition.holding(region, registered.snapshot_time)
        if day != self._day:
            self._day, self._manifest = day, self._archive.manifest(day)
            self._ahead = []
        if self._manifest is None:
            return None
        counts, time = self._manifest.counts, microseconds_of(registered.snapshot_time)
        if time not in counts or counts[time].rows != registered.auctions:
            return None
        if time not in self._ahead:
            self._ahead = sorted(one for one in counts if one >= time)
            self._reading = self._archive.snapshots(self._manifest, times=frozenset(self._ahead))
        while self._ahead.pop(0) != time:
            next(self._reading)
        book = snapshots.with_left_out(connection, region, next(self._reading).book())
        return RawSnapshot(book, is_in_table=False)
