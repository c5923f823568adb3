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


def kept_for(headers: Mapping[str, str]) -> float:
    """Seconds for which an answer may be kept, by its own word (RFC 9111): 0 where it gives none, or forbids it.

    >>> kept_for({"Cache-Control": "public, Max-Age=300"}), kept_for({"Cache-Control": "no-store, max-age=300"})
    (300.0, 0.0)
    >>> date, later = "Sat, 3 Oct 2020 21:08:05 GMT", "Sat, 3 Oct 2020 21:09:05 GMT"
    >>> kept_for({"Date": date, "Expires": later}), kept_for({"Cache-Control": "max-age=soon"}), kept_for({})
    (60.0, 0.0, 0.0)
    """
    said = [part.strip().lower() for part in (header(headers, "Cache-Control") or "").split(",")]
    if {"no-store", "no-cache"}.intersection(said):
        return 0.0
    ages = [part.removeprefix("max-age=").strip('"') for part in said if part.startswith("max-age=")]
    if ages:
        return float(ages[0]) if ages[0].isdecimal() else 0.0
    until, said_at = http_time(header(headers, "Expires") or ""), http_time(header(headers, "Date") or "")
    return max(0.0, (until - said_at).total_seconds()) if until and said_at else 0.0
