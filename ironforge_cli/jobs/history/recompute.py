"""Computing statistics anew from the raw snapshots that are held: what collecting would have written today.

It can be ended at any moment and started again: each snapshot is a transaction of its own, and what is right already is
not written. Regions are worked on side by side, and so are stretches of one region, each of which reads the 48 hours
before it first. A region's lock is given back after every batch of snapshots, so that no collection waits for long.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from ironforge_cli.db import locks, schema
from ironforge_cli.db.repositories import snapshots
from ironforge_cli.errors import ExitStatus, IronforgeError, LockedError, combined_status
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.jobs.evidence.runs import Attempt, Evidence, Silent
from ironforge_cli.jobs.history.held import InTable, InTableOrArchive
from ironforge_cli.jobs.history.stretch import Stretch, Tally
from ironforge_cli.market.changes import StatisticsChange

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from datetime import datetime

    from ironforge_cli.archive.days import ArchivedDays
    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.evidence.runs import Clock, Progress
    from ironforge_cli.jobs.storage import Storage
    from ironforge_cli.market.auctions import Book
    from ironforge_cli.regions import Region

log = logging.getLogger(__name__)

COMMAND: Final = "stats recompute"
SHORTEST_STRETCH: Final = timedelta(days=6)
"""Each stretch but the first reads two days that it does not write: shorter ones would cost more than they bring."""
BATCH_SECONDS: Final = 3.0
"""How long a region's lock is held at a time; the snapshot that is at work then is finished."""
BATCH_SNAPSHOTS: Final = 24
PATIENCE_SECONDS: Final = 900
"""How long to wait for somebody who stores snapshots in between."""
_PAUSE_SECONDS: Final = 0.5


class Ending(StrEnum):
    """How a region's recomputation ended."""

    RECOMPUTED = "recomputed"
    PLANNED = "planned"
    """A dry run: that is what would change."""
    NO_CHANGE = "no_change"
    LOCKED = "locked"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Extent:
    """Which snapshots to compute again; without bounds all."""

    since: datetime | None = None
    until: datetime | None = None
    outdated: bool = False
    """From the oldest to the newest of those that another version of the estimator judged."""


@dataclass(frozen=True, slots=True)
class RecomputedRegion:
    """What became of one region's statistics, or would become of them."""

    region: Region
    outcome: Ending
    status: ExitStatus
    since: datetime | None
    """The first snapshot that was computed again; None where none was."""
    until: datetime | None
    """The last one."""
    snapshots: int
    """How many were computed again."""
    changed: int
    """Of how many of them a row of auctions or statistics changed."""
    registry: int
    """Of how many of them the registry's row changed, be it the version of the estimator alone."""
    without_rows: int
    """Left as they are, since their raw rows are not held."""
    without_previous: int
    """Left as they are, since the raw rows of the snapshot before are not held."""
    outdated: int
    """How many in the range another version of the estimator had judged."""
    still_outdated: int
    """How many of these were not computed again."""
    auctions: int
    """Raw rows that got another expiry window."""
    statistics: StatisticsChange
    message: str | None
    steps: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class RecomputedStatistics:
    """What became of all of them."""

    regions: tuple[RecomputedRegion, ...]

    @property
    def status(self) -> ExitStatus:
        """The exit code."""
        return combined_status([region.status for region in self.regions])


def recompute(
    regions: Sequence[Region],
    *,
    storage: Storage,
    clock: Clock,
    extent: Extent,
    dry_run: bool,
    workers: int,
    progress: Progress | None = None,
    archive: ArchivedDays | None = None,
    shortest_stretch: timedelta = SHORTEST_STRETCH,
) -> RecomputedStatistics:
    """Compute the statistics, windows and registry of stored snapshots again, and write what is not as it should be.

    Raw rows that have left their table are read from the `archive`, where there is one. With `dry_run` nothing is
    written and no lock is taken. `workers` is how many snapshots are computed at once. What
    goes wrong is in the result, region by region.
    """
    evidence = Evidence(storage.database, pending=storage.pending, command=COMMAND, clock=clock)
    with evidence.run() as run:

        def region_work(region: Region) -> RecomputedRegion:
            work = _RegionWork(
                region,
                database=storage.database,
                clock=clock,
                extent=extent,
                write=not dry_run,
                workers=max(1, workers // len(regions)),
                archive=archive,
                shortest_stretch=shortest_stretch,
            )
            return work.attempted(evidence, progress or Silent())

        with ThreadPoolExecutor(max_workers=min(workers, len(regions)), thread_name_prefix="recompute") as pool:
            recomputed = RecomputedStatistics(tuple(pool.map(region_work, regions)))
        run.status = recomputed.status
        run.record_count = 0 if dry_run else sum(region.statistics.rows for region in recomputed.regions)
        run.message = " ".join(
            f"{region.region.label}: {region.message}"
            for region in recomputed.regions
            if region.status is not ExitStatus.DONE
        )
        run.message = run.message or None
        run.extra = {
            "dry_run": dry_run,
            "regions": {
                region.region: {
                    "outcome": region.outcome,
                    "snapshots": region.snapshots,
                    "changed": region.changed,
                    "steps": {name: round(seconds, 4) for name, seconds in region.steps.items()},
                }
                for region in recomputed.regions
            },
        }
    return recomputed


class _Counting:
    """Shows beside each step how far the whole is."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.told = ""

    def step(self, region: Region | None, name: str) -> None:
        """A step of a region's work begins."""
        self._progress.step(region, f"{name}{self.told}")


class _RegionWork:
    """One region's recomputation."""

    def __init__(
        self,
        region: Region,
        *,
        database: Database,
        clock: Clock,
        extent: Extent,
        write: bool,
        workers: int,
        archive: ArchivedDays | None,
        shortest_stretch: timedelta,
    ) -> None:
        self._region = region
        self._database = database
        self._clock = clock
        self._extent = extent
        self._write = write
        # Without writing, a stretch would not see what the one before it changes.
        self._workers = workers if write else 1
        self._archive = archive
        self._shortest = shortest_stretch
        self._stretches: list[Stretch] = []
        self._attempts: list[Attempt] = []
        self._outdated: frozenset[datetime] = frozenset()
        self._total = 0

    def attempted(self, evidence: Evidence, progress: Progress) -> RecomputedRegion:
        """Do it all with its evidence; a failure is a result, and what was done before it stays done."""
        counting = _Counting(progress)
        try:
            with evidence.attempt(self._region, progress=counting) as attempt:
                self._run(counting)
                result = self._result(Ending.RECOMPUTED if self._write else Ending.PLANNED, ExitStatus.DONE, None)
                if result.changed or result.registry:
                    return result
                why = self._why_nothing(result)
                attempt.ends(Outcome.NO_CHANGE, why)
                return self._result(Ending.NO_CHANGE, ExitStatus.DONE, why)
        except IronforgeError as error:
            outcome = Ending.LOCKED if isinstance(error, LockedError) else Ending.FAILED
            return self._result(outcome, error.status, str(error))
        except Exception as error:
            # A bug that one region's data brings to light must not keep the other from being done.
            log.exception("%s: an unexpected error", self._region.label)
            message = f"An unexpected error, please report it: {type(error).__name__}: {error}"
            return self._result(Ending.FAILED, ExitStatus.BUG, message)

    def _run(self, counting: _Counting) -> None:
        with self._database.connect() as connection:
            schema.require_current(connection)
        if not self._write:
            self._plan(counting)
            while self._batch(counting):
                pass
            return
        # Who stores something now is left alone; later on it is waited for.
        with locks.storing(self._database, self._region, at_once=True):
            pass
        with locks.recomputing(self._database, self._region):
            self._plan(counting)
            going_on = True
            while going_on:
                with self._lock():
                    going_on = self._batch(counting) or self._join_ends()

    def _plan(self, counting: _Counting) -> None:
        """Lay out the stretches."""
        extent, region = self._extent, self._region
        with self._database.connect() as connection:
            times = snapshots.stored_times(connection, region, since=extent.since, until=extent.until)
            outdated = snapshots.outdated_times(connection, region, since=extent.since, until=extent.until)
            self._outdated = frozenset(outdated)
            if extent.outdated:
                times = [moment for moment in times if outdated and outdated[0] <= moment <= outdated[-1]]
            self._total = len(times)
        if not times:
            return
        bounded = extent.outdated or extent.until is not None
        spans = spans_of(times, workers=self._workers, shortest=self._shortest)
        for since, until in spans:
            is_last = until == times[-1]
            attempt = Attempt(clock=self._clock, region=region, progress=counting)
            self._attempts.append(attempt)
            self._stretches.append(
                Stretch(
                    region,
                    since=since,
                    until=until if bounded or not is_last else None,
                    carries=is_last,
                    source=InTable() if self._archive is None else InTableOrArchive(self._archive),
                    attempt=attempt,
                    write=self._write,
                )
            )

    @contextmanager
    def _lock(self) -> Generator[None]:
        """Be the only one who stores; waits for who does, and raises `LockedError` where that takes too long."""
        with ExitStack() as held:
            ends_at = self._clock.monotonic() + PATIENCE_SECONDS
            while True:
                try:
                    held.enter_context(locks.storing(self._database, self._region, at_once=True))
                except LockedError:
                    if self._clock.monotonic() >= ends_at:
                        raise
                    self._clock.sleep(_PAUSE_SECONDS)
                else:
                    break
            yield

    def _batch(self, counting: _Counting) -> bool:
        """Let every stretch compute some snapshots; False where none was left."""

        def work(stretch: Stretch) -> bool:
            return stretch.work(self._database, seconds=BATCH_SECONDS, snapshots_at_most=BATCH_SNAPSHOTS)

        if not self._stretches:
            return False
        with ThreadPoolExecutor(
            max_workers=len(self._stretches), thread_name_prefix=f"recompute-{self._region}"
        ) as pool:
            stepped = list(pool.map(work, self._stretches))
        done = len(self._tally().computed)
        counting.told = f", {done:,} of {self._total:,} snapshots"
        log.debug("%s: %d of %d snapshots", self._region.label, done, self._total)
        return any(stepped)

    def _join_ends(self) -> bool:
        """See that each stretch began with the windows with which the one before it ended; else go on from these.

        They differ only where an auction seems to last longer than 48 hours.
        """
        going_on = False
        for one, following in pairwise(self._stretches):
            if not _same_windows(one.last, following.entry):
                going_on |= one.carry_on()
        return going_on

    def _tally(self) -> Tally:
        tally = Tally()
        for stretch in self._stretches:
            tally.join(stretch.tally)
        return tally

    def _result(self, outcome: Ending, status: ExitStatus, message: str | None) -> RecomputedRegion:
        tally, steps = self._tally(), dict[str, float]()
        for attempt in self._attempts:
            for name, seconds in attempt.steps.items():
                steps[name] = steps.get(name, 0.0) + seconds
        return RecomputedRegion(
            region=self._region,
            outcome=outcome,
            status=status,
            since=min(tally.computed, default=None),
            until=max(tally.computed, default=None),
            snapshots=len(tally.computed),
            changed=len(tally.changed),
            registry=len(tally.registry),
            without_rows=len(tally.without_rows),
            without_previous=len(tally.without_previous),
            outdated=len(self._outdated),
            still_outdated=len(self._outdated - tally.computed),
            auctions=tally.auctions,
            statistics=tally.statistics,
            message=message,
            steps=steps,
        )

    def _why_nothing(self, result: RecomputedRegion) -> str:
        if result.snapshots:
            return "Everything is as collecting would write it today."
        if self._total:
            return "No raw snapshots are held of this time that could be computed again."
        return "No snapshot of this time is outdated." if self._extent.outdated else "No snapshot is of this time."


def spans_of(times: Sequence[datetime], *, workers: int, shortest: timedelta) -> list[tuple[datetime, datetime]]:
    """The first and the last snapshot of each stretch, at most one a worker: each begins after the one before it ended.

    >>> from datetime import UTC, datetime
    >>> days = [datetime(2024, 1, day, tzinfo=UTC) for day in range(1, 8)]
    >>> def shown(workers: int, hours: int) -> list[tuple[int, int]]:
    ...     spans = spans_of(days, workers=workers, shortest=timedelta(hours=hours))
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
