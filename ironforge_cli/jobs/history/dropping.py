"""Taking stored snapshots out again: rows, statistics and registry, and what followed is computed anew.

It is the way out where something wrong was stored, such as a snapshot whose time lies in the future: as long as it is
there, nothing that Blizzard publishes is newer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ironforge_cli.db import locks, revisions
from ironforge_cli.db.repositories import price_days, snapshots, stats
from ironforge_cli.errors import UsageError
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.jobs.evidence.runs import Evidence, Silent
from ironforge_cli.jobs.history.one_snapshot import Wake, recompute_snapshot
from ironforge_cli.jobs.history.raw_snapshots import RawSnapshotsInTable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database
    from ironforge_cli.db.repositories.snapshots import RegistryRow
    from ironforge_cli.jobs.evidence.runs import Attempt, Clock, Progress
    from ironforge_cli.jobs.storage import Storage
    from ironforge_cli.regions import Region

COMMAND: Final = "snapshots drop"


@dataclass(frozen=True, slots=True)
class DroppedSnapshot:
    """A snapshot that is no longer there, and what that changed after it."""

    snapshot: RegistryRow
    recomputed: int
    """How many snapshots after it were computed again."""
    is_followed_by_old: bool
    """Whether the next one is still compared with it: its raw rows, or those it would rest on, are not held."""


def listed(
    database: Database, regions: Sequence[Region], *, since: datetime | None, until: datetime | None, limit: int | None
) -> list[RegistryRow]:
    """The newest stored snapshots of each region, as the registry has them, oldest first."""
    with database.connect() as connection:
        revisions.require_current(connection)
        return [
            row
            for region in regions
            for row in snapshots.registry(connection, region, since=since, until=until, limit=limit)
        ]


def chosen(database: Database, region: Region, times: Sequence[datetime]) -> list[RegistryRow]:
    """The registry's rows of some times; raises `UsageError` for one of which no snapshot is stored."""
    with database.connect() as connection:
        revisions.require_current(connection)
        found: list[RegistryRow] = []
        for time in dict.fromkeys(times):
            rows = snapshots.registry(connection, region, since=time, until=time, limit=1)
            if not rows:
                raise UsageError(
                    f"No snapshot of {region.label} at {time.isoformat()} is stored: `ironforge snapshots list` shows "
                    "their times."
                )
            found += rows
    return found


def drop(
    region: Region, rows: Sequence[RegistryRow], *, storage: Storage, clock: Clock, progress: Progress | None = None
) -> list[DroppedSnapshot]:
    """Take snapshots out, each in a transaction with all that follows from it.

    Raises `LockedError` where the region is at work, and as the database does; what was dropped before stays dropped.
    """
    evidence = Evidence(storage.database, pending=storage.pending, command=COMMAND, clock=clock)
    dropped: list[DroppedSnapshot] = []
    with evidence.run() as run:
        with (
            evidence.attempt(region, progress=progress or Silent()) as attempt,
            locks.storing(storage.database, region),
        ):
            for row in rows:
                with storage.database.transaction() as connection:
                    times: list[datetime] = []
                    dropped.append(_dropped(connection, row, attempt, times))
                    price_days.remake(connection, region, times)
            attempt.ends(
                Outcome.DONE, "Dropped " + ", ".join(one.snapshot.snapshot_time.isoformat() for one in dropped)
            )
        run.record_count = sum(one.snapshot.auctions for one in dropped)
    return dropped


def _dropped(connection: Connection, row: RegistryRow, attempt: Attempt, times: list[datetime]) -> DroppedSnapshot:
    """Drop one; `times` become those of all snapshots whose hours that changes."""
    region, moment = row.region, row.snapshot_time
    times.append(moment)
    with attempt.step("remove"):
        snapshots.remove(connection, region, moment)
        stats.remove(connection, region, moment)
        snapshots.unregister(connection, region, moment)
    table, recomputed = RawSnapshotsInTable(), 0
    before = snapshots.before(connection, region, moment)
    held_before = table.load(connection, region, before) if before is not None else None
    previous = held_before.book if held_before is not None else None
    following = snapshots.after(connection, region, moment)
    wake, is_followed_by_old = Wake(moment), False
    if following is not None and before is not None and held_before is None:
        # It stays compared with what is gone; those after it are compared with it, and count one interval fewer.
        held = table.load(connection, region, following)
        if held is None:
            return DroppedSnapshot(row, recomputed=0, is_followed_by_old=True)
        previous, is_followed_by_old = held.book, True
        following = snapshots.after(connection, region, following.snapshot_time)
    while following is not None and wake.reaches(following.snapshot_time):
        with attempt.step("recompute"):
            held = table.load(connection, region, following)
        if held is None:
            # What is archived rests on what it rested on.
            return DroppedSnapshot(row, recomputed=recomputed, is_followed_by_old=recomputed == 0)
        again = recompute_snapshot(connection, region, previous, held, attempt=attempt, write=True)
        recomputed += 1
        times.append(following.snapshot_time)
        previous = again.book
        wake.add(again)
        following = snapshots.after(connection, region, following.snapshot_time)
    return DroppedSnapshot(row, recomputed=recomputed, is_followed_by_old=is_followed_by_old)
