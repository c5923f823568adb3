"""Daily partitions: which day a snapshot belongs to, and what has to be done about them, as a plan of values alone."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from ironforge_cli.market.retention import cutoff, has_outlived
from ironforge_cli.values import Value

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from ironforge_cli.regions import Region

FURTHEST_SPOOLED_DAYS: Final = 366
"""Days further from today than this are not made ahead: whoever stores such a body makes its day."""
_DAY: Final = timedelta(days=1)


class DailyPartition(Value, frozen=True):
    """The partition of one region and one UTC day; it spans [starts_at, ends_at)."""

    region: Region
    day: date

    @property
    def name(self) -> str:
        """The table's name: digits alone, whatever the locale.

        >>> from ironforge_cli.regions import Region
        >>> DailyPartition(Region.EU, date(2024, 1, 15)).name
        'auction_snapshots_eu_2024_01_15'
        """
        return f"auction_snapshots_{self.region}_{self.day:%Y_%m_%d}"

    @property
    def starts_at(self) -> datetime:
        """The day's first instant."""
        return datetime.combine(self.day, time(), tzinfo=UTC)

    @property
    def ends_at(self) -> datetime:
        """The first instant that is no longer in it."""
        return self.starts_at + _DAY

    def holds(self, moment: datetime | None) -> bool:
        """Whether a time is one of the day's."""
        return moment is not None and self.starts_at <= moment < self.ends_at

    @classmethod
    def holding(cls, region: Region, moment: datetime) -> DailyPartition:
        """The partition of a snapshot's time, which has to be aware.

        >>> from datetime import timezone
        >>> from ironforge_cli.regions import Region
        >>> east = timezone(timedelta(hours=9))
        >>> DailyPartition.holding(Region.US, datetime(2024, 1, 15, 3, tzinfo=east)).day
        datetime.date(2024, 1, 14)
        """
        return cls(region, moment.astimezone(UTC).date())


class State(StrEnum):
    """How a table of raw snapshots stands to its region's table."""

    ATTACHED = "attached"
    DETACHING = "detaching"
    """Detaching it was cut off: it takes no rows, and is nobody's until that is finished."""
    DETACHED = "detached"


class Mark(StrEnum):
    """What a table's comment says of its making."""

    FOREIGN = "foreign"
    """Nothing: somebody else made it, and it is never touched."""
    MADE = "made"
    LEAVING = "leaving"
    """Its retention has passed, and it was being taken out: detached it is dropped."""
    RESTORED = "restored"
    """It came back from the archive, and stays until somebody drops it."""


class Existing(Value, frozen=True):
    """A table that holds, or could hold, raw snapshots of a region; by the catalog, never by its name."""

    region: Region
    name: str
    state: State
    mark: Mark
    made_for: date | None
    """The day that its comment names."""
    starts_at: datetime | None
    """Its lower bound; None: it has none, or one before all times."""
    ends_at: datetime | None
    """Its upper bound, itself excluded; None: it has none."""
    is_default: bool = False
    bytes: int = 0
    """On disk, with its indexes."""

    @property
    def own(self) -> DailyPartition | None:
        """The daily partition that this is, where ironforge made it and it still is what was made; else None."""
        if self.mark is Mark.FOREIGN or self.made_for is None:
            return None
        partition = DailyPartition(self.region, self.made_for)
        spans = self.state is State.DETACHED or (self.starts_at, self.ends_at) == (
            partition.starts_at,
            partition.ends_at,
        )
        return partition if spans and self.name == partition.name else None

    def overlaps(self, partition: DailyPartition) -> bool:
        """Whether any instant of a day belongs to it."""
        return (self.starts_at is None or self.starts_at < partition.ends_at) and (
            self.ends_at is None or partition.starts_at < self.ends_at
        )


class Action(StrEnum):
    """What is done to a day's table."""

    ADOPT = "adopt"
    """Put the mark on a day's table that has lost it."""
    FINISH = "finish"
    """Finish a detaching that was cut off."""
    CREATE = "create"
    ATTACH = "attach"
    """Put a table back that was detached and is to be held after all."""
    ARCHIVE = "archive"
    DETACH = "detach"
    DROP = "drop"


class Step(Value, frozen=True):
    """One thing to do to one day's table; steps of the same day rest on each other."""

    action: Action
    partition: DailyPartition
    bytes: int
    """On disk now, with its indexes."""


class Plan(Value, frozen=True):
    """What is to be done about a region's partitions, in order, and what only a person can put right."""

    steps: tuple[Step, ...]
    problems: tuple[str, ...]
    """What is in the way of a step."""
    undecided: tuple[str, ...] = ()
    """Tables that stay, and that a person has to decide about."""


def is_due(partition: DailyPartition, *, now: datetime | None, retention_days: int) -> bool:
    """Whether a day may no longer be held: its first instant is older than the retention. Without a time it never is.

    >>> from ironforge_cli.regions import Region
    >>> day, leaves = DailyPartition(Region.EU, date(2024, 1, 15)), datetime(2024, 2, 14, tzinfo=UTC)
    >>> [is_due(day, now=now, retention_days=30) for now in (leaves, leaves + timedelta(microseconds=1), None)]
    [False, True, False]
    """
    return has_outlived(partition.starts_at, cutoff=cutoff(now, retention_days=retention_days))


def wanted_days(
    *, now: datetime, ahead: int, retention_days: int, spooled: Iterable[date], region: Region
) -> list[DailyPartition]:
    """The days that have to be ready: from the oldest that waits in the spool, at least today, to `ahead` days on.

    >>> from ironforge_cli.regions import Region
    >>> noon, waiting = datetime(2024, 1, 15, 12, tzinfo=UTC), [date(2024, 1, 13)]
    >>> days = wanted_days(now=noon, ahead=1, retention_days=30, spooled=waiting, region=Region.EU)
    >>> [partition.day.day for partition in days]
    [13, 14, 15, 16]
    """
    today = now.astimezone(UTC).date()
    near = {day for day in spooled if abs((day - today).days) <= FURTHEST_SPOOLED_DAYS}
    first = min({today, *near})
    ready = {first + timedelta(days=number) for number in range((today - first).days + ahead + 1)}
    wanted = (DailyPartition(region, day) for day in sorted(ready | near))
    return [partition for partition in wanted if not is_due(partition, now=now, retention_days=retention_days)]


def plan(
    existing: Sequence[Existing],
    wanted: Sequence[DailyPartition],
    *,
    now: datetime | None,
    retention_days: int,
    newest: datetime | None = None,
    in_default: Collection[date] = (),
    archive: bool = False,
) -> Plan:
    """What is to be done about a region's partitions.

    `now` is the time by which days are old; None: none leaves. That of the `newest` snapshot of the region never does,
    whatever the time: the next one is compared with it. `in_default` are the days of `wanted` of which the default
    partition holds rows. A day leaves by being detached and dropped, after it was archived where `archive` says so.
    Only what ironforge made is touched; what somebody else made and is in the way is a problem, in words.
    """
    own = {partition: table for table in existing if (partition := table.own) is not None}
    due = [
        partition
        for partition, table in sorted(own.items(), key=lambda item: item[0].day)
        if is_due(partition, now=now, retention_days=retention_days)
        and not partition.holds(newest)
        and (table.mark is Mark.LEAVING or (table.mark is Mark.MADE and table.state is State.ATTACHED))
    ]
    steps = [
        Step(Action.FINISH, partition, table.bytes)
        for partition, table in own.items()
        if table.state is State.DETACHING
    ]
    # What was on its way out and is no longer due, since the retention was raised meanwhile, is held again.
    returning = [partition for partition, table in own.items() if _has_left(table) and partition not in {*wanted, *due}]
    problems: list[str] = []
    for partition in [*returning, *wanted]:
        problem = _in_the_way(partition, existing, own=own, in_default=in_default)
        if problem:
            problems.append(problem)
        elif problem is None:
            table = own.get(partition)
            steps.append(Step(Action.ATTACH if table else Action.CREATE, partition, table.bytes if table else 0))
    for partition in due:
        table = own[partition]
        if archive:
            steps.append(Step(Action.ARCHIVE, partition, table.bytes))
        if table.state is State.ATTACHED:
            steps.append(Step(Action.DETACH, partition, table.bytes))
        steps.append(Step(Action.DROP, partition, table.bytes))
    problems += _unfinished(existing)
    return Plan(steps=tuple(steps), problems=tuple(problems))


def _has_left(table: Existing) -> bool:
    return table.state is not State.ATTACHED and table.mark is Mark.LEAVING


def _in_the_way(
    partition: DailyPartition,
    existing: Sequence[Existing],
    *,
    own: dict[DailyPartition, Existing],
    in_default: Collection[date],
) -> str | None:
    """Why a day's partition can't be made; None: it can and has to be; empty: rows of the day have a place already."""
    attached = [table for table in existing if table.state is State.ATTACHED and not table.is_default]
    around = [table for table in attached if table.overlaps(partition)]
    if covers(around, partition):
        return ""
    if around:
        names = ", ".join(table.name for table in around)
        return (
            f"{partition.name} can't be made: {names} covers a part of {partition.day} (UTC) and not all of it. "
            "Attach what covers the rest, or detach that."
        )
    if partition not in own and any(table.name == partition.name for table in existing):
        return (
            f"{partition.name} can't be made: a table of that name is there that ironforge did not make, or that is a "
            "partition of other bounds now. Rename it, or attach it as the partition of its day."
        )
    default = next((table for table in existing if table.is_default), None)
    if default is not None and partition.day in in_default:
        parent = f"auction_snapshots_{partition.region}"
        return (
            f"{partition.name} can't be made: the default partition {default.name} holds rows of {partition.day} "
            f"(UTC). Take it out by ALTER TABLE {parent} DETACH PARTITION {default.name}, run `ironforge partitions "
            f"maintain`, and put the rows of {default.name} back into {parent} by INSERT."
        )
    return None


def covers(tables: Sequence[Existing], partition: DailyPartition) -> bool:
    """Whether tables hold every instant of a day between them."""
    covered_until = partition.starts_at
    for starts_at, ends_at in _spans(tables):
        if starts_at is not None and starts_at > covered_until:
            return False
        if ends_at is None or ends_at >= partition.ends_at:
            return True
        covered_until = max(covered_until, ends_at)
    return False


def _spans(tables: Sequence[Existing]) -> Iterator[tuple[datetime | None, datetime | None]]:
    earliest = datetime.min.replace(tzinfo=UTC)
    for table in sorted(tables, key=lambda table: table.starts_at or earliest):
        yield table.starts_at, table.ends_at


def _unfinished(existing: Sequence[Existing]) -> Iterator[str]:
    """Tell of detachings that somebody else began: PostgreSQL allows one at a time, so that no day can leave."""
    for table in existing:
        if table.state is State.DETACHING and table.own is None:
            yield (
                f"{table.name} is being detached, and ironforge did not make it. Until that is finished no day can "
                f"leave: ALTER TABLE auction_snapshots_{table.region} DETACH PARTITION {table.name} FINALIZE."
            )
