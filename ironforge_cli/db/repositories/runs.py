"""The evidence: rows of scraper_logs and benchmarks."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec
from sqlalchemy import and_, delete, func, insert, select, text, true, update

from ironforge_cli.db.engine import executor
from ironforge_cli.db.models import BENCHMARKS, SCRAPER_LOGS
from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Column, Connection, Table

PRUNED_AT_ONCE: Final = 10_000
_execute = executor("runs")


class LogRow(msgspec.Struct, frozen=True):
    """The finished row of an attempt."""

    command: str
    region: Region | None
    timestamp: datetime
    status: str
    """One of LOG_STATUSES."""
    last_modified: datetime | None
    error_message: str | None
    poll_attempts: int
    id: int | None = None
    """Of the row that was written when the attempt began, if it could be."""


class BenchmarkRow(msgspec.Struct, frozen=True):
    """How long a command run, or the storing of one snapshot, took."""

    operation_type: str
    operation_name: str
    region: Region | None
    start_time: datetime
    end_time: datetime
    duration_seconds: float
    record_count: int | None
    status: str
    """One of BENCHMARK_STATUSES."""
    error_message: str | None
    extra_data: dict[str, Any]


def next_log_id(connection: Connection) -> int:
    """Draw the id of a row of scraper_logs that is about to be written."""
    drawn = _execute(connection, text("SELECT nextval(pg_get_serial_sequence('scraper_logs', 'id'))"))
    return int(drawn.scalar_one())


def start(connection: Connection, row: LogRow) -> int:
    """Write the row of an attempt that begins, under its id if it has one, and return that."""
    drawn = {} if row.id is None else {"id": row.id}
    statement = (
        insert(SCRAPER_LOGS)
        .values(
            **drawn,
            command=row.command,
            region=row.region,
            timestamp=row.timestamp,
            status="running",
            poll_attempts=row.poll_attempts,
        )
        .returning(SCRAPER_LOGS.c.id)
    )
    return int(_execute(connection, statement).scalar_one())


def newest_repeated_time(connection: Connection, region: Region, *, since: datetime) -> datetime | None:
    """The newest Last-Modified after a time whose body was found to repeat the stored one."""
    # The rows' own times are this machine's, whose clock may differ; they only keep the look-up short.
    statement = select(func.max(SCRAPER_LOGS.c.last_modified)).where(
        SCRAPER_LOGS.c.region == region,
        SCRAPER_LOGS.c.timestamp >= since - timedelta(days=1),
        SCRAPER_LOGS.c.last_modified > since,
        SCRAPER_LOGS.c.status == "no_change",
    )
    return _execute(connection, statement).scalar_one_or_none()


def received_repetitions(
    connection: Connection, region: Region, *, time: datetime, beginning: str
) -> Sequence[datetime]:
    """When a body came whole under a time and was found to repeat the stored one: rows whose message begins so."""
    statement = select(SCRAPER_LOGS.c.timestamp).where(
        SCRAPER_LOGS.c.region == region,
        SCRAPER_LOGS.c.last_modified == time,
        SCRAPER_LOGS.c.status == "no_change",
        SCRAPER_LOGS.c.error_message.startswith(beginning, autoescape=True),
    )
    return _execute(connection, statement).scalars().all()


def add_log(connection: Connection, row: LogRow) -> None:
    """Finish the row of an attempt, or write it whole where its beginning could not be; twice changes nothing."""
    values = {
        "command": row.command,
        "region": row.region,
        "timestamp": row.timestamp,
        "status": row.status,
        "last_modified": row.last_modified,
        "error_message": _storable(row.error_message),
        "poll_attempts": row.poll_attempts,
    }
    begun = and_(
        SCRAPER_LOGS.c.region == row.region,
        SCRAPER_LOGS.c.timestamp == row.timestamp,
        SCRAPER_LOGS.c.command == row.command,
        # An id alone could be another row's, where the database was made anew meanwhile.
        true() if row.id is None else SCRAPER_LOGS.c.id == row.id,
    )
    if not _execute(connection, update(SCRAPER_LOGS).where(begun).values(**values)).rowcount:
        _execute(connection, insert(SCRAPER_LOGS).values(**values))


def add_benchmark(connection: Connection, row: BenchmarkRow) -> None:
    """Write how long something took."""
    _execute(
        connection,
        insert(BENCHMARKS).values(
            operation_type=row.operation_type,
            operation_name=row.operation_name,
            region=row.region,
            start_time=row.start_time,
            end_time=row.end_time,
            duration_seconds=row.duration_seconds,
            record_count=row.record_count,
            status=row.status,
            error_message=_storable(row.error_message),
            extra_data=row.extra_data,
        ),
    )


def has_benchmark(connection: Connection, row: BenchmarkRow) -> bool:
    """Whether a benchmark of this operation and start is there already."""
    statement = select(BENCHMARKS.c.id).where(
        BENCHMARKS.c.start_time == row.start_time,
        BENCHMARKS.c.operation_type == row.operation_type,
        BENCHMARKS.c.operation_name == row.operation_name,
        BENCHMARKS.c.region.is_not_distinct_from(row.region),
    )
    return _execute(connection, statement).first() is not None


def oldest(connection: Connection, table: Table) -> datetime | None:
    """When the first row of `SCRAPER_LOGS` or `BENCHMARKS` began; rows are numbered as they come."""
    return _execute(connection, select(_began(table)).order_by(table.c.id).limit(1)).scalar_one_or_none()


def count_before(connection: Connection, table: Table, moment: datetime) -> int:
    """How many rows of `SCRAPER_LOGS` or `BENCHMARKS` began before a time."""
    statement = select(func.count()).select_from(table).where(_began(table) < moment)
    return int(_execute(connection, statement).scalar_one())


def prune(connection: Connection, table: Table, *, before: datetime) -> int:
    """Delete rows of `SCRAPER_LOGS` or `BENCHMARKS` that began before a time, some thousands at most; how many."""
    some = select(table.c.id).where(_began(table) < before).order_by(table.c.id).limit(PRUNED_AT_ONCE)
    return _execute(connection, delete(table).where(table.c.id.in_(some))).rowcount


def _began(table: Table) -> Column[Any]:
    return table.c.timestamp if table is SCRAPER_LOGS else table.c.start_time


def _storable(message: str | None) -> str | None:
    r"""A message as PostgreSQL takes it: no NUL, and no lone surrogates, which Python puts into odd file names.

    >>> _storable("\x00 \udcff é")
    '\\x00 \\udcff é'
    """
    if message is None:
        return None
    return message.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
