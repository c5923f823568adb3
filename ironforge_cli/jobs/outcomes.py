"""How a region's collection ended, and the ends that mean nothing new."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from ironforge_cli.errors import ExitStatus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ironforge_cli.jobs.runs import Attempt
    from ironforge_cli.jobs.storing import Counts
    from ironforge_cli.regions import Region

log = logging.getLogger(__name__)


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
    steps: Mapping[str, float] = field(default_factory=dict[str, float])
    """Seconds of each step."""


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
    log.warning("%s: %s", region.label, attempt.message)
    return unchanged(attempt, region, time, attempt.message)
