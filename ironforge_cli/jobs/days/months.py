"""Looking after the months of hourly statistics: made ahead, laid by item when they are closed, dropped by age.

What takes long is done beside everybody who reads and stores: a closed month is copied, and the copy takes its place in
an instant. Cut off at any moment, the next run goes on: copies that are whole are taken as they are.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from ironforge_cli.db.repositories import price_days, statistics_months
from ironforge_cli.errors import (
    BusyError,
    ConfigurationError,
    DatabaseError,
    ExitStatus,
    InterruptedRunError,
    IronforgeError,
)
from ironforge_cli.jobs.days.housekeeping import Result, StepOutcome
from ironforge_cli.market.statistics_months import MonthAction, plan_months, wanted_months
from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from ironforge_cli.jobs.days.housekeeping import MonthsKept
    from ironforge_cli.jobs.days.planning import Planning
    from ironforge_cli.jobs.evidence.runs import Attempt
    from ironforge_cli.market.statistics_months import MonthPlan, MonthStep
    from ironforge_cli.regions import Region

log = logging.getLogger(__name__)

ROWS_PER_SECOND: Final = 150_000
"""About how many rows a second are laid by item on a small machine: written, given a key, and compared."""
QUICK: Final = frozenset({MonthAction.CREATE})
"""What is done by runs that collect: the rest takes longer than an hour may wait."""


def planned(connection: Connection, region: Region, planning: Planning) -> MonthPlan:
    """What is to be done about a region's months: made by the clock, laid and dropped by a time that can be trusted."""
    kept = planning.housekeeping.months
    if kept is None:
        return plan_months((), (), region=region, changes={}, now=None, retention_months=0)
    is_leaving = region in planning.housekeeping.leaving
    ahead = planning.housekeeping.ahead
    wanted = [] if is_leaving else wanted_months(planning.present.clock, ahead=ahead, region=region)
    return plan_months(
        statistics_months.held(connection, region),
        wanted,
        region=region,
        changes=statistics_months.changes(connection, region),
        now=planning.trusted,
        retention_months=kept.retention_months,
    )


def told(region: Region, plan: MonthPlan) -> Iterator[Result]:
    """A plan, as what would be done."""
    yield from _problems(region, plan)
    yield from (_result(step, StepOutcome.PLANNED, message=_estimate(step)) for step in plan.steps)


def maintained(region: Region, planning: Planning, *, attempt: Attempt, quick: bool) -> Iterator[Result]:
    """Plan, and do what is due; with `quick` only what takes no time. What goes wrong with one step hinders no other.

    Raises `InterruptedRunError`.
    """
    kept = planning.housekeeping.months
    if kept is None:
        return
    try:
        with attempt.step("plan months"), planning.storage.database.connect() as connection:
            plan = planned(connection, region, planning)
    except (DatabaseError, ConfigurationError) as error:
        yield Result("plan", StepOutcome.FAILED, region, message=str(error), status=error.status)
        return
    yield from _problems(region, plan)
    for step in plan.steps:
        if quick and step.action not in QUICK:
            continue
        yield _applied(step, planning, kept, attempt=attempt)


def _applied(step: MonthStep, planning: Planning, kept: MonthsKept, *, attempt: Attempt) -> Result:
    try:
        with attempt.step(step.action):
            rows = _apply(step, planning, kept, attempt=attempt)
    except BusyError as error:
        return _result(step, StepOutcome.POSTPONED, message=f"{error} The next run goes on.", status=error.status)
    except InterruptedRunError:
        raise
    except IronforgeError as error:
        return _result(step, StepOutcome.FAILED, message=str(error), status=error.status)
    log.log(
        logging.DEBUG if step.action is MonthAction.CREATE else logging.INFO,
        "%s: %s %s",
        step.month.region.label,
        step.action,
        step.table,
    )
    return _result(step, StepOutcome.DONE, rows=rows)


def _apply(step: MonthStep, planning: Planning, kept: MonthsKept, *, attempt: Attempt) -> int | None:
    database, month = planning.storage.database, step.month
    match step.action:
        case MonthAction.CREATE:
            with database.transaction() as connection:
                statistics_months.limit_waiting(connection)
                statistics_months.create(connection, month)
        case MonthAction.LAY | MonthAction.SPLIT:
            with database.connect() as connection:
                is_split = step.action is MonthAction.SPLIT
                months = (
                    statistics_months.months_with_rows(connection, month.region, step.table) if is_split else [month]
                )
            rows = 0
            for one in months:
                attempt.clock.check()
                with database.transaction() as connection:
                    statistics_months.begin_copying(connection, one)
                    if statistics_months.is_copied(connection, one):
                        continue
                with database.transaction() as connection:
                    rows += statistics_months.copy_by_item(connection, one, out_of=step.table)
            with database.transaction() as connection:
                statistics_months.put_in_place(connection, months, instead_of=step.table)
            return rows
        case MonthAction.DROP:
            with database.transaction() as connection:
                unmade = [
                    day for day in price_days.missing(connection, month.region) if day.replace(day=1) == month.first
                ]
                if unmade:
                    raise BusyError(f"{counted(len(unmade), 'day')} of {month.first:%Y-%m} still to be made.")
                change = statistics_months.change_of(connection, month)
            rows = kept.archive.keep_month(database, month) if kept.archive else None
            with database.transaction() as connection:
                # Whoever stored something between the archiving and now keeps it.
                statistics_months.drop(connection, month, at_change=change)
            return rows
    return None


def _problems(region: Region, plan: MonthPlan) -> Iterator[Result]:
    for message in plan.problems:
        yield Result("report", StepOutcome.FAILED, region, message=message, status=ExitStatus.DATABASE)


def _estimate(step: MonthStep) -> str | None:
    """How long a step takes and how much room it needs, in words; None where it is over at once."""
    if step.action not in {MonthAction.LAY, MonthAction.SPLIT}:
        return None
    minutes = max(1, round(step.rows / ROWS_PER_SECOND / 60))
    return f"about {minutes} min for {counted(step.rows, 'row')}; needs {_room(step):,} MB free meanwhile"


def _room(step: MonthStep) -> int:
    # The copy, its log, and what sorting one month takes.
    return max(1, round(step.bytes * 1.5 / 1_000_000))


def _result(
    step: MonthStep,
    outcome: StepOutcome,
    *,
    rows: int | None = None,
    message: str | None = None,
    status: ExitStatus = ExitStatus.DONE,
) -> Result:
    return Result(
        step.action,
        outcome,
        region=step.month.region,
        day=step.month.first,
        table=step.table,
        rows=rows,
        bytes=step.bytes,
        message=message,
        status=status,
    )
