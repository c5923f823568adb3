"""Whether a body is large enough to be believed, and how a market that has become smaller is believed again.

A truncated or half-empty answer looks like a market that shrank. One such body proves nothing; several that agree, hour
after hour, are a market that has shrunk (`docs/decisions/0033`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

PLAUSIBLE_SHARE: Final = 0.5
"""A body with fewer auctions than this share of the trailing median is refused."""
FEWEST_FOR_PLAUSIBILITY: Final = 3
ALIKE: Final = 0.1
"""By how much two sizes may differ, as a share of the larger, and still agree."""
AGREEING: Final = 3
"""So many hours in a row of one size are believed."""
_HOURS_APART: Final = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Sized:
    """A body's time, by Blizzard's clock, and how many auctions it lists."""

    at: datetime
    auctions: int


def is_plausible(auctions: int, *, usual: float, stored: int) -> bool:
    """Whether a body is large enough to be believed: half of the usual is, and anything before three are stored.

    >>> [is_plausible(auctions, usual=100.0, stored=3) for auctions in (49, 50)], is_plausible(1, usual=100.0, stored=2)
    ([False, True], True)
    """
    return stored < FEWEST_FOR_PLAUSIBILITY or auctions >= PLAUSIBLE_SHARE * usual


def are_alike(sizes: Iterable[int]) -> bool:
    """Whether numbers of auctions agree: the smallest is within a tenth of the largest.

    >>> are_alike([100, 90, 95]), are_alike([100, 89]), are_alike([0, 0])
    (True, False, False)
    """
    known = list(sizes)
    return max(known) > 0 and max(known) - min(known) <= ALIKE * max(known)


def is_believed_at_last(refused: Sequence[Sized], new: Sized, *, stored: datetime | None = None) -> bool:
    """Whether a body that is too small is believed, since the two refused before it say the same.

    `refused` are in any order; those of after the time of the last one that was `stored` count, and several of one time
    are one hour. Each has to be of another hour: a fault that lasts for minutes proves nothing, however often it is
    seen.

    >>> from datetime import UTC, datetime
    >>> noon, hour = datetime(2024, 1, 15, 12, tzinfo=UTC), timedelta(hours=1)
    >>> new = Sized(noon, 40)
    >>> is_believed_at_last([Sized(noon - 2 * hour, 42), Sized(noon - hour, 41)], new)
    True
    >>> is_believed_at_last([Sized(noon - 2 * hour, 42), Sized(noon - hour, 41)], new, stored=noon - 2 * hour)
    False
    >>> is_believed_at_last([Sized(noon - hour, 41)], new)
    False
    >>> is_believed_at_last([Sized(noon - 2 * hour, 20), Sized(noon - hour, 41)], new)
    False
    >>> is_believed_at_last([Sized(noon - hour, 41), Sized(noon - hour / 60, 41)], new)
    False
    """
    hours = [new]
    largest: dict[datetime, int] = {}
    for one in refused:
        if stored is not None and one.at <= stored:
            continue
        largest[one.at] = max(one.auctions, largest.get(one.at, 0))
    for at in sorted(largest, reverse=True):
        if hours[-1].at - at >= _HOURS_APART:
            hours.append(Sized(at, largest[at]))
    last = hours[:AGREEING]
    return len(last) == AGREEING and are_alike(one.auctions for one in last)
