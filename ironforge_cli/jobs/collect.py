"""One collection: what each region has published since its last stored snapshot, and the token price.

EU, US and the token price are separate pieces of work: each succeeds or fails alone. The regions run side by side.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

from ironforge_cli.blizzard import payloads
from ironforge_cli.db import locks, schema
from ironforge_cli.db.repositories import stats
from ironforge_cli.errors import (
    ConfigurationError,
    DatabaseError,
    ExitStatus,
    IronforgeError,
    RefusedAnswerError,
    UsageError,
    combined_status,
)
from ironforge_cli.jobs.bodies import Workplace, quarantined, store_body
from ironforge_cli.jobs.cycle import CommoditySource, RegionCycle
from ironforge_cli.jobs.outcomes import CollectedRegion, Outcome, in_spool
from ironforge_cli.jobs.runs import Evidence, Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from datetime import datetime
    from pathlib import Path

    from ironforge_cli.blizzard.spool import Shelves
    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.pending import PendingRows
    from ironforge_cli.jobs.runs import Attempt, Clock, Progress, Run
    from ironforge_cli.regions import Region

log = logging.getLogger(__name__)

COMMAND: Final = "collect"


class Market(CommoditySource, Protocol):
    """Where answers come from: Blizzard's API, as `BlizzardClient` speaks it."""

    def token_price(self, region: Region) -> tuple[datetime, int]:
        """When the price of a token was set, and the price in copper."""
        ...


@dataclass(frozen=True, slots=True)
class Storage:
    """Where what is collected goes: the database, and folders for what it can't take."""

    database: Database
    shelves: Shelves
    pending: PendingRows
    locks_folder: Path
    retention_days: int
    """How long raw bodies may be kept; 0 for ever."""


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
    storage: Storage,
    clock: Clock,
    progress: Progress | None = None,
    force: bool = False,
) -> Collected:
    """Store what each region and its token price have that is new.

    `force` takes a body that is valid but implausibly small, and asks for bodies that are not newer. What goes wrong
    is in the result, piece by piece; without a database, bodies and evidence wait in folders.
    """
    with _working(storage, clock=clock) as (workplace, run):

        def region_work(region: Region) -> CollectedRegion:
            def cycle(attempt: Attempt) -> CollectedRegion:
                return RegionCycle(region, source=market, workplace=workplace, attempt=attempt, force=force).run()

            return _attempted(region, cycle, workplace=workplace, clock=clock, progress=progress or Silent())

        with ThreadPoolExecutor(max_workers=len(regions) + 1, thread_name_prefix=COMMAND) as pool:
            collecting = [pool.submit(region_work, region) for region in regions]
            pricing = pool.submit(_collect_tokens, regions, market=market, database=storage.database, clock=clock)
            collected = Collected(regions=tuple(work.result() for work in collecting), tokens=tuple(pricing.result()))
        _summarise(run, collected)
    return collected


def ingest(
    body: bytes,
    *,
    region: Region,
    snapshot_time: datetime,
    source: str,
    storage: Storage,
    clock: Clock,
    progress: Progress | None = None,
    force: bool = False,
) -> Collected:
    """Store a saved body as the snapshot of a time, also between others: those after it are then computed again.

    `source` is one of SNAPSHOT_SOURCES. Failures are in the result, as those of `collect`; a refused body is kept in
    the quarantine, and one that the database could not take in the spool. Raises `UsageError` for a time that Blizzard
    can't have given.
    """
    if snapshot_time > clock.now() + payloads.FUTURE_TOLERANCE:
        raise UsageError(f"--snapshot-time {snapshot_time.isoformat()} is in the future: Blizzard gives no such times.")
    if snapshot_time < payloads.FIRST_TIME:
        raise UsageError(f"--snapshot-time {snapshot_time.isoformat()} is before the game was: give another.")
    with _working(storage, clock=clock) as (workplace, run):

        def cycle(attempt: Attempt) -> CollectedRegion:
            attempt.last_modified = snapshot_time
            try:
                if workplace.away is not None:
                    raise workplace.away
                with locks.storing(storage.database, region):
                    result = store_body(
                        body,
                        region=region,
                        snapshot_time=snapshot_time,
                        source=source,
                        workplace=workplace,
                        attempt=attempt,
                        force=force,
                    )
            except RefusedAnswerError as error:
                kept = quarantined(
                    body,
                    headers={},
                    snapshot_time=snapshot_time,
                    region=region,
                    reason=str(error),
                    workplace=workplace,
                    attempt=attempt,
                )
                raise type(error)(f"{error} {kept}") from error
            except (DatabaseError, ConfigurationError) as error:
                if source == "file":
                    # What came through a pipe can't be read again.
                    storage.shelves.spool.keep(
                        body,
                        region=region,
                        snapshot_time=snapshot_time,
                        headers={},
                        received_at=clock.now(),
                        reason=str(error),
                    )
                    attempt.spooled_time = snapshot_time
                raise
            if result.outcome is Outcome.NO_CHANGE:
                # A time that a person gave says nothing of what Blizzard answered, and must not be asked with.
                attempt.last_modified = None
            return result

        result = _attempted(region, cycle, workplace=workplace, clock=clock, progress=progress or Silent())
        collected = Collected(regions=(result,), tokens=())
        _summarise(run, collected)
    return collected


@contextmanager
def _working(storage: Storage, *, clock: Clock) -> Generator[tuple[Workplace, Run]]:
    """Write evidence around a run, and find out whether there is a database to work with."""
    evidence = Evidence(storage.database, pending=storage.pending, command=COMMAND, clock=clock)
    with evidence.run() as run:
        away: IronforgeError | None = None
        try:
            with storage.database.connect() as connection:
                schema.require_current(connection)
        except (DatabaseError, ConfigurationError) as error:
            away = error
        else:
            evidence.settle()
        yield (
            Workplace(
                database=storage.database,
                away=away,
                shelves=storage.shelves,
                locks_folder=storage.locks_folder,
                retention=timedelta(days=storage.retention_days) if storage.retention_days else None,
                evidence=evidence,
                decoding=threading.Lock(),
            ),
            run,
        )


def _attempted(
    region: Region,
    cycle: Callable[[Attempt], CollectedRegion],
    *,
    workplace: Workplace,
    clock: Clock,
    progress: Progress,
) -> CollectedRegion:
    """Run one region's cycle with its evidence; its failure is a result, so that it can't hinder another region."""
    started_at, started = clock.now(), clock.monotonic()
    attempt: Attempt | None = None
    try:
        with workplace.evidence.attempt(region, progress=progress) as attempt:
            collected = cycle(attempt)
    except IronforgeError as error:
        return _failed(region, attempt, status=error.status, message=str(error))
    except Exception as error:
        # A bug that one region's data brings to light must not cost the other region its hour.
        log.exception("%s: an unexpected error", region.label)
        message = f"An unexpected error, please report it: {type(error).__name__}: {error}"
        return _failed(region, attempt, status=ExitStatus.BUG, message=message)
    if collected.counts is not None:
        workplace.evidence.benchmark(
            "snapshot",
            region=region,
            started_at=started_at,
            seconds=clock.monotonic() - started,
            record_count=collected.counts.auctions,
            extra={
                "steps": _rounded(collected),
                "snapshot_time": collected.snapshot_time.isoformat() if collected.snapshot_time else None,
            },
        )
    return collected


def _failed(region: Region, attempt: Attempt | None, *, status: ExitStatus, message: str) -> CollectedRegion:
    failed = CollectedRegion(
        region=region,
        outcome=Outcome(attempt.status) if attempt is not None else Outcome.FAILED,
        status=status,
        snapshot_time=None,
        counts=None,
        message=message,
        steps=attempt.steps if attempt is not None else {},
    )
    if attempt is None or attempt.spooled_time is None:
        return failed
    return replace(failed, snapshot_time=attempt.spooled_time, message=f"{message} {in_spool(attempt.spooled_time)}")


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
    except Exception as error:
        # As with a region: a bug here must not hide what became of the snapshots.
        log.exception("%s token price: an unexpected error", region.label)
        message = f"An unexpected error, please report it: {type(error).__name__}: {error}"
        return CollectedToken(region, Outcome.FAILED, ExitStatus.BUG, updated_at=None, price=None, message=message)
    outcome = Outcome.STORED if new else Outcome.NO_CHANGE
    return CollectedToken(region, outcome, ExitStatus.DONE, updated_at=updated_at, price=price, message=None)


def _summarise(run: Run, collected: Collected) -> None:
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
            region.region: {"outcome": region.outcome, "steps": _rounded(region)} for region in collected.regions
        },
        "token": {token.region: token.outcome for token in collected.tokens},
    }


def _rounded(region: CollectedRegion) -> dict[str, float]:
    return {name: round(seconds, 4) for name, seconds in region.steps.items()}
