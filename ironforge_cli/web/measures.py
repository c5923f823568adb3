"""What the service counts about itself, as Prometheus reads it."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Final

_BUCKETS: Final = (0.005, 0.025, 0.1, 0.25, 1.0, 5.0)


class Measures:
    """Requests by route and status, how long they took, and how often a body was there already."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._seconds: Counter[float] = Counter()
        self._total = 0.0
        self._kept: Counter[str] = Counter()

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        with self._lock:
            self._requests[route, status] += 1
            self._total += seconds
            for bucket in _BUCKETS:
                if seconds <= bucket:
                    self._seconds[bucket] += 1

    def body(self, came: str) -> None:
        """Count how an answer came: `made`, `kept` or `not_modified`."""
        with self._lock:
            self._kept[came] += 1

    def exposition(self) -> list[str]:
        """Lines in Prometheus's text format."""
        with self._lock:
            requests = sorted(self._requests.items())
            count, total, seconds, kept = sum(self._requests.values()), self._total, self._seconds.copy(), self._kept
            return [
                "# HELP ironforge_http_requests_total Requests that were answered, by route and status.",
                "# TYPE ironforge_http_requests_total counter",
                *(
                    f'ironforge_http_requests_total{{route="{route}",status="{status}"}} {number}'
                    for (route, status), number in requests
                ),
                "# HELP ironforge_http_request_seconds How long requests took.",
                "# TYPE ironforge_http_request_seconds histogram",
                *(f'ironforge_http_request_seconds_bucket{{le="{one:g}"}} {seconds[one]}' for one in _BUCKETS),
                f'ironforge_http_request_seconds_bucket{{le="+Inf"}} {count}',
                f"ironforge_http_request_seconds_sum {total:.6f}",
                f"ironforge_http_request_seconds_count {count}",
                "# HELP ironforge_http_answers_total How answers came: made, kept, or not modified.",
                "# TYPE ironforge_http_answers_total counter",
                *(f'ironforge_http_answers_total{{came="{came}"}} {number}' for came, number in sorted(kept.items())),
            ]
