"""How many requests somebody may make: so many a minute, by key or by address, counted in memory."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_MINUTE: Final = 60.0
_MOST_KNOWN: Final = 10_000
"""Of callers that are counted at once: who asked longest ago is forgotten first."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left to somebody."""

    limit: int
    remaining: int
    reset_seconds: int
    """Until all of it is there again; for who was refused, until one more request is."""
    is_allowed: bool


class CallerLimit:
    """A bucket a caller that holds a minute's requests, and fills evenly. Used by the event loop alone."""

    def __init__(self, per_minute: int, *, monotonic: Callable[[], float]) -> None:
        self.per_minute = per_minute
        self._monotonic = monotonic
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> Allowance | None:
        """Take one request of a caller's; None where there is no limit.

        >>> limit = CallerLimit(2, monotonic=lambda: 0.0)
        >>> [limit.take("me").is_allowed for _ in range(3)]
        [True, True, False]
        """
        if not self.per_minute:
            return None
        now, rate = self._monotonic(), self.per_minute / _MINUTE
        left, since = self._buckets.pop(caller, (float(self.per_minute), now))
        left = min(float(self.per_minute), left + (now - since) * rate)
        is_allowed = left >= 1
        if is_allowed:
            left -= 1
        self._buckets[caller] = left, now
        if len(self._buckets) > _MOST_KNOWN:
            self._buckets.popitem(last=False)
        wanted = self.per_minute - left if is_allowed else 1 - left
        return Allowance(self.per_minute, int(left), max(1, ceil(wanted / rate)), is_allowed)
