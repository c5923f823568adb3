"""Days' tables without a mark, as a dump without comments leaves them, and what else stays that should have left. Pure.

The mark is all that tells a table that ironforge made from one that somebody else did, so that without it nothing is
touched. What is like one of ironforge's in all else can be given the mark again, where a person says so.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import TYPE_CHECKING

from ironforge_cli.market.partitions import Action, DailyPartition, Mark, State, Step, is_due
from ironforge_cli.values import Value, replace
from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from ironforge_cli.market.partitions import Existing, Plan


class UnmarkedDay(Value, frozen=True):
    """A table that bears a day's name and no mark."""

    table: Existing
    partition: DailyPartition
    """The day that its name says."""
    differences: tuple[str, ...]
    """In what it is not like a table that ironforge makes, in words; none: it can be adopted."""


def day_named(table: Existing) -> DailyPartition | None:
    """The day whose name a table without a mark bears; None for any other table.

    >>> from ironforge_cli.regions import Region
    >>> from ironforge_cli.market.partitions import Existing
    >>> def named(name: str, mark: Mark = Mark.FOREIGN) -> DailyPartition | None:
    ...     return day_named(Existing(Region.EU, name, State.DETACHED, mark, None, None, None))
    >>> named("auction_snapshots_eu_2024_01_15").day
    datetime.date(2024, 1, 15)
    >>> named("auction_snapshots_us_2024_01_15"), named("auction_snapshots_eu_2024_02_30"), named("by_hand")
    (None, None, None)
    >>> named("auction_snapshots_eu_2024_01_15", Mark.MADE)
    """
    digits = re.search(r"(\d{4})_(\d{2})_(\d{2})$", table.name)
    if table.mark is not Mark.FOREIGN or digits is None:
        return None
    try:
        partition = DailyPartition(table.region, date(*(int(part) for part in digits.groups())))
    except ValueError:
        return None
    return partition if partition.name == table.name else None


def place_differs(table: Existing, partition: DailyPartition) -> str | None:
    """Why a table is not the partition of its day, by where it is attached; None where it is."""
    parent = f"auction_snapshots_{partition.region}"
    if table.state is not State.ATTACHED:
        return f"it is not attached to {parent}"
    if (table.starts_at, table.ends_at) != (partition.starts_at, partition.ends_at):
        return f"its bounds are not {partition.day} (UTC)"
    return None


def with_undecided(
    plan: Plan,
    existing: Iterable[Existing],
    unmarked: Sequence[UnmarkedDay],
    *,
    adopt: bool,
    now: datetime | None,
    newest: datetime | None,
    retention_days: int,
) -> Plan:
    """A region's plan with what it leaves undone, named; with `adopt` those that can be are given their mark first.

    What is adopted leaves by no step of the same plan: until the next run whoever did it can see what that will be.
    `now` and `newest` are as in `plan`. What a problem of the plan names already is not named again.
    """
    adopted = [one for one in unmarked if adopt and not one.differences]
    named = {one.table.name for one in unmarked}
    left = [
        _told(one, adopt=adopt)
        for one in unmarked
        if one not in adopted and not any(one.table.name in problem for problem in plan.problems)
    ]
    for table in existing:
        last = last_day(table)
        is_old = last is not None and is_due(last, now=now, retention_days=retention_days) and not last.holds(newest)
        why = _why_it_stays(table, retention_days=retention_days) if is_old and table.name not in named else None
        left += [why] if why else []
    adopting = tuple(Step(Action.ADOPT, one.partition, one.table.bytes) for one in adopted)
    return replace(plan, steps=(*adopting, *plan.steps), undecided=tuple(left))


def last_day(table: Existing) -> DailyPartition | None:
    """The last day that a table holds: of several none can leave before it; None: it has no end."""
    if table.ends_at is not None:
        return DailyPartition.holding(table.region, table.ends_at - timedelta(microseconds=1))
    return table.own


def _told(day: UnmarkedDay, *, adopt: bool) -> str:
    name = day.table.name
    if not day.differences:
        return (
            f"{name} has lost the comment by which ironforge knows what it made, as after a dump without comments, so "
            "that it never leaves. It is like one in all else: `ironforge partitions maintain --adopt` marks it again."
        )
    other = "It was not adopted" if adopt else "It is never touched"
    return (
        f"{name} bears a day's name, and not the comment by which ironforge knows what it made. {other}, since "
        f"{'; '.join(day.differences)}. Put that right and adopt it, rename it, or drop it."
    )


def _why_it_stays(table: Existing, *, retention_days: int) -> str | None:
    """Why a table stays that is past its retention, where a person has to do something about it."""
    own = table.own
    if table.is_default or table.mark is Mark.RESTORED or table.state is State.DETACHING:
        return None
    if own is None:
        return (
            f"{table.name} holds raw data that are past the retention of {counted(retention_days, 'day')}, and "
            f"ironforge did not "
            "make it, or it is not what it made any more: it stays. Detach or drop it by hand."
        )
    if table.state is State.DETACHED and table.mark is Mark.MADE:
        return (
            f"{table.name} was detached by hand, so that it stays, past the retention of "
            f"{counted(retention_days, 'day')}. "
            f"`ironforge partitions drop --date {own.day} --region {own.region} --force` drops it."
        )
    return None
