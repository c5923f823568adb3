"""Days of prices and sales, made from the hours: which are missing, making them, and making them again.

A day is made once it is closed: a snapshot of a later day is stored. From then on whoever changes hours of it makes it
again, in the same transaction; a lock on the day has both wait for each other. Where hours of a day are not held any
more, what was made of it stays.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, exists, func, select, text

from ironforge_cli.db.engine import executor
from ironforge_cli.db.locks import advisory_key
from ironforge_cli.db.models import PRICE_DAYS, PRICE_STATS, REGISTRY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

    from ironforge_cli.regions import Region

_DAY: Final = timedelta(days=1)

# Snapshots of a day whose hours are not held: an empty market leaves no row, and lacks none.
_LACKING: Final = (
    "SELECT FROM snapshots AS stored WHERE stored.region = :region AND stored.snapshot_time >= {since}"
    " AND stored.snapshot_time < {until} AND stored.auctions > 0"
    " AND NOT EXISTS (SELECT FROM {hours} AS hours WHERE hours.timestamp = stored.snapshot_time)"
)
_MISSING: Final = """
    SELECT day FROM (
        SELECT DISTINCT CAST(snapshot_time AT TIME ZONE 'UTC' AS date) AS day FROM snapshots
        WHERE region = :region AND snapshot_time < :before
    ) AS known, LATERAL (SELECT CAST(day AS timestamp) AT TIME ZONE 'UTC' AS starts_at) AS bounds
    WHERE NOT EXISTS (SELECT FROM {days} AS made WHERE made.day = known.day)
    AND EXISTS (SELECT FROM {hours} AS hours
                WHERE hours.timestamp >= starts_at AND hours.timestamp < starts_at + interval '1 day')
    AND NOT EXISTS ({lacking})
    ORDER BY day"""
# Rows come by item and time, so that sums are always taken in the same order.
_MAKE: Final = """
    WITH stored AS (
        SELECT snapshot_time, interval_seconds,
               lag(snapshot_time) OVER (ORDER BY snapshot_time) AS previous FROM snapshots
        WHERE region = :region AND snapshot_time >= :before AND snapshot_time < :until
    ), whole AS (
        SELECT count(*) AS snapshots, count(interval_seconds) AS intervals,
               coalesce(sum(interval_seconds), 0) AS seconds
        FROM stored WHERE snapshot_time >= :since
    ), hours AS (
        SELECT stats.timestamp, stats.item_id, min_price, market_value, total_quantity,
               sales_low, estimated_sales, sales_high, stored.interval_seconds,
               coalesce(market_value, CASE WHEN lag(timestamp) OVER item = previous THEN lag(market_value) OVER item
                                      END) AS value
        FROM {hours} AS stats JOIN stored ON snapshot_time = timestamp
        WHERE timestamp >= :before AND timestamp < :until
        WINDOW item AS (PARTITION BY stats.item_id ORDER BY timestamp)
    ), summed AS (
        SELECT item_id, min(min_price) AS min_price,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY min_price) AS median_min_price,
               avg(market_value) AS market_value, min(market_value) AS lowest, max(market_value) AS highest,
               sum(total_quantity) AS quantity, sum(sales_low) AS sales_low, sum(estimated_sales) AS estimated_sales,
               sum(sales_high) AS sales_high, sum(estimated_sales * value) AS turnover,
               count(*) FILTER (WHERE estimated_sales > 0 AND value IS NULL) AS priceless,
               count(interval_seconds) FILTER (WHERE estimated_sales IS NULL) AS unknown,
               coalesce(sum(interval_seconds) FILTER (WHERE estimated_sales IS NULL), 0) AS unknown_seconds,
               count(market_value) AS priced
        FROM hours WHERE timestamp >= :since GROUP BY item_id
    )
    INSERT INTO {days} (day, item_id, min_price, median_min_price, market_value, lowest_market_value,
                        highest_market_value, mean_quantity, sales_low, estimated_sales, sales_high, turnover,
                        covered_seconds, snapshots, priced_snapshots)
    SELECT :day, item_id, min_price, median_min_price, market_value, lowest, highest,
           CAST(quantity AS double precision) / snapshots,
           CASE WHEN intervals > unknown THEN coalesce(sales_low, 0) END,
           CASE WHEN intervals > unknown THEN coalesce(estimated_sales, 0) END,
           CASE WHEN intervals > unknown THEN coalesce(sales_high, 0) END,
           CASE WHEN intervals > unknown AND priceless = 0 THEN coalesce(turnover, 0) END,
           seconds - unknown_seconds, snapshots, priced
    FROM summed, whole ORDER BY item_id"""

_execute = executor("days")


def missing(connection: Connection, region: Region) -> Sequence[date]:
    """Closed days of which hours are held and no day is made, oldest first."""
    newest = _newest_day(connection, region)
    if newest is None:
        return ()
    names = _names(region)
    lacking = _LACKING.format(since="starts_at", until="starts_at + interval '1 day'", **names)
    statement = text(_MISSING.format(lacking=lacking, **names))
    return _execute(connection, statement, {"region": region, "before": _starts(newest)}).scalars().all()


def newest(connection: Connection, region: Region) -> date | None:
    """The newest day that is made."""
    return _execute(connection, select(func.max(PRICE_DAYS[region].c.day))).scalar()


def make(connection: Connection, region: Region, day: date) -> int:
    """Make a closed day, in the caller's transaction, unless it is made; how many rows.

    Waits for whoever changes hours of the day; who comes after it makes the day again.
    """
    _lock(connection, region, day)
    if _is_made(connection, region, day) or _is_lacking(connection, region, day):
        return 0
    return _make(connection, region, day)


def remake(connection: Connection, region: Region, times: Iterable[datetime]) -> int:
    """Make the days again whose hours were changed, in the transaction that changed them; how many days.

    `times` are those of the snapshots that were stored, computed again or dropped. Days that are not made yet are left
    to `make`, and those of which hours are not held any more as they are.
    """
    made = 0
    for day in sorted({moment.astimezone(UTC).date() for moment in times}):
        # The present day has no row yet: the hour waits for nobody here.
        if day == _newest_day(connection, region) and not _is_made(connection, region, day):
            continue
        _lock(connection, region, day)
        if not _is_made(connection, region, day) or _is_lacking(connection, region, day):
            continue
        table = PRICE_DAYS[region]
        _execute(connection, delete(table).where(table.c.day == day))
        # It is no day any more where nothing of it, or nothing after it, is left.
        newest_day = _newest_day(connection, region)
        if newest_day is not None and day < newest_day:
            _make(connection, region, day)
        made += 1
    return made


def _make(connection: Connection, region: Region, day: date) -> int:
    since = _starts(day)
    time = REGISTRY.c.snapshot_time
    before = select(func.max(time)).where(REGISTRY.c.region == region, time < since)
    parameters: dict[str, Any] = {
        "region": region,
        "day": day,
        "since": since,
        "until": since + _DAY,
        "before": _execute(connection, before).scalar() or since,
    }
    return _execute(connection, text(_MAKE.format(**_names(region))), parameters).rowcount


def _is_made(connection: Connection, region: Region, day: date) -> bool:
    table = PRICE_DAYS[region]
    return bool(_execute(connection, select(exists().where(table.c.day == day))).scalar_one())


def _is_lacking(connection: Connection, region: Region, day: date) -> bool:
    """Whether hours of a day are not held (any more)."""
    lacking = _LACKING.format(since=":since", until=":until", **_names(region))
    parameters = {"region": region, "since": _starts(day), "until": _starts(day) + _DAY}
    return bool(_execute(connection, text(f"SELECT EXISTS ({lacking})"), parameters).scalar_one())


def _newest_day(connection: Connection, region: Region) -> date | None:
    newest_time = select(func.max(REGISTRY.c.snapshot_time)).where(REGISTRY.c.region == region)
    found = _execute(connection, newest_time).scalar()
    return None if found is None else found.astimezone(UTC).date()


def _lock(connection: Connection, region: Region, day: date) -> None:
    key = advisory_key(f"day:{region}:{day.isoformat()}")
    _execute(connection, text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


def _names(region: Region) -> dict[str, str]:
    return {"days": PRICE_DAYS[region].name, "hours": PRICE_STATS[region].name}


def _starts(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
