"""How hours and days of an item are put together: by hour, by day, by weekday, by hour of the week.

Snapshots are arrays from the database to the answer: of a year there are thousands, and an object for each would cost
many times what reading them does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from ironforge_cli.answers.answer import DAY, HOUR

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from numpy.typing import NDArray

    from ironforge_cli.db.repositories.asking import SnapshotTimes
    from ironforge_cli.db.repositories.item_history import ItemDays, ItemHours
    from ironforge_cli.market.auctions import Bool, Float64, Int64, Times

_HOURS_A_DAY: Final = 24
_DAYS_A_WEEK: Final = 7
_INSTANT: Final = timedelta(microseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR, _DAY = HOUR // _INSTANT, DAY // _INSTANT
_FROM_MONDAY: Final = 3
"""Days from a Monday to the epoch."""


class By(StrEnum):
    """How hours are put together."""

    HOUR = "hour"
    DAY = "day"
    WEEKDAY = "weekday"
    HOUR_OF_WEEK = "hour-of-week"


Bucket: TypeAlias = datetime | int


@dataclass(frozen=True)
class BucketedSpan:
    """(start, end], its n snapshots, and how they are put together."""

    start: datetime
    end: datetime
    stored: SnapshotTimes
    by: By
    zone: ZoneInfo

    @property
    def is_mean(self) -> bool:
        """Whether sales are the mean of a snapshot: so many weeks are put together."""
        return self.by in {By.WEEKDAY, By.HOUR_OF_WEEK}

    @cached_property
    def days(self) -> NDArray[np.datetime64]:
        """The UTC day of each snapshot."""
        return self.stored.time.astype("M8[D]")

    @cached_property
    def buckets(self) -> list[Bucket]:
        """Every bucket of the span, those of gaps too."""
        return self._laid_out[0]

    @cached_property
    def places(self) -> Int64:
        """For each snapshot the place of its bucket among `buckets`; -1: it has none."""
        return self._laid_out[1]

    @cached_property
    def _laid_out(self) -> tuple[list[Bucket], Int64]:
        if self.zone.key == "UTC":
            return self._in_utc()
        buckets = self._buckets()
        keys = [self._bucket(moment) for moment in _aware(self.stored.time)]
        # The hour or day that a span begins within may have had its snapshot before: that is no gap.
        if not self.is_mean and buckets and buckets[0] != self.start and buckets[0] not in set(keys):
            buckets = buckets[1:]
        places = {bucket: place for place, bucket in enumerate(buckets)}
        return buckets, np.array([places.get(key, -1) for key in keys], np.int64)

    def _in_utc(self) -> tuple[list[Bucket], Int64]:
        """The same in the zone that is the commonest by far: a year has thousands of snapshots."""
        step = _DAY if self.by in {By.DAY, By.WEEKDAY} else _HOUR
        keys = self.stored.time.astype(np.int64) // step
        if self.by is By.WEEKDAY:
            return self._buckets(), (keys + _FROM_MONDAY) % _DAYS_A_WEEK
        if self.by is By.HOUR_OF_WEEK:
            return self._buckets(), (keys + _FROM_MONDAY * _HOURS_A_DAY) % (_DAYS_A_WEEK * _HOURS_A_DAY)
        # A span begins after its first instant.
        start, end = _microseconds(self.start), _microseconds(self.end)
        first = (start + 1) // step
        count = end // step - first + 1 if start < end else 0
        if count and first * step != start and not (keys == first).any():
            first, count = first + 1, count - 1
        places = keys - first
        places[(places < 0) | (places >= count)] = -1
        return _starts(first * step, step, count), places

    def _bucket(self, moment: datetime) -> Bucket:
        """Where a time belongs."""
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

    def _buckets(self) -> list[Bucket]:
        if self.by is By.WEEKDAY:
            return list(range(_DAYS_A_WEEK))
        if self.by is By.HOUR_OF_WEEK:
            return list(range(_DAYS_A_WEEK * _HOURS_A_DAY))
        first = self.start + _INSTANT
        found: dict[Bucket, None] = {}
        if self.by is By.DAY:
            day, last = (moment.astimezone(self.zone).date() for moment in (first, self.end))
            while first <= self.end and day <= last:
                found[datetime.combine(day, time(), tzinfo=self.zone).astimezone(UTC)] = None
                day += DAY
        else:
            moment = first
            while moment <= self.end:
                found[self._bucket(moment)] = None
                moment += HOUR
            if first <= self.end:
                found[self._bucket(self.end)] = None
        return list(found)


class Gathering:
    """What is known of one item in each of k buckets, gathered from hours and from days that are made."""

    def __init__(self, span: BucketedSpan) -> None:
        self._span = span
        self._size = len(span.buckets)
        self._lowest: Float64 = np.full(self._size, np.nan)
        self._snapshots, self._gone, self._values, self._priced, self._quantity, self._known = (
            np.zeros(self._size) for _ in range(6)
        )
        self._sold: list[Float64] = [np.zeros(self._size) for _ in range(3)]

    def add_hours(self, hours: ItemHours, *, chosen: Bool, held: Bool) -> None:
        """Take those of the span's snapshots in that are chosen.

        An item without a row in one was not for sale; of those whose hours are not held any more nothing is known.
        """
        chosen = chosen & (self._span.places >= 0)
        places = self._span.places
        self._snapshots += self._sum(places[chosen])
        self._gone += self._sum(places[chosen & ~held])
        is_without = chosen & held & ~hours.is_there
        self._known += self._sum(places[is_without & ~np.isnan(self._span.stored.interval_seconds)])
        there = chosen & hours.is_there
        self._quantity += self._sum(places[there], hours.total_quantity[there])
        self._take_prices(places[there], hours.min_price[there], hours.market_value[there], 1)
        sold = there & ~np.isnan(hours.estimated_sales)
        self._known += self._sum(places[sold])
        self._take_sales(
            places[sold], *(one[sold] for one in (hours.sales_low, hours.estimated_sales, hours.sales_high))
        )

    def add_days(self, days: ItemDays, *, whole: NDArray[np.datetime64]) -> None:
        """Take whole days in, in which the item was or was not for sale; with the snapshots that are stored of them."""
        order = np.searchsorted(whole, self._span.days)
        is_of_these = np.zeros(len(order), np.bool_)
        if len(whole):
            is_of_these = (whole[np.minimum(order, len(whole) - 1)] == self._span.days) & (self._span.places >= 0)
        stored, order = self._span.stored, order[is_of_these]
        seconds = stored.interval_seconds[is_of_these]
        count = np.bincount(order, minlength=len(whole)).astype(float)
        intervals = np.bincount(order[~np.isnan(seconds)], minlength=len(whole)).astype(float)
        length = np.bincount(order, np.nan_to_num(seconds), minlength=len(whole))
        places = np.full(len(whole), -1)
        places[order] = self._span.places[is_of_these]
        there = np.isin(whole, days.day) & (places >= 0)
        self._snapshots += self._sum(places[count > 0], count[count > 0])
        is_without = (count > 0) & ~there
        self._known += self._sum(places[is_without], intervals[is_without])
        mine = np.searchsorted(days.day, whole[there])
        at = places[there]
        self._take_prices(at, days.min_price[mine], days.market_value[mine], days.priced_snapshots[mine])
        self._quantity += self._sum(at, days.mean_quantity[mine] * days.snapshots[mine])
        sold = ~np.isnan(days.estimated_sales[mine])
        # Where its hours have left, those that know the sales are told by their length.
        known = intervals[there] * days.covered_seconds[mine] / np.where(length[there] > 0, length[there], 1)
        self._known += self._sum(at[sold], known[sold])
        columns = (days.sales_low, days.estimated_sales, days.sales_high)
        self._take_sales(at[sold], *(one[mine][sold] for one in columns))

    def columns(self) -> list[list[Any]]:
        """For each bucket how many snapshots are stored, and all figures: None where nothing is known."""
        is_stored, is_known = self._snapshots > 0, self._known > 0
        held = self._snapshots - self._gone
        with np.errstate(invalid="ignore", divide="ignore"):
            value = self._values / self._priced
            quantity = self._quantity / held
            sold = [one / self._known if self._span.is_mean else one for one in self._sold]
        whole = is_stored & ~np.isnan(self._lowest)
        return [
            self._snapshots.astype(np.int64).tolist(),
            _or_none(np.where(whole, self._lowest, 0).astype(np.int64), whole),
            _or_none(value, is_stored & (self._priced > 0)),
            _or_none(quantity, is_stored & (held > 0)),
            *(_or_none(one if self._span.is_mean else one.astype(np.int64), is_stored & is_known) for one in sold),
        ]

    def _sum(self, places: Int64, values: Float64 | None = None) -> Float64:
        return np.bincount(places, values, minlength=self._size).astype(np.float64, copy=False)

    def _take_prices(self, places: Int64, lowest: Float64, value: Float64, snapshots: Int64 | int) -> None:
        np.fmin.at(self._lowest, places, lowest)
        is_priced = ~np.isnan(value)
        weights = np.broadcast_to(np.asarray(snapshots, np.float64), value.shape)[is_priced]
        self._values += self._sum(places[is_priced], value[is_priced] * weights)
        self._priced += self._sum(places[is_priced], weights)

    def _take_sales(self, places: Int64, *units: Float64) -> None:
        for place, one in enumerate(units):
            self._sold[place] += self._sum(places, np.nan_to_num(one))


def _or_none(values: NDArray[Any], is_known: Bool) -> list[Any]:
    column: list[Any] = values.tolist()
    for place in np.flatnonzero(~is_known).tolist():
        column[place] = None
    return column


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _INSTANT


@lru_cache(maxsize=8)
def _starts(first: int, step: int, count: int) -> list[Bucket]:
    """So many hours or days in a row. The same span is asked of many items, and its times take longest to make."""
    return list[Bucket](_aware((first + np.arange(count) * step).astype("M8[us]")))


def _aware(times: Times) -> list[datetime]:
    return [moment.replace(tzinfo=UTC) for moment in times.tolist()]
