"""A segment of a region's history: its snapshots, computed again from its beginning to its end, a batch at a time."""

from __future__ import annotations

from datetime import UTC, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from ironforge_cli.db.repositories import past_intervals, price_days, snapshots
from ironforge_cli.jobs.history.one_snapshot import FARTHEST, INSTANT, recompute_snapshot, starting_point
from ironforge_cli.jobs.history.recompute_counts import RecomputeCounts
from ironforge_cli.market.past import Past
from ironforge_cli.market.sales import REACH
from ironforge_cli.market.statistics import summarise_snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database
    from ironforge_cli.db.repositories.snapshots import Registered
    from ironforge_cli.jobs.evidence.runs import Attempt
    from ironforge_cli.jobs.history.one_snapshot import RecomputedSnapshot
    from ironforge_cli.jobs.history.raw_snapshots import RawSnapshot, RawSnapshots
    from ironforge_cli.market.auctions import Book
    from ironforge_cli.market.statistics import Summary
    from ironforge_cli.regions import Region


class Segment:
    """The snapshots from `since` to `until`, both included; without `until` to the newest, whenever it comes.

    Reading begins 96 hours earlier, so that windows and counts are right even where the stored ones are not. With
    `carries` it ends with the 96 hours after `until`, which rest on it. With `write` false nothing is written. With
    `closes` the registry says only at the very end that `until` was computed: whoever looks for what is outdated finds
    it until all that rests on it was written, too.
    """

    def __init__(
        self,
        region: Region,
        *,
        since: datetime,
        until: datetime | None,
        carries: bool,
        source: RawSnapshots,
        attempt: Attempt,
        write: bool,
        closes: bool = False,
    ) -> None:
        self._region = region
        self._since = since
        self._until = until
        self._source = source
        self._attempt = attempt
        self._write = write
        self._closes = closes
        self._unregistered: Summary | None = None
        self._past = Past()
        self._reach = FARTHEST if carries else timedelta(0)
        self._settles_at: datetime | None = None
        """Rows until then rest on a window that changed; None where none did."""
        self._follows = False
        self._start: datetime | None = None
        self._cursor: datetime | None = None
        self._windows_changed = self._windows_changed_before = False
        self._entered = False
        self._written: list[datetime] = []
        self.counts = RecomputeCounts()
        self.stepped = 0
        """How many snapshots were read, those before `since` among them."""
        self.entry: Book | None = None
        """The snapshot before the first that is written, as the chain of this segment has it."""
        self.last: Book | None = None
        """The newest snapshot that was read; None where its raw rows are not held."""
        self.entry_digest = b""
        """Of what the snapshots up to `entry` say of those after it."""

    def work(self, database: Database, *, seconds: float, snapshots_at_most: int) -> bool:
        """Compute some snapshots again; False where none was left.

        Those of a day that nothing was written of are each a transaction; those that were written are one with their
        day, which is made again from them. Who calls holds the region's lock, unless nothing is written. It ends with
        the first snapshot after so many seconds.
        """
        clock = self._attempt.clock
        ends_at = clock.monotonic() + seconds
        with database.connect() as connection:
            self._begin(connection)
            for done in range(snapshots_at_most):
                if not self._step(connection):
                    if self._unregistered is not None:
                        snapshots.reregister(connection, self._region, self._unregistered)
                        self._unregistered = None
                    self._commit(connection)
                    return done > 0
                if clock.monotonic() >= ends_at:
                    break
            self._commit(connection)
        return True

    def _commit(self, connection: Connection) -> None:
        """Make the day again whose hours were written, and commit it with them.

        After it nothing is open: whoever wants to drop a partition gets at it.
        """
        if self._written:
            with self._attempt.step("make day"):
                price_days.remake(connection, self._region, self._written)
            self._written = []
        with self._attempt.step("commit"):
            connection.commit()

    def carry_on(self) -> bool:
        """Go on after `until` for 96 hours, and further while windows change; False where it does so already."""
        followed, self._follows = self._follows, True
        self._reach = FARTHEST
        return not followed

    def _begin(self, connection: Connection) -> None:
        """Find where to begin; begin anew where a snapshot was stored between those that were read."""
        if self._start is not None and self._cursor is not None:
            read = snapshots.count(connection, self._region, since=self._start, until=self._cursor)
            if read == self.stepped:
                return
        self._start = starting_point(connection, self._region, self._since)
        self._cursor = self._start - INSTANT
        self.stepped = 0
        self.entry = self.last = None
        self._past, self._unregistered, self._settles_at = Past(), None, None
        self._windows_changed = self._entered = False

    def _step(self, connection: Connection) -> bool:
        """Compute the next snapshot; False where there is none."""
        assert self._cursor is not None, "a segment begins before it steps"  # noqa: S101 - narrows the type
        registered = snapshots.after(connection, self._region, self._cursor)
        if registered is None or self._is_past(registered.snapshot_time):
            return False
        at, previous = registered.snapshot_time, self.last
        if not self._written or self._written[-1].astimezone(UTC).date() != at.astimezone(UTC).date():
            self._commit(connection)
        is_in = at >= self._since
        if is_in and not self._entered:
            self._entered, self.entry, self.entry_digest = True, previous, self._past.digest()
        with self._attempt.step("read"):
            held = self._source.load(connection, self._region, registered)
        self._windows_changed_before, self._windows_changed = self._windows_changed, False
        if held is None or (previous is None and snapshots.before(connection, self._region, at) is not None):
            self._leave(connection, registered, held)
            if is_in:
                (self.counts.without_rows if held is None else self.counts.without_previous).add(at)
        elif not is_in:
            summary = summarise_snapshot(previous, held.book.auctions, at=at, earlier=self._past.earlier(at))
            self._remember(summary)
        else:
            self._recompute(connection, previous, held)
        self._cursor = at
        self.stepped += 1
        return True

    def _recompute(self, connection: Connection, previous: Book | None, held: RawSnapshot) -> None:
        at = held.book.snapshot_time
        is_last = self._closes and at == self._until
        recomputed: RecomputedSnapshot = recompute_snapshot(
            connection,
            self._region,
            previous,
            held,
            attempt=self._attempt,
            write=self._write,
            earlier=self._past.earlier(at),
            registers=not is_last,
        )
        if self._write and is_last and recomputed.registry:
            self._unregistered = recomputed.summary
        if self._write and (recomputed.statistics.rows or recomputed.registry):
            self._written.append(at)
        if self._windows_changed_before:
            self._settles_at = at + REACH
        self._windows_changed = recomputed.windows > 0 and held.is_in_table
        self.counts.add(recomputed)
        self._remember(recomputed.summary)

    def _remember(self, summary: Summary) -> None:
        at, sales = summary.book.snapshot_time, summary.statistics.sales
        if sales is not None and summary.interval_seconds is not None:
            self._past.add(sales, ended_at=at, seconds=summary.interval_seconds)
        ids = summary.book.auctions.auction_id
        self._past.add_snapshot(at, int(ids[-1]) if len(ids) else None)
        self.last = summary.book

    def _leave(self, connection: Connection, registered: Registered, held: RawSnapshot | None) -> None:
        """Leave a snapshot as it is that can't be computed again; what is stored of it counts for those after it."""
        at = registered.snapshot_time
        interval = past_intervals.stored_interval(connection, self._region, at)
        if interval is not None:
            self._past.add(interval[0], ended_at=at, seconds=interval[1])
        self._past.add_snapshot(at, past_intervals.highest_id(connection, self._region, at))
        # The stored windows say all that is known of what came before.
        self.last = None if held is None else held.book

    def _is_past(self, at: datetime) -> bool:
        if self._until is None or at <= self._until:
            return False
        if self._cursor is not None and self._cursor < self._until + self._reach:
            return False
        is_unsettled = self._windows_changed or (self._settles_at is not None and at <= self._settles_at)
        return not (self._follows and is_unsettled)

    def joins(self, following: Segment) -> bool:
        """Whether the next segment began with the windows and the counts with which this one ended.

        They differ only where an auction seems to last longer than 48 hours.
        """
        return _same_windows(self.last, following.entry) and self._past.digest() == following.entry_digest


def segment_bounds(times: Sequence[datetime], *, workers: int, shortest: timedelta) -> list[tuple[datetime, datetime]]:
    """The first and the last snapshot of each segment, at most one a worker: each begins after the one before it ended.

    >>> from datetime import UTC, datetime
    >>> days = [datetime(2024, 1, day, tzinfo=UTC) for day in range(1, 8)]
    >>> def shown(workers: int, hours: int) -> list[tuple[int, int]]:
    ...     spans = segment_bounds(days, workers=workers, shortest=timedelta(hours=hours))
    ...     return [(since.day, until.day) for since, until in spans]
    >>> shown(3, hours=48)
    [(1, 2), (3, 4), (5, 7)]
    >>> shown(3, hours=49), shown(3, hours=145), shown(0, hours=1)
    ([(1, 3), (4, 7)], [(1, 7)], [(1, 7)])
    >>> len(shown(9, hours=1))
    7
    """
    parts = max(1, min(workers, (times[-1] - times[0]) // shortest, len(times)))
    cuts = [len(times) * part // parts for part in range(parts + 1)]
    return [(times[first], times[end - 1]) for first, end in pairwise(cuts)]


def _same_windows(one: Book | None, other: Book | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.snapshot_time == other.snapshot_time and one.windows.equal(other.windows)
