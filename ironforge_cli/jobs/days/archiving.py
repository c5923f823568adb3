"""Days into the archive and back: what `Housekeeping` asks before it drops one, and what restoring one is."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ironforge_cli.archive.days import folder_of
from ironforge_cli.archive.marker import MadeStore
from ironforge_cli.archive.tables import ArchivedTables
from ironforge_cli.db.repositories import lots_left_out, raw_days
from ironforge_cli.db.transactions import one_state
from ironforge_cli.errors import ArchiveError
from ironforge_cli.jobs.days.export import keep_month
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.market.rows import total_of
from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from ironforge_cli.archive.days import ArchivedDays, Manifest
    from ironforge_cli.db.engine import Database
    from ironforge_cli.market.rows import Count
    from ironforge_cli.market.statistics_months import StatisticsMonth

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive of raw days, as maintenance uses it."""

    days: ArchivedDays
    now: Callable[[], datetime]

    def require_made(self) -> None:
        """Raise `ArchiveError` where there is no archive at its place; a store that doesn't ask is taken as it is."""
        if isinstance(self.days.store, MadeStore):
            self.days.store.require_made()

    def keep_month(self, database: Database, month: StatisticsMonth) -> int:
        """Have a month of statistics archived as `partitions export` does, and read back; how many rows.

        Raises `ArchiveError`.
        """
        return keep_month(month, database=database, tables=ArchivedTables(self.days.store), now=self.now())

    def keep(self, database: Database, partition: DailyPartition) -> int:
        """Archive all of a day's table and read it back, unless the archive holds it; how many rows.

        An empty table is nothing to archive. What the archive holds of the day and the table does not, as after a body
        was stored into a day that had left, is put into the table first, so that the new file has both; of a snapshot
        that both hold the table's rows count, whose windows may have been computed again. Raises `ArchiveError`.
        """
        with database.connect() as connection:
            times = raw_days.snapshot_times(connection, partition)
        if not times:
            return 0
        manifest = self.days.manifest(partition)
        if manifest is not None:
            with database.connect() as connection:
                held = raw_days.tally(connection, partition).snapshots
            if self._holds(manifest, held):
                return total_of(held).rows
            with database.transaction() as connection:
                fill(connection, self.days, partition, manifest, times=manifest.counts.keys() - held.keys())
        else:
            self._require_no_other(partition, times)
        with database.connect() as connection:
            one_state(connection)
            pieces = raw_days.pieces_by_auction(connection, partition)
            # What the table was filled from may know of snapshots that the registry does not.
            left_out = {one.snapshot_time: one.left_out for one in manifest.snapshots} if manifest else {}
            left_out |= lots_left_out.left_out_between(
                connection, partition.region, since=partition.starts_at, until=partition.ends_at
            )
            manifest = self.days.write(partition, pieces, archived_at=self.now(), left_out=left_out)
        log.info("%s: archived %s in %d bytes", partition.name, counted(manifest.rows, "row"), manifest.bytes)
        return manifest.rows

    def require_kept(self, connection: Connection, partition: DailyPartition) -> None:
        """Raise `ArchiveError` unless every row that a day's table holds now is read back from the archive."""
        held = raw_days.tally(connection, partition).snapshots
        if not held:
            return
        manifest = self.days.manifest(partition)
        if manifest is None or not self._holds(manifest, held):
            raise ArchiveError(
                f"{partition.name} holds rows that the archive {self.days.store.name} does not, so that it is not "
                "dropped. `ironforge partitions maintain` archives them."
            )

    def archived(self, partition: DailyPartition) -> Manifest:
        """What the archive holds of a day; raises `ArchiveError` where that is nothing."""
        manifest = self.days.manifest(partition)
        if manifest is None:
            raise ArchiveError(
                f"The archive {self.days.store.name} does not hold {partition.day} (UTC) of {partition.region.label}. "
                "`ironforge partitions list` shows what it holds."
            )
        return manifest

    def _holds(self, manifest: Manifest, held: Mapping[int, Count]) -> bool:
        """Whether an archived day, read back now, holds every snapshot that a table does, with the same rows."""
        if any(manifest.counts.get(time) != count for time, count in held.items()):
            return False
        try:
            found = self.days.tally(DailyPartition(manifest.region, manifest.date)).snapshots
        except ArchiveError as error:
            log.warning("%s", error)
            return False
        return found == manifest.counts

    def _require_no_other(self, partition: DailyPartition, times: Sequence[int]) -> None:
        """Raise where a file without a manifest holds snapshots that the table does not: nobody knows its worth.

        One that holds no others, or can't be read, was left by a run that was killed, and is written anew.
        """
        if not self.days.is_there(partition):
            return
        try:
            others = self.days.tally(partition).snapshots.keys() - set(times)
        except ArchiveError as error:
            log.warning("%s It is written anew.", error)
            return
        if others:
            raise ArchiveError(
                f"{self.days.store.name}/{folder_of(partition)} holds {counted(len(others), 'snapshot')} that "
                f"{partition.name} "
                "does not, and no manifest. Bring its manifest back, or move the folder away."
            )


def fill(
    connection: Connection,
    days: ArchivedDays,
    partition: DailyPartition,
    manifest: Manifest,
    *,
    times: Collection[int],
) -> None:
    """Put archived snapshots into their day's table, in the caller's transaction.

    Raises `ArchiveError` where one is not as the manifest says.
    """
    for rows in days.snapshots(manifest, times=times):
        raw_days.append(connection, partition, rows)
