"""Computing statistics anew from the raw snapshots that are held: what collecting would have written today.

How it goes, from top to bottom; regions are worked on side by side:

1. The snapshots that are wanted are cut into segments (`segment_bounds`), which are worked on side by side.
2. Under the region's lock, which keeps collecting out, each segment computes a batch of snapshots (`Segment.work`).
   The lock is given back after every batch, so that no collection waits for long.
3. A segment reads the 96 hours before its first snapshot, so that windows and counts come out right, then computes one
   snapshot after the other, each from the one before it and in a transaction of its own (`recompute_snapshot`). What is
   right already is not written. Raw rows come from the partitions, or from the archive (`RawSnapshots`).
4. When no segment has anything left, each has to join the next (`Segment.joins`); where one doesn't, it goes on past
   its end until windows are as they were.

It can be ended at any moment and started again.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from ironforge_cli.db import locks, revisions
from ironforge_cli.db.repositories import snapshots
from ironforge_cli.errors import ExitStatus, IronforgeError, LockedError
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.jobs.evidence.runs import Attempt, Evidence, Silent
from ironforge_cli.jobs.history.raw_snapshots import RawSnapshotsInTable, RawSnapshotsInTableOrArchive
from ironforge_cli.jobs.history.recompute_counts import RecomputeCounts
from ironforge_cli.jobs.history.recomputed import Extent, RecomputedRegion, RecomputedStatistics, RecomputeOutcome
from ironforge_cli.jobs.history.segment import Segment, segment_bounds
from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from datetime import datetime

    from ironforge_cli.archive.days import ArchivedDays
    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.evidence.runs import Clock, Progress
    from ironforge_cli.jobs.storage import Storage
    from ironforge_cli.regions import Region

log = logging.getLogger(__name__)

COMMAND: Final = "stats recompute"
SHORTEST_SEGMENT: Final = timedelta(days=8)
"""Each segment but the first reads four days that it does not write: shorter ones would cost more than they bring."""
BATCH_SECONDS: Final = 3.0
"""How long a region's lock is held at a time; the snapshot that is at work then is finished."""
BATCH_SNAPSHOTS: Final = 24
PATIENCE_SECONDS: Final = 900
"""How long to wait for somebody who stores snapshots in between."""
_PAUSE_SECONDS: Final = 0.5


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
    shortest_segment: timedelta = SHORTEST_SEGMENT,
) -> RecomputedStatistics:
    """Compute the statistics, windows and registry of stored snapshots again, and write what is not as it should be.

    Raw rows that have left their table are read from the `archive`, where there is one. With `dry_run` nothing is
    written and no lock is taken. `workers` is how many snapshots are computed at once. What
    goes wrong is in the result, region by region.
    """
    # Whoever only looks neither fails for cron nor makes up for what cron should have done.
    command = f"{COMMAND} --dry-run" if dry_run else COMMAND
    evidence = Evidence(storage.database, pending=storage.pending, command=command, clock=clock)
    with evidence.run() as run:

        def region_work(region: Region) -> RecomputedRegion:
            work = _RegionRecomputation(
                region,
                database=storage.database,
                clock=clock,
                extent=extent,
                write=not dry_run,
                workers=max(1, workers // len(regions)),
                archive=archive,
                shortest_segment=shortest_segment,
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


class _RegionRecomputation:
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
        shortest_segment: timedelta,
    ) -> None:
        self._region = region
        self._database = database
        self._clock = clock
        self._extent = extent
        self._write = write
        # Without writing, a segment would not see what the one before it changes.
        self._workers = workers if write else 1
        self._archive = archive
        self._shortest = shortest_segment
        self._segments: list[Segment] = []
        self._attempts: list[Attempt] = []
        self._outdated: frozenset[datetime] = frozenset()
        self._total = 0

    def attempted(self, evidence: Evidence, progress: Progress) -> RecomputedRegion:
        """Do it all with its evidence; a failure is a result, and what was done before it stays done."""
        counting = _Counting(progress)
        try:
            with evidence.attempt(self._region, progress=counting) as attempt:
                self._run(counting)
                result = self._result(
                    RecomputeOutcome.RECOMPUTED if self._write else RecomputeOutcome.PLANNED, ExitStatus.DONE, None
                )
                if result.changed or result.registry:
                    return result
                why = self._why_nothing(result)
                attempt.ends(Outcome.NO_CHANGE, why)
                return self._result(RecomputeOutcome.NO_CHANGE, ExitStatus.DONE, why)
        except IronforgeError as error:
            outcome = RecomputeOutcome.LOCKED if isinstance(error, LockedError) else RecomputeOutcome.FAILED
            return self._result(outcome, error.status, str(error))
        except Exception as error:
            # A bug that one region's data brings to light must not keep the other from being done.
            log.exception("%s: an unexpected error", self._region.label)
            message = f"An unexpected error, please report it: {type(error).__name__}: {error}"
            return self._result(RecomputeOutcome.FAILED, ExitStatus.BUG, message)

    def _run(self, counting: _Counting) -> None:
        with self._database.connect() as connection:
            revisions.require_current(connection)
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
        """Lay out the segments."""
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
        spans = segment_bounds(times, workers=self._workers, shortest=self._shortest)
        for since, until in spans:
            is_last = until == times[-1]
            attempt = Attempt(clock=self._clock, region=region, progress=counting)
            self._attempts.append(attempt)
            self._segments.append(
                Segment(
                    region,
                    since=since,
                    until=until if bounded or not is_last else None,
                    carries=is_last,
                    source=RawSnapshotsInTable()
                    if self._archive is None
                    else RawSnapshotsInTableOrArchive(self._archive),
                    attempt=attempt,
                    write=self._write,
                    closes=is_last and extent.outdated,
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
        """Let every segment compute some snapshots; False where none was left."""

        def work(segment: Segment) -> bool:
            return segment.work(self._database, seconds=BATCH_SECONDS, snapshots_at_most=BATCH_SNAPSHOTS)

        if not self._segments:
            return False
        with ThreadPoolExecutor(
            max_workers=len(self._segments), thread_name_prefix=f"recompute-{self._region}"
        ) as pool:
            stepped = list(pool.map(work, self._segments))
        done = len(self._counts().computed)
        counting.told = f", {done:,} of {counted(self._total, 'snapshot')}"
        log.debug("%s: %d of %d snapshots", self._region.label, done, self._total)
        return any(stepped)

    def _join_ends(self) -> bool:
        """Let a segment go on past its end where the next one began with other windows than it ended with."""
        going_on = False
        for one, following in pairwise(self._segments):
            if not one.joins(following):
                going_on |= one.carry_on()
        return going_on

    def _counts(self) -> RecomputeCounts:
        counts = RecomputeCounts()
        for segment in self._segments:
            counts.join(segment.counts)
        return counts

    def _result(self, outcome: RecomputeOutcome, status: ExitStatus, message: str | None) -> RecomputedRegion:
        counts, steps = self._counts(), dict[str, float]()
        for attempt in self._attempts:
            for name, seconds in attempt.steps.items():
                steps[name] = steps.get(name, 0.0) + seconds
        return RecomputedRegion(
            region=self._region,
            outcome=outcome,
            status=status,
            since=min(counts.computed, default=None),
            until=max(counts.computed, default=None),
            snapshots=len(counts.computed),
            changed=len(counts.changed),
            registry=len(counts.registry),
            without_rows=len(counts.without_rows),
            without_previous=len(counts.without_previous),
            outdated=len(self._outdated),
            still_outdated=len(self._outdated - counts.computed),
            auctions=counts.auctions,
            statistics=counts.statistics,
            message=message,
            steps=steps,
        )

    def _why_nothing(self, result: RecomputedRegion) -> str:
        if result.snapshots:
            return "Everything is as collecting would write it today."
        if self._total:
            return "No raw snapshots are held of this time that could be computed again."
        return "No snapshot of this time is outdated." if self._extent.outdated else "No snapshot is of this time."
