"""Evidence of every run: the rows of scraper_logs and benchmarks around any job.

A row says `running` before work starts, on a connection of its own, and is finished afterwards, so that no rollback
takes it along. Its owner holds an advisory lock on the row's id: a running row without one has crashed. A failure to
write evidence is said, and never hides the failure that it was to record.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from ironforge_cli.db import locks
from ironforge_cli.db.repositories import runs
from ironforge_cli.errors import DatabaseError, ExitStatus, IronforgeError, LockedError, RefusedAnswerError

if TYPE_CHECKING:
    from collections.abc import Generator

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database
    from ironforge_cli.regions import Region

log = logging.getLogger(__name__)


class Clock(Protocol):
    """Where the time comes from, and how to wait: passed down from the top."""

    def now(self) -> datetime:
        """The time of day, aware UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds by a clock that never jumps."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait; raises `InterruptedRunError` where the program is asked to end meanwhile."""
        ...

    def check(self) -> None:
        """Raise `InterruptedRunError` where the program has been asked to end."""
        ...


class Progress(Protocol):
    """Whoever shows a person how far the work is."""

    def step(self, region: Region | None, name: str) -> None:
        """A step of a region's work begins."""
        ...


@dataclass(slots=True)
class Attempt:
    """One attempt at one region, as its work goes on: what its row and its benchmark will say."""

    clock: Clock
    region: Region | None
    progress: Progress
    status: str = "success"
    last_modified: datetime | None = None
    message: str | None = None
    steps: dict[str, float] = field(default_factory=dict[str, float])
    """Seconds of each step, in the order of their first beginning."""

    @contextmanager
    def step(self, name: str) -> Generator[None]:
        """Time a step; one that comes again adds up. Raises `InterruptedRunError` where it should not begin."""
        self.clock.check()
        self.progress.step(self.region, name)
        started = self.clock.monotonic()
        try:
            yield
        finally:
            self.steps[name] = self.steps.get(name, 0.0) + self.clock.monotonic() - started


@contextmanager
def recorded_attempt(
    database: Database, *, command: str, region: Region | None, clock: Clock, progress: Progress, number: int = 1
) -> Generator[Attempt]:
    """Write the row of one attempt around its work.

    The block sets `status`, `last_modified` and `message`; an error that leaves it sets them by its kind. Raises what
    the block raises, and `DatabaseError` or `ConfigurationError` where the row can't be begun.
    """
    attempt = Attempt(clock=clock, region=region, progress=progress)
    with database.connect(autocommit=True) as connection:
        log_id = runs.start(connection, command=command, region=region, started_at=clock.now(), attempt=number)
        locks.acquire(connection, locks.run_lock(log_id))
        try:
            yield attempt
        except BaseException as error:
            attempt.status = _status_of(error)
            attempt.message = str(error) or type(error).__name__
            raise
        finally:
            _finish(database, connection, log_id, attempt)


def _status_of(error: BaseException) -> str:
    match error:
        case RefusedAnswerError():
            return "rejected"
        case LockedError():
            return "locked"
        case _:
            return "failed"


def _finish(database: Database, connection: Connection, log_id: int, attempt: Attempt) -> None:
    def write(on: Connection) -> None:
        runs.finish(
            on,
            log_id,
            status=attempt.status,
            last_modified=attempt.last_modified,
            error_message=attempt.message,
        )

    try:
        with database.errors():
            write(connection)
            locks.release(connection, locks.run_lock(log_id))
    except DatabaseError:
        # The server may be back already, with this connection gone.
        try:
            with database.transaction() as another:
                write(another)
        except IronforgeError:
            log.exception("The row %d of scraper_logs could not be finished", log_id)


@dataclass(slots=True)
class Run:
    """One run of a command, as it goes on: what its benchmark will say."""

    record_count: int | None = None
    status: ExitStatus = ExitStatus.DONE
    message: str | None = None
    extra: dict[str, Any] = field(default_factory=dict[str, Any])


@contextmanager
def recorded_run(database: Database, *, command: str, clock: Clock) -> Generator[Run]:
    """Write the benchmark of one command run when its block ends, however it ends."""
    run = Run()
    started_at, started = clock.now(), clock.monotonic()
    try:
        yield run
    except BaseException as error:
        run.status = error.status if isinstance(error, IronforgeError) else ExitStatus.BUG
        run.message = str(error) or type(error).__name__
        raise
    finally:
        benchmark(
            database,
            operation_type="command",
            operation_name=command,
            region=None,
            started_at=started_at,
            seconds=clock.monotonic() - started,
            ended_at=clock.now(),
            record_count=run.record_count,
            status=run.status,
            message=run.message,
            extra=run.extra,
        )


def benchmark(
    database: Database,
    *,
    operation_type: str,
    operation_name: str,
    region: Region | None,
    started_at: datetime,
    ended_at: datetime,
    seconds: float,
    record_count: int | None,
    status: ExitStatus,
    message: str | None,
    extra: dict[str, Any],
) -> None:
    """Write a row of benchmarks in a transaction of its own; what goes wrong is logged, since the work is done."""
    names = {ExitStatus.DONE: "success", ExitStatus.PARTIAL: "partial"}
    try:
        with database.transaction() as connection:
            runs.add_benchmark(
                connection,
                operation_type=operation_type,
                operation_name=operation_name,
                region=region,
                start_time=started_at,
                end_time=ended_at,
                duration_seconds=seconds,
                record_count=record_count,
                status=names.get(status, "failed"),
                error_message=message,
                extra_data=extra,
            )
    except IronforgeError:
        log.exception("The benchmark of %s could not be written", operation_name)


class Silent:
    """Shows nobody anything: for runs without a terminal."""

    def step(self, region: Region | None, name: str) -> None:
        """Say nothing."""
