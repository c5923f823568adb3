"""Days' tables that hold a row each, and what became of them: for tests of what looks after partitions."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from ironforge_cli.db.repositories import partitions
from ironforge_cli.jobs.days import maintain as job
from ironforge_cli.jobs.days import one_day as by_day
from ironforge_cli.jobs.days.housekeeping import Housekeeping
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.days.housekeeping import Maintained
    from ironforge_cli.jobs.storage import Storage
    from tests.clocks import TickingClock

TODAY = date(2026, 1, 14)
PARENT = "auction_snapshots_eu"
KEPT = Housekeeping(ahead=1, retention_days=30, log_retention_days=400)
EU = (Region.EU,)


def ago(days: int) -> DailyPartition:
    return DailyPartition(Region.EU, TODAY - timedelta(days=days))


def execute(database: Database, *statements: str) -> None:
    with database.transaction() as connection:
        for statement in statements:
            connection.execute(text(statement))


def found(database: Database, query: str) -> list[tuple[Any, ...]]:
    with database.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def hold(database: Database, *day_numbers: int, newest: date | None = TODAY) -> None:
    """Make days of so long ago, with a row in each; `newest` is the day of US' newest snapshot, by which they leave."""
    if newest is not None:
        register(database, newest, Region.US)
    for number in day_numbers:
        partition = ago(number)
        with database.transaction() as connection:
            partitions.create(connection, partition)
        execute(database, f"INSERT INTO {PARENT} VALUES ('{partition.day} 03:04:05+00', 1, 1, 1, 1, 'LONG', 120, 720)")


def register(database: Database, day: date, region: Region = Region.EU, *, auctions: int = 0) -> None:
    """Write into the registry that a snapshot of a day is stored, by default one without rows, unless it is there."""
    execute(
        database,
        "INSERT INTO snapshots (region, snapshot_time, auctions, items, bytes, digest, source, estimator_version)"
        f" VALUES ('{region}', '{day} 11:00:00+00', {auctions}, 0, 1, 'x', 'live', 1) ON CONFLICT DO NOTHING",
    )


def maintain(storage: Storage, clock: TickingClock, kept: Housekeeping = KEPT, **options: Any) -> Maintained:
    return job.maintain(EU, storage=storage, housekeeping=kept, clock=clock, **options)


def upkeep(storage: Storage, clock: TickingClock, kept: Housekeeping = KEPT) -> Maintained | None:
    return job.upkeep(EU, storage=storage, housekeeping=kept, clock=clock)


def told(maintained: Maintained) -> list[tuple[str, str | None, str]]:
    return [(str(result.action), result.table, str(result.outcome)) for result in maintained.results]


def held(database: Database) -> dict[str, str]:
    """Every day's table, and its state."""
    return {one.table: one.state for one in by_day.listed(EU, database=database) if one.table}


def log_rows(database: Database) -> list[tuple[Any, ...]]:
    return found(database, "SELECT command, region, status FROM scraper_logs ORDER BY id")


def log_row(day: date) -> str:
    """A row of that day or moment."""
    return f"INSERT INTO scraper_logs (command, timestamp, status) VALUES ('x', '{day}', 'success')"


def benchmark(day: date) -> str:
    """A benchmark of that day or moment."""
    return (
        "INSERT INTO benchmarks (operation_type, operation_name, start_time, end_time, duration_seconds, status)"
        f" VALUES ('command', 'x', '{day}', '{day}', 1, 'success')"
    )
