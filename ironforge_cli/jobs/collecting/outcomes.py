"""How a region's collection ended, and the ends that mean nothing new."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from ironforge_cli.errors import ExitStatus, combined_status

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ironforge_cli.jobs.collecting.storing import Counts
    from ironforge_cli.jobs.evidence.runs import Attempt
    from ironforge_cli.regions import Region


class Outcome(StrEnum):
    """How a piece of work ended; the failures bear the names of their rows in scraper_logs."""

    STORED = "stored"
    NO_CHANGE = "no_change"
    SPOOLED = "spooled"
    REJECTED = "rejected"
    LOCKED = "locked"
    FAILED = "failed"


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
    is_held: bool = True
    """False where its time is stored with another body, so that this one is in no table."""
    replayed: int = 0
    """Spooled snapshots that were stored first."""
    is_odd: bool = False
    """Whether somebody should look at it, though nothing failed."""
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


def in_spool(time: datetime) -> str:
    """Where a snapshot is that could not be stored, and what becomes of it."""
    return f"The snapshot of {time.isoformat()} is in the spool: the next run with a database stores it."


def unchanged(attempt: Attempt, region: Region, time: datetime | None, why: str) -> CollectedRegion:
    """Nothing was new, for a reason."""
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


def repeated_body(attempt: Attempt, region: Region, time: datetime, original: datetime) -> CollectedRegion:
    """The body is a stored one under a new time: nothing new, and worth telling."""
    attempt.message = (
        f"The body of {time.isoformat()} is that of {original.isoformat()} again: Blizzard gave it a new time alone."
    )
    return replace(unchanged(attempt, region, time, attempt.message), is_odd=True)
