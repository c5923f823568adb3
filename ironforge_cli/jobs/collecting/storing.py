"""Storing one snapshot whole: rows, statistics and registry in one transaction, with what it changes after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ironforge_cli.db.repositories import partitions, snapshots, stats
from ironforge_cli.errors import RefusedAnswerError
from ironforge_cli.jobs.history.one_snapshot import recompute_after
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.market.statistics import summarise_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.evidence.runs import Attempt
    from ironforge_cli.market.auctions import Auctions, Book
    from ironforge_cli.market.statistics import Summary
    from ironforge_cli.regions import Region

PLAUSIBLE_SHARE: Final = 0.5
"""A body with fewer auctions than this share of the trailing median is refused."""
FEWEST_FOR_PLAUSIBILITY: Final = 3


class ImplausibleAnswerError(RefusedAnswerError):
    """The answer is valid, but so small that it is more likely a fault; a person may take it all the same."""


@dataclass(frozen=True, slots=True)
class SnapshotCounts:
    """What a stored snapshot holds and what happened since the one before; nulls in a region's first."""

    auctions: int
    items: int
    interval_seconds: int | None
    new_auctions: int | None
    gone_auctions: int | None
    sales_low: int | None
    estimated_sales: int | None
    sales_high: int | None
    expired_units: int | None
    withdrawn_units: int | None
    skipped: int = 0
    """Auctions of its body that made no sense and were left out."""

    @classmethod
    def of(cls, summary: Summary) -> SnapshotCounts:
        """The counts of a snapshot's summary."""
        totals, auctions = summary.totals, summary.book.auctions
        return cls(
            auctions=len(auctions),
            items=auctions.items,
            interval_seconds=summary.interval_seconds,
            new_auctions=totals and totals.new_auctions,
            gone_auctions=totals and totals.gone_auctions,
            sales_low=totals and totals.sales_low,
            estimated_sales=totals and totals.estimated_sales,
            sales_high=totals and totals.sales_high,
            expired_units=totals and totals.expired_units,
            withdrawn_units=totals and totals.withdrawn_units,
            skipped=auctions.left_out.count,
        )


def is_plausible(auctions: int, *, usual: float, stored: int) -> bool:
    """Whether a body is large enough to be believed: half of the usual is, and anything before three are stored.

    >>> [is_plausible(auctions, usual=100.0, stored=3) for auctions in (49, 50)], is_plausible(1, usual=100.0, stored=2)
    ([False, True], True)
    """
    return stored < FEWEST_FOR_PLAUSIBILITY or auctions >= PLAUSIBLE_SHARE * usual


def require_plausible(connection: Connection, region: Region, auctions: Auctions, *, at: datetime) -> None:
    """Raise `ImplausibleAnswerError` for a body with fewer than half of the auctions that the last snapshots held."""
    usual, stored = snapshots.trailing_median(connection, region, at)
    if is_plausible(len(auctions), usual=usual, stored=stored):
        return
    raise ImplausibleAnswerError(
        f"Blizzard's answer for {region.label} lists {len(auctions):,} auctions, fewer than half of the {usual:,.0f} "
        f"that the last {stored} snapshots held. If the market really is that small, use --force."
    )


def store_snapshot(
    auctions: Auctions,
    *,
    region: Region,
    at: datetime,
    body: snapshots.Body,
    database: Database,
    attempt: Attempt,
    previous: Callable[[], Book | None] | None = None,
    made: DailyPartition | None = None,
) -> SnapshotCounts:
    """Compare with the snapshot before, and store all of it in one transaction.

    Who calls holds the region's lock; `previous` gives the snapshot before where somebody is reading it, and `made` is
    a day's partition that is known to be there. Raises `DatabaseError` or `ConfigurationError`; nothing is stored then.
    """
    day = DailyPartition.holding(region, at)
    if day != made:
        make_day(database, day)
    with attempt.step("read previous"):
        # Before a connection is taken: whoever reads it may wait for that very one.
        read = previous() if previous else None
    with database.connect() as connection:
        with attempt.step("read previous"):
            before = read if previous else _load_before(connection, region, at)
        with attempt.step("compare"):
            summary = summarise_snapshot(before, auctions, at=at)
        with attempt.step("store"):
            snapshots.store(connection, region, summary.book)
            stats.store(connection, region, summary.statistics, at=at)
            snapshots.register(connection, region, summary, body)
        recompute_after(connection, region, summary.book, attempt=attempt)
        with attempt.step("commit"):
            connection.commit()
    return SnapshotCounts.of(summary)


def make_day(database: Database, day: DailyPartition) -> None:
    """Make a day's partition, unless it is there: in a transaction of its own, so that no lock lasts."""
    with database.transaction() as connection:
        partitions.create(connection, day)


def _load_before(connection: Connection, region: Region, at: datetime) -> Book | None:
    registered = snapshots.before(connection, region, at)
    return snapshots.load(connection, region, registered.snapshot_time) if registered else None
