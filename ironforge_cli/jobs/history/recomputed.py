"""What recomputing statistics is asked to do, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from ironforge_cli.errors import combined_status

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ironforge_cli.errors import ExitStatus
    from ironforge_cli.market.changes import StatisticsChange
    from ironforge_cli.regions import Region


class RecomputeOutcome(StrEnum):
    """How a region's recomputation ended."""

    RECOMPUTED = "recomputed"
    PLANNED = "planned"
    """A dry run: that is what would change."""
    NO_CHANGE = "no_change"
    LOCKED = "locked"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Extent:
    """Which snapshots to compute again; without bounds all."""

    since: datetime | None = None
    until: datetime | None = None
    outdated: bool = False
    """From the oldest to the newest of those that another version of the estimator judged."""


@dataclass(frozen=True, slots=True)
class RecomputedRegion:
    """What became of one region's statistics, or would become of them."""

    region: Region
    outcome: RecomputeOutcome
    status: ExitStatus
    since: datetime | None
    """The first snapshot that was computed again; None where none was."""
    until: datetime | None
    """The last one."""
    snapshots: int
    """How many were computed again."""
    changed: int
    """Of how many of them a row of auctions or statistics changed."""
    registry: int
    """Of how many of them the registry's row changed, be it the version of the estimator alone."""
    without_rows: int
    """Left as they are, since their raw rows are not held."""
    without_previous: int
    """Left as they are, since the raw rows of the snapshot before are not held."""
    outdated: int
    """How many in the range another version of the estimator had judged."""
    still_outdated: int
    """How many of these were not computed again."""
    auctions: int
    """Raw rows that got another expiry window."""
    statistics: StatisticsChange
    message: str | None
    steps: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class RecomputedStatistics:
    """What became of all of them."""

    regions: tuple[RecomputedRegion, ...]

    @property
    def status(self) -> ExitStatus:
        """The exit code."""
        return combined_status([region.status for region in self.regions])
