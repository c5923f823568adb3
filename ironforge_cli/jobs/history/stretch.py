"""A stretch of a region's chain of snapshots, computed again from its beginning to its end, a batch at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ironforge_cli.db.repositories import snapshots
from ironforge_cli.jobs.history.chain import INSTANT, REACH, Recomputed, recompute_snapshot, starting_point
from ironforge_cli.market.changes import StatisticsChange

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.evidence.runs import Attempt
    from ironforge_cli.jobs.history.held import HeldSnapshots
    from ironforge_cli.market.auctions import Book
    from ironforge_cli.regions import Region


@dataclass(slots=True)
class Tally:
    """What was found and changed so far; a snapshot that was computed twice counts once."""

    computed: set[datetime] = field(default_factory=set[datetime])
    changed: set[datetime] = field(default_factory=set[datetime])
    """Those of which a row of auctions or statistics changed."""
    registry: set[datetime] = field(default_factory=set[datetime])
    """Those of which the registry said something else, be it the version of the estimator alone."""
    without_rows: set[datetime] = field(default_factory=set[datetime])
    """Left as they are: their raw rows are not held, or not all of them."""
    without_previous: set[datetime] = field(default_factory=set[datetime])
    """Left as they are: the raw rows of the snapshot before are not held."""
    auctions: int = 0
    """Those that got another expiry window."""
    statistics: StatisticsChange = field(default_factory=StatisticsChange)

    def add(self, recomputed: Recomputed) -> None:
        """Count a snapshot."""
        at = recomputed.book.snapshot_time
        self.computed.add(at)
        self.auctions += recomputed.windows
        self.statistics += recomputed.statistics
        if recomputed.windows or recomputed.statistics.rows:
            self.changed.add(at)
        if recomputed.registry:
            self.registry.add(at)

    def join(self, other: Tally) -> None:
        """Count what another stretch found."""
        self.computed |= other.computed
        self.changed |= other.changed
        self.registry |= other.registry
        self.without_rows |= other.without_rows
        self.without_previous |= other.without_previous
        self.auctions += other.auctions
        self.statistics += other.statistics


class Stretch:
    """The snapshots from `since` to `until`, both included; without `until` to the newest, whenever it comes.

    Reading begins 48 hours earlier, so that windows are right even where the stored ones are not. With `carries` it
    ends with the 48 hours after `until`, which rest on it. With `write` false nothing is written.
    """

    def __init__(
        self,
        region: Region,
        *,
        since: datetime,
        until: datetime | None,
        carries: bool,
        source: HeldSnapshots,
        attempt: Attempt,
        write: bool,
    ) -> None:
        self._region = region
        self._since = since
        self._until = until
        self._source = source
        self._attempt = attempt
        self._write = write
        self._reach = REACH if carries else timedelta(0)
        self._follows = False
        self._start: datetime | None = None
        self._cursor: datetime | None = None
        self._windows_changed = False
        self._entered = False
        self.tally = Tally()
        self.stepped = 0
        """How many snapshots were read, those before `since` among them."""
        self.entry: Book | None = None
        """The snapshot before the first that is written, as the chain of this stretch has it."""
        self.last: Book | None = None
        """The newest snapshot that was read; None where its raw rows are not held."""

    def work(self, database: Database, *, seconds: float, snapshots_at_most: int) -> bool:
        """Compute some snapshots again, each in a transaction of its own; False where none was left.

        Who calls holds the region's lock, unless nothing is written. It ends with the first snapshot after so many
        seconds.
        """
        clock = self._attempt.clock
        ends_at = clock.monotonic() + seconds
        with database.connect() as connection:
            self._begin(connection)
            for done in range(snapshots_at_most):
                if not self._step(connection):
                    return done > 0
                # Between two of them nothing is open: whoever wants to drop a partition gets at it.
                connection.commit()
                if clock.monotonic() >= ends_at:
                    break
        return True

    def carry_on(self) -> bool:
        """Go on after `until` for 48 hours, and further while windows change; False where it does so already."""
        followed, self._follows = self._follows, True
        self._reach = REACH
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
        self._windows_changed = self._entered = False

    def _step(self, connection: Connection) -> bool:
        """Compute the next snapshot; False where there is none."""
        assert self._cursor is not None, "a stretch begins before it steps"  # noqa: S101 - narrows the type
        registered = snapshots.after(connection, self._region, self._cursor)
        if registered is None or self._is_past(registered.snapshot_time):
            return False
        at, previous = registered.snapshot_time, self.last
        is_in = at >= self._since
        if is_in and not self._entered:
            self._entered, self.entry = True, previous
        with self._attempt.step("read"):
            held = self._source.load(connection, self._region, registered)
        self._windows_changed = False
        left: set[datetime] | None = None
        if held is None:
            self.last = None
            left = self.tally.without_rows
        elif previous is None and snapshots.before(connection, self._region, at) is not None:
            # The stored windows say all that is known of what came before.
            self.last = held.book
            left = self.tally.without_previous
        else:
            recomputed = recompute_snapshot(
                connection, self._region, previous, held, attempt=self._attempt, write=self._write and is_in
            )
            with self._attempt.step("commit"):
                connection.commit()
            self.last = recomputed.book
            if is_in:
                self._windows_changed = recomputed.windows > 0 and held.is_in_table
                self.tally.add(recomputed)
        if left is not None and is_in:
            left.add(at)
        self._cursor = at
        self.stepped += 1
        return True

    def _is_past(self, at: datetime) -> bool:
        if self._until is None or at <= self._until:
            return False
        if self._cursor is not None and self._cursor < self._until + self._reach:
            return False
        return not (self._follows and self._windows_changed)
