"""Spans of time that questions go over: their snapshots, and which part is read from days and which from hours.

A look at the database reads what is stored of a region once, whoever asks for it: a question about one item sends
fewer statements so, each of which costs as much as what it finds.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from psycopg import sql

from ironforge_cli.db.bulk import Kind, fetch_columns
from ironforge_cli.db.repositories import item_history, months_to_read
from ironforge_cli.db.table_names import PRICE_DAYS
from ironforge_cli.db.transactions import reader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ironforge_cli.db.repositories.months_to_read import MonthToRead
    from ironforge_cli.db.transactions import Transaction
    from ironforge_cli.regions import Region

DAY: Final = timedelta(days=1)
NEXT: Final = timedelta(microseconds=1)
_AHEAD: Final = timedelta(days=15, hours=1)
_SLICE: Final = "asking"
_STORED: Final = sql.SQL(
    "SELECT snapshot_time, coalesce(interval_seconds, -1) FROM snapshots"
    " WHERE region = %s AND snapshot_time > %s AND snapshot_time <= %s ORDER BY snapshot_time"
)
_read = reader(_SLICE)


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """A snapshot's time, and the time since the one before; None in a region's first."""

    time: datetime
    interval_seconds: int | None


@dataclass(slots=True)
class _Kept:
    """What a look has read of a region so far."""

    snapshots: tuple[datetime, datetime, list[StoredSnapshot]] | None = None
    """Those of a span (since, until]."""
    made: tuple[date, date, list[date]] | None = None
    """The days that are made in [since, until)."""
    months: list[MonthToRead] | None = None


@dataclass(slots=True)
class _Looks:
    # By the connection or the session of a look.
    kept: WeakKeyDictionary[Transaction, dict[Region, _Kept]] = field(default_factory=WeakKeyDictionary)

    def of(self, connection: Transaction, region: Region) -> _Kept:
        """What is kept of a region; nothing outside of a look, which is of one moment."""
        regions = self.kept.get(connection)
        return _Kept() if regions is None else regions.setdefault(region, _Kept())


_LOOKS: Final = _Looks()


def keep_spans(connection: Transaction) -> None:
    """Let a look at the database, which has to be of one moment, read what is stored of a region once."""
    _LOOKS.kept[connection] = {}


def forget_spans(connection: Transaction) -> None:
    """A look has ended: what it kept is forgotten."""
    _LOOKS.kept.pop(connection, None)


def snapshots(connection: Transaction, region: Region, since: datetime, until: datetime) -> list[StoredSnapshot]:
    """The snapshots of (since, until], oldest first."""
    kept = _LOOKS.of(connection, region)
    if kept.snapshots is not None:
        first, last, stored = kept.snapshots
        if first <= since and until <= last:
            begins, ends = (bisect_right(stored, moment, key=lambda one: one.time) for moment in (since, until))
            return stored[begins:ends]
    # Prices look further back than sales: the first who asks reads for those who come after it.
    first = min(since, until - _AHEAD) if connection in _LOOKS.kept else since
    times, seconds = fetch_columns(
        connection, _STORED, [region, first, until], (Kind.TIMESTAMPTZ, Kind.INT4), slice_name=_SLICE
    )
    found = [
        StoredSnapshot(moment.replace(tzinfo=UTC), None if length < 0 else length)
        for moment, length in zip(times.tolist(), seconds.tolist(), strict=True)
    ]
    kept.snapshots = (first, until, found)
    return found[bisect_right(found, since, key=lambda one: one.time) :]


def made_days(connection: Transaction, region: Region, since: date, until: date) -> list[date]:
    """The days that are made, from `since` to before `until`."""
    kept = _LOOKS.of(connection, region)
    if kept.made is not None:
        first, last, made = kept.made
        if first <= since and until <= last:
            return [day for day in made if since <= day < until]
    statement = (
        "SELECT CAST(wanted.day AS date) FROM generate_series(%(since)s::timestamp, %(until)s::timestamp,"  # noqa: S608 - names of our own
        " interval '1 day') AS wanted (day)"
        f" WHERE EXISTS (SELECT FROM {PRICE_DAYS[region]} AS made"
        " WHERE made.day = CAST(wanted.day AS date)) ORDER BY 1"
    )
    found = [row[0] for row in _read(connection, statement, {"since": since, "until": until - DAY})]
    kept.made = (since, until, found)
    return found


def without_hours(connection: Transaction, region: Region, times: Sequence[datetime]) -> set[datetime]:
    """Those times of stored snapshots whose hours have left with their month: nothing of them is known here."""
    if not times:
        return set()
    kept = _LOOKS.of(connection, region)
    if kept.months is None:
        kept.months = months_to_read.to_read(connection, region)
    there = item_history.are_held(kept.months, item_history.as_times(times))
    return {time for time, is_there in zip(times, there.tolist(), strict=True) if not is_there}


@dataclass(frozen=True, slots=True)
class Parts:
    """A span (since, until]: the days of it that are made, and the rest as hours."""

    made: dict[date, int]
    """The days, and for each the length of the region's intervals that end on it."""
    times: list[datetime]
    """The snapshots of the rest whose hours are held."""
    seconds: int
    """Length of all intervals of which anything is known."""


def parts_of(connection: Transaction, region: Region, since: datetime, until: datetime) -> Parts:
    """How a span (since, until] is read."""
    first = (since + NEXT).astimezone(UTC).date()
    if starts_at(first) < since + NEXT:
        first += DAY
    last = (until + NEXT).astimezone(UTC).date()
    made = dict.fromkeys(made_days(connection, region, first, last) if first < last else [], 0)
    rest: list[StoredSnapshot] = []
    for one in snapshots(connection, region, since, until):
        if (day := one.time.astimezone(UTC).date()) in made:
            made[day] += one.interval_seconds or 0
        else:
            rest.append(one)
    gone = without_hours(connection, region, [one.time for one in rest])
    held = [one for one in rest if one.time not in gone]
    return Parts(
        made=made,
        times=[one.time for one in held],
        seconds=sum(made.values()) + sum(one.interval_seconds or 0 for one in held),
    )


def starts_at(day: date) -> datetime:
    """The first instant of a UTC day."""
    return datetime.combine(day, time(), tzinfo=UTC)
