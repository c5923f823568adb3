"""Old rows of scraper_logs and benchmarks: which are to go, and deleting them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ironforge_cli.db.models import BENCHMARKS, SCRAPER_LOGS
from ironforge_cli.db.repositories import partitions, runs
from ironforge_cli.errors import DatabaseError
from ironforge_cli.jobs.days.housekeeping import Result, StepOutcome
from ironforge_cli.market.retention import cutoff, has_outlived

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy import Connection, Table

    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.evidence.runs import Clock

_LOGS: Final = (SCRAPER_LOGS, BENCHMARKS)


@dataclass(frozen=True, slots=True)
class Pruning:
    """Log rows that are to go."""

    table: Table
    before: datetime
    rows: int

    def result(self, outcome: StepOutcome, *, rows: int) -> Result:
        """What became of it."""
        message = f"rows older than {self.before.isoformat()}"
        return Result("prune", outcome, table=self.table.name, rows=rows, message=message)


def is_due(connection: Connection, *, retention_days: int, now: datetime | None) -> bool:
    """Whether a row is there that is a day older than it may be: so they go once a day at most."""
    past = cutoff(now, retention_days=retention_days + 1)
    return past is not None and any(has_outlived(runs.oldest(connection, table), cutoff=past) for table in _LOGS)


def prunings(connection: Connection, *, retention_days: int, now: datetime | None) -> list[Pruning]:
    """The rows that are older than they may be, by table; none without a time by which they are old."""
    before = cutoff(now, retention_days=retention_days)
    if before is None:
        return []
    found = [Pruning(table, before, runs.count_before(connection, table, before)) for table in _LOGS]
    return [pruning for pruning in found if pruning.rows]


def prune(database: Database, *, retention_days: int, clock: Clock, now: datetime | None) -> Iterator[Result]:
    """Delete the rows that are older than they may be, some thousands a transaction."""
    with database.connect() as connection:
        found = prunings(connection, retention_days=retention_days, now=now)
    for pruning in found:
        rows = 0
        try:
            while True:
                clock.check()
                with database.transaction() as connection:
                    partitions.limit_waiting(connection)
                    deleted = runs.prune(connection, pruning.table, before=pruning.before)
                rows += deleted
                if deleted < runs.PRUNED_AT_ONCE:
                    break
        except DatabaseError as error:
            failed = pruning.result(StepOutcome.FAILED, rows=rows)
            yield replace(failed, message=str(error), status=error.status)
        else:
            yield pruning.result(StepOutcome.DONE, rows=rows)
