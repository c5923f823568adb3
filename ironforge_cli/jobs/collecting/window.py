"""What is decided in a window of attempts at one region: what is news, when it is over, when to ask again.

Nothing here waits, asks or stores: `poll` does, and keeps what is decided from one attempt to the next.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ironforge_cli.errors import STOPPED, ExitStatus
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.market import rhythm

if TYPE_CHECKING:
    from datetime import datetime

    from ironforge_cli.jobs.collecting.outcomes import CollectedRegion
    from ironforge_cli.market.rhythm import Rhythm

LONGEST_PAUSE: Final = timedelta(minutes=8)
"""Between attempts that were refused: their pauses double up to this."""
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
class Beginning:
    """What is known of a region from before its window began."""

    started_at: datetime
    spooled: datetime | None
    """The newest snapshot that waited in the spool then."""
    stored: datetime | None = None
    """The newest that was stored then."""
    rhythm: Rhythm | None = None
    is_certain: bool = False
    """Whether the database could be asked; until then, what it held may well be what is published still."""

    @property
    def newest(self) -> datetime | None:
        """The newest snapshot that was there then."""
        return max((time for time in (self.spooled, self.stored) if time), default=None)

    @property
    def stored_time(self) -> datetime | None:
        """What a cycle without a database may take for known."""
        return self.newest if self.is_certain else None


def news(result: CollectedRegion, before: Beginning) -> datetime | None:
    """The time of a snapshot that was not there when the window began; None where there is no such."""
    time, newest = result.snapshot_time, before.newest
    # A body that is repeated under a new time is in no table: the hour may still come.
    if time is None or (result.is_odd and result.counts is None):
        return None
    if before.is_certain:
        return time if newest is None or time > newest else None
    return time if result.outcome is Outcome.SPOOLED and time > before.started_at else None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a region's window stands after an attempt."""

    number: int
    """Of the attempt."""
    last: CollectedRegion
    refusals: int = 0
    """In a row, of the kind that asking again soon does not mend."""
    got: PolledRegion | None = None
    """The newest of what is new."""
    rhythm: Rhythm | None = None
    """How the region publishes, counted from the newest that is there."""
    is_taken: bool = False
    """Whether another run polls the region."""

    def is_over(self, *, now: datetime, left: timedelta) -> bool:
        """Whether no attempt has to follow, though so much of the window is `left`.

        A region that is behind goes on: the next hour is due within the window, too, since one that was missed, or
        Blizzard's stale answer, came. Who stopped here would be late hour after hour, with half the time to mend what
        goes wrong.
        """
        if self.last.status in STOPPED or self.is_taken:
            return True
        is_behind = self.rhythm is not None and self.rhythm.due <= now + left
        return self.got is not None and not is_behind

    def pause(self, window: Window, *, now: datetime, left: timedelta) -> float | None:
        """Seconds until the next attempt, which falls on the clock's grid; None where the window ends before."""
        grid = wanted = window.interval
        if self.last.status in _GROWING:
            wanted = growing_pause(window.interval, self.refusals)
        elif window.adaptive and self.rhythm is not None:
            grid, wanted = window.interval / 3, rhythm.pause(self.rhythm, now=now, interval=window.interval)
        return until_tick(now.timestamp(), wanted=wanted, grid=grid, left=left.total_seconds())

    def ended(self) -> PolledRegion:
        """How the window ended: with what is new, unless somebody asked it to end."""
        if self.got is not None and self.last.status not in STOPPED:
            return replace(self.got, attempts=self.number)
        return PolledRegion(collected=self.last, attempts=self.number, is_new=self.got is not None, delay=None)


def after(
    earlier: Standing | None, result: CollectedRegion, before: Beginning, *, now: datetime, is_taken: bool = False
) -> Standing:
    """Where a window stands when another attempt has ended as `result`."""
    number, refusals, got = (earlier.number, earlier.refusals, earlier.got) if earlier else (0, 0, None)
    learned = earlier.rhythm if earlier and earlier.rhythm else before.rhythm
    time = news(result, before)
    if time is not None and is_better(result, time, got):
        delay = now - time if result.counts is not None else None
        got = PolledRegion(collected=result, attempts=number + 1, is_new=True, delay=delay)
        learned = learned.after(time) if learned else None
    return Standing(
        number=number + 1,
        last=result,
        refusals=refusals + 1 if result.status in _GROWING else 0,
        got=got,
        rhythm=learned,
        is_taken=is_taken,
    )


def waiting(standing: Standing, *, now: datetime, seconds: float, left: timedelta) -> str:
    """What a region waits for, for who watches: the next attempt, when it is due, and when its window ends."""
    due = f", due {standing.rhythm.due:%H:%MZ}" if standing.rhythm is not None else ""
    return f"waiting to {now + timedelta(seconds=seconds):%H:%M:%SZ}{due}, ends {now + left:%H:%MZ}"


def is_better(result: CollectedRegion, time: datetime, got: PolledRegion | None) -> bool:
    """Whether what is new is worth remembering: the same hour again only where it was spooled, and is stored by now."""
    if got is None or got.collected.snapshot_time != time:
        return True
    return result.status is ExitStatus.DONE and got.collected.status is not ExitStatus.DONE


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
