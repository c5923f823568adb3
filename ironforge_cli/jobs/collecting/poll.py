"""A window of attempts: it ends when every region has a snapshot newer than at its start, or when its time is over.

Cron starts it once an hour. What a window misses, the next one finds: Blizzard's newest snapshot stays there for an
hour. A region that is behind, so that the hour after the one it got is due within the window, goes on
(docs/decisions/0011). Each region has a thread and a pace of its own, so that none waits for another.
"""

from __future__ import annotations

import contextlib
import logging
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ironforge_cli.blizzard.deadline import Deadline
from ironforge_cli.db import locks
from ironforge_cli.db.repositories import snapshots
from ironforge_cli.errors import (
    STOPPED,
    ConfigurationError,
    DatabaseError,
    ExitStatus,
    InterruptedRunError,
    LockedError,
)
from ironforge_cli.jobs.collecting.attempt import attempted, collect_token, look_after, summarise, tell
from ironforge_cli.jobs.collecting.cycle import RegionCycle
from ironforge_cli.jobs.collecting.outcomes import Collected, CollectedRegion, CollectedToken, Outcome
from ironforge_cli.jobs.evidence.runs import Silent
from ironforge_cli.jobs.storage import Storage, Workplace, evidence_of
from ironforge_cli.market import rhythm

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from datetime import datetime

    from ironforge_cli.jobs.collecting.attempt import Upkeep
    from ironforge_cli.jobs.collecting.collect import Market
    from ironforge_cli.jobs.evidence.runs import Attempt, Clock, Progress
    from ironforge_cli.market.rhythm import Rhythm
    from ironforge_cli.regions import Region

log = logging.getLogger(__name__)

COMMAND: Final = "poll"
LONGEST_PAUSE: Final = timedelta(minutes=8)
"""Between attempts that were refused: their pauses double up to this."""
TOKEN_EVERY: Final = timedelta(minutes=10)
"""Blizzard sets the price of a token about every 20 minutes."""
# Asking again soon does not help: a person has to do something, or the answer of the minute is what it is.
_GROWING: Final = {ExitStatus.REFUSED, ExitStatus.CREDENTIALS, ExitStatus.CONFIGURATION}


@dataclass(frozen=True, slots=True)
class Window:
    """How long to go on asking, and how often; `adaptive` asks often when a region is due, and rarely before."""

    length: timedelta
    interval: timedelta
    adaptive: bool = False


@dataclass(frozen=True, slots=True)
class PolledRegion:
    """How one region's window ended."""

    collected: CollectedRegion
    """Its last attempt, or the last that brought something new."""
    attempts: int
    is_new: bool
    """Whether a snapshot newer than at the window's start is there now."""
    delay: timedelta | None
    """From the snapshot's own time until it was stored; None unless this window stored it."""


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
    market = market.until(Deadline(at=clock.monotonic() + window.length.total_seconds(), monotonic=clock.monotonic))
    with evidence_of(storage(), command=COMMAND, clock=clock).run() as run:
        with ThreadPoolExecutor(max_workers=len(regions) + 1, thread_name_prefix=COMMAND) as pool:
            tokens = _TokenPrices(regions, market=market, clock=clock, pool=pool)
            shared = _Shared(
                window=window,
                market=market,
                storage=storage,
                clock=clock,
                progress=progress or Silent(),
                tokens=tokens,
                decoding=threading.Lock(),
            )
            polling = [pool.submit(_RegionWindow(region, shared).run) for region in regions]
            polled = Polled(
                started_at=started_at,
                regions=tuple(work.result() for work in polling),
                tokens=tokens.newest(),
                ended_at=clock.now(),
            )
        summarise(run, polled.collected)
        run.extra["attempts"] = {one.collected.region.value: one.attempts for one in polled.regions}
    look_after(polled.collected, storage=storage(), upkeep=upkeep)
    return polled


def growing_pause(interval: timedelta, refusals: int) -> timedelta:
    """How long to wait after so many refusals in a row: twice as long each time, up to a limit.

    >>> [growing_pause(timedelta(seconds=30), refusals).seconds for refusals in (1, 2, 3, 4, 5, 6)]
    [30, 60, 120, 240, 480, 480]
    >>> [growing_pause(timedelta(minutes=9), refusals).seconds for refusals in (1, 2)]
    [540, 540]
    """
    return min(interval * 2 ** (refusals - 1), max(interval, LONGEST_PAUSE))


def until_tick(now: float, *, wanted: timedelta, grid: timedelta, left: float) -> float | None:
    """Seconds from `now`, in seconds since the epoch, until the attempt that is wanted so much later.

    It falls on the clock's grid, and within the `left` seconds of the window; None where no tick does.

    >>> half = timedelta(seconds=30)
    >>> until_tick(65.0, wanted=half, grid=half, left=900.0), until_tick(65.0, wanted=4 * half, grid=half, left=900.0)
    (25.0, 115.0)

    A long pause must not cost the window's last attempt.

    >>> until_tick(65.0, wanted=16 * half, grid=half, left=100.0), until_tick(65.0, wanted=half, grid=half, left=24.0)
    (85.0, None)
    """
    step = grid.total_seconds()
    last_tick = math.floor(now / step) * step
    within = math.floor((now + left - last_tick) / step)
    ticks = min(max(1, round(wanted / grid)), within)
    return last_tick + ticks * step - now if ticks >= 1 else None


@dataclass(frozen=True, slots=True)
class _Shared:
    """What the windows of all regions have in common."""

    window: Window
    market: Market
    storage: Callable[[], Storage]
    clock: Clock
    progress: Progress
    tokens: _TokenPrices
    decoding: threading.Lock


class _TokenPrices:
    """The prices of tokens, taken along while regions are polled, without holding up any of them."""

    def __init__(self, regions: Sequence[Region], *, market: Market, clock: Clock, pool: ThreadPoolExecutor) -> None:
        self._regions = regions
        self._market = market
        self._clock = clock
        self._pool = pool
        self._lock = threading.Lock()
        self._work: Future[tuple[CollectedToken, ...]] | None = None
        self._began = 0.0

    def take_along(self, storage: Storage, *, is_away: bool) -> None:
        """Begin to collect the prices, unless that is going on, or was done a while ago.

        What waits on disk counts as done for as long as the database is away.
        """
        with self._lock:
            work = self._work
            if work is not None and (not work.done() or self._is_fresh(work.result(), is_away=is_away)):
                return
            self._began = self._clock.monotonic()
            self._work = self._pool.submit(self._collect, storage)

    def newest(self) -> tuple[CollectedToken, ...]:
        """How the last collecting of the prices ended; none where no attempt came so far."""
        return self._work.result() if self._work is not None else ()

    def _is_fresh(self, prices: tuple[CollectedToken, ...], *, is_away: bool) -> bool:
        if self._clock.monotonic() - self._began >= TOKEN_EVERY.total_seconds():
            return False
        return all(
            price.status is ExitStatus.DONE or (is_away and price.outcome is Outcome.SPOOLED) for price in prices
        )

    def _collect(self, storage: Storage) -> tuple[CollectedToken, ...]:
        return tuple(
            collect_token(region, market=self._market, storage=storage, clock=self._clock) for region in self._regions
        )


class _RegionWindow:
    """The attempts at one region."""

    def __init__(self, region: Region, shared: _Shared) -> None:
        self._region = region
        self._window = shared.window
        self._shared = shared
        self._clock = shared.clock
        self._started_at = shared.clock.now()
        self._lock: locks.Polling | None = None
        self._is_taken = False
        self._since: datetime | None = None
        self._is_since_known = False
        self._has_begun = False
        self._rhythm: Rhythm | None = None
        self._ends = 0.0
        self._got: PolledRegion | None = None
        self._refusals = 0
        self._said: str | None = None

    def run(self) -> PolledRegion:
        """Make attempts until there is something new, somebody else polls the region, or the window ends."""
        clock = self._clock
        self._ends = clock.monotonic() + self._window.length.total_seconds()
        number = 1
        with contextlib.ExitStack() as held:
            result = self._attempt(number, held)
            while not self._is_over(result):
                seconds = self._pause(result, left=self._ends - clock.monotonic())
                if seconds is None:
                    break
                self._say(result, number, seconds)
                try:
                    self._shared.progress.step(self._region, "waiting")
                    clock.sleep(seconds)
                except InterruptedRunError as error:
                    result = replace(result, status=error.status, message=str(error))
                    break
                number += 1
                result = self._attempt(number, held)
        self._shared.progress.step(self._region, "done")
        return self._ended(result, number)

    def _attempt(self, number: int, held: contextlib.ExitStack) -> CollectedRegion:
        storage = self._shared.storage()
        evidence = evidence_of(storage, command=COMMAND, clock=self._clock)
        workplace = Workplace.at(storage, evidence=evidence, decoding=self._shared.decoding)

        def cycle(attempt: Attempt) -> CollectedRegion:
            self._be_the_only_one(workplace, held)
            self._look_back(workplace)
            self._shared.tokens.take_along(storage, is_away=workplace.away is not None)
            return RegionCycle(
                self._region,
                source=self._shared.market,
                workplace=workplace,
                attempt=attempt,
                force=False,
                asks_again=False,
                stored_time=self._since if self._is_since_known else None,
            ).run()

        result = attempted(
            self._region,
            cycle,
            workplace=workplace,
            clock=self._clock,
            progress=self._shared.progress,
            number=number,
        )
        self._refusals = self._refusals + 1 if result.status in _GROWING else 0
        new_time = self._new_time(result)
        if new_time is not None:
            self._take(result, new_time, number)
        return result

    def _be_the_only_one(self, workplace: Workplace, held: contextlib.ExitStack) -> None:
        """Hold the locks of a window; raises `LockedError` where another run polls the region."""
        try:
            if self._lock is None:
                self._lock = held.enter_context(locks.Polling(self._region, folder=workplace.locks_folder))
            if workplace.away is None:
                # Where it has gone in this moment, the cycle finds out.
                with contextlib.suppress(DatabaseError):
                    self._lock.hold(workplace.database)
        except LockedError:
            self._is_taken = True
            raise

    def _look_back(self, workplace: Workplace) -> None:
        """Find out once what was there at the window's start, and what the region's rhythm is."""
        if self._is_since_known:
            return
        if not self._has_begun:
            self._since = workplace.shelves.spool.newest_time(self._region)
            self._has_begun = True
        if workplace.away is not None:
            return
        try:
            with workplace.database.connect() as connection:
                newest = snapshots.newest(connection, self._region)
                self._rhythm = rhythm.learned(snapshots.seen(connection, self._region))
        except (DatabaseError, ConfigurationError) as error:
            log.debug("%s: what was there before is not known yet: %s", self._region.label, error)
            return
        stored = newest.snapshot_time if newest else None
        self._since = max((time for time in (stored, self._since) if time), default=None)
        self._is_since_known = True

    def _is_over(self, result: CollectedRegion) -> bool:
        if result.status in STOPPED or self._is_taken:
            return True
        return self._got is not None and not self._is_behind()

    def _is_behind(self) -> bool:
        """Whether the next hour is due within the window, too: one that was missed, or Blizzard's stale answer, came.

        Who stopped here would be late hour after hour, with half the time to mend what goes wrong.
        """
        if self._rhythm is None:
            return False
        left = timedelta(seconds=self._ends - self._clock.monotonic())
        return self._rhythm.due <= self._clock.now() + left

    def _new_time(self, result: CollectedRegion) -> datetime | None:
        """The time of a snapshot that was not there at the window's start; None where there is no such."""
        time = result.snapshot_time
        # A body that is repeated under a new time is in no table: the hour may still come.
        if time is None or result.is_odd:
            return None
        if self._is_since_known:
            is_new = self._since is None or time > self._since
        else:
            # What the database held then is not known, and may well be what is published still.
            is_new = result.outcome is Outcome.SPOOLED and time > self._started_at
        return time if is_new else None

    def _pause(self, result: CollectedRegion, *, left: float) -> float | None:
        """Seconds until the next attempt, which falls on the clock's grid; None where the window ends before."""
        interval = self._window.interval
        grid, wanted = interval, interval
        if result.status in _GROWING:
            wanted = growing_pause(interval, self._refusals)
        elif self._window.adaptive and self._rhythm is not None:
            grid, wanted = interval / 3, rhythm.pause(self._rhythm, now=self._clock.now(), interval=interval)
        return until_tick(self._clock.now().timestamp(), wanted=wanted, grid=grid, left=left)

    def _say(self, result: CollectedRegion, number: int, seconds: float) -> None:
        """Tell of what hinders the region, once for as long as it stays the same."""
        if result.is_odd:
            tell(result)
        elif result.status is not ExitStatus.DONE and result.message != self._said:
            log.warning(
                "%s: attempt %d: %s Asking again in %.0f s.", self._region.label, number, result.message, seconds
            )
            self._said = result.message

    def _take(self, result: CollectedRegion, time: datetime, number: int) -> None:
        """Remember and tell of what is new."""
        got = self._got.collected if self._got else None
        if got is not None and got.snapshot_time == time:
            # The same hour again is worth remembering where it was spooled before, and is stored by now.
            is_better = result.status is ExitStatus.DONE and got.status is not ExitStatus.DONE
            if not is_better:
                return
        delay: timedelta | None = None
        if result.counts is not None:
            delay = self._clock.now() - time
            tell(result, more=f", {delay.total_seconds():,.0f} s after it was published, attempt {number}")
        elif result.outcome is Outcome.NO_CHANGE:
            tell(replace(result, message=f"{time.isoformat()} has been stored meanwhile, attempt {number}."))
        self._got = PolledRegion(collected=result, attempts=number, is_new=True, delay=delay)
        if self._rhythm is not None:
            self._rhythm = self._rhythm.after(time)

    def _ended(self, result: CollectedRegion, number: int) -> PolledRegion:
        if self._got is not None and result.status not in STOPPED:
            return replace(self._got, attempts=number)
        if result.is_odd:
            tell(result)
        return PolledRegion(collected=result, attempts=number, is_new=self._got is not None, delay=None)
