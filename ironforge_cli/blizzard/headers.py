"""Headers of HTTP answers, as Blizzard and what stands before it really write them."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def header(headers: Mapping[str, str], name: str) -> str | None:
    """A header's value, whatever case its name was written or kept in.

    >>> header({"last-modified": "Sat, 3 Oct 2020 21:08:05 GMT"}, "Last-Modified")
    'Sat, 3 Oct 2020 21:08:05 GMT'
    """
    return next((value for key, value in headers.items() if key.lower() == name.lower()), None)


def http_time(text: str) -> datetime | None:
    """The aware UTC time of a header, whether its day is padded or not; None where it is no time.

    >>> http_time("Sat, 3 Oct 2020 21:08:05 GMT").isoformat()
    '2020-10-03T21:08:05+00:00'
    """
    try:
        moment = parsedate_to_datetime(text)
        # HTTP knows GMT alone, also where a header says `-0000` or nothing.
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, IndexError, OverflowError):
        return None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that `Retry-After` asks for; it comes as seconds or as a date, or not at all.

    >>> retry_after({"Retry-After": "7"}), retry_after({})
    (7.0, None)
    """
    given = header(headers, "Retry-After")
    if given is None:
        return None
    try:
        return max(0.0, float(given))
    except ValueError:
        pass
    until, asked_at = http_time(given), http_time(header(headers, "Date") or "")
    return max(0.0, (until - asked_at).total_seconds()) if until and asked_at else None
