"""One stored snapshot computed again, from the windows of the one before it; and those that rest on it.

What a snapshot's windows are rests on the windows of the snapshot before it, and these on the one before that. Windows
forget what was known before after 48 hours, the longest that an auction lasts. What its sales are rests on the counts
of the intervals that ended in the 48 hours before, too: a day's sum is kept for 24 hours, the rates of what nobody sees
are those of the 12 hours before, and their evidence that of the 12 before these.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from ironforge_cli.db.repositories import past_intervals, snapshots, stats
from ironforge_cli.jobs.history.raw_snapshots import RawSnapshotsInTable
from ironforge_cli.market.changes import StatisticsChange, StatisticsRows, statistics_change, windows_change
from ironforge_cli.market.estimate import WINDOW
from ironforge_cli.market.sales import REACH
from ironforge_cli.market.statistics import summarise_snapshot

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ironforge_cli.jobs.evidence.runs import Attempt
    from ironforge_cli.jobs.history.raw_snapshots import RawSnapshot
    from ironforge_cli.market.auctions import Book
    from ironforge_cli.market.past import Earlier
    from ironforge_cli.market.statistics import Summary
    from ironforge_cli.regions import Region

FARTHEST: Final = 2 * REACH
"""How far from a snapshot others can rest on it: 48 hours by its windows, and 48 more by what was counted with them."""
INSTANT: Final = timedelta(microseconds=1)
"""The shortest time that PostgreSQL knows."""


@dataclass(frozen=True, slots=True)
class RecomputedSnapshot:
    """A snapshot that was computed again: what it is now, and what that changes."""

    summary: Summary
    windows: int
    """Auctions whose window is another than was stored."""
    statistics: StatisticsChange
    registry: bool
    """Whether the registry said something else, be it the version of the estimator alone."""

    @property
    def book(self) -> Book:
        """The snapshot with its windows."""
        return self.summary.book


class Wake:
    """Until when the snapshots after a change can come out otherwise than they were."""

    def __init__(self, changed_at: datetime) -> None:
        # The snapshot's highest id dates lots for so long.
        self._until = changed_at + REACH
        self._windows_changed = True

    def add(self, recomputed: RecomputedSnapshot) -> None:
        """Take note of the next snapshot after those before, computed again."""
        at = recomputed.book.snapshot_time
        self._windows_changed = recomputed.windows > 0
        if recomputed.statistics.rows or recomputed.registry:
            next_day = datetime.combine(at.astimezone(UTC).date(), time(), tzinfo=UTC) + timedelta(days=1)
            self._until = max(self._until, at + WINDOW, next_day)

    def reaches(self, at: datetime) -> bool:
        """Whether the next snapshot, of that time, has to be computed again."""
        return self._windows_changed or at <= self._until


def recompute_snapshot(
    connection: Connection,
    region: Region,
    previous: Book | None,
    held: RawSnapshot,
    *,
    attempt: Attempt,
    write: bool,
    earlier: Earlier | None = None,
    registers: bool = True,
) -> RecomputedSnapshot:
    """Compute a stored snapshot again and write, in the caller's transaction, what is not as it should be.

    `previous` is the snapshot before it, None for a region's first; `earlier` is what those before say, and is read
    from the database where it isn't given. Only rows of this snapshot are written, with `registers` false not the
    registry's, and with `write` false none.
    """
    before, at = held.book, held.book.snapshot_time
    if earlier is None and previous is not None:
        with attempt.step("sum up the past"):
            earlier = past_intervals.earlier(connection, region, at)
    with attempt.step("compare"):
        summary = summarise_snapshot(previous, before.auctions, at=at, earlier=earlier)
        recomputed = RecomputedSnapshot(
            summary=summary,
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
            if recomputed.registry and registers:
                snapshots.reregister(connection, region, summary)
    return recomputed


def recompute_after(connection: Connection, region: Region, book: Book, *, attempt: Attempt) -> list[datetime]:
    """Compute the snapshots after a new one again, in the caller's transaction, as far as it reaches; which ones.

    It ends where windows are as they were and nothing that was counted in the 12 hours before, or since midnight, has
    changed: what follows rests on nothing else. That is less than 96 hours after the new one.
    """
    source, previous, wake = RawSnapshotsInTable(), book, Wake(book.snapshot_time)
    times: list[datetime] = []
    while (registered := snapshots.after(connection, region, previous.snapshot_time)) is not None:
        if not wake.reaches(registered.snapshot_time):
            break
        with attempt.step("recompute"):
            held = source.load(connection, region, registered)
        if held is None:
            break
        times.append(registered.snapshot_time)
        recomputed = recompute_snapshot(connection, region, previous, held, attempt=attempt, write=True)
        previous = recomputed.book
        wake.add(recomputed)
    return times


def starting_point(connection: Connection, region: Region, moment: datetime) -> datetime:
    """Where to begin reading so that the sales of a moment come out right, whatever is stored of the time before.

    That is the newest snapshot at least 96 hours before the one before it or, where none is so old, the oldest: after
    48 hours windows are right, and 48 hours of counts with these are what sales rest on.
    """
    before = snapshots.before(connection, region, moment)
    if before is None:
        return moment
    start = snapshots.before(connection, region, before.snapshot_time - FARTHEST + INSTANT)
    if start is not None:
        return start.snapshot_time
    span = snapshots.span(connection, region)
    return span.since if span else moment
