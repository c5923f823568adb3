"""Evidence of every run: the rows of scraper_logs and benchmarks around any job.

A row says `running` before work starts, on a connection of its own, and is finished afterwards, so that no rollback
takes it along. Its owner holds an advisory lock on the row's id: a running row without one has crashed. What the
database can't take is kept in a file until it can. A failure to write evidence is said, and never hides the failure
that it was to record; nor does it unmake what was done.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ironforge_cli.db import locks
from ironforge_cli.db.repositories import runs
from ironforge_cli.db.repositories.runs import BenchmarkRow, LogRow
from ironforge_cli.errors import (
    ConfigurationError,
    DatabaseError,
    ExitStatus,
    IronforgeError,
)
from ironforge_cli.jobs.evidence.outcomes import Ended, Outcome, run_status
from ironforge_cli.values import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from datetime import datetime

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.evidence.pending import PendingRows
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
    """One attempt at one region, as its work goes on: the time that each step takes, and at last how it ended."""

    clock: Clock
    region: Region | None
    progress: Progress
    ended: Ended = field(default=Ended(Outcome.DONE), init=False)
    """What its row will say."""
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

    def ends(self, outcome: Outcome, message: str | None = None, *, last_modified: datetime | None = None) -> None:
        """Say how it ended, once, when that is known; work of which nothing is said is done."""
        self.ended = Ended(outcome, message, last_modified)


@dataclass(slots=True)
class Run:
    """One run of a command, as it goes on: what its benchmark will say."""

    record_count: int | None = None
    status: ExitStatus = ExitStatus.DONE
    outcome: Outcome | None = None
    """That of the error that ended it, if one did."""
    message: str | None = None
    extra: dict[str, Any] = field(default_factory=dict[str, Any])


class Evidence:
    """Writes the rows of one command's runs. Safe to share between threads.

    `pending` takes what the database can't; without it such rows are let go, as by a command that changes nothing.
    """

    def __init__(self, database: Database, *, pending: PendingRows | None, command: str, clock: Clock) -> None:
        self._database = database
        self._pending = pending
        self._command = command
        self._clock = clock

    @contextmanager
    def attempt(self, region: Region | None, *, progress: Progress, number: int = 1) -> Generator[Attempt]:
        """Write the row of one attempt around its work.

        The block says by `ends` how it ended; an error that leaves it says so by its kind, and is raised again. No
        failure of the writing leaves this: it hinders no attempt, and takes nothing back.
        """
        attempt = Attempt(clock=self._clock, region=region, progress=progress)
        row = LogRow(
            command=self._command,
            region=region,
            timestamp=self._clock.now(),
            status="running",
            last_modified=None,
            error_message=None,
            poll_attempts=number,
        )
        owning = ExitStack()
        log_id = self._begun(row, owning)
        try:
            yield attempt
        except BaseException as error:
            attempt.ends(Outcome.of(error), str(error) or type(error).__name__)
            raise
        finally:
            ended = attempt.ended
            finished = replace(
                row,
                id=log_id,
                status=ended.outcome.row_status,
                last_modified=ended.last_modified,
                error_message=ended.message,
            )
            self._write(finished, lambda connection: runs.add_log(connection, finished))
            self._disown(owning)

    def note(self, region: Region, outcome: Outcome, message: str | None, *, began_at: datetime) -> None:
        """Write the row of a small attempt that is over; one that takes no time has no row while it is at work."""
        row = LogRow(
            command=self._command,
            region=region,
            timestamp=began_at,
            status=outcome.row_status,
            last_modified=None,
            error_message=message,
            poll_attempts=1,
        )
        self._write(row, lambda connection: runs.add_log(connection, row))

    @contextmanager
    def run(self) -> Generator[Run]:
        """Write the benchmark of one command run when its block ends, however it ends."""
        run = Run()
        started_at, started = self._clock.now(), self._clock.monotonic()
        try:
            yield run
        except BaseException as error:
            run.status = error.status if isinstance(error, IronforgeError) else ExitStatus.BUG
            run.outcome = Outcome.of(error)
            run.message = str(error) or type(error).__name__
            raise
        finally:
            self.benchmark(
                "command",
                region=None,
                started_at=started_at,
                seconds=self._clock.monotonic() - started,
                record_count=run.record_count,
                status=run.status,
                outcome=run.outcome,
                message=run.message,
                extra=run.extra,
            )

    def benchmark(
        self,
        operation_type: str,
        *,
        region: Region | None,
        started_at: datetime,
        seconds: float,
        record_count: int | None,
        status: ExitStatus = ExitStatus.DONE,
        outcome: Outcome | None = None,
        message: str | None = None,
        extra: dict[str, Any],
    ) -> None:
        """Write how long something took that ends now, in a transaction of its own."""
        row = BenchmarkRow(
            operation_type=operation_type,
            operation_name=self._command,
            region=region,
            start_time=started_at,
            end_time=self._clock.now(),
            duration_seconds=seconds,
            record_count=record_count,
            status=run_status(status, outcome),
            error_message=message,
            extra_data=extra,
        )
        self._write(row, lambda connection: runs.add_benchmark(connection, row))

    def settle(self) -> None:
        """Write what earlier runs could not; a failure is said, and tried again by the next run."""
        try:
            settled = self._pending.settle(self._database) if self._pending is not None else 0
        except Exception:
            log.exception("Log rows of earlier runs could not be written")
        else:
            if settled:
                log.info("Wrote %d log rows of runs that had no database", settled)

    def _begun(self, row: LogRow, owning: ExitStack) -> int | None:
        """Write a running row and own it until `owning` ends; None where the database is away."""
        try:
            with self._database.transaction() as connection:
                log_id = runs.next_log_id(connection)
            # Nobody may see a running row that nobody owns: it would count as crashed.
            owning.enter_context(locks.owning(self._database, log_id))
            with self._database.transaction() as connection:
                runs.start(connection, replace(row, id=log_id))
        except (DatabaseError, ConfigurationError) as error:
            log.debug("The attempt's row waits for the database: %s", error)
            return None
        except Exception:
            log.exception("The row of an attempt of %s could not be begun", self._command)
            return None
        return log_id

    def _disown(self, owning: ExitStack) -> None:
        """Give a row's lock and connection back; the server does so itself where the session has ended."""
        try:
            owning.close()
        except Exception:
            log.exception("The lock of a row of %s could not be given back", self._command)

    def _write(self, row: LogRow | BenchmarkRow, write: Callable[[Connection], None]) -> None:
        try:
            with self._database.transaction() as connection:
                write(connection)
        except (DatabaseError, ConfigurationError):
            self._keep(row)
        except Exception:
            log.exception("A row of %s waits for the next run, after an unexpected error", self._command)
            self._keep(row)

    def _keep(self, row: LogRow | BenchmarkRow) -> None:
        try:
            if self._pending is not None:
                self._pending.add(row)
        except Exception:
            log.exception("A row of %s could not be written", self._command)


class Shown:
    """Shows by another, who can't hinder the work: where that fails, it is said once and shows nothing more."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress: Progress = progress or Silent()

    def step(self, region: Region | None, name: str) -> None:
        """Show it, unless that failed before."""
        try:
            self._progress.step(region, name)
        except IronforgeError:
            # Somebody asks the program to end.
            raise
        except Exception:
            log.exception("Progress can't be shown any more")
            self._progress = Silent()


class Silent:
    """Shows nobody anything: for runs without a terminal."""

    def step(self, region: Region | None, name: str) -> None:
        """Say nothing."""
