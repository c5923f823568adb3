"""What recomputing has found and changed so far, snapshot by snapshot."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from ironforge_cli.market.changes import StatisticsChange

if TYPE_CHECKING:
    from ironforge_cli.jobs.history.one_snapshot import RecomputedSnapshot


@dataclass(slots=True)
class RecomputeCounts:
    """What was found and changed so far; a snapshot that was computed twice counts once."""

    computed: set[datetime] = field(default_factory=set[datetime])
    changed: set[datetime] = field(default_factory=set[datetime])
    """Those of which a row of auctions or statistics changed."""
    registry: set[datetime] = field(default_factory=set[datetime])
    """Those of which the registry said something else, be it the version of the estimator alone."""
    without_rows: set[datetime] = field(default_factory=set[datetime])
    """Left as they are: their raw rows are not held, or not all of them."""
    without_previous: set[datetime] = field(default_factory=set[datetime])
    """Left as they are: the raw rows of the snapshot before are not held."""
    auctions: int = 0
    """Those that got another expiry window."""
    statistics: StatisticsChange = field(default_factory=StatisticsChange)

    def add(self, recomputed: RecomputedSnapshot) -> None:
        """Count a snapshot."""
        at = recomputed.book.snapshot_time
        self.computed.add(at)
        self.auctions += recomputed.windows
        self.statistics += recomputed.statistics
        if recomputed.windows or recomputed.statistics.rows:
            self.changed.add(at)
        if recomputed.registry:
            self.registry.add(at)

    def join(self, other: RecomputeCounts) -> None:
        """Count what another segment found."""
        self.computed |= other.computed
        self.changed |= other.changed
        self.registry |= other.registry
        self.without_rows |= other.without_rows
        self.without_previous |= other.without_previous
        self.auctions += other.auctions
        self.statistics += other.statistics
