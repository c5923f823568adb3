"""How old stored data are: what destroys anything for its age asks here, and believes no clock alone.

A clock of this machine can be years ahead, and a term that has passed by it alone has not passed. The newest snapshot's
time is Blizzard's: a day that is past its term by that has been followed by so many days of snapshots.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from ironforge_cli.values import Value
from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ironforge_cli.regions import Region

FAR_AHEAD: Final = timedelta(days=2)
"""A clock that is so far ahead of the newest snapshot is wrong, or nothing was collected for as long."""


def trusted_time(newest: Iterable[datetime], *, now: datetime) -> datetime | None:
    """The time by which data are old: the newest snapshot's, or the clock's where that is earlier.

    `newest` are the times of the newest snapshots that are known, of any region. None where there is none: then nothing
    is destroyed for its age.

    >>> from datetime import UTC
    >>> noon, hour = datetime(2024, 1, 15, 12, tzinfo=UTC), timedelta(hours=1)
    >>> [trusted_time(newest, now=noon).hour for newest in ([noon - 5 * hour, noon - hour], [noon + hour])]
    [11, 12]
    >>> trusted_time([], now=noon)
    """
    known = max(newest, default=None)
    return None if known is None else min(now, known)


def cutoff(trusted: datetime | None, *, retention_days: int) -> datetime | None:
    """What is older than this has outlived its term; None: nothing has, or it is kept for ever (0).

    >>> from datetime import UTC
    >>> noon = datetime(2024, 1, 15, 12, tzinfo=UTC)
    >>> cutoff(noon, retention_days=14).isoformat()
    '2024-01-01T12:00:00+00:00'
    >>> cutoff(noon, retention_days=0), cutoff(None, retention_days=14)
    (None, None)
    """
    return trusted - timedelta(days=retention_days) if trusted is not None and retention_days else None


def term_told(trusted: datetime | None, *, retention_days: int) -> str | None:
    """Which days leave, in a sentence that names the instant; None where there is no time to count from.

    >>> from datetime import UTC
    >>> noon = datetime(2024, 1, 15, 12, tzinfo=UTC)
    >>> print(term_told(noon, retention_days=1))
    With 1 day kept, those leave that began before 2024-01-14 12:00 UTC, up to that of 2024-01-14.
    >>> print(term_told(noon.replace(hour=0), retention_days=2))
    With 2 days kept, those leave that began before 2024-01-13 00:00 UTC, up to that of 2024-01-12.
    >>> print(term_told(noon, retention_days=0))
    With 0 every day is kept.
    >>> term_told(None, retention_days=1)
    """
    if not retention_days:
        return "With 0 every day is kept."
    instant = cutoff(trusted, retention_days=retention_days)
    if instant is None:
        return None
    kept = f"{retention_days} day{'s' if retention_days > 1 else ''}"
    last = (instant - timedelta(microseconds=1)).date()
    return f"With {kept} kept, those leave that began before {instant:%Y-%m-%d %H:%M} UTC, up to that of {last}."


def has_outlived(*moments: datetime | None, cutoff: datetime | None) -> bool:
    """Whether something is older than a cutoff by every time that it bears; without any it is not.

    A body on disk bears two: when this machine received it, by a clock that may have been years behind then, and when
    Blizzard published it, which may be long before, as of one from a file.

    >>> from datetime import UTC
    >>> year = [datetime(2020 + number, 1, 1, tzinfo=UTC) for number in range(6)]
    >>> has_outlived(year[1], year[2], cutoff=year[3])
    True
    >>> has_outlived(year[1], year[4], cutoff=year[3]), has_outlived(year[4], year[1], cutoff=year[3])
    (False, False)
    >>> has_outlived(year[1], None, cutoff=year[3])
    True
    >>> has_outlived(None, cutoff=year[3]), has_outlived(year[1], cutoff=None)
    (False, False)
    """
    known = [moment for moment in moments if moment is not None]
    return cutoff is not None and bool(known) and max(known) < cutoff


class Present(Value, frozen=True):
    """What counts as now where data leave for their age."""

    clock: datetime
    """This machine's time."""
    newest: Mapping[Region, datetime]
    """The newest stored snapshot of each region that has one, collected here or not."""

    @property
    def trusted(self) -> datetime | None:
        """The time by which data are old; None: nothing leaves."""
        return trusted_time(self.newest.values(), now=self.clock)

    @property
    def is_clock_far_ahead(self) -> bool:
        """Whether this machine's clock is days ahead of all that Blizzard has said."""
        return self.trusted is not None and self.clock - self.trusted > FAR_AHEAD

    def told(self) -> str:
        """By which time data leave, in a sentence.

        >>> from datetime import UTC
        >>> from ironforge_cli.regions import Region
        >>> noon = datetime(2024, 1, 15, 12, tzinfo=UTC)
        >>> print(Present(noon, {Region.EU: noon - timedelta(minutes=12)}).told())
        Days and log rows leave by 2024-01-15 11:48 UTC, the time of the newest snapshot.
        >>> print(Present(noon, {Region.EU: noon + timedelta(days=3)}).told())
        Days and log rows leave by 2024-01-15 12:00 UTC, this machine's clock: the newest snapshot is later.
        >>> print(Present(noon, {}).told())
        No snapshot is stored, so that nothing leaves for its age.
        """
        if self.trusted is None:
            return "No snapshot is stored, so that nothing leaves for its age."
        which = (
            "the time of the newest snapshot"
            if self.trusted == max(self.newest.values())
            else "this machine's clock: the newest snapshot is later"
        )
        return f"Days and log rows leave by {self.trusted:%Y-%m-%d %H:%M} UTC, {which}."

    def warning(self) -> str | None:
        """What is said where the clock is far ahead; else None.

        >>> from datetime import UTC
        >>> from ironforge_cli.regions import Region
        >>> noon = datetime(2024, 1, 15, 12, tzinfo=UTC)
        >>> print(Present(noon, {Region.EU: noon - timedelta(days=2)}).warning())
        None
        >>> print(Present(noon, {Region.EU: noon - timedelta(days=500)}).warning()[:79])
        This machine's clock is 500 days ahead of the newest snapshot (2022-09-02 12:00
        """
        if self.trusted is None or not self.is_clock_far_ahead:
            return None
        return (
            f"This machine's clock is {counted((self.clock - self.trusted).days, 'day')} ahead of the newest snapshot "
            f"({self.trusted:%Y-%m-%d %H:%M} UTC). Days and log rows leave by the snapshot's time. Set the "
            "clock, if it is wrong; if it is right, nothing was collected since: `ironforge status` says why."
        )
