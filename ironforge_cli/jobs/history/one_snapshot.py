"""One stored snapshot computed again, from the windows of the one before it; and those that rest on it.

What a snapshot's statistics and windows are rests on the windows of the snapshot before it, and these on the one before
that. Windows forget what was known before after 48 hours, the longest that an auction lasts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ironforge_cli.db.repositories import snapshots, stats
from ironforge_cli.jobs.history.raw_snapshots import RawSnapshotsInTable
from ironforge_cli.market.changes import StatisticsChange, StatisticsRows, statistics_change, windows_change
from ironforge_cli.market.sales import REACH
from ironforge_cli.market.statistics import summarise_snapshot

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from ironforge_cli.jobs.evidence.runs import Attempt
    from ironforge_cli.jobs.history.raw_snapshots import RawSnapshot
    from ironforge_cli.market.auctions import Book
    from ironforge_cli.regions import Region

INSTANT: Final = timedelta(microseconds=1)
"""The shortest time that PostgreSQL knows."""


@dataclass(frozen=True, slots=True)
class RecomputedSnapshot:
    """A snapshot that was computed again: what it is now, and what that changes."""

    book: Book
    windows: int
    """Auctions whose window is another than was stored."""
    statistics: StatisticsChange
    registry: bool
    """Whether the registry said something else, be it the version of the estimator alone."""


def recompute_snapshot(
    connection: Connection, region: Region, previous: Book | None, held: RawSnapshot, *, attempt: Attempt, write: bool
) -> RecomputedSnapshot:
    """Compute a stored snapshot again and write, in the caller's transaction, what is not as it should be.

    `previous` is the snapshot before it, None for a region's first. Only rows of this snapshot are written, and with
    `write` false none.
    """
    before, at = held.book, held.book.snapshot_time
    with attempt.step("compare"):
        summary = summarise_snapshot(previous, before.auctions, at=at)
        recomputed = RecomputedSnapshot(
            book=summary.book,
            windows=windows_change(before.windows, summary.windows),
            statistics=statistics_change(stats.load(connection, region, at), StatisticsRows.of(summary.statistics)),
            registry=not snapshots.agrees(connection, region, summary),
        )
    if write:
        with attempt.step("store"):
            if recomputed.windows and held.is_in_table:
                snapshots.remove(connection, region, at)
                snapshots.store(connection, region, summary.book)
            if recomputed.statistics.rows:
                stats.remove(connection, region, at)
                stats.store(connection, region, summary.statistics, at=at)
            if recomputed.registry:
                snapshots.reregister(connection, region, summary)
    return recomputed


def recompute_after(connection: Connection, region: Region, book: Book, *, attempt: Attempt) -> list[datetime]:
    """Compute the snapshots after a new one again, in the caller's transaction, as long as windows change; which ones.

    It ends earlier than 48 hours after the new one where windows are as they were: what follows rests on nothing else.
    """
    source, previous, changed = RawSnapshotsInTable(), book, True
    times: list[datetime] = []
    while changed and (registered := snapshots.after(connection, region, previous.snapshot_time)) is not None:
        with attempt.step("recompute"):
            held = source.load(connection, region, registered)
        if held is None:
            break
        times.append(registered.snapshot_time)
        recomputed = recompute_snapshot(connection, region, previous, held, attempt=attempt, write=True)
        previous, changed = recomputed.book, recomputed.windows > 0
    return times


def starting_point(connection: Connection, region: Region, moment: datetime) -> datetime:
    """Where to begin reading so that the windows of the snapshot before a moment come out right.

    That is the newest snapshot at least 48 hours before it or, where none is so old, the oldest.
    """
    before = snapshots.before(connection, region, moment)
    if before is None:
        return moment
    start = snapshots.before(connection, region, before.snapshot_time - REACH + INSTANT)
    if start is not None:
        return start.snapshot_time
    span = snapshots.span(connection, region)
    return span.since if span else moment
