"""A window of attempts: it ends when every region has a snapshot newer than at its start, or when its time is over.

Cron starts it once an hour. What a window misses, the next one finds: Blizzard's newest snapshot stays there for an
hour. A region that is behind, so that the hour after the one it got is due within the window, goes on
(docs/decisions/0011). Each region has a thread and a pace of its own, so that none waits for another.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ironforge_cli.blizzard.deadline import Deadline
from ironforge_cli.db import locks
from ironforge_cli.db.repositories import snapshots
from ironforge_cli.errors import (
    ConfigurationError,
    DatabaseError,
    ExitStatus,
    InterruptedRunError,
    LockedError,
)
from ironforge_cli.jobs.collecting.attempt import attempted
from ironforge_cli.jobs.collecting.cycle import Bounds, RegionCycle
from ironforge_cli.jobs.collecting.outcomes import Collected, CollectedRegion, CollectedToken, failed
from ironforge_cli.jobs.collecting.telling import harmless, summarise, tell
from ironforge_cli.jobs.collecting.tokens import TokenPrices
from ironforge_cli.jobs.collecting.upkeep import look_after
from ironforge_cli.jobs.collecting.window import Beginning, PolledRegion, Standing, Window, after, waiting
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.jobs.evidence.runs import Shown
from ironforge_cli.jobs.evidence.windows import OpenWindow, settle_killed, told_as_open
from ironforge_cli.jobs.storage import Storage, Workplace, evidence_of
from ironforge_cli.market import rhythm

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from ironforge_cli.jobs.collecting.collect import Market
    from ironforge_cli.jobs.collecting.upkeep import Upkeep
    from ironforge_cli.jobs.evidence.runs import Attempt, Clock, Progress
    from ironforge_cli.regions import Region

log = logging.getLogger(__name__)

__all__ = ["COMMAND", "Polled", "PolledRegion", "Window", "poll"]

COMMAND: Final = "poll"


@dataclass(frozen=True, slots=True)
class Polled:
    """How a window ended, region by region."""

    started_at: datetime
    ended_at: datetime
    regions: tuple[PolledRegion, ...]
    tokens: tuple[CollectedToken, ...]

    @property
    def collected(self) -> Collected:
        """The last attempt at every piece of work, by which the window is judged."""
        return Collected(regions=tuple(polled.collected for polled in self.regions), tokens=self.tokens)

    @property
    def status(self) -> ExitStatus:
        """The exit code."""
        return self.collected.status

    @property
    def without_news(self) -> tuple[Region, ...]:
        """The regions whose attempts ended well though Blizzard published nothing."""
        return tuple(
            polled.collected.region
            for polled in self.regions
            if polled.collected.status is ExitStatus.DONE and not polled.is_new
        )


def poll(
    regions: Sequence[Region],
    *,
    window: Window,
    market: Market,
    storage: Callable[[], Storage],
    clock: Clock,
    progress: Progress | None = None,
    upkeep: Upkeep | None = None,
) -> Polled:
    """Repeat the cycle of each region until it has a new snapshot or the window ends.

    `storage` is asked before every attempt, since a database can go and come back within a window. What goes wrong is
    in the result, by each region's last attempt. At least one attempt is made, however short the window. The
    days have their `upkeep` at the end, when something was stored. No wait and no request is begun after the window,
    and one that was begun before ends soon after.
    """
    started_at = clock.now()
    ends = Deadline(at=clock.monotonic() + window.length.total_seconds(), monotonic=clock.monotonic)
    market, storage = market.until(ends), _within(storage, ends)
    opened = OpenWindow(COMMAND, tuple(regions), started_at, started_at + window.length)
    with (
        told_as_open(storage().locks_folder, opened) as lives,
        evidence_of(storage(), command=COMMAND, clock=clock).run() as run,
    ):
        with ThreadPoolExecutor(max_workers=len(regions) + 1, thread_name_prefix=COMMAND) as pool:
            tokens = TokenPrices(regions, market=market, clock=clock, pool=pool)
            shared = _Shared(
                window=window,
                market=market,
                storage=storage,
                clock=clock,
                progress=Shown(progress),
                ends=ends,
                tokens=tokens,
                decoding=threading.Lock(),
                lives=lives,
            )
            polling = [pool.submit(_RegionWindow(region, shared).run) for region in regions]
            # Beside them: nothing stands before the hour.
            _settle_killed(storage(), clock)
            polled = Polled(
                started_at=started_at,
                regions=tuple(work.result() for work in polling),
                tokens=tokens.newest(),
                ended_at=clock.now(),
            )
        with harmless("Summing up"):
            summarise(run, polled.collected)
            run.extra["attempts"] = {one.collected.region.value: one.attempts for one in polled.regions}
    look_after(polled.collected, storage=_within(storage, None), upkeep=upkeep)
    return polled


def _settle_killed(storage: Storage, clock: Clock) -> None:
    """Leave a row of windows that were killed while they waited."""
    with harmless("Telling of windows that were killed"):
        settle_killed(
            storage.locks_folder,
            command=COMMAND,
            database=storage.database,
            evidence=evidence_of(storage, command=COMMAND, clock=clock),
            now=clock.now(),
        )


def _within(storage: Callable[[], Storage], ends: Deadline | None) -> Callable[[], Storage]:
    """The same storage, to whose database no attempt to connect outlasts a window."""
    left = None if ends is None else lambda: ends.left

    def found() -> Storage:
        given = storage()
        given.database.end_by(left)
        return given

    return found


@dataclass(frozen=True, slots=True)
class _Shared:
    """What the windows of all regions have in common."""

    window: Window
    market: Market
    storage: Callable[[], Storage]
    clock: Clock
    progress: Progress
    tokens: TokenPrices
    decoding: threading.Lock
    ends: Deadline
    lives: Callable[[datetime], None]
    """Called when an attempt has ended: the window is alive then."""


class _RegionWindow:
    """The attempts at one region: asks and waits; what follows from an attempt is decided in `window`."""

    def __init__(self, region: Region, shared: _Shared) -> None:
        self._region = region
        self._shared = shared
        self._clock = shared.clock
        self._started_at = shared.clock.now()
        self._before: Beginning | None = None
        self._lock: locks.Polling | None = None
        self._said: str | None = None
        self._standing: Standing | None = None

    def run(self) -> PolledRegion:
        """Poll the region; whatever is raised beside the attempts takes back nothing that they did."""
        try:
            self._poll()
        except Exception as error:
            log.exception("%s: an unexpected error ended the window", self._region.label)
            if self._standing is None or self._standing.got is None:
                return PolledRegion(failed(self._region, error), attempts=0, is_new=False, delay=None)
        standing = self._standing
        if standing is None:
            raise AssertionError("at least one attempt was made")
        ended = standing.ended()
        with harmless(f"{self._region.label}: telling"):
            self._shared.progress.step(self._region, "done")
            if ended.collected.is_odd:
                tell(ended.collected)
        return ended

    def _poll(self) -> None:
        """Make attempts until there is something new, somebody else polls the region, or the window ends."""
        clock, window, progress = self._clock, self._shared.window, self._shared.progress
        ends = clock.monotonic() + window.length.total_seconds()
        with contextlib.ExitStack() as held:
            while True:
                standing = self._standing = self._attempt(self._standing, held)
                now, left = clock.now(), timedelta(seconds=ends - clock.monotonic())
                self._shared.lives(now)
                if standing.is_over(now=now, left=left):
                    break
                seconds = standing.pause(window, now=now, left=left)
                if seconds is None:
                    break
                with harmless(f"{self._region.label}: telling"):
                    self._say(standing, seconds)
                try:
                    progress.step(self._region, waiting(standing, now=now, seconds=seconds, left=left))
                    clock.sleep(seconds)
                except InterruptedRunError as error:
                    stopped = replace(standing.last, status=error.status, message=str(error))
                    self._standing = replace(standing, last=stopped)
                    break

    def _attempt(self, earlier: Standing | None, held: contextlib.ExitStack) -> Standing:
        """Make one attempt; what went wrong is where the window stands then."""
        storage = self._shared.storage()
        evidence = evidence_of(storage, command=COMMAND, clock=self._clock)
        workplace = Workplace.at(storage, evidence=evidence, decoding=self._shared.decoding)
        is_taken = False

        def cycle(attempt: Attempt) -> CollectedRegion:
            nonlocal is_taken
            try:
                self._be_the_only_one(workplace, held)
            except LockedError:
                is_taken = True
                raise
            before = self._before = self._looked_back(workplace)
            self._shared.tokens.take_along(storage, is_away=workplace.away is not None)
            return RegionCycle(
                self._region,
                source=self._shared.market,
                workplace=workplace,
                attempt=attempt,
                force=False,
                asks_again=False,
                stored_time=before.stored_time,
                bounds=self._bounds(earlier, before),
            ).run()

        result = attempted(
            self._region,
            cycle,
            workplace=workplace,
            clock=self._clock,
            progress=self._shared.progress,
            number=earlier.number + 1 if earlier else 1,
        )
        before = self._before or Beginning(self._started_at, spooled=None)
        standing = after(earlier, result, before, now=self._clock.now(), is_taken=is_taken)
        if standing.got is not None and standing.got.collected is result:
            with harmless(f"{self._region.label}: telling"):
                self._tell_news(standing.got)
        return standing

    def _bounds(self, earlier: Standing | None, before: Beginning) -> Bounds:
        """What waits on disk gives way to the next question, and to the next hour where that is due in the window."""
        ends, now = self._shared.ends, self._clock.monotonic()
        learned = (earlier and earlier.rhythm) or before.rhythm
        by = ends.at
        if learned is not None:
            # The hour after the one that is asked for now.
            by = min(by, now + max(0.0, (learned.due + learned.step - self._clock.now()).total_seconds()))
        soon = min(ends.at, now + self._shared.window.interval.total_seconds())
        return Bounds(with_hour=replace(ends, at=by), without=replace(ends, at=soon))

    def _be_the_only_one(self, workplace: Workplace, held: contextlib.ExitStack) -> None:
        """Hold the locks of a window; raises `LockedError` where another run polls the region."""
        if self._lock is None:
            self._lock = held.enter_context(locks.Polling(self._region, folder=workplace.locks_folder))
        if workplace.away is None:
            # Where it has gone in this moment, the cycle finds out.
            with contextlib.suppress(DatabaseError):
                self._lock.hold(workplace.database)

    def _looked_back(self, workplace: Workplace) -> Beginning:
        """What was there at the window's start: spooled, and as soon as there is a database stored."""
        before = self._before
        if before is None:
            before = Beginning(self._started_at, spooled=None)
            with harmless(f"{self._region.label}: looking through the spool"):
                before = replace(before, spooled=workplace.shelves.spool.newest_time(self._region))
        if before.is_certain or workplace.away is not None:
            return before
        try:
            with workplace.database.connect() as connection:
                newest = snapshots.newest(connection, self._region)
                learned = rhythm.learned(snapshots.seen(connection, self._region))
        except (DatabaseError, ConfigurationError) as error:
            log.debug("%s: what was there before is not known yet: %s", self._region.label, error)
            return before
        return replace(before, stored=newest and newest.snapshot_time, rhythm=learned, is_certain=True)

    def _say(self, standing: Standing, seconds: float) -> None:
        """Tell of what hinders the region, once for as long as it stays the same."""
        result = standing.last
        if result.is_odd:
            tell(result)
        elif result.status is not ExitStatus.DONE and result.message != self._said:
            log.warning(
                "%s: attempt %d: %s Asking again in %.0f s.",
                self._region.label,
                standing.number,
                result.message,
                seconds,
            )
            self._said = result.message

    def _tell_news(self, got: PolledRegion) -> None:
        result, attempt = got.collected, got.attempts
        if got.delay is not None:
            more = f", {got.delay.total_seconds():,.0f} s after it was published, attempt {attempt}"
            tell(result, more=more)
        elif result.outcome is Outcome.NO_CHANGE and result.snapshot_time is not None:
            message = f"{result.snapshot_time.isoformat()} has been stored meanwhile, attempt {attempt}."
            tell(replace(result, message=message))
