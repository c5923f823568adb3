"""Statistics and token prices into the archive, as Parquet beside the raw days: nothing leaves the database by it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from ironforge_cli.db import schema
from ironforge_cli.db.models import PRICE_STATS, TOKEN_PRICES
from ironforge_cli.db.repositories import exports
from ironforge_cli.errors import ExitStatus, InterruptedRunError, IronforgeError, combined_status
from ironforge_cli.jobs.evidence.outcomes import Outcome
from ironforge_cli.jobs.evidence.runs import Evidence, Silent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Table

    from ironforge_cli.archive.tables import ArchivedTables
    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.evidence.runs import Attempt, Clock, Progress
    from ironforge_cli.jobs.storage import Storage
    from ironforge_cli.regions import Region

COMMAND: Final = "partitions export"
_DAY: Final = timedelta(days=1)


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
    """Write what differs from the archive: a file a month of statistics, and one of all token prices of a region."""
    database = storage.database
    with database.connect() as connection:
        schema.require_current(connection)
    evidence = Evidence(database, pending=storage.pending, command=COMMAND, clock=clock)
    files: list[Exported] = []
    with evidence.run() as run:
        for region in regions:
            with evidence.attempt(region, progress=progress or Silent()) as attempt:
                found = list(_region(region, database, tables, attempt=attempt))
                failures = [file.message for file in found if file.message]
                attempt.ends(Outcome.FAILED if failures else Outcome.DONE, " ".join(failures) or None)
            files += found
        result = ExportedTables(tuple(files))
        run.status = result.status
        run.record_count = sum(file.rows or 0 for file in files)
        run.message = " ".join(file.message for file in files if file.message) or None
    return result


def _region(region: Region, database: Database, tables: ArchivedTables, *, attempt: Attempt) -> Iterator[Exported]:
    for table, name in ((PRICE_STATS[region], "statistics"), (TOKEN_PRICES[region], "token_prices")):
        with database.connect() as connection:
            there = exports.span(connection, table)
        if there is None:
            continue
        first, last = there
        by_month = name == "statistics"
        for since, until in _months(first, last) if by_month else [(first, last + timedelta(microseconds=1))]:
            folder = f"{name}/region={region}" + (f"/month={since:%Y-%m}" if by_month else "")
            try:
                with attempt.step(name):
                    manifest = tables.export(
                        folder,
                        name,
                        lambda since=since, until=until, table=table: _days(database, table, since, until),
                        now=attempt.clock.now(),
                    )
            except InterruptedRunError:
                raise
            except IronforgeError as error:
                yield Exported(region, folder, "failed", message=str(error), status=error.status)
            else:
                yield (
                    Exported(region, folder, "written", rows=manifest.rows, bytes=manifest.bytes)
                    if manifest
                    else Exported(region, folder, "unchanged")
                )


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


def _days(database: Database, table: Table, since: datetime, until: datetime) -> Iterator[dict[str, Any]]:
    """A table's rows, some days at a time: a month at once would not fit into memory."""
    step = _DAY if table.name.endswith("_price_stats") else until - since
    with database.connect() as connection:
        while since < until:
            piece = exports.columns(connection, table, since, min(since + step, until))
            if len(next(iter(piece.values()))[0]):
                yield piece
            since += step
