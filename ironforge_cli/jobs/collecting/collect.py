"""One collection: what each region has published since its last stored snapshot, and the token price.

EU, US and the token price are separate pieces of work: each succeeds or fails alone. The regions run side by side.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from ironforge_cli.blizzard import payloads
from ironforge_cli.db import locks
from ironforge_cli.errors import ConfigurationError, DatabaseError, LockedError, UsageError
from ironforge_cli.jobs.collecting.attempt import attempted
from ironforge_cli.jobs.collecting.cycle import CommoditySource, RegionCycle
from ironforge_cli.jobs.collecting.intake import Received, take_in
from ironforge_cli.jobs.collecting.outcomes import Collected, CollectedRegion, CollectedToken
from ironforge_cli.jobs.collecting.telling import harmless, summarise, tell
from ironforge_cli.jobs.collecting.tokens import TokenSource, collect_token
from ironforge_cli.jobs.collecting.upkeep import look_after
from ironforge_cli.jobs.evidence.runs import Shown
from ironforge_cli.jobs.storage import Workplace, evidence_of

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from datetime import datetime
    from pathlib import Path

    from ironforge_cli.blizzard.deadline import Deadline
    from ironforge_cli.jobs.collecting.upkeep import Upkeep
    from ironforge_cli.jobs.evidence.runs import Attempt, Clock, Progress, Run
    from ironforge_cli.jobs.storage import Storage
    from ironforge_cli.regions import Region

__all__ = ["COMMAND", "Collected", "CollectedRegion", "CollectedToken", "Market", "collect", "ingest"]

COMMAND: Final = "collect"
log = logging.getLogger(__name__)
INGEST: Final = "collect --from"
"""A body that somebody stores by hand says nothing of how collecting goes."""


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
    shown = Shown(progress)
    with _working(storage, command=COMMAND, clock=clock) as (workplace, run):

        def region_work(region: Region) -> CollectedRegion:
            def cycle(attempt: Attempt) -> CollectedRegion:
                return RegionCycle(region, source=market, workplace=workplace, attempt=attempt, force=force).run()

            result = attempted(region, cycle, workplace=workplace, clock=clock, progress=shown)
            with harmless(f"{region.label}: telling"):
                tell(result)
            return result

        def token_work(region: Region) -> CollectedToken:
            return collect_token(region, market=market, storage=storage, clock=clock)

        with ThreadPoolExecutor(max_workers=len(regions) + 1, thread_name_prefix=COMMAND) as pool:
            collecting = [pool.submit(region_work, region) for region in regions]
            pricing = pool.submit(lambda: tuple(token_work(region) for region in regions))
            collected = Collected(regions=tuple(work.result() for work in collecting), tokens=pricing.result())
        with harmless("Summing up"):
            summarise(run, collected)
    look_after(collected, storage=lambda: storage, upkeep=upkeep)
    return collected


def ingest(
    body: bytes,
    *,
    region: Region,
    snapshot_time: datetime,
    storage: Storage,
    clock: Clock,
    progress: Progress | None = None,
    force: bool = False,
    file: Path | None = None,
) -> Collected:
    """Store a saved body as the snapshot of a time, also between others: those after it are then computed again.

    Failures are in the result, as those of `collect`; a refused body is kept in the quarantine unless it is of a `file`
    of a person's, which stays as it is, and one that could not be stored in the spool. Raises `UsageError` for a time
    that Blizzard can't have given.
    """
    require_possible(snapshot_time, clock=clock)
    received = Received.given(region, body, snapshot_time=snapshot_time, file=file)
    return ingest_received(received, command=INGEST, storage=storage, clock=clock, progress=progress, force=force)


def ingest_received(
    received: Received,
    *,
    command: str,
    storage: Storage,
    clock: Clock,
    force: bool,
    progress: Progress | None = None,
) -> Collected:
    """Store a body that has a time, as one run of a command with its evidence; what goes wrong is in the result."""
    region = received.region
    with _working(storage, command=command, clock=clock) as (workplace, run):

        def cycle(attempt: Attempt) -> CollectedRegion:
            return _taken_in(received, workplace=workplace, attempt=attempt, force=force)

        result = attempted(region, cycle, workplace=workplace, clock=clock, progress=Shown(progress))
        collected = Collected(regions=(result,), tokens=())
        with harmless(f"{region.label}: telling"):
            tell(result)
            summarise(run, collected)
    return collected


def require_possible(time: datetime, *, clock: Clock) -> None:
    """Raise `UsageError` for a time that a person gives and that Blizzard can't have given."""
    if time > clock.now() + payloads.FUTURE_TOLERANCE:
        raise UsageError(
            f"--snapshot-time {time.isoformat()} is in the future: Blizzard gives no such times. Correct it, or this "
            "machine's clock."
        )
    if time < payloads.FIRST_TIME:
        raise UsageError(f"--snapshot-time {time.isoformat()} is before the game was: give another.")


def _taken_in(received: Received, *, workplace: Workplace, attempt: Attempt, force: bool) -> CollectedRegion:
    """Take a body in, as the only one who stores; without a database it is spooled, which needs no lock.

    So is one that came through a pipe while another run stores the region: nobody can read it again.
    """
    away, collected = workplace.away, None
    if away is None:
        try:
            with locks.storing(workplace.database, received.region):
                collected = take_in(received, workplace=workplace, attempt=attempt, force=force)
        except (DatabaseError, ConfigurationError) as error:
            away = error
        except LockedError as error:
            if received.is_on_disk:
                raise
            away = error
        except Exception:
            if collected is None:
                raise
            log.exception("%s: a lock could not be given back; what is done stays done", received.region.label)
    # What is done stays done, though the session that held the lock ended badly.
    return collected or take_in(received, workplace=workplace, attempt=attempt, force=force, away=away)


@contextmanager
def _working(storage: Storage, *, command: str, clock: Clock) -> Generator[tuple[Workplace, Run]]:
    """Write evidence around a run, and find out whether there is a database to work with."""
    evidence = evidence_of(storage, command=command, clock=clock)
    with evidence.run() as run:
        yield Workplace.at(storage, evidence=evidence, decoding=threading.Lock()), run
