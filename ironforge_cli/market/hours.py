"""Hours that should be there: when each was expected, from when on it counts as late, and what a gap leaves out."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ironforge_cli.market.rhythm import LEARNED_FROM, USUAL_STEP

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ironforge_cli.market.rhythm import Rhythm, Seen

LEAST_PATIENCE: Final = timedelta(minutes=35)
"""Cron's windows begin at :30 and last half an hour: what appears just after one is fetched half an hour later."""
GAP: Final = timedelta(minutes=90)
"""Blizzard publishes every hour; snapshots further apart than this lack one between them."""
_BEFORE_THE_LIMIT: Final = timedelta(minutes=90)
_LONGEST_DELAY: Final = timedelta(hours=1)
_USUALLY: Final = 0.9


def usual_delay(seen: Sequence[Seen]) -> timedelta:
    """How long after its publication a snapshot is usually stored, at most: nine of ten come sooner.

    A region that publishes at :03 is stored at :30, where a window of cron's begins then.

    >>> from datetime import UTC, datetime
    >>> from ironforge_cli.market.rhythm import Seen
    >>> first = datetime(2026, 1, 14, 3, 3, tzinfo=UTC)
    >>> hours = [first + hour * USUAL_STEP for hour in range(8)]
    >>> str(usual_delay([Seen(hour, stored_at=hour + timedelta(minutes=27)) for hour in hours]))
    '0:27:00'
    >>> str(usual_delay([]))
    '0:00:00'
    """
    newest = sorted(seen, key=lambda one: one.snapshot_time)[-LEARNED_FROM:]
    delays = sorted(max(timedelta(0), one.stored_at - one.snapshot_time) for one in newest)
    return min(_LONGEST_DELAY, delays[int((len(delays) - 1) * _USUALLY)]) if delays else timedelta(0)


def patience(max_age: timedelta) -> timedelta:
    """How much later than usual the next snapshot may be stored before somebody is told.

    Whoever allows snapshots to become older is told later, too: half an hour before the limit.

    >>> [str(patience(timedelta(hours=hours))) for hours in (1, 2, 6)]
    ['0:35:00', '0:35:00', '4:30:00']
    """
    return max(LEAST_PATIENCE, max_age - _BEFORE_THE_LIMIT)


def left_out(since: datetime, until: datetime, rhythm: Rhythm | None) -> list[datetime]:
    """The times that were expected between two snapshots that are stored one after the other.

    >>> from datetime import UTC, datetime
    >>> noon = datetime(2026, 1, 14, 12, 3, tzinfo=UTC)
    >>> [hour.isoformat() for hour in left_out(noon, noon + timedelta(minutes=185), None)]
    ['2026-01-14T13:03:00+00:00', '2026-01-14T14:03:00+00:00']
    """
    step = rhythm.step if rhythm else USUAL_STEP
    missing = max(1, round((until - since) / step) - 1)
    return [since + number * step for number in range(1, missing + 1)]


def overdue(newest: datetime, now: datetime, rhythm: Rhythm | None, *, delay: timedelta) -> list[datetime]:
    """The times after the newest snapshot that should be stored by now.

    >>> from datetime import UTC, datetime
    >>> noon = datetime(2026, 1, 14, 12, tzinfo=UTC)
    >>> hours = overdue(noon, noon + timedelta(minutes=170), None, delay=timedelta(minutes=20))
    >>> [hour.isoformat() for hour in hours]
    ['2026-01-14T13:00:00+00:00']
    """
    step = rhythm.step if rhythm else USUAL_STEP
    count = max(0, (now - delay - LEAST_PATIENCE - newest) // step)
    return [newest + number * step for number in range(1, count + 1)]
