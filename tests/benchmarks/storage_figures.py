"""Whether a snapshot takes longer to store as more is held, and how many bytes a row takes.

Run it with `uv run python -m tests.benchmarks.storage_figures`; it takes about four minutes and 6 GB of disk, which it
gives back.

Two regions are stored in turn, hour by hour, with the very same auctions, as `collect` stores them
(`jobs.storing.store_snapshot`: the previous snapshot is read back, compared, and rows and statistics are written in one
transaction). EU begins with nothing: its first day is day 1. US has 29 days before: their statistics are there in full,
one row an item and hour, copied from a real hour of the same market in the order in which hours come, with the rows of
the registry and the partitions of every day. The raw rows of those days are not: they would lie in partitions that
nothing here touches. After that the tables are vacuumed, as they would have been meanwhile.

Day 30 against day 1 is the median of the ratios of every hour; snapshot 24 against snapshot 1 is that of the days and
regions; more of them are compared by the last six against the first six of a day. Downloading and decoding depend on
nothing stored, and are left out, so that the ratios are larger than those of whole runs.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from ironforge_cli.cli.frame.wiring import Stop, SystemClock
from ironforge_cli.db.engine import Database
from ironforge_cli.db.models import PRICE_STATS
from ironforge_cli.db.repositories import partitions
from ironforge_cli.db.repositories.snapshots import Body
from ironforge_cli.jobs.collecting.storing import store_snapshot
from ironforge_cli.jobs.evidence.runs import Attempt, Silent
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.regions import Region
from ironforge_cli.sandbox.market import SimulatedMarket, default_profiles
from tests.benchmarks.estimator_accuracy import as_collected
from tests.benchmarks.stage import ITEMS, home_folder, line, options, running_server
from tests.statistics_months import make_months

if TYPE_CHECKING:
    from ironforge_cli.market.auctions import Auctions

DAYS: Final = 2
DAYS_BEFORE: Final = 29
HOURS: Final = 24
MANY: Final = 6
FRESH, LADEN = Region.EU, Region.US
_BEGINS: Final = datetime(2026, 1, 30, 0, 3, 7, tzinfo=UTC)
_HOUR: Final = timedelta(hours=1)
_GROWTH: Final = "1.15 x"
_ROW: Final = "104 bytes"


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes a row."""

    rows: int
    heap: float
    index: float


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds by region, then one a snapshot of all days, and the sizes after the first day."""

    seconds: dict[Region, list[float]]
    raw: Sizes
    """Of the fresh region's first day."""
    statistics: Sizes
    """Of the region with a month of them."""
    statistics_rows_before: int


class Stored:
    """Two regions in one database, fed from one market."""

    def __init__(self, database: Database, *, auctions: int) -> None:
        self._database = database
        self._clock = SystemClock(Stop())
        profiles = default_profiles(seed=1, items=ITEMS)
        self._market = SimulatedMarket(profiles=profiles, auctions=auctions, seed=1, starts_at=_BEGINS - 3 * _HOUR)

    def next_hour(self) -> Auctions:
        """What is for sale an hour later."""
        self._market.advance(hours=1)
        return as_collected(self._market.listings())

    def store(self, region: Region, auctions: Auctions, *, at: datetime) -> float:
        """Store a snapshot, and return the seconds that it took."""
        with self._database.transaction() as connection:
            partitions.create(connection, DailyPartition.holding(region, at))
        attempt = Attempt(clock=self._clock, region=region, progress=Silent())
        body = Body(bytes=len(auctions) * 90, digest=at.isoformat(), source="live")
        began = time.perf_counter()
        store_snapshot(auctions, region=region, at=at, body=body, database=self._database, attempt=attempt)
        return time.perf_counter() - began

    def add_days_before(self, region: Region, *, at: datetime) -> int:
        """Give a region days of statistics, registry and partitions before a stored snapshot; returns their rows."""
        table = PRICE_STATS[region].name
        names = [column.name for column in PRICE_STATS[region].columns if column.name != "timestamp"]
        columns = ", ".join(names)
        for day in range(DAYS_BEFORE, 0, -1):
            oldest = day * HOURS + 1
            with self._database.transaction() as connection:
                partitions.create(connection, DailyPartition.holding(region, at - oldest * _HOUR))
                make_months(connection, at - oldest * _HOUR, at, regions=(region,))
                span = {"at": at, "oldest": oldest, "newest": oldest - HOURS + 1}
                connection.execute(
                    text(
                        f"INSERT INTO {table} (timestamp, {columns})"
                        f" SELECT CAST(:at AS timestamptz) - hour * interval '1 hour', {columns}"
                        f" FROM generate_series(CAST(:oldest AS int), :newest, -1) AS hour, {table}"
                        " WHERE timestamp = :at ORDER BY hour DESC, item_id"
                    ),
                    span,
                )
                connection.execute(
                    text(
                        "INSERT INTO snapshots (region, snapshot_time, auctions, items, bytes, digest, source,"
                        " estimator_version) SELECT region, snapshot_time - hour * interval '1 hour', auctions, items,"
                        " bytes, digest || hour, source, estimator_version"
                        " FROM snapshots, generate_series(CAST(:oldest AS int), :newest, -1) AS hour"
                        " WHERE region = :region AND snapshot_time = :at"
                    ),
                    {**span, "region": region},
                )
        with self._database.connect(autocommit=True) as connection:
            connection.execute(text(f"VACUUM ANALYZE {table}"))
            connection.execute(text("CHECKPOINT"))
            return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())

    def sizes(self, table: str) -> Sizes:
        """The bytes a row of a table takes, counted."""
        with self._database.connect() as connection:
            rows, heap, index = connection.execute(
                text(
                    f"SELECT (SELECT count(*) FROM {table}), sum(pg_relation_size(relid))::bigint,"
                    f" sum(pg_indexes_size(relid))::bigint FROM pg_partition_tree('{table}') WHERE isleaf"
                )
            ).one()
        return Sizes(rows=rows, heap=heap / rows, index=index / rows)


def measure(*, auctions: int, days: int, server: str) -> Measured:
    """Store so many days of both regions."""
    with home_folder() as home, running_server(server, home=home) as running:
        database = Database(running.url)
        stored = Stored(database, auctions=auctions)
        # The second of them has a predecessor, so that none of its columns is null.
        for hour in (2, 1):
            held = stored.next_hour()
            for region in (FRESH, LADEN):
                stored.store(region, held, at=_BEGINS - hour * _HOUR)
        before = stored.add_days_before(LADEN, at=_BEGINS - _HOUR)
        seconds: dict[Region, list[float]] = {FRESH: [], LADEN: []}
        raw: Sizes | None = None
        for hour in range(days * HOURS):
            held = stored.next_hour()
            for region in (FRESH, LADEN) if hour % 2 else (LADEN, FRESH):
                seconds[region].append(stored.store(region, held, at=_BEGINS + hour * _HOUR))
            if hour == HOURS - 1:
                raw = stored.sizes(DailyPartition.holding(FRESH, _BEGINS).name)
        assert raw is not None
        statistics = stored.sizes(PRICE_STATS[LADEN].name)
        database.close()
        return Measured(seconds=seconds, raw=raw, statistics=statistics, statistics_rows_before=before)


def report(measured: Measured, *, days: int) -> str:
    """The figures as a table for people."""
    fresh, laden = measured.seconds[FRESH], measured.seconds[LADEN]
    by_day = [taken[day * HOURS : (day + 1) * HOURS] for taken in (fresh, laden) for day in range(days)]
    last, first = median(day[-1] for day in by_day), median(day[0] for day in by_day)
    late = median(taken for day in by_day for taken in day[-MANY:])
    early = median(taken for day in by_day for taken in day[:MANY])
    by_hour = [one / other for one, other in zip(laden, fresh, strict=True)]
    raw, statistics = measured.raw, measured.statistics
    return "".join(
        [
            f"{raw.rows // HOURS:,} auctions a snapshot, {days} days of {HOURS} snapshots of two regions in turn\n",
            f"{measured.statistics_rows_before:,} rows of statistics before day {DAYS_BEFORE + 1}\n\n",
            line("snapshot 1 of a day", f"{first:.3f} s"),
            line("snapshot 24 of a day", f"{last:.3f} s"),
            line("snapshot 24 of snapshot 1", f"{median(day[-1] / day[0] for day in by_day):.2f} x", budget=_GROWTH),
            line(f"the last {MANY} of a day of its first {MANY}", f"{late / early:.2f} x", budget=_GROWTH),
            line("a snapshot of day 1", f"{median(fresh):.3f} s"),
            line(f"a snapshot of day {DAYS_BEFORE + 1}", f"{median(laden):.3f} s"),
            line(f"day {DAYS_BEFORE + 1} of day 1", f"{median(by_hour):.2f} x", budget=_GROWTH),
            "\n",
            line("a raw row, table", f"{raw.heap:.1f} bytes"),
            line("a raw row, index", f"{raw.index:.1f} bytes"),
            line("a raw row, both", f"{raw.heap + raw.index:.1f} bytes", budget=_ROW),
            line("a row of statistics, table", f"{statistics.heap:.1f} bytes"),
            line("a row of statistics, indexes", f"{statistics.index:.1f} bytes"),
        ]
    )


def main() -> None:
    """Print the figures."""
    asked = options(__doc__, days=DAYS)
    if asked.days < 1:
        raise SystemExit("--days is 1 or more.")
    measured = measure(auctions=asked.auctions, days=asked.days, server=asked.server)
    sys.stdout.write(report(measured, days=asked.days))


if __name__ == "__main__":
    main()
