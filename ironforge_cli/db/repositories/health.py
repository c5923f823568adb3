"""What `status` asks: stored snapshots, gaps, runs that crashed, the last runs, sizes. Reads, and few rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from psycopg import sql
from sqlalchemy import func, or_, select, text

from ironforge_cli.db import locks
from ironforge_cli.db.engine import executor
from ironforge_cli.db.models import (
    BENCHMARKS,
    PRICE_DAYS,
    PRICE_STATS,
    REGION_NAMES,
    REGISTRY,
    SCRAPER_LOGS,
    SNAPSHOTS,
    TOKEN_PRICES,
)
from ironforge_cli.db.transactions import driver
from ironforge_cli.market.doubts import SoldLots
from ironforge_cli.values import Value

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from ironforge_cli.regions import Region

ACKNOWLEDGE: Final = "status --acknowledge"
"""What a person's word of having seen problems is called in the logs."""

_execute = executor("status")


class Stored(Value, frozen=True):
    """A stored snapshot, as the registry has it."""

    snapshot_time: datetime
    stored_at: datetime
    source: str
    auctions: int
    items: int
    partly_sold: int | None
    partly_sold_above_cheaper: int | None
    estimator_version: int
    skipped: int = 0
    """Auctions of its body that made no sense and were left out."""
    interval_seconds: int | None = None
    withdrawn_auctions: int | None = None
    lots: SoldLots | None = None
    """Sold in its interval, by when they were listed; None where that is not known."""


class Gap(Value, frozen=True):
    """Two stored snapshots in a row that are more than an hour and a half apart."""

    since: datetime
    until: datetime
    missing_hours: int


class LoggedAttempt(Value, frozen=True):
    """A row of scraper_logs."""

    id: int
    command: str
    region: str | None
    timestamp: datetime
    status: str
    error_message: str | None


class LastRun(Value, frozen=True):
    """A row of benchmarks: a whole command run."""

    command: str
    started_at: datetime
    seconds: float
    status: str
    record_count: int | None
    steps: dict[str, Any]
    message: str | None


# From the interval's last quarter to its first.
_LOTS: Final = (*(f"sold_lots_quarter_{number}" for number in (4, 3, 2, 1)), "sold_lots_seen", "sold_lots_unseen")
_ATTEMPT: Final = tuple(SCRAPER_LOGS.c[name] for name in LoggedAttempt.__struct_fields__)
# Says nothing, and lets years of rows be found by their index, which begins with the region.
_OF_ANY_REGION: Final = or_(SCRAPER_LOGS.c.region.in_(REGION_NAMES), SCRAPER_LOGS.c.region.is_(None))


def stored(connection: Connection, region: Region, *, limit: int) -> list[Stored]:
    """The newest snapshots of a region, newest first, with their self-checks."""
    statement = (
        select(
            REGISTRY.c.snapshot_time,
            REGISTRY.c.stored_at,
            REGISTRY.c.source,
            REGISTRY.c.auctions,
            REGISTRY.c["items"],
            REGISTRY.c.partly_sold,
            REGISTRY.c.partly_sold_above_cheaper,
            REGISTRY.c.estimator_version,
            REGISTRY.c.skipped,
            REGISTRY.c.interval_seconds,
            REGISTRY.c.withdrawn_auctions,
            *(REGISTRY.c[name] for name in _LOTS),
        )
        .where(REGISTRY.c.region == region)
        .order_by(REGISTRY.c.snapshot_time.desc())
        .limit(limit)
    )
    return [Stored(*row[: -len(_LOTS)], lots=_lots(row[-len(_LOTS) :])) for row in _execute(connection, statement)]


def _lots(columns: Sequence[float | None]) -> SoldLots | None:
    known = [column for column in columns if column is not None]
    if len(known) < len(_LOTS):
        return None
    latest, third, second, first, seen, unseen = known
    return SoldLots((latest, third, second, first), seen=seen, unseen=unseen)


def gaps(
    connection: Connection, region: Region, *, since: datetime, until: datetime, longest_seconds: int
) -> list[Gap]:
    """Pairs of snapshots further apart than they should be, that leave out any of a time's span; newest first."""
    time = REGISTRY.c.snapshot_time
    previous = func.lag(time).over(order_by=time)
    pairs = select(previous.label("since"), time.label("until")).where(REGISTRY.c.region == region)
    # A gap that ends after the span begins can have begun before it, and end after it.
    last_before = select(func.max(time)).where(REGISTRY.c.region == region, time < since).scalar_subquery()
    first_after = select(func.min(time)).where(REGISTRY.c.region == region, time >= until).scalar_subquery()
    found = pairs.where(time >= func.coalesce(last_before, since), time <= func.coalesce(first_after, until)).subquery()
    seconds = func.extract("epoch", found.c.until - found.c.since)
    statement = (
        select(found.c.since, found.c.until, func.round(seconds / 3600) - 1)
        .where(seconds > longest_seconds)
        .order_by(found.c.until.desc())
    )
    return [Gap(start, end, max(1, int(hours))) for start, end, hours in _execute(connection, statement)]


def running(connection: Connection, *, since: datetime) -> list[tuple[LoggedAttempt, bool]]:
    """Attempts that say `running`, newest first, and whether their owner lives: one without has crashed.

    None on a replica, where no owner is seen.
    """
    statement = (
        select(*_ATTEMPT)
        .where(
            SCRAPER_LOGS.c.status == "running",
            SCRAPER_LOGS.c.timestamp >= since,
            _OF_ANY_REGION,
            ~func.pg_is_in_recovery(),
        )
        .order_by(SCRAPER_LOGS.c.timestamp.desc())
    )
    found = [LoggedAttempt(*row) for row in _execute(connection, statement)]
    return [(attempt, locks.is_held(connection, locks.run_lock(attempt.id))) for attempt in found]


def crashed(connection: Connection, *, since: datetime) -> list[LoggedAttempt]:
    """Those without an owner."""
    return [attempt for attempt, is_owned in running(connection, since=since) if not is_owned]


def last_upkeep(connection: Connection, *, commands: Sequence[str], since: datetime) -> list[LoggedAttempt]:
    """The last finished attempt since a time of each of some commands, at each region that it is about.

    Those that lost their lock are left out: another run did the work. So are those that a person cancelled.
    """
    statement = (
        select(*_ATTEMPT)
        .where(
            SCRAPER_LOGS.c.command.in_(commands),
            SCRAPER_LOGS.c.status.not_in(("running", "locked", "cancelled")),
            SCRAPER_LOGS.c.timestamp >= since,
            _OF_ANY_REGION,
        )
        .order_by(SCRAPER_LOGS.c.timestamp)
    )
    newest = {(row.command, row.region): LoggedAttempt(*row) for row in _execute(connection, statement)}
    return list(newest.values())


def last_attempts(connection: Connection, region: Region, *, limit: int) -> list[LoggedAttempt]:
    """The last attempts at a region, newest first."""
    statement = (
        select(*_ATTEMPT).where(SCRAPER_LOGS.c.region == region).order_by(SCRAPER_LOGS.c.timestamp.desc()).limit(limit)
    )
    return [LoggedAttempt(*row) for row in _execute(connection, statement)]


def last_runs(connection: Connection, *, since: datetime) -> list[LastRun]:
    """The last run of each command since a time, newest first, with what it did."""
    statement = text(
        "SELECT DISTINCT ON (operation_name) operation_name, start_time, duration_seconds, status, record_count,"
        " extra_data, error_message FROM benchmarks WHERE operation_type = 'command' AND start_time >= :since"
        " ORDER BY operation_name, start_time DESC"
    )
    found = [LastRun(*row) for row in _execute(connection, statement, {"since": since})]
    return sorted(found, key=lambda run: run.started_at, reverse=True)


def acknowledged(connection: Connection, *, since: datetime) -> dict[str, str]:
    """The events that somebody has said to have seen since a time, each with who that was."""
    statement = text(
        "SELECT event.value, extra_data ->> 'by' FROM benchmarks,"
        " jsonb_array_elements_text(extra_data -> 'seen') AS event"
        " WHERE operation_type = 'command' AND operation_name = :command AND start_time >= :since"
    )
    rows = _execute(connection, statement, {"command": ACKNOWLEDGE, "since": since})
    return {str(event): str(by) for event, by in rows}


def is_default_used(connection: Connection, region: Region) -> bool:
    """Whether there are rows in the default partition of a region's raw snapshots, which somebody else attached."""
    statement = text(
        "SELECT nspname, relname FROM pg_partitioned_table JOIN pg_class ON pg_class.oid = partdefid"
        " JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE partrelid = CAST(:parent AS regclass)"
    )
    found = _execute(connection, statement, {"parent": SNAPSHOTS[region].name}).one_or_none()
    if found is None:
        return False
    # The default partition alone: asked through its parent, every day would be read.
    any_row = sql.SQL("/* ironforge status */ SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(*found))
    with driver(connection) as speaking:
        row = speaking.execute(any_row).fetchone()
    return bool(row and row[0])


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
        "statistics": [kind[region].name for kind in (PRICE_STATS, PRICE_DAYS) for region in regions],
        "token prices": [TOKEN_PRICES[region].name for region in regions],
        "logs and benchmarks": [SCRAPER_LOGS.name, BENCHMARKS.name],
    }
    found = {
        kind: int(_execute(connection, statement, {"roots": tables}).scalar_one()) for kind, tables in roots.items()
    }
    found["database"] = int(_execute(connection, text("SELECT pg_database_size(current_database())")).scalar_one())
    return found
