"""An item over time: by hour, by day, by weekday, by hour of the week."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

from ironforge_cli.answers import items as naming
from ironforge_cli.answers.answer import DAY, HOUR, MarketAnswer, basis_of, missing_hours, start_of_day
from ironforge_cli.db.repositories import asking
from ironforge_cli.errors import UsageError
from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from zoneinfo import ZoneInfo

    from sqlalchemy import Connection

    from ironforge_cli.answers.answer import Asking, Basis
    from ironforge_cli.db.repositories.asking import DayRow, HourRow, StoredSnapshot
    from ironforge_cli.regions import Region

_HOURS_A_DAY: Final = 24
_DAYS_A_WEEK: Final = 7
_MOST_HOURS: Final = 1_000_000
_MOST_HOURS_SHOWN: Final = 100_000
_MOST_ROWS: Final = 2_000_000


class By(StrEnum):
    """How hours are put together."""

    HOUR = "hour"
    DAY = "day"
    WEEKDAY = "weekday"
    HOUR_OF_WEEK = "hour-of-week"


Bucket: TypeAlias = datetime | int


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


@dataclass(frozen=True, slots=True)
class _Span:
    """(start, end], its snapshots, and how they are put together."""

    start: datetime
    end: datetime
    stored: Sequence[StoredSnapshot]
    by: By
    zone: ZoneInfo

    def bucket(self, moment: datetime) -> Bucket:
        """Where a time belongs."""
        if self.by is By.HOUR and self.zone.key == "UTC":
            # The commonest by far, and a year has thousands of them.
            return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        there = moment.astimezone(self.zone)
        match self.by:
            case By.HOUR:
                # Some zones are half an hour off: an hour begins where their clocks say so.
                begun = timedelta(minutes=there.minute, seconds=there.second, microseconds=there.microsecond)
                return moment.astimezone(UTC) - begun
            case By.DAY:
                return datetime.combine(there.date(), time(), tzinfo=self.zone).astimezone(UTC)
            case By.WEEKDAY:
                return there.weekday()
            case By.HOUR_OF_WEEK:
                return there.weekday() * _HOURS_A_DAY + there.hour

    def buckets(self) -> list[Bucket]:
        """Every bucket of the span, those of gaps too."""
        if self.by is By.WEEKDAY:
            return list(range(_DAYS_A_WEEK))
        if self.by is By.HOUR_OF_WEEK:
            return list(range(_DAYS_A_WEEK * _HOURS_A_DAY))
        found: dict[Bucket, None] = {}
        # A span begins after its first instant.
        first = self.start + timedelta(microseconds=1)
        moment = first
        while moment <= self.end:
            found[self.bucket(moment)] = None
            moment += HOUR
        if first <= self.end:
            found[self.bucket(self.end)] = None
        buckets = list(found)
        # The hour or day that a span begins within may have had its snapshot before: that is no gap.
        held = {self.bucket(one.time) for one in self.stored}
        begins_within = bool(buckets) and buckets[0] != self.start
        return buckets[1:] if begins_within and buckets[0] not in held else buckets


@dataclass(slots=True)
class _Gathered:
    snapshots: int = 0
    min_price: int | None = None
    values: float = 0.0
    priced: int = 0
    quantity: float = 0.0
    sold: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    known: int = 0
    """Snapshots of which sales are known."""

    def add_hour(self, row: HourRow | None, snapshot: StoredSnapshot) -> None:
        """Take a snapshot in; an item without a row in it was not for sale."""
        self.snapshots += 1
        if row is None:
            self.known += snapshot.interval_seconds is not None
            return
        self._price(row.min_price, row.market_value, 1)
        self.quantity += row.total_quantity
        if row.estimated_sales is not None:
            self._sales(row.sales_low, row.estimated_sales, row.sales_high, 1)

    def add_day(self, row: DayRow | None, snapshots: int, intervals: int) -> None:
        """Take a day in that is made."""
        self.snapshots += snapshots
        if row is None:
            self.known += intervals
            return
        self._price(row.min_price, row.market_value, row.priced_snapshots)
        self.quantity += row.mean_quantity * row.snapshots
        if row.estimated_sales is not None:
            self._sales(row.sales_low, row.estimated_sales, row.sales_high, intervals)

    def _price(self, lowest: int | None, value: float | None, snapshots: int) -> None:
        if lowest is not None:
            self.min_price = lowest if self.min_price is None else min(self.min_price, lowest)
        if value is not None:
            self.values += value * snapshots
            self.priced += snapshots

    def _sales(self, low: int | None, estimated: int, high: int | None, snapshots: int) -> None:
        self.known += snapshots
        for place, units in enumerate((low, estimated, high)):
            self.sold[place] += units or 0

    def period(self, region: Region, item_id: int, bucket: Bucket, *, is_mean: bool) -> Period:
        """What was gathered; unknown where nothing is stored."""
        if not self.snapshots:
            return Period(region, item_id, bucket, 0, None, None, None, None, None, None)
        divisor = self.known if is_mean else 1
        sold: list[float | None] = [None, None, None]
        if self.known:
            sold = [units / divisor if is_mean else int(units) for units in self.sold]
        return Period(
            region,
            item_id,
            bucket,
            self.snapshots,
            self.min_price,
            self.values / self.priced if self.priced else None,
            self.quantity / self.snapshots,
            *sold,
        )


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
    rows: list[Period] = []
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
            stored = asking.snapshots(connection, region, start, end)
            missing = missing_hours(start, stored)
            bases.append(replace(basis, since=start, snapshots=len(stored), missing=missing))
            span = _Span(start, end, stored, by, zone)
            for item in chosen:
                gathered = _gathered(connection, region, item.item_id, span)
                is_mean = by in {By.WEEKDAY, By.HOUR_OF_WEEK}
                for bucket in span.buckets():
                    found = gathered.get(bucket, _Gathered())
                    rows.append(found.period(region, item.item_id, bucket, is_mean=is_mean))
    return MarketAnswer(rows=tuple(rows), bases=tuple(bases))


def _refuse_too_long(start: datetime, end: datetime, *, by: By, items: int) -> None:
    """Refuse a span of more rows than anybody reads, before it is read."""
    hours = max((end - start) // HOUR, 0)
    rows = items * (hours if by is By.HOUR else hours // _HOURS_A_DAY)
    most = _MOST_HOURS_SHOWN if by is By.HOUR else _MOST_HOURS
    if hours > most or rows > _MOST_ROWS:
        advice = "give a later --since or fewer items" + (", or --by day" if by is By.HOUR else "")
        raise UsageError(f"{counted(hours, 'hour')} of {counted(items, 'item')} are too many to show: {advice}.")


def _gathered(connection: Connection, region: Region, item: int, span: _Span) -> dict[Bucket, _Gathered]:
    gathered: dict[Bucket, _Gathered] = {}
    made = _made_days(connection, region, span)
    if made:
        counted: dict[date, list[int]] = {day: [0, 0] for day in made}
        for one in span.stored:
            if (count := counted.get(one.time.astimezone(UTC).date())) is not None:
                count[0] += 1
                count[1] += one.interval_seconds is not None
        rows = {row.day: row for row in asking.item_days(connection, region, item, made[0], made[-1] + DAY)}
        for day in made:
            bucket = span.bucket(datetime.combine(day, time(), tzinfo=UTC))
            gathered.setdefault(bucket, _Gathered()).add_day(rows.get(day), *counted[day])
    days = set(made)
    wanted = [one for one in span.stored if one.time.astimezone(UTC).date() not in days]
    hours: dict[datetime, HourRow] = {}
    for begins, ends in _stretches(wanted):
        hours |= {row.timestamp: row for row in asking.item_hours(connection, region, [item], begins, ends)}
    for one in wanted:
        gathered.setdefault(span.bucket(one.time), _Gathered()).add_hour(hours.get(one.time), one)
    return gathered


def _made_days(connection: Connection, region: Region, span: _Span) -> list[date]:
    """The days of a span that are read whole: those that are made, where buckets are made of days."""
    if span.by not in {By.DAY, By.WEEKDAY} or span.zone.key != "UTC":
        return []
    first = start_of_day(span.start)
    first = first if first > span.start else first + DAY
    return asking.made_days(connection, region, first.date(), start_of_day(span.end).date())


def _stretches(snapshots: Sequence[StoredSnapshot]) -> Iterable[tuple[datetime, datetime]]:
    """Spans (after, until] of snapshots that lie less than a day apart."""
    instant = timedelta(microseconds=1)
    begins: datetime | None = None
    for number, one in enumerate(snapshots):
        begins = begins or one.time - instant
        is_last = number == len(snapshots) - 1 or snapshots[number + 1].time - one.time >= DAY
        if is_last:
            yield begins, one.time
            begins = None
