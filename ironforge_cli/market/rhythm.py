"""When a region publishes: its rhythm, learned from the snapshots that are stored, and when to ask next.

Blizzard publishes each region about once an hour, in steps of 3,598 to 3,602 seconds, so that the minute drifts over
months; after maintenance it is another one at once. The newest snapshots therefore tell more than old ones, and what
is learned says when to ask, never whether: a window asks even when nothing is expected.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from ironforge_cli.values import Value, replace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

FEWEST_STEPS: Final = 5
"""Hours in a row that have to be stored before anything is said of the next."""
LEARNED_FROM: Final = 48
"""The newest snapshots that are looked at: two days of them."""
USUAL_STEP: Final = timedelta(hours=1)
_REGULAR: Final = timedelta(minutes=5)
_LEAST_SPREAD: Final = timedelta(seconds=5)
_LONGEST_LAG: Final = timedelta(minutes=5)
_QUICK_SHARE: Final = 1 / 6
_OFTEN_FOR: Final = timedelta(minutes=3)
_RARELY: Final = timedelta(minutes=5)
_OVERDUE: Final = timedelta(minutes=5)
# Less than an hour, so that the next hour's window has its question, wherever in this one it was asked.
_ANEW_EVERY: Final = timedelta(minutes=45)


class Seen(Value, frozen=True):
    """A stored snapshot: the time that Blizzard gave it, and when it was stored. Both aware UTC."""

    snapshot_time: datetime
    stored_at: datetime


class Rhythm(Value, frozen=True):
    """How a region publishes at present."""

    newest: datetime
    """The time of the newest stored snapshot, from which is counted."""
    step: timedelta
    """From one publication to the next."""
    spread: timedelta
    """How far single steps stray from it."""
    lag: timedelta
    """From a snapshot's time until it can be fetched, as far as storing it soon after has shown."""

    @property
    def minute(self) -> int:
        """The minute of the hour at which the region publishes at present."""
        return self.newest.minute

    @property
    def due(self) -> datetime:
        """When the publication after the newest can be fetched, as far as is known."""
        return self.newest + self.step + self.lag

    def after(self, newest: datetime) -> Rhythm:
        """The same rhythm when another snapshot has become the newest."""
        return replace(self, newest=newest)

    def due_after(self, moment: datetime) -> datetime:
        """The time that the next publication after a moment is expected to bear.

        >>> from datetime import UTC, datetime
        >>> noon = datetime(2026, 1, 14, 12, tzinfo=UTC)
        >>> rhythm = Rhythm(newest=noon, step=USUAL_STEP, spread=_LEAST_SPREAD, lag=timedelta(0))
        >>> rhythm.due_after(noon + timedelta(minutes=150)).isoformat()
        '2026-01-14T15:00:00+00:00'
        """
        steps = max(0, (moment - self.newest) // self.step) + 1
        return self.newest + steps * self.step


def learned(seen: Sequence[Seen]) -> Rhythm | None:
    """The rhythm that stored snapshots show; None where too few of the newest ones follow each other by an hour.

    >>> from datetime import UTC, datetime
    >>> first = datetime(2026, 1, 14, 3, 48, 7, tzinfo=UTC)
    >>> hours = [first + timedelta(seconds=3_601 * hour) for hour in range(8)]
    >>> rhythm = learned([Seen(hour, stored_at=hour + timedelta(seconds=20)) for hour in hours])
    >>> rhythm.due_after(rhythm.newest).isoformat(), rhythm.lag
    ('2026-01-14T11:48:15+00:00', datetime.timedelta(seconds=20))
    >>> learned([Seen(first, stored_at=first)]) is None
    True
    """
    newest = sorted(seen, key=lambda one: one.snapshot_time)[-LEARNED_FROM:]
    steps = sorted(
        step
        for earlier, later in pairwise(newest)
        if abs((step := later.snapshot_time - earlier.snapshot_time) - USUAL_STEP) <= _REGULAR
    )
    if len(steps) < FEWEST_STEPS:
        return None
    step = steps[len(steps) // 2]
    strays = sorted(abs(one - step) for one in steps)
    lags = sorted(max(timedelta(0), one.stored_at - one.snapshot_time) for one in newest)
    return Rhythm(
        newest=newest[-1].snapshot_time,
        step=step,
        spread=max(_LEAST_SPREAD, strays[int(len(strays) * 0.95)]),
        # Who asks rarely stores late: the quickest tell how soon a snapshot can be fetched.
        lag=min(_LONGEST_LAG, lags[int(len(lags) * _QUICK_SHARE)]),
    )


def asks_anew(repeated: datetime, received: Sequence[datetime], *, due: datetime, now: datetime) -> bool:
    """Whether to ask once more for a time that Blizzard gave to the body of the hour before.

    Its own body may follow under the same time, which a question for something newer would never be answered with. It
    costs a whole body, and is asked once the hour is overdue, and about once an hour from then on. `received` is when
    its bodies came so far, by this machine's clock, which may be wrong: how long ago that was is what counts.

    >>> from datetime import UTC, datetime
    >>> noon, minutes = datetime(2026, 1, 14, 12, tzinfo=UTC), timedelta(minutes=1)
    >>> first = [noon + minutes]
    >>> [asks_anew(noon, first, due=noon, now=noon + after * minutes) for after in (2, 5, 6, 7)]
    [False, False, True, True]
    >>> again = [*first, noon + 6 * minutes]
    >>> [asks_anew(noon, again, due=noon, now=noon + after * minutes) for after in (7, 50, 51)]
    [False, False, True]
    """
    if not received:
        return False
    first, newest = min(received), max(received)
    theirs = repeated + max(timedelta(0), now - first)
    has_asked = len(received) > 1
    return theirs >= due + _OVERDUE and (not has_asked or now - newest >= _ANEW_EVERY)


def pause(rhythm: Rhythm | None, *, now: datetime, interval: timedelta) -> timedelta:
    """How long to wait before Blizzard is asked again: a third of the interval when a region is due, minutes before.

    Without a rhythm, and when the region is overdue, it is the interval.

    >>> from datetime import UTC, datetime
    >>> noon = datetime(2026, 1, 14, 12, tzinfo=UTC)
    >>> rhythm = Rhythm(newest=noon, step=USUAL_STEP, spread=_LEAST_SPREAD, lag=timedelta(seconds=20))
    >>> half = timedelta(seconds=30)
    >>> [str(pause(rhythm, now=noon + timedelta(minutes=minutes), interval=half)) for minutes in (30, 57, 60, 70)]
    ['0:05:00', '0:02:50', '0:00:10', '0:00:30']
    """
    if rhythm is None:
        return interval
    # A publication that was missed counts as due until another one is stored.
    due = rhythm.due
    begins = due - max(interval, 2 * rhythm.spread)
    if now < begins:
        return min(_RARELY, max(begins - now, interval / 3))
    if now <= due + _OFTEN_FOR:
        return interval / 3
    return interval
