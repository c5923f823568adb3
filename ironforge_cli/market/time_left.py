"""How long an auction may still last, as Blizzard says it. Without arrays, so that who only names it loads none."""

from __future__ import annotations

from enum import IntEnum


class TimeLeft(IntEnum):
    """Blizzard's four buckets of the time to an auction's expiry, soonest first.

    The names are those of the API and of the database's enum `time_left`.
    """

    SHORT = 0
    MEDIUM = 1
    LONG = 2
    VERY_LONG = 3
