"""Looking after the daily partitions: made ahead, archived and dropped past their retention; old log rows go, too.

`maintain` is the command; `upkeep` is the same for runs that collect: it looks whether anything is due with a few cheap
queries, and whatever goes wrong costs the collection nothing.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ironforge_cli.db import locks, revisions
from ironforge_cli.db.repositories import partitions, unmarked_days
from ironforge_cli.db.repositories.lost_rows import odd_snapshots
from ironforge_cli.errors import (
    BusyError,
    ConfigurationError,
    DatabaseError,
    ExitStatus,
    InterruptedRunError,
    IronforgeError,
)
from ironforge_cli.jobs.days import checking, closing, months, vacuuming
from ironforge_cli.jobs.days.housekeeping import Maintained, Result, StepOutcome, described
from ironforge_cli.jobs.days.leaving import drop_bodies, with_leaving
from ironforge_cli.jobs.days.planning import Planning, present_of
from ironforge_cli.jobs.days.pruning import is_due as rows_are_due
from ironforge_cli.jobs.days.pruning import prune, prunings
from ironforge_cli.jobs.evidence import outcomes
from ironforge_cli.jobs.evidence.runs import Evidence, Silent
from ironforge_cli.market import lost_rows
from ironforge_cli.market.partitions import Action, DailyPartition
from ironforge_cli.market.retention import cutoff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.days.housekeeping import Housekeeping
    from ironforge_cli.jobs.evidence.runs import Attempt, Clock, Progress, Run
    from ironforge_cli.jobs.storage import Storage
    from ironforge_cli.market.partitions import Plan, Step
    from ironforge_cli.regions import Region

log = logging.getLogger(__name__)

COMMAND: Final = "partitions maintain"
_TRIES: Final = 3
_PAUSE: Final = timedelta(seconds=1)
# Steps that wait for the same lock: where one waited in vain, the others would, too.
_ALIKE: Final = (frozenset({Action.CREATE, Action.ATTACH}), frozenset({Action.FINISH, Action.DETACH}))


def maintain(
    regions: Sequence[Region],
    *,
    storage: Storage,
    housekeeping: Housekeeping,
    clock: Clock,
    progress: Progress | None = None,
    dry_run: bool = False,
    adopt: bool = False,
    count_rows: bool = False,
) -> Maintained:
    """Do all that is due; with `dry_run` only say what that is, and write nothing.

    Days and log rows leave by the smaller of the clock and the newest snapshot of any region. With `adopt` days that
    have lost their mark, and are like ironforge's in all else, are given it again. With `count_rows` it says where the
    rows of a region's newest day are not those that were stored. What goes wrong with one day is in
    the result and hinders no other. Raises `LockedError` where another run is at it, and what keeps the work from being
    begun.
    """
    database, housekeeping = storage.database, housekeeping.of(regions)
    if dry_run:
        with database.connect() as connection:
            revisions.require_current(connection)
            planning = Planning(storage, housekeeping, present_of(connection, now=clock.now()), adopt=adopt)
            _warn(planning)
            every = with_leaving(connection, regions, storage, housekeeping)
            planned = [
                result
                for region in every
                for result in (
                    *_told(region, planning.plan(connection, region)),
                    *months.told(region, months.planned(connection, region, planning)),
                    *closing.told(region, closing.due(connection, region, planning, quick=False)),
                )
            ]
            old = prunings(connection, retention_days=housekeeping.log_retention_days, now=planning.trusted)
            planned += [pruning.result(StepOutcome.PLANNED, rows=pruning.rows) for pruning in old]
            planned += vacuuming.told(connection) if housekeeping.months is not None else ()
        return Maintained(tuple(planned), present=planning.present, retention_days=housekeeping.retention_days)
    return _maintained(
        regions,
        storage=storage,
        housekeeping=housekeeping,
        clock=clock,
        progress=progress or Silent(),
        tries=_TRIES,
        adopt=adopt,
        count_rows=count_rows,
        quick=False,
    )


def upkeep_by(housekeeping: Housekeeping, *, clock: Clock) -> Callable[[Sequence[Region], Storage], Maintained | None]:
    """The upkeep for whoever stores snapshots and knows nothing of days."""

    def after_storing(regions: Sequence[Region], storage: Storage) -> Maintained | None:
        return upkeep(regions, storage=storage, housekeeping=housekeeping, clock=clock)

    return after_storing


def upkeep(
    regions: Sequence[Region], *, storage: Storage, housekeeping: Housekeeping, clock: Clock
) -> Maintained | None:
    """Do what is due after a snapshot was stored; None where nothing is, or another run is at it.

    Raises nothing: what goes wrong is a warning, and a row of its own. Days and log rows leave by the same time as for
    `maintain`.
    """
    housekeeping = housekeeping.of(regions)
    try:
        evidence = Evidence(storage.database, pending=storage.pending, command=COMMAND, clock=clock)
        try:
            is_due = _is_anything_due(regions, storage, housekeeping, now=clock.now())
        except (DatabaseError, ConfigurationError):
            with evidence.attempt(None, progress=Silent()):
                raise
        if not is_due:
            return None
        maintained = _maintained(
            regions, storage=storage, housekeeping=housekeeping, clock=clock, progress=Silent(), tries=1, quick=True
        )
    except InterruptedRunError as error:
        log.info("Partitions: %s The next run goes on.", error)
    except IronforgeError as error:
        if error.status is ExitStatus.LOCKED:
            log.debug("Partitions: %s", error)
        else:
            log.warning("Partitions: %s", error)
    except Exception:
        # A bug here must not make a failure of an hour that is stored.
        log.exception("Partitions: an unexpected error, please report it")
    else:
        for result in maintained.results:
            if result.outcome is not StepOutcome.DONE:
                log.warning("Partitions: %s", described(result))
        return maintained
    return None


def _is_anything_due(regions: Sequence[Region], storage: Storage, housekeeping: Housekeeping, *, now: datetime) -> bool:
    with storage.database.connect() as connection:
        planning = Planning(storage, housekeeping, present_of(connection, now=now))
        every = with_leaving(connection, regions, storage, housekeeping)
        return (
            any(planning.plan(connection, region).steps for region in every)
            or any(
                step.action in months.QUICK
                for region in every
                for step in months.planned(connection, region, planning).steps
            )
            or any(closing.due(connection, region, planning, quick=True) for region in every)
            or rows_are_due(connection, retention_days=housekeeping.log_retention_days, now=planning.trusted)
        )


def _warn(planning: Planning) -> None:
    warning = planning.present.warning()
    if warning is not None:
        log.warning("%s", warning)


def _maintained(
    regions: Sequence[Region],
    *,
    storage: Storage,
    housekeeping: Housekeeping,
    clock: Clock,
    progress: Progress,
    tries: int,
    quick: bool,
    adopt: bool = False,
    count_rows: bool = False,
) -> Maintained:
    database = storage.database
    evidence = Evidence(database, pending=storage.pending, command=COMMAND, clock=clock)
    with evidence.run() as run, ExitStack() as locked:
        try:
            with database.connect() as connection:
                revisions.require_current(connection)
                every = with_leaving(connection, regions, storage, housekeeping)
            locked.enter_context(locks.maintaining(database))
            with database.connect() as connection:
                planning = Planning(storage, housekeeping, present_of(connection, now=clock.now()), adopt=adopt)
        except IronforgeError:
            with evidence.attempt(None, progress=progress):
                raise
        _warn(planning)
        results: list[Result] = []
        for region in every:
            with evidence.attempt(region, progress=progress) as attempt:
                found = _RegionMaintenance(region, planning, attempt=attempt, tries=tries).run()
                if count_rows and region not in housekeeping.leaving:
                    found += _lost_rows(region, database, attempt=attempt)
                # Days first: they are read by every question, and a month that leaves takes its hours along.
                found += closing.made(region, planning, attempt=attempt, quick=quick)
                found += months.maintained(region, planning, attempt=attempt, quick=quick)
                if not quick and region not in housekeeping.leaving:
                    found += checking.maintained(region, database, attempt=attempt)
                _conclude(attempt, found)
            results += found
        with evidence.attempt(None, progress=progress) as attempt, attempt.step("prune"):
            retention = housekeeping.log_retention_days
            pruned = list(prune(database, retention_days=retention, clock=clock, now=planning.trusted))
            if housekeeping.months is not None and not quick:
                with attempt.step("vacuum"):
                    pruned += vacuuming.vacuumed(database, clock=clock)
            _conclude(attempt, pruned)
        maintained = Maintained(
            results=(*results, *pruned), present=planning.present, retention_days=housekeeping.retention_days
        )
        _summarise(run, maintained)
    return maintained


def _lost_rows(region: Region, database: Database, *, attempt: Attempt) -> list[Result]:
    """Say where the rows of a region's newest day are not those that were stored."""
    try:
        with attempt.step("count"):
            odd = odd_snapshots(database, region)
    except DatabaseError as error:
        return [Result("report", StepOutcome.FAILED, region, message=str(error), status=error.status)]
    if not odd:
        return []
    message = lost_rows.told(region, odd).removeprefix(f"{region.label}: ")
    return [Result("report", StepOutcome.FAILED, region, message=message, status=ExitStatus.DATABASE)]


class _RegionMaintenance:
    """One region's plan, applied step by step."""

    def __init__(self, region: Region, planning: Planning, *, attempt: Attempt, tries: int) -> None:
        self._region = region
        self._planning = planning
        self._database = planning.storage.database
        self._archive = planning.housekeeping.archive
        self._attempt = attempt
        self._tries = tries
        self._busy: set[Action] = set()

    def run(self) -> list[Result]:
        """Plan, and apply the plan; a day whose step fails hinders no other day."""
        try:
            with self._attempt.step("plan"), self._database.connect() as connection:
                found = self._planning.plan(connection, self._region)
        except (DatabaseError, ConfigurationError) as error:
            failed = Result("plan", StepOutcome.FAILED, self._region, message=str(error), status=error.status)
            return [failed]
        if self._region in self._planning.housekeeping.leaving:
            drop_bodies(
                self._region,
                self._planning.storage,
                before=cutoff(self._planning.trusted, retention_days=self._planning.housekeeping.retention_days),
            )
        results = list(_left_undone(self._region, found))
        stuck: set[DailyPartition] = set()
        for step in found.steps:
            if step.partition in stuck:
                results.append(_result(step, StepOutcome.BLOCKED, message="The step before it was not done."))
                continue
            result = self._applied(step)
            if result.outcome is not StepOutcome.DONE:
                stuck.add(step.partition)
            results.append(result)
        return results

    def _applied(self, step: Step) -> Result:
        try:
            with self._attempt.step(step.action):
                rows = self._apply_with_patience(step)
        except BusyError as error:
            self._busy.update(*(alike for alike in _ALIKE if step.action in alike))
            return _result(step, StepOutcome.POSTPONED, message=f"{error} The next run goes on.", status=error.status)
        except InterruptedRunError:
            raise
        except IronforgeError as error:
            return _result(step, StepOutcome.FAILED, message=str(error), status=error.status)
        # That days are made ahead is nothing to be told of every day; that one leaves is.
        level = logging.DEBUG if step.action is Action.CREATE else logging.INFO
        log.log(level, "%s: %s %s", self._region.label, step.action, step.partition.name)
        return _result(step, StepOutcome.DONE, rows=rows)

    def _apply_with_patience(self, step: Step) -> int | None:
        if step.action in self._busy:
            raise BusyError("The same was waited for in vain just now.")
        tries = self._tries
        while True:
            tries -= 1
            try:
                return self._apply(step)
            except BusyError:
                if not tries:
                    raise
            self._attempt.clock.sleep(_PAUSE.total_seconds())

    def _apply(self, step: Step) -> int | None:
        database, partition = self._database, step.partition
        match step.action:
            case Action.ADOPT:
                with database.transaction() as connection:
                    partitions.limit_waiting(connection)
                    unmarked_days.adopt(connection, partition)
            case Action.CREATE | Action.ATTACH:
                with database.transaction() as connection:
                    partitions.limit_waiting(connection)
                    partitions.create(connection, partition, beside_default=True)
            case Action.ARCHIVE:
                return self._archive.keep(database, partition) if self._archive else None
            case Action.DETACH | Action.FINISH:
                with database.connect(autocommit=True) as connection, partitions.impatient(connection):
                    self._detach(connection, partition)
            case Action.DROP:
                with database.transaction() as connection:
                    partitions.limit_waiting(connection)
                    partitions.lock(connection, partition)
                    if self._archive:
                        # Whoever stored something between the archiving and the detaching keeps it.
                        self._archive.require_kept(connection, partition)
                    partitions.drop(connection, partition)
        return None

    def _detach(self, connection: Connection, partition: DailyPartition) -> None:
        """Detach, or finish what an earlier try left pending."""
        is_pending = any(
            table.own == partition and table.state == "detaching"
            for table in partitions.existing(connection, self._region)
        )
        if is_pending:
            partitions.finish(connection, partition)
        else:
            partitions.detach(connection, partition)


def _told(region: Region, found: Plan) -> Iterator[Result]:
    yield from _left_undone(region, found)
    yield from (_result(step, StepOutcome.PLANNED) for step in found.steps)


def _left_undone(region: Region, found: Plan) -> Iterator[Result]:
    for messages, status in (
        (found.problems, ExitStatus.DATABASE),
        (found.undecided, ExitStatus.CONFIGURATION),
    ):
        yield from (
            Result("report", StepOutcome.FAILED, region, message=message, status=status) for message in messages
        )


def _result(
    step: Step,
    outcome: StepOutcome,
    *,
    rows: int | None = None,
    message: str | None = None,
    status: ExitStatus = ExitStatus.DONE,
) -> Result:
    return Result(
        step.action,
        outcome,
        region=step.partition.region,
        day=step.partition.day,
        table=step.partition.name,
        rows=rows,
        bytes=step.bytes,
        message=message,
        status=status,
    )


def _conclude(attempt: Attempt, results: Sequence[Result]) -> None:
    """What the row of an attempt says of its results."""
    undone = [described(result) for result in results if result.status is not ExitStatus.DONE]
    ended = outcomes.Outcome
    attempt.ends(ended.FAILED if undone else ended.DONE if results else ended.NO_CHANGE, " ".join(undone) or None)


def _summarise(run: Run, maintained: Maintained) -> None:
    run.status = maintained.status
    run.record_count = sum(result.rows or 0 for result in maintained.results if result.outcome is StepOutcome.DONE)
    undone = [described(result) for result in maintained.results if result.status is not ExitStatus.DONE]
    run.message = " ".join(undone) or None
    actions = sorted({result.action for result in maintained.results})
    run.extra = {
        "steps": {
            action: sum(result.action == action and result.outcome is StepOutcome.DONE for result in maintained.results)
            for action in actions
        }
    }
