"""The evidence: rows of scraper_logs and benchmarks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, update

from ironforge_cli.db.engine import executor
from ironforge_cli.db.models import Benchmark, ScraperLog

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from ironforge_cli.regions import Region

_execute = executor("runs")


def start(connection: Connection, *, command: str, region: Region | None, started_at: datetime, attempt: int) -> int:
    """Write the row of an attempt that begins, and return its id."""
    statement = (
        insert(ScraperLog)
        .values(command=command, region=region, timestamp=started_at, status="running", poll_attempts=attempt)
        .returning(ScraperLog.id)
    )
    return int(_execute(connection, statement).scalar_one())


def finish(
    connection: Connection, log_id: int, *, status: str, last_modified: datetime | None, error_message: str | None
) -> None:
    """Complete the row of an attempt; `status` is one of LOG_STATUSES."""
    _execute(
        connection,
        update(ScraperLog)
        .where(ScraperLog.id == log_id)
        .values(status=status, last_modified=last_modified, error_message=error_message),
    )


def newest_repeated_time(connection: Connection, region: Region, *, since: datetime) -> datetime | None:
    """The newest Last-Modified whose body was found to repeat the stored one, by attempts since a time."""
    statement = select(func.max(ScraperLog.last_modified)).where(
        ScraperLog.region == region, ScraperLog.timestamp >= since, ScraperLog.status == "no_change"
    )
    return _execute(connection, statement).scalar_one_or_none()


def add_benchmark(
    connection: Connection,
    *,
    operation_type: str,
    operation_name: str,
    region: Region | None,
    start_time: datetime,
    end_time: datetime,
    duration_seconds: float,
    record_count: int | None,
    status: str,
    error_message: str | None,
    extra_data: Mapping[str, Any],
) -> None:
    """Write how long something took; `status` is one of BENCHMARK_STATUSES."""
    _execute(
        connection,
        insert(Benchmark).values(
            operation_type=operation_type,
            operation_name=operation_name,
            region=region,
            start_time=start_time,
            end_time=end_time,
            duration_seconds=duration_seconds,
            record_count=record_count,
            status=status,
            error_message=error_message,
            extra_data=dict(extra_data),
        ),
    )
