"""Monthly partitions of the hourly statistics: which month a time belongs to, and what is to be done about them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ironforge_cli.regions import Region

SETTLED_AFTER: Final = timedelta(days=2)
"""How long after its end a month is laid by item: a late body changes hours for up to 48 hours after it."""
RELAID_AFTER: Final = 48
"""After how many hours that were written into a month laid by item it is laid anew: each is read by every question."""
_LONGEST: Final = timedelta(days=31)


@dataclass(frozen=True, slots=True, order=True)
class StatisticsMonth:
    """The statistics of one region and one UTC month; it spans [starts_at, ends_at)."""

    region: Region
    first: date
    """The month's first day."""

    @property
    def name(self) -> str:
        """The table's name.

        >>> from ironforge_cli.regions import Region
        >>> StatisticsMonth(Region.EU, date(2024, 1, 1)).name
        'eu_commodity_price_stats_2024_01'
        """
        return f"{self.region}_commodity_price_stats_{self.first:%Y_%m}"

    @property
    def starts_at(self) -> datetime:
        """The month's first instant."""
        return datetime.combine(self.first, time(), tzinfo=UTC)

    @property
    def ends_at(self) -> datetime:
        """The first instant that is no longer in it."""
        return self.following.starts_at

    @property
    def following(self) -> StatisticsMonth:
        """The month after it.

        >>> from ironforge_cli.regions import Region
        >>> str(StatisticsMonth(Region.EU, date(2024, 12, 1)).following.first)
        '2025-01-01'
        """
        return StatisticsMonth(self.region, (self.first + _LONGEST).replace(day=1))

    @property
    def previous(self) -> StatisticsMonth:
        """The month before it.

        >>> from ironforge_cli.regions import Region
        >>> str(StatisticsMonth(Region.EU, date(2025, 1, 1)).previous.first)
        '2024-12-01'
        """
        return StatisticsMonth(self.region, (self.first - timedelta(days=1)).replace(day=1))

    @classmethod
    def holding(cls, region: Region, moment: datetime) -> StatisticsMonth:
        """The month of a snapshot's time, which has to be aware.

        >>> from datetime import timezone
        >>> from ironforge_cli.regions import Region
        >>> east = timezone(timedelta(hours=9))
        >>> StatisticsMonth.holding(Region.US, datetime(2024, 1, 1, 3, tzinfo=east)).first
        datetime.date(2023, 12, 1)
        """
        return cls(region, moment.astimezone(UTC).date().replace(day=1))


@dataclass(frozen=True, slots=True)
class HeldMonths:
    """A partition of a region's statistics as the catalog has it: of one month, or of more that were before months."""

    name: str
    month: StatisticsMonth | None
    """The month that it was made for; None: ironforge did not make it, or it holds more than a month."""
    starts_at: datetime | None
    """Its lower bound; None: it has none."""
    ends_at: datetime | None
    bytes: int
    """On disk, with its indexes."""
    rows: int
    """About how many, as PostgreSQL last counted."""
    laid_at_change: int | None = None
    """How many hours had been written into the month when it was laid by item; None: it is in the order of time."""
    is_from_before: bool = False
    """Whether it holds what was stored before there were months."""

    @property
    def is_laid(self) -> bool:
        """Whether it was written anew in the order of items."""
        return self.laid_at_change is not None


class MonthAction(StrEnum):
    """What is done about a region's months."""

    CREATE = "create month"
    SPLIT = "split into months"
    """Put what was stored before there were months into months."""
    LAY = "lay by item"
    """Write a closed month anew in the order of items."""
    DROP = "drop month"


@dataclass(frozen=True, slots=True)
class MonthStep:
    """One thing to do."""

    action: MonthAction
    month: StatisticsMonth
    """The month that it is about; of a split the last one."""
    table: str
    bytes: int = 0
    rows: int = 0


@dataclass(frozen=True, slots=True)
class MonthPlan:
    """What is to be done about a region's months, in order, and what only a person can put right."""

    steps: tuple[MonthStep, ...]
    problems: tuple[str, ...] = ()


def oldest_kept(now: datetime, *, region: Region, retention_months: int) -> StatisticsMonth:
    """The oldest month that is held: so many closed ones before that of a time.

    >>> from ironforge_cli.regions import Region
    >>> str(oldest_kept(datetime(2024, 2, 29, tzinfo=UTC), region=Region.EU, retention_months=13).first)
    '2023-01-01'
    """
    month = StatisticsMonth.holding(region, now)
    for _ in range(retention_months):
        month = month.previous
    return month


def wanted_months(now: datetime, *, ahead: int, region: Region) -> list[StatisticsMonth]:
    """The months that have to be ready: that of a time, and those of so many days after it, at least the next.

    >>> from ironforge_cli.regions import Region
    >>> noon = datetime(2024, 1, 31, 12, tzinfo=UTC)
    >>> [str(month.first) for month in wanted_months(noon, ahead=40, region=Region.EU)]
    ['2024-01-01', '2024-02-01', '2024-03-01']
    """
    month = StatisticsMonth.holding(region, now)
    last = max(month.following, StatisticsMonth.holding(region, now + timedelta(days=ahead)))
    found = [month]
    while found[-1] < last:
        found.append(found[-1].following)
    return found


def plan_months(
    held: Sequence[HeldMonths],
    wanted: Sequence[StatisticsMonth],
    *,
    region: Region,
    changes: Mapping[StatisticsMonth, int],
    now: datetime | None,
    retention_months: int,
) -> MonthPlan:
    """What is to be done about a region's months.

    `now` is the time by which months are old; None: none is laid or leaves. `changes` is how many hours have been
    written into each month. Only what ironforge made is touched.
    """
    steps: list[MonthStep] = []
    problems: list[str] = []
    for month in wanted:
        around = [one for one in held if _overlaps(one, month)]
        if not around:
            steps.append(MonthStep(MonthAction.CREATE, month, month.name))
        elif not any(_covers(one, month) for one in around):
            names = ", ".join(one.name for one in around)
            problems.append(
                f"{month.name} can't be made: {names} covers a part of {month.first:%Y-%m} (UTC) and not all of it. "
                "Attach what covers the rest, or detach that."
            )
    if now is None:
        return MonthPlan(tuple(steps), tuple(problems))
    for one in held:
        if one.is_from_before and one.ends_at is not None and one.ends_at + SETTLED_AFTER <= now:
            last = StatisticsMonth.holding(region, one.ends_at).previous
            steps.append(MonthStep(MonthAction.SPLIT, last, one.name, one.bytes, one.rows))
    for one in sorted((one for one in held if one.month), key=lambda one: one.name):
        month = one.month
        assert month is not None, "chosen so"  # noqa: S101 - narrows the type
        if retention_months and month < oldest_kept(now, region=month.region, retention_months=retention_months):
            steps.append(MonthStep(MonthAction.DROP, month, one.name, one.bytes, one.rows))
        elif month.ends_at + SETTLED_AFTER <= now and _wants_laying(one, changes.get(month, 0)):
            steps.append(MonthStep(MonthAction.LAY, month, one.name, one.bytes, one.rows))
    return MonthPlan(tuple(steps), tuple(problems))


def _wants_laying(one: HeldMonths, changes: int) -> bool:
    return one.laid_at_change is None or changes - one.laid_at_change >= RELAID_AFTER


def _overlaps(one: HeldMonths, month: StatisticsMonth) -> bool:
    return (one.starts_at is None or one.starts_at < month.ends_at) and (
        one.ends_at is None or month.starts_at < one.ends_at
    )


def _covers(one: HeldMonths, month: StatisticsMonth) -> bool:
    return (one.starts_at is None or one.starts_at <= month.starts_at) and (
        one.ends_at is None or one.ends_at >= month.ends_at
    )
