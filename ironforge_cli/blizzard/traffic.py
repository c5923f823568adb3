"""How often Blizzard was asked, and how often an answer was at hand already."""

from __future__ import annotations

import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests that were sent, and answers that were taken from the cache instead."""

    requests: int
    cache_hits: int

    def since(self, before: Traffic) -> Traffic:
        """What came after an earlier count.

        >>> Traffic(requests=9, cache_hits=4).since(Traffic(requests=2, cache_hits=4))
        Traffic(requests=7, cache_hits=0)
        """
        return Traffic(requests=self.requests - before.requests, cache_hits=self.cache_hits - before.cache_hits)


class TrafficCounter:
    """Counts them. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._traffic = Traffic(requests=0, cache_hits=0)

    @property
    def traffic(self) -> Traffic:
        """The count so far; repeated attempts and requests for tokens are requests, too."""
        return self._traffic

    def asked(self) -> None:
        """Count a request."""
        with self._lock:
            self._traffic = Traffic(self._traffic.requests + 1, self._traffic.cache_hits)

    def reused(self) -> None:
        """Count an answer from the cache."""
        with self._lock:
            self._traffic = Traffic(self._traffic.requests, self._traffic.cache_hits + 1)
