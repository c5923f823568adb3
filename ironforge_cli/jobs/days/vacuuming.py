"""Vacuuming and analyzing at the end of maintenance, within a limit of time: the next run goes on."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ironforge_cli.db.repositories import vacuuming
from ironforge_cli.errors import BusyError, DatabaseError
from ironforge_cli.jobs.days.housekeeping import Result, StepOutcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database
    from ironforge_cli.db.repositories.vacuuming import Untidy
    from ironforge_cli.jobs.evidence.runs import Clock

ACTION: Final = "vacuum"
LIMIT: Final = timedelta(minutes=2)
"""How long all of it may take."""


def told(connection: Connection) -> Iterator[Result]:
    """What would be vacuumed."""
    for table in vacuuming.needed(connection):
        yield _result(table, StepOutcome.PLANNED)


def vacuumed(database: Database, *, clock: Clock) -> Iterator[Result]:
    """Vacuum and analyze what wants it, the worst first, until the time is over."""
    ends_at = clock.monotonic() + LIMIT.total_seconds()
    with database.connect(autocommit=True) as connection:
        for table in vacuuming.needed(connection):
            clock.check()
            left = ends_at - clock.monotonic()
            if left <= 0:
                return
            try:
                vacuuming.vacuum(connection, table.name, limit=timedelta(seconds=left))
            except BusyError:
                # Whatever was done counts: it is no failure that there was more.
                return
            except DatabaseError as error:
                yield _result(table, StepOutcome.FAILED, error)
            else:
                yield _result(table, StepOutcome.DONE)


def _result(table: Untidy, outcome: StepOutcome, error: DatabaseError | None = None) -> Result:
    if error is not None:
        return Result(ACTION, outcome, table=table.name, rows=table.rows, message=str(error), status=error.status)
    return Result(ACTION, outcome, table=table.name, rows=table.rows)
