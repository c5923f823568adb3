"""Chains of stored snapshots, and what can be wrong with them: for tests of what computes them again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import text

from ironforge_cli.archive.days import ArchivedDays
from ironforge_cli.archive.store import FolderStore
from ironforge_cli.db.repositories import partitions
from ironforge_cli.db.repositories.snapshots import Body
from ironforge_cli.db.transactions import driver as driver_of
from ironforge_cli.errors import InterruptedRunError
from ironforge_cli.jobs.collecting.storing import store_snapshot
from ironforge_cli.jobs.days.archiving import Archive
from ironforge_cli.jobs.evidence.runs import Attempt, Silent
from ironforge_cli.jobs.history.recompute import recompute
from ironforge_cli.jobs.history.recomputed import Extent, RecomputeOutcome
from ironforge_cli.market.auctions import Auctions
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.regions import DEFAULT_REGIONS, Region
from ironforge_cli.sandbox.market import SimulatedMarket, default_profiles
from ironforge_cli.values import replace
from tests.benchmarks.estimator_accuracy import as_collected
from tests.clocks import TickingClock
from tests.jobs import stored
from tests.statistics_months import make_months

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.evidence.runs import Progress
    from ironforge_cli.jobs.history.recomputed import RecomputedRegion, RecomputedStatistics
    from ironforge_cli.jobs.storage import Storage
    from tests.jobs.expected import Row

BEGINS = datetime(2026, 1, 14, 1, 3, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)
# Windows that no bucket and no chain gives, statistics that no snapshot has, and rules that nobody knows any more.
_WRONG_WINDOWS = "expires_after_min = -7, expires_before_min = -3"
_WRONG_FIGURES = (
    "min_price = min_price + 1, median_price = NULL, sales_low = 0, estimated_sales = 5, sales_high = 1000000"
)


class InterruptedClock(TickingClock):
    """A clock that asks the program to end after so many looks at it."""

    def __init__(self, now: datetime, *, looks: int) -> None:
        super().__init__(now)
        self._looks = looks

    def check(self) -> None:
        self._looks -= 1
        if self._looks < 0:
            raise InterruptedRunError("SIGTERM")


@dataclass
class Chain:
    """Snapshots of a small market, stored one after the other as a collection does."""

    storage: Storage
    clock: TickingClock
    snapshots: list[tuple[datetime, Auctions]]

    @property
    def database(self) -> Database:
        return self.storage.database

    def store(self, *regions: Region, but: Sequence[int] = ()) -> None:
        """Store all snapshots in regions but some, by their number: by the job the first time, then by what it left."""
        for region in regions or DEFAULT_REGIONS:
            numbers = [number for number in range(len(self.snapshots)) if number not in but]
            # The snapshots of a kind of chain are made once, so that the object says which they are.
            left = _stored.get(key := (id(self.snapshots), region, *numbers))
            if left is None:
                for number in numbers:
                    self.store_one(region, number)
                _stored[key] = (self.snapshots, _copied(self.database, region))
            else:
                self._put(region, numbers, left[1])

    def _put(self, region: Region, numbers: Sequence[int], copies: Mapping[str, bytes]) -> None:
        with self.database.transaction() as connection:
            for day in sorted({self.time(number).date() for number in numbers}):
                partitions.create(connection, DailyPartition(region, day))
            make_months(connection, *(self.time(number) for number in numbers), regions=(region,))
            with driver_of(connection) as driver, driver.cursor() as cursor:
                for table, content in copies.items():
                    with cursor.copy(f"COPY {table} FROM STDIN (FORMAT BINARY)".encode()) as copy:
                        copy.write(content)

    def store_one(self, region: Region, number: int) -> None:
        """Store one snapshot."""
        at, auctions = self.snapshots[number]
        store_snapshot(
            auctions,
            region=region,
            at=at,
            body=Body(bytes=1, digest=f"{number:064}", source="live"),
            database=self.database,
            attempt=Attempt(clock=self.clock, region=region, progress=Silent()),
        )

    def everything(self, region: Region) -> tuple[list[Row], ...]:
        return stored.everything(self.database, region)

    def time(self, number: int) -> datetime:
        return self.snapshots[number][0]

    def execute(self, statement: str, **parameters: Any) -> None:
        with self.database.transaction() as connection:
            connection.execute(text(statement), parameters)

    def spoil(
        self,
        *regions: Region,
        since: int = 0,
        until: int | None = None,
        windows: bool = True,
        figures: bool = True,
        version: int = 0,
    ) -> None:
        """Make what was computed of the snapshots from one to another wrong."""
        span = {"since": self.time(since), "until": self.time(-1 if until is None else until)}
        for region in regions or DEFAULT_REGIONS:
            if windows:
                where = "snapshot_time BETWEEN :since AND :until"
                self.execute(f"UPDATE auction_snapshots_{region} SET {_WRONG_WINDOWS} WHERE {where}", **span)
            if figures:
                table, where = f"{region}_commodity_price_stats", "timestamp BETWEEN :since AND :until"
                self.execute(f"DELETE FROM {table} WHERE {where} AND item_id % 3 = 0", **span)
                self.execute(f"UPDATE {table} SET {_WRONG_FIGURES} WHERE {where}", **span)
                self.execute(
                    f"INSERT INTO {table} (item_id, timestamp, total_quantity, num_auctions)"
                    f" SELECT 999999, snapshot_time, 1, 1 FROM snapshots"
                    " WHERE region = :region AND snapshot_time BETWEEN :since AND :until",
                    region=region,
                    **span,
                )
            self.execute(
                "UPDATE snapshots SET estimator_version = :version, gone_auctions = -1"
                " WHERE region = :region AND snapshot_time BETWEEN :since AND :until",
                version=version,
                region=region,
                **span,
            )

    def take_raw_rows(self, region: Region, *numbers: int) -> None:
        """Let the raw rows of snapshots go, as retention does with whole days."""
        for number in numbers:
            self.execute(f"DELETE FROM auction_snapshots_{region} WHERE snapshot_time = :at", at=self.time(number))

    def archive(self, folder: Path, region: Region, *numbers: int) -> ArchivedDays:
        """Archive the days of some snapshots in a folder, and let the raw rows of these go."""
        days = ArchivedDays(FolderStore(folder))
        for day in sorted({self.time(number).date() for number in numbers}):
            Archive(days, now=self.clock.now).keep(self.database, DailyPartition(region, day))
        self.take_raw_rows(region, *numbers)
        return days

    def recompute(
        self,
        *regions: Region,
        since: int | None = None,
        until: int | None = None,
        outdated: bool = False,
        dry_run: bool = False,
        workers: int = 1,
        shortest_segment: timedelta = timedelta(days=2),
        clock: TickingClock | None = None,
        progress: Progress | None = None,
        archive: ArchivedDays | None = None,
    ) -> RecomputedStatistics:
        """Run the job for snapshots by their number."""
        extent = Extent(
            since=None if since is None else self.time(since),
            until=None if until is None else self.time(until),
            outdated=outdated,
        )
        return recompute(
            regions or DEFAULT_REGIONS,
            storage=self.storage,
            extent=extent,
            dry_run=dry_run,
            workers=workers,
            shortest_segment=shortest_segment,
            clock=clock or self.clock,
            progress=progress,
            archive=archive,
        )


# The snapshots themselves are kept, too, so that no others get their place in memory.
_stored: dict[tuple[object, ...], tuple[object, dict[str, bytes]]] = {}


def _copied(database: Database, region: Region) -> dict[str, bytes]:
    """All that is stored of a region's market, by what to copy it into."""
    tables = {
        f"auction_snapshots_{region}": f"SELECT * FROM auction_snapshots_{region}",
        f"{region}_commodity_price_stats": f"SELECT * FROM {region}_commodity_price_stats",
        "snapshots": f"SELECT * FROM snapshots WHERE region = '{region}'",
    }
    with database.connect() as connection, driver_of(connection) as driver, driver.cursor() as cursor:
        copies: dict[str, bytes] = {}
        for table, query in tables.items():
            with cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT BINARY)".encode()) as copy:
                copies[table] = b"".join(bytes(piece) for piece in copy)
        return copies


@cache
def hourly() -> list[tuple[datetime, Auctions]]:
    """A day of hourly snapshots."""
    return market_snapshots(24, auctions=200)


@cache
def every_three_hours(*, lasting: int = 48) -> list[tuple[datetime, Auctions]]:
    """Six days of snapshots three hours apart, with auctions that last so many hours."""
    return with_auctions_of(market_snapshots(48, hours=3), hours=lasting)


@cache
def market_snapshots(count: int, *, hours: int = 1, auctions: int = 120) -> list[tuple[datetime, Auctions]]:
    """A simulated market, every so many hours."""
    profiles = default_profiles(seed=1, items=auctions // 6)
    market = SimulatedMarket(profiles=profiles, auctions=auctions, seed=1, starts_at=BEGINS - hours * HOUR)
    snapshots: list[tuple[datetime, Auctions]] = []
    for number in range(count):
        market.advance(hours=hours)
        snapshots.append((BEGINS + number * hours * HOUR, as_collected(market.listings())))
    return snapshots


def with_auctions_of(snapshots: list[tuple[datetime, Auctions]], *, hours: int) -> list[tuple[datetime, Auctions]]:
    """The same with one more auction listed before each snapshot, which is there for so many hours.

    More than 48 are none that the game knows: it seems VERY_LONG until 12 are left.
    """
    mixed: list[tuple[datetime, Auctions]] = []
    listed_before = timedelta(minutes=1)
    for number, (at, auctions) in enumerate(snapshots):
        left = [
            (other, timedelta(hours=hours) - (at - listed_at) - listed_before)
            for other, (listed_at, _) in enumerate(snapshots[: number + 1])
        ]
        there = [(other, remaining) for other, remaining in left if remaining > timedelta(0)]
        n = len(there)
        buckets = [sum(remaining > timedelta(minutes=most) for most in (30, 120, 720)) for _, remaining in there]
        mixed.append(
            (
                at,
                Auctions.from_columns(
                    auction_id=np.concatenate([auctions.auction_id, [10**12 + other for other, _ in there]]),
                    item_id=np.concatenate([auctions.item_id, np.full(n, 7, np.int32)]),
                    unit_price=np.concatenate([auctions.unit_price, np.full(n, 500)]),
                    quantity=np.concatenate([auctions.quantity, np.full(n, 3, np.int32)]),
                    time_left=np.concatenate([auctions.time_left, np.array(buckets, np.uint8)]),
                ),
            )
        )
    return mixed


def figures_of(recomputed: RecomputedStatistics) -> list[RecomputedRegion]:
    """The results of all regions, without what depends on the machine or on whether they were written."""
    return [replace(region, steps={}, outcome=RecomputeOutcome.RECOMPUTED) for region in recomputed.regions]
