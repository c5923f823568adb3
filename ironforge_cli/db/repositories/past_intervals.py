"""What a region's stored intervals add up to, for the estimate of the one that follows them."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Final

from psycopg import sql
from sqlalchemy import select

from ironforge_cli.db.bulk import Kind, fetch_columns
from ironforge_cli.db.engine import executor
from ironforge_cli.db.models import PRICE_STATS, REGISTRY
from ironforge_cli.db.repositories import stats
from ironforge_cli.market.changes import estimates_of
from ironforge_cli.market.estimate import WINDOW, PastSums
from ironforge_cli.market.estimator_version import ESTIMATOR_VERSION
from ironforge_cli.market.past import Earlier, without_gaps
from ironforge_cli.market.sales import REACH

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from ironforge_cli.market.estimate import Estimates
    from ironforge_cli.regions import Region

_INSTANT: Final = timedelta(microseconds=1)
# Whole 64ths and whole units add up exactly in doubles, in any order; sums of bigint would be numeric, and slow.
_SUMS: Final = """
    SELECT item_id,
           count(*) FILTER (WHERE timestamp >= %(window)s AND evidence = 2),
           count(*) FILTER (WHERE timestamp >= %(window)s AND evidence > 0),
           count(*) FILTER (WHERE timestamp >= %(window)s AND new_at_floor > 0),
           coalesce(sum(seen_sales) FILTER (WHERE timestamp >= %(window)s), 0),
           coalesce(sum(new_at_floor::double precision) FILTER (WHERE timestamp >= %(window)s), 0),
           count(*) FILTER (WHERE timestamp >= %(window)s AND evidence IS NULL),
           coalesce(sum(interval_seconds) FILTER (WHERE timestamp >= %(window)s AND evidence IS NULL), 0),
           coalesce(sum(seen_sales + unseen_sales) FILTER (WHERE timestamp >= %(midnight)s), 0)
    FROM {hours}
    WHERE timestamp >= %(since)s AND timestamp < %(until)s AND NOT (timestamp = ANY(%(others)s))
    GROUP BY item_id"""
_KINDS: Final = (
    Kind.INT4,
    *(Kind.INT8,) * 3,
    *(Kind.FLOAT8,) * 2,
    *(Kind.INT8,) * 2,
    Kind.FLOAT8,
)

_execute = executor("stats")


def earlier(connection: Connection, region: Region, at: datetime) -> Earlier:
    """What the snapshots before a time say of the interval that ends then.

    An interval that another version of the estimator judged counts as none, and so does what a region's first snapshot
    has before it.
    """
    columns = REGISTRY.c
    window, midnight = at - WINDOW + _INSTANT, at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    since = min(window, midnight)
    rows = _execute(
        connection,
        select(columns.snapshot_time, columns.interval_seconds, columns.estimator_version, columns.highest_auction_id)
        .where(columns.region == region, columns.snapshot_time >= at - REACH, columns.snapshot_time < at)
        .order_by(columns.snapshot_time),
    ).all()
    intervals: list[int] = []
    others: list[datetime] = []
    for time, seconds, version, _ in rows:
        if time < since:
            continue
        if seconds is None or version != ESTIMATOR_VERSION:
            others.append(time)
        elif time >= window:
            intervals.append(seconds)
    highest_ids = without_gaps([highest for *_, highest in rows])
    query = sql.SQL(_SUMS).format(hours=sql.Identifier(PRICE_STATS[region].name))
    parameters = {"window": window, "midnight": midnight, "since": since, "until": at, "others": others}
    item_id, plain, evident, supplied, seen, new_at_floor, unknown, unknown_seconds, today = fetch_columns(
        connection, query, parameters, _KINDS, slice_name="stats"
    )
    sums = PastSums(
        intervals=len(intervals),
        seconds=sum(intervals),
        item_id=item_id,
        plain=plain,
        evident=evident,
        supplied=supplied,
        seen=seen,
        new_at_floor=new_at_floor.astype("i8"),
        unknown=unknown,
        unknown_seconds=unknown_seconds,
        today=today,
    )
    return Earlier(sums, highest_ids=highest_ids)


def stored_interval(connection: Connection, region: Region, at: datetime) -> tuple[Estimates, int] | None:
    """The estimates that are stored of a snapshot, and its interval's seconds; None where it counts as no interval."""
    columns = REGISTRY.c
    row = _execute(
        connection,
        select(columns.interval_seconds, columns.estimator_version).where(
            columns.region == region, columns.snapshot_time == at
        ),
    ).one()
    if row[0] is None or row[1] != ESTIMATOR_VERSION:
        return None
    return estimates_of(stats.load(connection, region, at)), row[0]


def highest_id(connection: Connection, region: Region, at: datetime) -> int | None:
    """The highest auction id that the registry has of a stored snapshot."""
    columns = REGISTRY.c
    statement = select(columns.highest_auction_id).where(columns.region == region, columns.snapshot_time == at)
    return _execute(connection, statement).scalar()
