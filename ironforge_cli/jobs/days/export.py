"""Statistics, days and token prices into the archive, as Parquet beside the raw days: the database keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ironforge_cli.archive.tables import NotWritten
from ironforge_cli.db import locks, revisions
from ironforge_cli.db.models import PRICE_DAYS, PRICE_STATS, TOKEN_PRICES
from ironforge_cli.db.repositories import exports
from ironforge_cli.db.transactions import one_state
from ironforge_cli.errors import ExitStatus, IronforgeError, combined_status
from ironforge_cli.jobs.days.parts import conclude, failure_told, messages_of, run_alone
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.jobs.evidence.runs import Evidence, Silent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, Table

    from ironforge_cli.archive.tables import ArchivedTables
    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.evidence.runs import Attempt, Clock, Progress
    from ironforge_cli.jobs.storage import Storage
    from ironforge_cli.market.statistics_months import StatisticsMonth
    from ironforge_cli.regions import Region

COMMAND: Final = "partitions export"
_HOURS: Final = "statistics"
_CLOSED_DAYS: Final = "days"
_TOKENS: Final = "token_prices"
TABLES: Final = (_HOURS, _CLOSED_DAYS, _TOKENS)
"""The folders of the archive that these files are in."""
_AT_ONCE: Final = {_HOURS: timedelta(days=1), _CLOSED_DAYS: timedelta(days=8)}
"""How much of a file is held at once: of all else the whole of it."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What became of one file."""

    region: Region
    path: str
    outcome: str
    """`written`, `unchanged` or `failed`."""
    rows: int | None = None
    bytes: int | None = None
    message: str | None = None
    status: ExitStatus = ExitStatus.DONE


@dataclass(frozen=True, slots=True)
class ExportedTables:
    """What became of every file."""

    files: tuple[Exported, ...]

    @property
    def status(self) -> ExitStatus:
        """The exit code."""
        return combined_status([file.status for file in self.files])


def export(
    regions: Sequence[Region],
    *,
    storage: Storage,
    tables: ArchivedTables,
    clock: Clock,
    progress: Progress | None = None,
) -> ExportedTables:
    """Write what differs from the archive: files of months of statistics and days, and one of a region's token prices.

    Of a month without rows no file is made. What goes wrong with one file is in the result and hinders no other. Raises
    `LockedError` where another run exports.
    """
    database = storage.database
    with database.connect() as connection:
        revisions.require_current(connection)
    evidence = Evidence(database, pending=storage.pending, command=COMMAND, clock=clock)
    files: list[Exported] = []
    with run_alone(evidence, locks.exporting(database)) as run:
        for region in regions:
            with evidence.attempt(region, progress=progress or Silent()) as attempt:
                found = list(_region(region, database, tables, attempt=attempt))
                failures = messages_of(found)
                attempt.ends(Outcome.FAILED if failures else Outcome.DONE, failures)
            files += found
        result = ExportedTables(tuple(files))
        conclude(run, result.files)
    return result


@dataclass(frozen=True, slots=True)
class _OneFile:
    """What goes into one file: the rows of a table in [since, until)."""

    table: Table
    name: str
    folder: str
    since: datetime
    until: datetime


def _region(region: Region, database: Database, tables: ArchivedTables, *, attempt: Attempt) -> Iterator[Exported]:
    for table, name, find in (
        (PRICE_STATS[region], _HOURS, exports.statistics_span),
        (PRICE_DAYS[region], _CLOSED_DAYS, exports.days_span),
        (TOKEN_PRICES[region], _TOKENS, exports.token_span),
    ):
        with database.connect() as connection:
            there = find(connection, region)
        if there is None:
            continue
        first, last = there
        folder = f"{name}/region={region}"
        spans = (
            [_OneFile(table, name, folder, first, last + timedelta(microseconds=1))]
            if name == _TOKENS
            else [
                _OneFile(table, name, f"{folder}/month={since:%Y-%m}", since, until)
                for since, until in _months(first, last)
            ]
        )
        for span in spans:
            file = failure_told(
                partial(_written, span, region, database, tables, attempt=attempt),
                failed=partial(_failed, span, region),
            )
            if file is not None:
                yield file


def _written(
    span: _OneFile, region: Region, database: Database, tables: ArchivedTables, *, attempt: Attempt
) -> Exported | None:
    """Export one file; None where there are no rows for it."""
    with attempt.step(span.name), database.connect() as connection:
        # The rows are read twice and have to be the same: what is committed meanwhile is the next export's.
        one_state(connection)
        manifest = tables.export(span.folder, span.name, lambda: _days(connection, span), now=attempt.clock.now())
    if manifest is NotWritten.EMPTY:
        return None
    if manifest is NotWritten.UNCHANGED:
        return Exported(region, span.folder, "unchanged")
    return Exported(region, span.folder, "written", rows=manifest.rows, bytes=manifest.bytes)


def keep_month(month: StatisticsMonth, *, database: Database, tables: ArchivedTables, now: datetime) -> int:
    """Have a month of statistics in the archive, read back, unless it is there; how many rows.

    Raises `ArchiveError`.
    """
    table = PRICE_STATS[month.region]
    folder = f"{_HOURS}/region={month.region}/month={month.first:%Y-%m}"
    span = _OneFile(table, _HOURS, folder, month.starts_at, month.ends_at)
    with database.connect() as connection:
        one_state(connection)
        kept = tables.export(span.folder, span.name, lambda: _days(connection, span), now=now)
        if isinstance(kept, NotWritten):
            return 0 if kept is NotWritten.EMPTY else exports.count(connection, table, span.since, span.until)
    return kept.rows


def _failed(span: _OneFile, region: Region, error: IronforgeError) -> Exported:
    return Exported(region, span.folder, "failed", message=str(error), status=error.status)


def _months(first: datetime, last: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Every month from that of one time to that of another.

    >>> months = _months(datetime(2023, 12, 31, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC))
    >>> [f"{since:%Y-%m-%d} {until:%Y-%m-%d}" for since, until in months]
    ['2023-12-01 2024-01-01', '2024-01-01 2024-02-01']
    """
    since = datetime(first.year, first.month, 1, tzinfo=UTC)
    while since <= last:
        until = (since + timedelta(days=31)).replace(day=1)
        yield since, until
        since = until


def _days(connection: Connection, span: _OneFile) -> Iterator[dict[str, Any]]:
    """A file's rows, some days at a time: a month of statistics at once would not fit into memory."""
    since, step = span.since, _AT_ONCE.get(span.name, span.until - span.since)
    while since < span.until:
        piece = exports.columns(connection, span.table, since, min(since + step, span.until))
        if len(next(iter(piece.values()))[0]):
            yield piece
        since += step
