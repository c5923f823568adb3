"""What waits in the spool, taken in by a cycle: in order, and no body hinders the next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ironforge_cli.errors import STOPPED, ConfigurationError, ExitStatus
from ironforge_cli.jobs.collecting.intake import Received, take_in
from ironforge_cli.jobs.collecting.outcomes import failed
from ironforge_cli.jobs.evidence.outcomes import Outcome

if TYPE_CHECKING:
    from ironforge_cli.blizzard.spool import Kept
    from ironforge_cli.jobs.collecting.outcomes import CollectedRegion
    from ironforge_cli.jobs.evidence.runs import Attempt
    from ironforge_cli.jobs.storage import Workplace
    from ironforge_cli.market.partitions import DailyPartition
    from ironforge_cli.regions import Region


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of the bodies that waited."""

    stored: int
    problems: tuple[str, ...] = ()
    """Why bodies were not stored, each reason once."""
    stopped: CollectedRegion | None = None
    """How the cycle has to end, where somebody asked the program to end meanwhile."""

    def told_with(self, collected: CollectedRegion) -> CollectedRegion:
        """The result of the hour that was asked for, with what became of the spool."""
        collected = replace(collected, replayed=self.stored)
        # An hour that failed has its own code and reason.
        if not self.problems or collected.status is not ExitStatus.DONE:
            return collected
        message = f"Not all of the spool could be stored: {' '.join(self.problems)}"
        return replace(collected, status=ExitStatus.PARTIAL, message=message)


def replay(
    region: Region, *, workplace: Workplace, attempt: Attempt, force: bool, made: DailyPartition | None = None
) -> Replayed:
    """Store what waits in the region's spool, oldest first. Who calls holds the region's lock."""
    stored, problems = 0, dict[str, None]()
    for kept in workplace.shelves.spool.kept(region):
        with attempt.step("replay"):
            # Somebody may have dropped or stored it meanwhile.
            if not kept.path.exists():
                continue
            result = _taken_in(kept, workplace=workplace, attempt=attempt, force=force, made=made)
        stored += result.counts is not None
        if result.status in STOPPED:
            return Replayed(stored, tuple(problems), stopped=result)
        if result.status is not ExitStatus.DONE:
            problems[str(result.message)] = None
    return Replayed(stored, tuple(problems))


def _taken_in(
    kept: Kept, *, workplace: Workplace, attempt: Attempt, force: bool, made: DailyPartition | None
) -> CollectedRegion:
    """Take one body in, and drop its file when it is in the tables."""
    spool, clock = workplace.shelves.spool, attempt.clock
    started_at, started = clock.now(), clock.monotonic()
    result = take_in(
        Received.kept_on(spool, kept, source="spool"),
        workplace=workplace,
        attempt=attempt,
        force=force,
        made=made,
    )
    if result.outcome is Outcome.REJECTED or not result.is_held:
        told = _moved_to_quarantine(kept, str(result.message), workplace=workplace)
        return replace(result, status=ExitStatus.REFUSED, message=f"{result.message} {told}")
    if result.status is not ExitStatus.DONE:
        return result
    if result.counts is not None:
        workplace.evidence.benchmark(
            "snapshot",
            region=kept.region,
            started_at=started_at,
            seconds=clock.monotonic() - started,
            record_count=result.counts.auctions,
            extra={"snapshot_time": result.snapshot_time and result.snapshot_time.isoformat(), "source": "spool"},
        )
    try:
        # Stored now, or before: a process can be killed between the commit and this line.
        spool.drop(kept)
    except ConfigurationError as error:
        return replace(failed(kept.region, error), counts=result.counts)
    return result


def _moved_to_quarantine(kept: Kept, reason: str, *, workplace: Workplace) -> str:
    """Put a spooled body that no later cycle will store into the quarantine, and say where it is then."""
    try:
        workplace.shelves.quarantine_spooled(kept, reason=reason)
    except ConfigurationError as full:
        return f"It stays in the spool: {full}"
    return f"It is kept: `ironforge spool replay --quarantine {kept.name}` stores it."
