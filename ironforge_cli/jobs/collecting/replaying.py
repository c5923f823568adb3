"""What waits on disk, taken in by a cycle after its hour: in order, and no body hinders the next.

The spool comes first, then what is in the quarantine and is believed by now. A body that failed is tried again after
growing pauses; an error of the database's ends it, since the next body would wait for the same.
"""

from __future__ import annotations

import logging
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import TYPE_CHECKING

from ironforge_cli.db.repositories import snapshots
from ironforge_cli.errors import STOPPED, ConfigurationError, ExitStatus, InterruptedRunError
from ironforge_cli.jobs.collecting.intake import Received, take_in
from ironforge_cli.jobs.collecting.outcomes import explained, failed
from ironforge_cli.jobs.collecting.postponed import Postponed, waiting
from ironforge_cli.jobs.collecting.storing import is_like_neighbour
from ironforge_cli.jobs.evidence.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ironforge_cli.blizzard.deadline import Deadline
    from ironforge_cli.blizzard.spool import Kept, Shelf
    from ironforge_cli.jobs.collecting.outcomes import CollectedRegion
    from ironforge_cli.jobs.evidence.runs import Attempt
    from ironforge_cli.jobs.storage import Workplace
    from ironforge_cli.market.partitions import DailyPartition
    from ironforge_cli.regions import Region

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of the bodies that waited."""

    stored: int
    problems: tuple[str, ...] = ()
    """Why bodies were not stored, each reason once."""
    stopped: CollectedRegion | None = None
    """How the cycle has to end, where somebody asked the program to end meanwhile."""
    refused: frozenset[datetime] = frozenset()
    """The times of bodies that were no snapshots: Blizzard may have the true ones."""

    def told_with(self, collected: CollectedRegion) -> CollectedRegion:
        """The result of the hour that was asked for, with what became of the spool."""
        collected = replace(collected, replayed=self.stored)
        # An hour that failed has its own code and reason.
        if collected.status is not ExitStatus.DONE:
            return collected
        if self.stopped is not None:
            return replace(collected, status=self.stopped.status, message=self.stopped.message)
        if not self.problems:
            return collected
        message = f"Not all of the spool could be stored: {' '.join(self.problems)}"
        if collected.is_odd:
            message = f"{collected.message} {message}"
        return replace(collected, status=ExitStatus.PARTIAL, message=message)


def replay(
    region: Region,
    *,
    workplace: Workplace,
    attempt: Attempt,
    force: bool,
    made: DailyPartition | None = None,
    until: Deadline | None = None,
    but: datetime | None = None,
) -> Replayed:
    """Store what waits on disk of a region, oldest first, and raise nothing. Who calls holds the region's lock.

    No body is begun after the deadline, and none of the time of `but`: the next cycle goes on.
    """
    going = _Replaying(region, workplace, attempt, force=force, made=made, until=until, but=but)
    try:
        going.all_of(workplace.shelves.spool, going.spooled)
        going.all_of(workplace.shelves.quarantine, going.quarantined)
    except _EndedError:
        log.debug("%s: what is left on disk waits for the next cycle", region.label)
    except InterruptedRunError as error:
        going.stopped = failed(region, error)
    except Exception as error:
        log.exception("%s: an unexpected error while what waits was stored", region.label)
        going.problems[explained(error)[1]] = None
    return Replayed(going.stored, tuple(going.problems), stopped=going.stopped, refused=frozenset(going.refused))


class _EndedError(Exception):
    """Nothing more is taken in by this cycle."""


@dataclass(slots=True)
class _Replaying:
    """One replay, as it goes on."""

    region: Region
    workplace: Workplace
    attempt: Attempt
    _: KW_ONLY
    force: bool
    made: DailyPartition | None
    until: Deadline | None
    but: datetime | None
    stored: int = 0
    problems: dict[str, None] = field(default_factory=dict[str, None])
    stopped: CollectedRegion | None = None
    refused: set[datetime] = field(default_factory=set["datetime"])

    def all_of(self, shelf: Shelf, take: Callable[[Kept], CollectedRegion | None]) -> None:
        """Take in the bodies of one shelf, each by itself; raises `_EndedError` where no other should be begun."""
        try:
            bodies = shelf.kept(self.region)
        except ConfigurationError as error:
            self.problems[str(error)] = None
            return
        if not bodies:
            return
        postponed, clock = Postponed(shelf.folder / self.region), self.attempt.clock
        for kept in bodies:
            if self.until is not None and not self.until.allows(0):
                raise _EndedError
            if self.but is not None and kept.snapshot_time == self.but:
                continue
            failure = postponed.of(kept)
            # Who forces wants it now.
            if failure is not None and not self.force and waiting(failure, now=clock.now()):
                self.problems[failure.message] = None
                continue
            result = self._isolated(kept, take)
            if result is None:
                continue
            self.stored += result.counts is not None
            if result.status is not ExitStatus.DONE:
                self.problems[str(result.message)] = None
            if result.is_unreachable:
                raise _EndedError
            if not kept.path.exists():
                postponed.forget(kept)
            else:
                postponed.failed(kept, str(result.message), now=clock.now())

    def _isolated(self, kept: Kept, take: Callable[[Kept], CollectedRegion | None]) -> CollectedRegion | None:
        with self.attempt.step("replay"):
            # Somebody may have dropped or stored it meanwhile.
            if not kept.path.exists():
                return None
            try:
                result = take(kept)
            except InterruptedRunError:
                raise
            except Exception as error:
                log.exception("%s: an unexpected error with %s", self.region.label, kept.path)
                result = failed(self.region, error)
        if result is not None and result.status in STOPPED:
            self.stopped = result
            raise _EndedError
        return result

    def spooled(self, kept: Kept) -> CollectedRegion | None:
        """Take in one body of the spool; one that is refused goes to the quarantine."""
        if not kept.is_readable:
            # No pause: to look costs nothing, and it is tried as soon as somebody has mended it.
            self.problems[f"{kept.path}: {kept.reason}."] = None
            return None
        result = self._taken_in(self.workplace.shelves.spool, kept, source="spool")
        if result.outcome is Outcome.REJECTED or not result.is_held:
            if result.outcome is Outcome.REJECTED and kept.snapshot_time is not None:
                self.refused.add(kept.snapshot_time)
            told = _moved_to_quarantine(kept, result, workplace=self.workplace)
            return replace(result, status=ExitStatus.REFUSED, message=f"{result.message} {told}")
        return result

    def quarantined(self, kept: Kept) -> CollectedRegion | None:
        """Take in one body that was too small to be believed, where a stored hour beside it agrees."""
        time, auctions = kept.snapshot_time, kept.auctions
        if time is None or auctions is None:
            return None
        with self.workplace.database.connect() as connection:
            if snapshots.at(connection, self.region, time) is not None:
                return None
            if not is_like_neighbour(connection, self.region, auctions, at=time):
                return None
        result = self._taken_in(self.workplace.shelves.quarantine, kept, source="quarantine")
        if result.counts is not None:
            log.warning(
                "%s: stored %s from the quarantine: it was refused for its size, and the hours beside it agree",
                self.region.label,
                time.isoformat(),
            )
        return result

    def _taken_in(self, shelf: Shelf, kept: Kept, *, source: str) -> CollectedRegion:
        """Take one body in, and drop its file when it is in the tables."""
        clock = self.attempt.clock
        started_at, started = clock.now(), clock.monotonic()
        result = take_in(
            Received.kept_on(shelf, kept, source=source),
            workplace=self.workplace,
            attempt=self.attempt,
            force=self.force and source == "spool",
            made=self.made,
        )
        if result.status is not ExitStatus.DONE or not result.is_held:
            return result
        if result.counts is not None:
            self.workplace.evidence.benchmark(
                "snapshot",
                region=kept.region,
                started_at=started_at,
                seconds=clock.monotonic() - started,
                record_count=result.counts.auctions,
                extra={
                    "snapshot_time": kept.snapshot_time.isoformat() if kept.snapshot_time else None,
                    "source": source,
                },
            )
        try:
            # Stored now, or before: a process can be killed between the commit and this line.
            shelf.drop(kept)
        except ConfigurationError as error:
            return replace(failed(kept.region, error), counts=result.counts)
        return result


def _moved_to_quarantine(kept: Kept, result: CollectedRegion, *, workplace: Workplace) -> str:
    """Put a spooled body that no later cycle will store into the quarantine, and say where it is then."""
    try:
        workplace.shelves.quarantine_spooled(kept, reason=str(result.message), auctions=result.refused_auctions)
    except ConfigurationError as full:
        return f"It stays in the spool: {full}"
    return f"It is kept: `ironforge spool replay --quarantine {kept.name}` stores it."
