"""Storing one snapshot whole: rows, statistics and registry in one transaction, with what it changes after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ironforge_cli.db.repositories import partitions, past_intervals, price_days, snapshots, stats
from ironforge_cli.errors import RefusedAnswerError
from ironforge_cli.jobs.history.one_snapshot import recompute_after
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.market.plausibility import AGREEING, Sized, are_alike, is_believed_at_last, is_plausible
from ironforge_cli.market.statistics import summarise_snapshot
from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.evidence.runs import Attempt
    from ironforge_cli.market.auctions import Auctions, Book
    from ironforge_cli.market.statistics import Summary
    from ironforge_cli.regions import Region


class ImplausibleAnswerError(RefusedAnswerError):
    """The answer is valid, but so small that it is more likely a fault; a person may take it all the same."""

    def __init__(self, message: str, *, auctions: int | None = None) -> None:
        super().__init__(message)
        self.auctions = auctions
        """How many it lists."""


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
    skipped: int
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
            sales_low=summary.sales_low,
            estimated_sales=summary.estimated_sales,
            sales_high=summary.sales_high,
            expired_units=totals and totals.expired_units,
            withdrawn_units=totals and totals.withdrawn_units,
            skipped=auctions.left_out.count,
        )


def require_plausible(
    connection: Connection, region: Region, auctions: int, *, at: datetime, refused: Callable[[], Sequence[Sized]]
) -> str | None:
    """Raise `ImplausibleAnswerError` for a body that lists too few auctions to be believed.

    Believed is half of what the last snapshots held, and what is about as large as a snapshot beside it: that one was
    believed, too, or a person took it. At last one is believed that agrees with those `refused` in the hours before;
    what there is to say of that is returned.
    """
    usual, stored = snapshots.trailing_median(connection, region, at)
    if is_plausible(auctions, usual=usual, stored=stored) or is_like_neighbour(connection, region, auctions, at=at):
        return None
    before = snapshots.before(connection, region, at)
    stored_at = before.snapshot_time if before else None
    if is_believed_at_last(refused(), Sized(at, auctions), stored=stored_at):
        return (
            f"{region.label}: {at.isoformat()} lists {counted(auctions, 'auction')}, fewer than half of the "
            f"{usual:,.0f} that "
            f"the last {counted(stored, 'snapshot')} held. That is believed now, since the last {AGREEING} "
            f"hours agree: "
            "the market has become so small. Look whether that is so."
        )
    raise ImplausibleAnswerError(
        f"Blizzard's answer for {region.label} lists {counted(auctions, 'auction')}, fewer than half of the "
        f"{usual:,.0f} "
        f"that the last {counted(stored, 'snapshot')} held. If the market really is that small, use --force; "
        f"where {AGREEING} "
        "hours in a row agree, they are stored without it.",
        auctions=auctions,
    )


def is_like_neighbour(connection: Connection, region: Region, auctions: int, *, at: datetime) -> bool:
    """Whether a body is about as large as the stored snapshot before or after its time."""
    beside = (snapshots.before(connection, region, at), snapshots.after(connection, region, at))
    return any(one is not None and are_alike((auctions, one.auctions)) for one in beside)


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
        with attempt.step("sum up the past"):
            earlier = past_intervals.earlier(connection, region, at) if before is not None else None
        with attempt.step("compare"):
            summary = summarise_snapshot(before, auctions, at=at, earlier=earlier)
        with attempt.step("store"):
            snapshots.store(connection, region, summary.book)
            stats.store(connection, region, summary.statistics, at=at)
            snapshots.register(connection, region, summary, body)
        followed = recompute_after(connection, region, summary.book, attempt=attempt)
        price_days.remake(connection, region, [at, *followed])
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
