"""One collection: what each region has published since its last stored snapshot, and the token price.

EU, US and the token price are separate pieces of work: each succeeds or fails alone. The regions run side by side.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from ironforge_cli.blizzard import payloads
from ironforge_cli.db import locks
from ironforge_cli.errors import ConfigurationError, DatabaseError, RefusedAnswerError, UsageError
from ironforge_cli.jobs.collecting.attempt import TokenSource, attempted, collect_token, look_after, summarise, tell
from ironforge_cli.jobs.collecting.cycle import CommoditySource, RegionCycle
from ironforge_cli.jobs.collecting.intake import quarantined, store_body
from ironforge_cli.jobs.collecting.outcomes import Collected, CollectedRegion, CollectedToken, Outcome
from ironforge_cli.jobs.evidence.runs import Silent
from ironforge_cli.jobs.storage import Workplace, evidence_of

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from datetime import datetime

    from ironforge_cli.blizzard.deadline import Deadline
    from ironforge_cli.jobs.collecting.attempt import Upkeep
    from ironforge_cli.jobs.evidence.runs import Attempt, Clock, Progress, Run
    from ironforge_cli.jobs.storage import Storage
    from ironforge_cli.regions import Region

__all__ = ["COMMAND", "Collected", "CollectedRegion", "CollectedToken", "Market", "collect", "ingest"]

COMMAND: Final = "collect"


class Market(CommoditySource, TokenSource, Protocol):
    """Where answers come from: Blizzard's API, as `BlizzardClient` speaks it."""

    def until(self, deadline: Deadline) -> Market:
        """The same, whose every wait and attempt ends by a deadline."""
        ...


def collect(
    regions: Sequence[Region],
    *,
    market: Market,
    storage: Storage,
    clock: Clock,
    progress: Progress | None = None,
    force: bool = False,
    upkeep: Upkeep | None = None,
) -> Collected:
    """Store what each region and its token price have that is new.

    `force` takes a body that is valid but implausibly small, and asks for bodies that are not newer; the days
    have their `upkeep` after something was stored. What goes wrong is in the result, piece by piece;
    without a database, bodies and evidence wait in folders.
    """
    with _working(storage, clock=clock) as (workplace, run):

        def region_work(region: Region) -> CollectedRegion:
            def cycle(attempt: Attempt) -> CollectedRegion:
                return RegionCycle(region, source=market, workplace=workplace, attempt=attempt, force=force).run()

            result = attempted(region, cycle, workplace=workplace, clock=clock, progress=progress or Silent())
            tell(result)
            return result

        def token_work(region: Region) -> CollectedToken:
            return collect_token(region, market=market, storage=storage, clock=clock)

        with ThreadPoolExecutor(max_workers=len(regions) + 1, thread_name_prefix=COMMAND) as pool:
            collecting = [pool.submit(region_work, region) for region in regions]
            pricing = pool.submit(lambda: tuple(token_work(region) for region in regions))
            collected = Collected(regions=tuple(work.result() for work in collecting), tokens=pricing.result())
        summarise(run, collected)
    look_after(collected, storage=storage, upkeep=upkeep)
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

        result = attempted(region, cycle, workplace=workplace, clock=clock, progress=progress or Silent())
        tell(result)
        collected = Collected(regions=(result,), tokens=())
        summarise(run, collected)
    return collected


@contextmanager
def _working(storage: Storage, *, clock: Clock) -> Generator[tuple[Workplace, Run]]:
    """Write evidence around a run, and find out whether there is a database to work with."""
    evidence = evidence_of(storage, command=COMMAND, clock=clock)
    with evidence.run() as run:
        yield Workplace.at(storage, evidence=evidence, decoding=threading.Lock()), run
