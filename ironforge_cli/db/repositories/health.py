"""What `status` asks: freshness, gaps, runs that crashed, the last runs, and sizes. Reads alone, and few rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, text

from ironforge_cli.db import locks
from ironforge_cli.db.engine import executor
from ironforge_cli.db.models import BENCHMARKS, PRICE_STATS, REGISTRY, SCRAPER_LOGS, SNAPSHOTS, TOKEN_PRICES

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from ironforge_cli.regions import Region

_execute = executor("status")


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest stored snapshot of a region."""

    snapshot_time: datetime
    auctions: int
    items: int
    partly_sold: int | None
    partly_sold_above_cheaper: int | None


@dataclass(frozen=True, slots=True)
class Gap:
    """Two stored snapshots in a row that are more than an hour and a half apart."""

    since: datetime
    until: datetime
    missing_hours: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """A row of scraper_logs."""

    id: int
    command: str
    region: str | None
    timestamp: datetime
    status: str
    error_message: str | None


@dataclass(frozen=True, slots=True)
class LastRun:
    """A row of benchmarks: a whole command run."""

    command: str
    started_at: datetime
    seconds: float
    status: str
    record_count: int | None
    steps: dict[str, Any]


def newest(connection: Connection, region: Region) -> Newest | None:
    """The newest snapshot of a region, with its self-check."""
    statement = (
        select(
            REGISTRY.c.snapshot_time,
            REGISTRY.c.auctions,
            REGISTRY.c["items"],
            REGISTRY.c.partly_sold,
            REGISTRY.c.partly_sold_above_cheaper,
        )
        .where(REGISTRY.c.region == region)
        .order_by(REGISTRY.c.snapshot_time.desc())
        .limit(1)
    )
    row = _execute(connection, statement).one_or_none()
    return None if row is None else Newest(*row)


def gaps(connection: Connection, region: Region, *, since: datetime, longest_seconds: int) -> list[Gap]:
    """Pairs of snapshots that are further apart than they should be and end after a time, newest first."""
    time = REGISTRY.c.snapshot_time
    previous = func.lag(time).over(order_by=time)
    pairs = select(previous.label("since"), time.label("until")).where(REGISTRY.c.region == region)
    # A gap that ends after the time can have begun before it.
    last_before = select(func.max(time)).where(REGISTRY.c.region == region, time < since).scalar_subquery()
    found = pairs.where(time >= func.coalesce(last_before, since)).subquery()
    seconds = func.extract("epoch", found.c.until - found.c.since)
    statement = (
        select(found.c.since, found.c.until, func.round(seconds / 3600) - 1)
        .where(seconds > longest_seconds)
        .order_by(found.c.until.desc())
    )
    return [Gap(start, end, max(1, int(hours))) for start, end, hours in _execute(connection, statement)]


def crashed(connection: Connection, *, since: datetime) -> list[Attempt]:
    """Attempts that say `running` and whose owner is gone, newest first."""
    statement = (
        select(
            SCRAPER_LOGS.c.id,
            SCRAPER_LOGS.c.command,
            SCRAPER_LOGS.c.region,
            SCRAPER_LOGS.c.timestamp,
            SCRAPER_LOGS.c.status,
            SCRAPER_LOGS.c.error_message,
        )
        .where(SCRAPER_LOGS.c.status == "running", SCRAPER_LOGS.c.timestamp >= since)
        .order_by(SCRAPER_LOGS.c.timestamp.desc())
    )
    running = [Attempt(*row) for row in _execute(connection, statement)]
    return [attempt for attempt in running if not locks.is_held(connection, locks.run_lock(attempt.id))]


def last_attempts(connection: Connection, region: Region, *, limit: int) -> list[Attempt]:
    """The last attempts at a region, newest first."""
    statement = (
        select(
            SCRAPER_LOGS.c.id,
            SCRAPER_LOGS.c.command,
            SCRAPER_LOGS.c.region,
            SCRAPER_LOGS.c.timestamp,
            SCRAPER_LOGS.c.status,
            SCRAPER_LOGS.c.error_message,
        )
        .where(SCRAPER_LOGS.c.region == region)
        .order_by(SCRAPER_LOGS.c.timestamp.desc())
        .limit(limit)
    )
    return [Attempt(*row) for row in _execute(connection, statement)]


def last_runs(connection: Connection, *, limit: int) -> list[LastRun]:
    """The last runs of commands, newest first, with what they did."""
    statement = (
        select(
            BENCHMARKS.c.operation_name,
            BENCHMARKS.c.start_time,
            BENCHMARKS.c.duration_seconds,
            BENCHMARKS.c.status,
            BENCHMARKS.c.record_count,
            BENCHMARKS.c.extra_data,
        )
        .where(BENCHMARKS.c.operation_type == "command")
        .order_by(BENCHMARKS.c.start_time.desc())
        .limit(limit)
    )
    return [LastRun(*row) for row in _execute(connection, statement)]


def sizes(connection: Connection, regions: tuple[Region, ...]) -> dict[str, int]:
    """Bytes on disk with indexes, by kind of data."""
    # A partitioned table's own file is empty: its tree is what counts, and every other table is a tree of one.
    statement = text(
        "SELECT coalesce(sum(pg_total_relation_size(relid)), 0)::bigint FROM unnest(CAST(:roots AS text[])) AS root,"
        " LATERAL (SELECT relid FROM pg_partition_tree(CAST(root AS regclass))"
        " UNION SELECT CAST(root AS regclass)) AS tree"
    )
    roots = {
        "raw snapshots": [SNAPSHOTS[region].name for region in regions],
        "statistics": [PRICE_STATS[region].name for region in regions],
        "token prices": [TOKEN_PRICES[region].name for region in regions],
        "logs and benchmarks": [SCRAPER_LOGS.name, BENCHMARKS.name],
    }
    found = {
        kind: int(_execute(connection, statement, {"roots": tables}).scalar_one()) for kind, tables in roots.items()
    }
    found["database"] = int(_execute(connection, text("SELECT pg_database_size(current_database())")).scalar_one())
    return found
