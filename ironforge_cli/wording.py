"""Numbers and lengths of time, as messages say them: one snapshot, two snapshots; 3 h 5 min."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import timedelta

_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_FEWEST_DAYS: Final = 2
"""From so many days on a length is told in days."""
_ROUND_DAYS: Final = 7
"""From so many days on its hours say little."""


def counted(number: int, one: str, several: str | None = None) -> str:
    """A number and what it counts; `several` is for words that get more than an s, such as verbs beside them.

    >>> counted(1, "row"), counted(0, "row"), counted(1234, "row")
    ('1 row', '0 rows', '1,234 rows')
    >>> counted(1, "body waits", "bodies wait"), counted(2, "body waits", "bodies wait")
    ('1 body waits', '2 bodies wait')
    """
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"


def how_long(length: timedelta) -> str:
    """A length of time as people say it, rounded down; less than nothing is `0 s`.

    >>> from datetime import timedelta
    >>> [how_long(timedelta(minutes=minutes)) for minutes in (-1, 0.5, 41, 120, 185)]
    ['0 s', '30 s', '41 min', '2 h', '3 h 5 min']
    >>> [how_long(timedelta(hours=hours)) for hours in (47, 48, 55, 9 * 24 + 5)]
    ['47 h', '2 days', '2 days 7 h', '9 days']
    """
    seconds = max(0, int(length.total_seconds()))
    if seconds < _MINUTE:
        return f"{seconds} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} min"
    days, hours, minutes = seconds // _DAY, seconds // _HOUR, seconds % _HOUR // _MINUTE
    if days < _FEWEST_DAYS:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{days} days {hours % 24} h" if days < _ROUND_DAYS and hours % 24 else f"{days} days"
