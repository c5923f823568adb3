"""Making the rows of closed days from their hours: right after the hour that closes one, or by maintenance."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from ironforge_cli.db.repositories import price_days, statistics_months
from ironforge_cli.errors import BusyError, InterruptedRunError, IronforgeError
from ironforge_cli.jobs.days.housekeeping import Result, StepOutcome
from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from sqlalchemy import Connection

    from ironforge_cli.jobs.days.planning import Planning
    from ironforge_cli.jobs.evidence.runs import Attempt
    from ironforge_cli.regions import Region

log = logging.getLogger(__name__)

ACTION: Final = "make day"
DAYS_AT_ONCE: Final = 2
"""How many days a run that collects makes: the newest ones. Those of years are made by maintenance."""
SECONDS_A_DAY: Final = 2
"""About how long a day takes on a small machine."""


def due(connection: Connection, region: Region, planning: Planning, *, quick: bool) -> Sequence[date]:
    """The closed days that are to be made, oldest first; with `quick` the newest of them alone."""
    if planning.housekeeping.months is None:
        return ()
    found = price_days.missing(connection, region)
    return found[-DAYS_AT_ONCE:] if quick else found


def told(region: Region, days: Sequence[date]) -> Iterator[Result]:
    """What would be made, in a line: there may be years of days."""
    if days:
        minutes = max(1, round(len(days) * SECONDS_A_DAY / 60))
        message = f"{counted(len(days), 'day')} from {days[0]} to {days[-1]}, about {minutes} min"
        yield Result(ACTION, StepOutcome.PLANNED, region, day=days[0], message=message)


def made(region: Region, planning: Planning, *, attempt: Attempt, quick: bool) -> Iterator[Result]:
    """Make what is due, each day in a transaction; what goes wrong with one hinders no other.

    Raises `InterruptedRunError`.
    """
    database = planning.storage.database
    with database.connect() as connection:
        days = due(connection, region, planning, quick=quick)
    for day in days:
        try:
            with attempt.step(ACTION), database.transaction() as connection:
                statistics_months.limit_waiting(connection)
                rows = price_days.make(connection, region, day)
        except BusyError as error:
            message = f"{error} The next run goes on."
            yield Result(ACTION, StepOutcome.POSTPONED, region, day=day, message=message, status=error.status)
        except InterruptedRunError:
            raise
        except IronforgeError as error:
            yield Result(ACTION, StepOutcome.FAILED, region, day=day, message=str(error), status=error.status)
        else:
            log.debug("%s: made the day %s of %d items", region.label, day, rows)
            yield Result(ACTION, StepOutcome.DONE, region, day=day, rows=rows)
