"""The partitions of a region: what is held, what is ready, and what should be gone. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ironforge_cli.jobs.health.status_findings import Days
from ironforge_cli.market.partitions import DailyPartition, Mark, State, covers, is_due
from ironforge_cli.market.unmarked_days import last_day

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ironforge_cli.market.partitions import Existing
    from ironforge_cli.market.retention import Present
    from ironforge_cli.regions import Region

_DAY: Final = timedelta(days=1)


def held_days(
    region: Region,
    tables: Sequence[Existing],
    *,
    present: Present,
    ahead: int,
    retention_days: int,
    is_default_used: bool,
) -> Days:
    """The partitions of a region: what is held, what is ready, and what should be gone.

    A day leaves when its first instant is older than the retention; a day later it should be gone.
    """
    attached = [table for table in tables if table.state is State.ATTACHED and not table.is_default]
    today = DailyPartition.holding(region, present.clock)
    ready = 0
    while ready <= ahead and covers(attached, DailyPartition(region, today.day + ready * _DAY)):
        ready += 1
    starts = [table.starts_at for table in attached if table.starts_at is not None]
    last_days = [last.day for table in attached if (last := last_day(table)) is not None]
    past_retention = {
        table.name: last
        for table in tables
        if table.mark is not Mark.RESTORED
        and (last := last_day(table)) is not None
        and is_due(last, now=present.clock - _DAY, retention_days=retention_days)
    }
    newest = present.newest.get(region)
    return Days(
        held=sum(table.state is not State.DETACHED for table in tables),
        oldest=min(starts).date() if starts else None,
        newest=max(last_days, default=None),
        ahead=ready - 1 if ready else None,
        past_retention=tuple(past_retention),
        held_back=tuple(
            name
            for name, last in past_retention.items()
            if last.holds(newest) or not is_due(last, now=present.trusted, retention_days=retention_days)
        ),
        detaching=tuple(table.name for table in tables if table.state is State.DETACHING),
        default=next((table.name for table in tables if table.is_default), None),
        is_default_used=is_default_used,
    )
