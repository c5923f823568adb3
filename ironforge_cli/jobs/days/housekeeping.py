"""What looking after partitions and log rows is asked to do, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from ironforge_cli.errors import ExitStatus, combined_status

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database
    from ironforge_cli.market.partitions import DailyPartition
    from ironforge_cli.market.retention import Present
    from ironforge_cli.market.statistics_months import StatisticsMonth
    from ironforge_cli.regions import Region


class DayArchive(Protocol):
    """Where days go before they are dropped."""

    def keep(self, database: Database, partition: DailyPartition) -> int:
        """Have a whole day of a table archived and read back, unless it is; how many rows. Raises where it can't be."""
        ...

    def require_kept(self, connection: Connection, partition: DailyPartition) -> None:
        """Raise where the archive does not hold exactly the rows that the day's table has now."""
        ...


class MonthArchive(Protocol):
    """Where months of statistics go before they are dropped."""

    def keep_month(self, database: Database, month: StatisticsMonth) -> int:
        """Have all of a month archived and read back, unless it is; how many rows. Raises where it can't be."""
        ...


@dataclass(frozen=True, slots=True)
class MonthsKept:
    """What the settings say of months of statistics."""

    retention_months: int = 0
    """How many are held before the present one; 0: all."""
    archive: MonthArchive | None = None
    """Where they go before they are dropped; None: nowhere."""


@dataclass(frozen=True, slots=True)
class Housekeeping:
    """What the settings say of partitions and log rows."""

    ahead: int
    """Days to keep ready after today."""
    retention_days: int
    """How long raw days are held; 0 for ever."""
    log_retention_days: int
    archive: DayArchive | None = None
    """Where days go before they are dropped; None: nowhere."""
    months: MonthsKept | None = None
    """How months of statistics are kept; None: they are not looked after."""
    leaving: tuple[Region, ...] = ()
    """Regions that are collected no more: days that are held of them leave, and none is made."""

    def of(self, regions: Sequence[Region]) -> Housekeeping:
        """The same for a run that collects or names regions, which are none of those that leave."""
        return replace(self, leaving=tuple(region for region in self.leaving if region not in regions))


class StepOutcome(StrEnum):
    """What became of a step."""

    PLANNED = "planned"
    DONE = "done"
    POSTPONED = "postponed"
    """Somebody used the table for longer than was waited for; the next run goes on."""
    FAILED = "failed"
    BLOCKED = "blocked"
    """Not begun, since a step that it rests on was not done; or only a person can put it right."""


@dataclass(frozen=True, slots=True)
class Result:
    """One step, and what became of it."""

    action: str
    """One of `Action`, `MonthAction`, `make day`, `check`, `plan`, `prune`, `vacuum` or `report`."""
    outcome: StepOutcome
    region: Region | None = None
    day: date | None = None
    """The day; of a month its first one."""
    table: str | None = None
    rows: int | None = None
    bytes: int | None = None
    message: str | None = None
    status: ExitStatus = ExitStatus.DONE


@dataclass(frozen=True, slots=True)
class Maintained:
    """Everything that was planned, and what became of it."""

    results: tuple[Result, ...]
    present: Present | None = None
    """By which time things were old."""
    retention_days: int | None = None
    """How long raw days are held; 0 for ever."""

    @property
    def status(self) -> ExitStatus:
        """The exit code: what was done beside what was not is partial."""
        return combined_status([result.status for result in self.results if result.outcome is not StepOutcome.BLOCKED])


def described(result: Result) -> str:
    """A step that was not done, in a line."""
    what = " ".join(part for part in (result.action, result.table) if part)
    return f"{what} was {result.outcome}: {result.message}" if result.message else f"{what} was {result.outcome}."
