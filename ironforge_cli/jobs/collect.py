"""One collection cycle: what each region has published since its last stored snapshot, whole or not at all.

EU, US and the token price are separate pieces of work: each succeeds or fails alone. The regions run side by side;
their bodies are decoded in turn, since a decoded body is most of the memory.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Protocol

from ironforge_cli.blizzard import payloads
from ironforge_cli.db import locks, schema
from ironforge_cli.db.repositories import partitions, runs, snapshots, stats
from ironforge_cli.errors import ExitStatus, IronforgeError, RefusedAnswerError, combined_status
from ironforge_cli.jobs.runs import Silent, benchmark, recorded_attempt, recorded_run
from ironforge_cli.market.partitions import DailyPartition
from ironforge_cli.market.statistics import summarise_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from ironforge_cli.blizzard.transport import Answer
    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.runs import Attempt, Clock, Progress, Run
    from ironforge_cli.market.auctions import Auctions, Book
    from ironforge_cli.market.statistics import Summary
    from ironforge_cli.regions import Region

log = logging.getLogger(__name__)

COMMAND: Final = "collect"
LONGEST_LISTING: Final = timedelta(hours=48)
"""No auction lasts longer, so that no window after it depends on what was known before."""
PLAUSIBLE_SHARE: Final = 0.5
"""A body with fewer auctions than this share of the trailing median is refused."""
FEWEST_FOR_PLAUSIBILITY: Final = 3


class Outcome(StrEnum):
    """How a piece of work ended; the failures bear the names of their rows in scraper_logs."""

    STORED = "stored"
    NO_CHANGE = "no_change"
    REJECTED = "rejected"
    LOCKED = "locked"
    FAILED = "failed"


class Market(Protocol):
    """Where answers come from: Blizzard's API, as `BlizzardClient` speaks it."""

    def commodities(self, region: Region, *, newer_than: datetime | None) -> Answer:
        """The body of a region's commodity auctions, or word that nothing is newer."""
        ...

    def token_price(self, region: Region) -> tuple[datetime, int]:
        """When the price of a token was set, and the price in copper."""
        ...


@dataclass(frozen=True, slots=True)
class Counts:
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


@dataclass(frozen=True, slots=True)
class CollectedRegion:
    """How one region's collection ended."""

    region: Region
    outcome: Outcome
    status: ExitStatus
    snapshot_time: datetime | None
    """Of the snapshot that was stored, or found to be stored already."""
    counts: Counts | None
    """None unless a snapshot was stored."""
    message: str | None
    """What went wrong and what to do, or why nothing was new."""
    steps: Mapping[str, float] = field(default_factory=dict[str, float])
    """Seconds of each step."""


@dataclass(frozen=True, slots=True)
class CollectedToken:
    """How one region's token price ended."""

    region: Region
    outcome: Outcome
    status: ExitStatus
    updated_at: datetime | None
    price: int | None
    """Copper."""
    message: str | None


@dataclass(frozen=True, slots=True)
class Collected:
    """How a cycle ended, piece by piece."""

    regions: tuple[CollectedRegion, ...]
    tokens: tuple[CollectedToken, ...]

    @property
    def status(self) -> ExitStatus:
        """The exit code: that of the regions, which a token price that failed makes partial.

        A token price never makes up for a region: where every region failed, their code tells why.
        """
        regions = combined_status([collected.status for collected in self.regions])
        tokens = combined_status([collected.status for collected in self.tokens])
        return ExitStatus.PARTIAL if regions is ExitStatus.DONE and tokens is not ExitStatus.DONE else regions


def collect(
    regions: Sequence[Region],
    *,
    market: Market,
    database: Database,
    clock: Clock,
    progress: Progress | None = None,
    force: bool = False,
) -> Collected:
    """Store what each region and its token price have that is new.

    `force` takes a body that is valid but implausibly small, and asks for bodies that are not newer. Failures of a
    piece are in the result; raises `DatabaseError` or `ConfigurationError` where no piece can begin.
    """
    decoding = threading.Lock()
    progress = progress or Silent()

    def region_work(region: Region) -> CollectedRegion:
        def cycle(attempt: Attempt) -> CollectedRegion:
            return _collect_region(
                region, market=market, database=database, attempt=attempt, decoding=decoding, force=force
            )

        return _attempted(region, cycle, database=database, clock=clock, progress=progress)

    with recorded_run(database, command=COMMAND, clock=clock) as run:
        _require_schema(database)
        with ThreadPoolExecutor(max_workers=len(regions) + 1, thread_name_prefix=COMMAND) as pool:
            collecting = [pool.submit(region_work, region) for region in regions]
            pricing = pool.submit(_collect_tokens, regions, market=market, database=database, clock=clock)
            collected = Collected(regions=tuple(work.result() for work in collecting), tokens=tuple(pricing.result()))
        _summarise_run(run, collected)
    return collected


def ingest(
    body: bytes,
    *,
    region: Region,
    snapshot_time: datetime,
    source: str,
    database: Database,
    clock: Clock,
    progress: Progress | None = None,
    force: bool = False,
) -> Collected:
    """Store a saved body as the snapshot of a time, also between others: those after it are then computed again.

    `source` is one of SNAPSHOT_SOURCES. Failures are in the result, as those of `collect`.
    """

    def cycle(attempt: Attempt) -> CollectedRegion:
        with locks.storing(database, region):
            kept = snapshots.Body(bytes=len(body), digest=sha256(body).hexdigest(), source=source)
            with database.connect() as connection:
                stored = snapshots.at(connection, region, snapshot_time)
                before = snapshots.before(connection, region, snapshot_time)
            if stored is not None:
                same = "this body" if stored.digest == kept.digest else "another body, which stays,"
                return _unchanged(attempt, region, snapshot_time, f"That time is stored already with {same}.")
            if before is not None and before.digest == kept.digest:
                return _repeated(attempt, region, snapshot_time, before.snapshot_time)
            with attempt.step("decode"):
                auctions = payloads.commodities(body, region=region)
            attempt.last_modified = snapshot_time
            return _store(
                region, auctions, at=snapshot_time, body=kept, database=database, attempt=attempt, force=force
            )

    with recorded_run(database, command=COMMAND, clock=clock) as run:
        _require_schema(database)
        collected = Collected(
            regions=(_attempted(region, cycle, database=database, clock=clock, progress=progress or Silent()),),
            tokens=(),
        )
        _summarise_run(run, collected)
    return collected


def _require_schema(database: Database) -> None:
    with database.connect() as connection:
        schema.require_current(connection)


def _attempted(
    region: Region,
    cycle: Callable[[Attempt], CollectedRegion],
    *,
    database: Database,
    clock: Clock,
    progress: Progress,
) -> CollectedRegion:
    """Run one region's cycle with its evidence; its failure is a result, so that it can't hinder another region."""
    started_at, started = clock.now(), clock.monotonic()
    attempt: Attempt | None = None
    try:
        with recorded_attempt(database, command=COMMAND, region=region, clock=clock, progress=progress) as attempt:
            collected = cycle(attempt)
    except IronforgeError as error:
        outcome = Outcome(attempt.status) if attempt is not None else Outcome.FAILED
        return CollectedRegion(
            region=region,
            outcome=outcome,
            status=error.status,
            snapshot_time=None,
            counts=None,
            message=str(error),
            steps=attempt.steps if attempt is not None else {},
        )
    except Exception as error:
        # A bug that one region's data brings to light must not cost the other region its hour.
        log.exception("%s: an unexpected error", region.label)
        return CollectedRegion(
            region=region,
            outcome=Outcome.FAILED,
            status=ExitStatus.BUG,
            snapshot_time=None,
            counts=None,
            message=f"An unexpected error, please report it: {type(error).__name__}: {error}",
        )
    if collected.counts is not None:
        benchmark(
            database,
            operation_type="snapshot",
            operation_name=COMMAND,
            region=region,
            started_at=started_at,
            ended_at=clock.now(),
            seconds=clock.monotonic() - started,
            record_count=collected.counts.auctions,
            status=ExitStatus.DONE,
            message=None,
            extra={
                "steps": {name: round(seconds, 4) for name, seconds in collected.steps.items()},
                "snapshot_time": collected.snapshot_time.isoformat() if collected.snapshot_time else None,
            },
        )
    return collected


def _collect_region(
    region: Region,
    *,
    market: Market,
    database: Database,
    attempt: Attempt,
    decoding: threading.Lock,
    force: bool,
) -> CollectedRegion:
    with locks.storing(database, region):
        with attempt.step("prepare"), database.transaction() as connection:
            newest = snapshots.newest(connection, region)
            repeated = runs.newest_repeated_time(connection, region, since=newest.snapshot_time) if newest else None
            # Before anything is fetched: an hour that can't be stored would have to be kept elsewhere.
            partitions.create(connection, DailyPartition.holding(region, attempt.clock.now()))
        known = max((time for time in (newest and newest.snapshot_time, repeated) if time), default=None)
        with attempt.step("download"):
            answer = market.commodities(region, newer_than=None if force else known)
        if answer.not_modified:
            attempt.last_modified = known
            return _unchanged(attempt, region, known, "Blizzard has published nothing since.")
        published = attempt.last_modified = payloads.published_at(answer.headers)
        if newest is not None and published <= newest.snapshot_time:
            since = "the newest stored" if published == newest.snapshot_time else "older than the newest stored"
            attempt.last_modified = newest.snapshot_time
            return _unchanged(attempt, region, newest.snapshot_time, f"Blizzard's answer is {since}.")
        body = snapshots.Body(bytes=len(answer.body), digest=sha256(answer.body).hexdigest(), source="live")
        if newest is not None and newest.digest == body.digest:
            return _repeated(attempt, region, published, newest.snapshot_time)
        with attempt.step("decode"), decoding:
            auctions = payloads.commodities(answer.body, region=region)
        del answer
        return _store(region, auctions, at=published, body=body, database=database, attempt=attempt, force=force)


def _store(
    region: Region,
    auctions: Auctions,
    *,
    at: datetime,
    body: snapshots.Body,
    database: Database,
    attempt: Attempt,
    force: bool,
) -> CollectedRegion:
    """Compare with the snapshot before and store all of it in one transaction, with what it changes after it."""
    with database.connect() as connection:
        with attempt.step("read previous"):
            _require_plausible(connection, region, auctions, at=at, force=force)
            registered = snapshots.before(connection, region, at)
            previous = snapshots.load(connection, region, registered.snapshot_time) if registered else None
        with attempt.step("compare"):
            summary = summarise_snapshot(previous, auctions, at=at)
        with attempt.step("store"):
            partitions.create(connection, DailyPartition.holding(region, at))
            snapshots.store(connection, region, summary.book)
            stats.store(connection, region, summary.statistics, at=at)
            snapshots.register(connection, region, summary, body)
        _recompute_after(connection, region, summary.book, attempt=attempt)
        with attempt.step("commit"):
            connection.commit()
    log.info("%s: stored %s, %d auctions", region.label, at.isoformat(), len(auctions))
    return CollectedRegion(
        region=region,
        outcome=Outcome.STORED,
        status=ExitStatus.DONE,
        snapshot_time=at,
        counts=_counts(summary),
        message=None,
        steps=attempt.steps,
    )


def _require_plausible(
    connection: Connection, region: Region, auctions: Auctions, *, at: datetime, force: bool
) -> None:
    usual, stored = snapshots.trailing_median(connection, region, at)
    if force or stored < FEWEST_FOR_PLAUSIBILITY or len(auctions) >= PLAUSIBLE_SHARE * usual:
        return
    raise RefusedAnswerError(
        f"Blizzard's answer for {region.label} lists {len(auctions):,} auctions, fewer than half of the {usual:,.0f} "
        f"that the last {stored} snapshots held. If the market really is that small, use --force."
    )


def _recompute_after(connection: Connection, region: Region, book: Book, *, attempt: Attempt) -> None:
    """Compute the snapshots after a new one again: their windows rest on it, for as long as an auction can last."""
    until = book.snapshot_time + LONGEST_LISTING
    previous, is_next = book, True
    while (registered := snapshots.after(connection, region, previous.snapshot_time)) is not None:
        if registered.snapshot_time > until and not is_next:
            return
        with attempt.step("recompute"):
            held = snapshots.load(connection, region, registered.snapshot_time)
            if held is None:
                return
            summary = summarise_snapshot(previous, held.auctions, at=held.snapshot_time)
            same = summary.windows.equal(held.windows)
            if same and not is_next:
                # All that follows rests on windows alone, and these did not change.
                return
            if not same:
                snapshots.remove(connection, region, held.snapshot_time)
                snapshots.store(connection, region, summary.book)
            stats.remove(connection, region, held.snapshot_time)
            stats.store(connection, region, summary.statistics, at=held.snapshot_time)
            snapshots.reregister(connection, region, summary)
        previous, is_next = summary.book, False


def _counts(summary: Summary) -> Counts:
    totals, auctions = summary.totals, summary.book.auctions
    return Counts(
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
    )


def _unchanged(attempt: Attempt, region: Region, time: datetime | None, why: str) -> CollectedRegion:
    attempt.status = Outcome.NO_CHANGE
    return CollectedRegion(
        region=region,
        outcome=Outcome.NO_CHANGE,
        status=ExitStatus.DONE,
        snapshot_time=time,
        counts=None,
        message=why,
        steps=attempt.steps,
    )


def _repeated(attempt: Attempt, region: Region, time: datetime, original: datetime) -> CollectedRegion:
    attempt.message = (
        f"The body of {time.isoformat()} is that of {original.isoformat()} again: Blizzard gave it a new time alone."
    )
    log.warning("%s: %s", region.label, attempt.message)
    return _unchanged(attempt, region, time, attempt.message)


def _collect_tokens(
    regions: Sequence[Region], *, market: Market, database: Database, clock: Clock
) -> list[CollectedToken]:
    return [_collect_token(region, market=market, database=database, clock=clock) for region in regions]


def _collect_token(region: Region, *, market: Market, database: Database, clock: Clock) -> CollectedToken:
    try:
        clock.check()
        updated_at, price = market.token_price(region)
        with database.transaction() as connection:
            new = stats.store_token_price(connection, region, at=updated_at, price=price)
    except IronforgeError as error:
        outcome = Outcome.REJECTED if isinstance(error, RefusedAnswerError) else Outcome.FAILED
        return CollectedToken(region, outcome, error.status, updated_at=None, price=None, message=str(error))
    outcome = Outcome.STORED if new else Outcome.NO_CHANGE
    return CollectedToken(region, outcome, ExitStatus.DONE, updated_at=updated_at, price=price, message=None)


def _summarise_run(run: Run, collected: Collected) -> None:
    run.status = collected.status
    run.record_count = sum(region.counts.auctions for region in collected.regions if region.counts)
    failures = [
        f"{piece.region.label}{kind}: {piece.message}"
        for kind, pieces in (("", collected.regions), (" token", collected.tokens))
        for piece in pieces
        if piece.status is not ExitStatus.DONE
    ]
    run.message = " ".join(failures) or None
    run.extra = {
        "regions": {
            region.region: {
                "outcome": region.outcome,
                "steps": {name: round(seconds, 4) for name, seconds in region.steps.items()},
            }
            for region in collected.regions
        },
        "token": {token.region: token.outcome for token in collected.tokens},
    }
