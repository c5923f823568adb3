"""Counting the rows of a region's newest day, snapshot by snapshot, against what the registry says of them."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from ironforge_cli.db.engine import executor
from ironforge_cli.db.models import PRICE_STATS, REGISTRY, SNAPSHOTS
from ironforge_cli.db.transactions import one_state
from ironforge_cli.market.lost_rows import CountedSnapshot
from ironforge_cli.market.partitions import DailyPartition

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database
    from ironforge_cli.regions import Region

_execute = executor("lost rows")


def odd_snapshots(database: Database, region: Region) -> list[CountedSnapshot]:
    """The snapshots of a region's newest day whose rows are not as they were registered, oldest first.

    All is read as it is at one moment, so that nothing that is stored meanwhile looks half.
    """
    with database.connect() as connection:
        one_state(connection)
        return [counted for counted in _counted(connection, region) if not counted.is_whole]


def _counted(connection: Connection, region: Region) -> list[CountedSnapshot]:
    raw, stats, time = SNAPSHOTS[region], PRICE_STATS[region], REGISTRY.c.snapshot_time
    newest = _execute(connection, select(func.max(time)).where(REGISTRY.c.region == region)).scalar_one()
    if newest is None:
        return []
    since = DailyPartition.holding(region, newest).starts_at.astimezone(UTC)
    until = since + timedelta(days=1)
    registered = {
        moment: (auctions, items)
        for moment, auctions, items in _execute(
            connection,
            select(time, REGISTRY.c.auctions, REGISTRY.c["items"]).where(REGISTRY.c.region == region, time >= since),
        )
    }
    rows = {
        moment: int(count)
        for moment, count in _execute(
            connection,
            select(raw.c.snapshot_time, func.count())
            .where(raw.c.snapshot_time >= since, raw.c.snapshot_time < until)
            .group_by(raw.c.snapshot_time),
        )
    }
    # What is sold out has a row, too, of which the registry says nothing.
    statistics = {
        moment: int(count)
        for moment, count in _execute(
            connection,
            select(stats.c.timestamp, func.count())
            .where(stats.c.timestamp >= since, stats.c.timestamp < until, stats.c.num_auctions > 0)
            .group_by(stats.c.timestamp),
        )
    }
    return [
        CountedSnapshot(
            moment,
            *registered.get(moment, (None, None)),
            rows=rows.get(moment, 0),
            statistics=statistics.get(moment, 0),
        )
        for moment in sorted({*registered, *rows, *statistics})
    ]
