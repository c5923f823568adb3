"""An item over time: by hour, by day, by weekday, by hour of the week."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from ironforge_cli.answers import items as naming
from ironforge_cli.answers.answer import DAY, HOUR, MarketAnswer, basis_of, missing_hours, start_of_day
from ironforge_cli.answers.columns import Columns
from ironforge_cli.answers.periods import BucketedSpan, By, Gathering
from ironforge_cli.db.repositories import asked_spans, asking, item_history, months_to_read
from ironforge_cli.errors import UsageError
from ironforge_cli.market.hours import GAP
from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from numpy.typing import NDArray

    from ironforge_cli.answers.answer import Asking, Basis
    from ironforge_cli.db.repositories.asking import SnapshotTimes
    from ironforge_cli.db.repositories.item_history import ItemDays
    from ironforge_cli.db.transactions import Transaction
    from ironforge_cli.regions import Region

_HOURS_A_DAY: Final = 24
_MOST_HOURS: Final = 1_000_000
_MOST_HOURS_SHOWN: Final = 100_000
_MOST_ROWS: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class Period:
    """An item in an hour, on a day, or on all days or hours of a name; prices in copper.

    Where nothing is stored all but the number of snapshots is None.
    """

    region: Region
    item_id: int
    bucket: datetime | int
    """The start of the hour or day; the weekday, 0 to 6 from Monday; or the hour of the week, 0 to 167."""
    snapshots: int
    min_price: int | None
    """The lowest."""
    market_value: float | None
    """The mean over the snapshots that price the item."""
    total_quantity: float | None
    """The mean over all snapshots."""
    sold_low: float | None
    """The sum; for weekdays and hours of the week the mean a snapshot; as the two below."""
    sold: float | None
    sold_high: float | None


def history(
    asking_for: Asking,
    words: Sequence[str],
    *,
    since: datetime | None,
    until: datetime | None,
    by: By,
    zone: ZoneInfo,
    over: timedelta,
) -> MarketAnswer[Period]:
    """Items over time, a row a bucket, gaps among them; the span goes to `until` or the region's newest snapshot.

    It begins at `since`, or `over` before its end. Raises `UsageError` where a word names no item.
    """
    parts: list[Columns[Period]] = []
    bases: list[Basis] = []
    with asking.reading(asking_for.database) as connection:
        chosen = naming.all_of(connection, asking_for.regions, words)
        for region in asking_for.regions:
            basis = basis_of(connection, asking_for, region)
            if basis.snapshot_time is None:
                bases.append(basis)
                continue
            end = basis.snapshot_time if until is None else min(until, basis.snapshot_time)
            start = end - over if since is None else since
            _refuse_too_long(start, end, by=by, items=len(chosen))
            stored = asking.snapshot_times(connection, region, start, end)
            bases.append(replace(basis, since=start, snapshots=len(stored.time), missing=_missing(start, stored)))
            reading = _Reading(connection, region, BucketedSpan(start, end, stored, by, zone))
            parts += [reading.periods(item.item_id) for item in chosen]
    return MarketAnswer(rows=Columns[Period].joined(Period, parts), bases=tuple(bases), names=naming.called(chosen))


def _refuse_too_long(start: datetime, end: datetime, *, by: By, items: int) -> None:
    """Refuse a span of more rows than anybody reads, before it is read."""
    hours = max((end - start) // HOUR, 0)
    rows = items * (hours if by is By.HOUR else hours // _HOURS_A_DAY)
    most = _MOST_HOURS_SHOWN if by is By.HOUR else _MOST_HOURS
    if hours > most or rows > _MOST_ROWS:
        advice = "give a later --since or fewer items" + (", or --by day" if by is By.HOUR else "")
        raise UsageError(f"{counted(hours, 'hour')} of {counted(items, 'item')} are too many to show: {advice}.")


class _Reading:
    """A region's span, whose days and partitions are looked up once for all items."""

    def __init__(self, connection: Transaction, region: Region, span: BucketedSpan) -> None:
        self._connection, self._region, self._span = connection, region, span
        self._months = months_to_read.to_read(connection, region)
        self._held = item_history.are_held(self._months, span.stored.time)
        made = _made_days(connection, region, span)
        self._made = np.array(made, "M8[D]")
        self._days = (made[0], made[-1] + DAY) if made else None

    def periods(self, item_id: int) -> Columns[Period]:
        """What is known of an item, a row a bucket."""
        span, gathering = self._span, Gathering(self._span)
        whole = self._made
        if self._days is not None:
            since, until = self._days
            days = item_history.days_of_item(self._connection, self._region, item_id, since=since, until=until)
            whole = self._read_whole(days)
            gathering.add_days(days, whole=whole)
        chosen = ~np.isin(span.days, whole)
        hours = item_history.hours_of_item(
            self._connection,
            self._region,
            item_id,
            months=self._months,
            times=span.stored.time,
            wanted=chosen & self._held,
        )
        gathering.add_hours(hours, chosen=chosen, held=self._held)
        rows = len(span.buckets)
        return Columns(Period, [[self._region] * rows, [item_id] * rows, span.buckets, *gathering.columns()])

    def _read_whole(self, days: ItemDays) -> NDArray[np.datetime64]:
        """The days that are read whole, and not by their hours."""
        if self._span.by is not By.WEEKDAY or not len(days.day):
            return self._made
        # A mean a snapshot takes how many of them know the sales, which a day says only where all of them do.
        order = np.searchsorted(days.day, self._span.days)
        mine = np.minimum(order, len(days.day) - 1)
        is_there = days.day[mine] == self._span.days
        seconds = np.nan_to_num(self._span.stored.interval_seconds)[is_there]
        length = np.bincount(mine[is_there], seconds, minlength=len(days.day))
        unknown = days.day[days.covered_seconds < length]
        # Of hours that have left, the day is all there is.
        by_hours = self._span.days[np.isin(self._span.days, unknown) & self._held]
        return self._made[~np.isin(self._made, by_hours)]


def _missing(since: datetime, stored: SnapshotTimes) -> tuple[datetime, ...]:
    """The hours of which nothing is stored: they lie before the snapshots that came late."""
    late = np.flatnonzero(stored.interval_seconds > GAP.total_seconds()).tolist()
    times, seconds = stored.time[late].tolist(), stored.interval_seconds[late].tolist()
    found = [
        asked_spans.StoredSnapshot(time.replace(tzinfo=UTC), int(length))
        for time, length in zip(times, seconds, strict=True)
    ]
    return missing_hours(since, found)


def _made_days(connection: Transaction, region: Region, span: BucketedSpan) -> list[date]:
    """The days of a span that are read whole: those that are made, where buckets are made of days."""
    if span.by not in {By.DAY, By.WEEKDAY} or span.zone.key != "UTC":
        return []
    first = start_of_day(span.start)
    first = first if first > span.start else first + DAY
    return asked_spans.made_days(connection, region, first.date(), start_of_day(span.end).date())
