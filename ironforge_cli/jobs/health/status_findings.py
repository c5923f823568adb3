"""What `status` found, as values: of each region, and of everything else. Judging it is another module's work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ironforge_cli.market.doubts import doubts
from ironforge_cli.values import Value

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime, timedelta
    from pathlib import Path

    from ironforge_cli.db.repositories.attempts import Streak
    from ironforge_cli.db.repositories.health import Gap, LastRun, LoggedAttempt
    from ironforge_cli.db.repositories.seeders import SeederState
    from ironforge_cli.db.repositories.thinning_checks import ThinningCheck
    from ironforge_cli.db.repositories.vacuuming import VacuumedTable
    from ironforge_cli.errors import IronforgeError
    from ironforge_cli.jobs.evidence.windows import KilledWindow
    from ironforge_cli.market.doubts import Doubt
    from ironforge_cli.market.lost_rows import CountedSnapshot
    from ironforge_cli.regions import Region


class Freshness(Value, frozen=True):
    """How old a region's newest snapshot is, and when the next one should be there."""

    snapshot_time: datetime
    age_seconds: int
    """Negative: it is in the future by this machine's clock."""
    auctions: int
    items: int
    minute: int | None
    """Of the hour, at which the region publishes; None, as the three below, before that is learned."""
    due_at: datetime | None
    """The time that the next snapshot is expected to bear."""
    delay_seconds: int | None
    """How long after its publication a snapshot is usually stored."""
    late_seconds: int | None
    """How much later than usual the next one is; 0 while it may still come."""
    skipped: int = 0
    """Auctions of the newest snapshot that made no sense and were left out."""


class TokenFreshness(Value, frozen=True):
    """How old a region's newest price of the token is."""

    updated_at: datetime
    """When Blizzard set it, about every 20 minutes."""
    age_seconds: int
    price: int
    """Copper."""


class MissingHour(Value, frozen=True):
    """An hour of which nothing is stored."""

    expected_at: datetime
    """The time that its snapshot would bear, by the rhythm of the region."""
    since: datetime
    """Of the stored snapshot before it."""
    until: datetime | None
    """Of the stored snapshot after it; None: the region is silent since."""
    attempts: Mapping[str, int]
    """Attempts while it could be fetched, by how they ended."""
    explanation: str
    """What the logs say of it, in words."""


class Shelved(Value, frozen=True):
    """What lies in the spool or the quarantine."""

    bodies: int = 0
    bytes: int = 0
    """On disk."""
    oldest_at: datetime | None = None
    """When the first of them was received."""
    newest_at: datetime | None = None
    newest_reason: str | None = None


_NOTHING: Final = Shelved()


class Unresolved(Value, frozen=True):
    """A body that was refused lately, and whose hour is still missing."""

    name: str
    received_at: datetime
    reason: str


class Days(Value, frozen=True):
    """The partitions of a region's raw snapshots."""

    held: int
    """Daily partitions and others."""
    oldest: date | None
    newest: date | None
    ahead: int | None
    """Days in a row after today that are ready; None: not even today is."""
    past_retention: tuple[str, ...]
    """Partitions that should have been dropped a day ago or earlier, by this machine's clock."""
    detaching: tuple[str, ...]
    """Partitions whose detaching was cut off."""
    default: str | None
    """The partition of whatever no other takes."""
    is_default_used: bool
    """Whether there are rows in it."""
    held_back: tuple[str, ...] = ()
    """Those past the retention that stay, since no snapshot is stored that is so much newer."""


class SelfCheck(Value, frozen=True):
    """Of the estimator: the share of partly sold auctions that stood above an untouched cheaper one."""

    newest: float | None
    """Of the newest snapshot."""
    day: float | None
    """Of the last 24 hours; None, as below, where too few auctions were partly sold."""
    before: float | None
    """Of the fourteen days before them."""
    version: int
    """Of the estimator that computed the newest snapshot's sales."""
    computed_otherwise: int
    """How many of the snapshots looked at were computed by another version than this program's."""
    phase: float | None = None
    """Of the last 24 hours, as below: sold lots listed just before a snapshot, to what the estimate supposes."""
    withdrawn_an_hour: float | None = None
    """Auctions that sellers took back, as a share of all, an hour."""
    thinned: ThinningCheck | None = None
    """The newest day that was looked at half as often; None where none was."""

    @property
    def doubts(self) -> tuple[Doubt, ...]:
        """What these figures say against the estimates; `day` is judged by what was before."""
        thinned = self.thinned.ratio if self.thinned else None
        return doubts(thinned=thinned, phase=self.phase, withdrawn_an_hour=self.withdrawn_an_hour, passed_by=None)


class RegionFindings(Value, frozen=True):
    """How one region stands."""

    region: Region
    freshness: Freshness | None = None
    """None, as the three below, without a snapshot or a database."""
    self_check: SelfCheck | None = None
    days: Days | None = None
    streak: Streak | None = None
    token: TokenFreshness | None = None
    """None where no price of the token is stored, or nobody knows."""
    gaps: tuple[Gap, ...] = ()
    """Of the range that was asked for, newest first."""
    missing: tuple[MissingHour, ...] = ()
    """The hours of that range that are missing, newest first."""
    missing_lately: tuple[MissingHour, ...] = ()
    """Those of the last 24 hours after which another was stored, whatever the range: they are gone."""
    last_attempts: tuple[LoggedAttempt, ...] = ()
    spool: Shelved | None = _NOTHING
    quarantine: Shelved | None = _NOTHING
    """None, as the one above, where it can't be read."""
    unresolved: tuple[Unresolved, ...] = ()
    lost_rows: tuple[CountedSnapshot, ...] | None = None
    """Snapshots of the newest day whose rows are not as they were registered; None: nobody counted."""

    @property
    def last_attempt_at(self) -> datetime | None:
        """When `collect` or `poll` last tried; None: not within what was looked at."""
        if self.streak is None:
            return None
        return max((at for at in (self.streak.last_good_at, self.streak.last_at) if at is not None), default=None)


class Disk(Value, frozen=True):
    """A file system that data lie on."""

    folder: Path
    free: int
    total: int


class StatusFindings(Value, frozen=True):
    """How everything stands."""

    now: datetime
    max_age: timedelta
    database: str
    away: IronforgeError | None
    """Why the database can't be asked; None where it can."""
    regions: tuple[RegionFindings, ...]
    disk: Disk
    at_work: tuple[LoggedAttempt, ...] = ()
    """Attempts at something whose owner lives."""
    crashed: tuple[LoggedAttempt, ...] = ()
    killed_windows: tuple[KilledWindow, ...] | None = ()
    """Windows that were killed while they waited, and of which no later one has left a row; None: nobody knows."""
    upkeep: tuple[LoggedAttempt, ...] = ()
    """The last finished attempt at seeding, partitions and recomputation, a region, within a week."""
    seen: Mapping[str, str] = {}
    """The events that a person has seen, each with who that was."""
    last_runs: tuple[LastRun, ...] = ()
    """The last of each command."""
    seeders: tuple[SeederState, ...] = ()
    sizes: Mapping[str, int] | None = None
    """Bytes by kind of data."""
    vacuumed: tuple[VacuumedTable, ...] | None = None
    """When the larger tables were last vacuumed; None where that can't be told, as on a replica."""
    pending_rows: int | None = 0
    """Log rows that wait for a database; None where they can't be read."""
    unreadable: IronforgeError | None = None
    """Why the spool, the quarantine or the waiting log rows can't be read."""
    ahead: int = 0
    """Days that should be ready ahead of today."""
    retention_days: int = 0
    """How long raw data may be held; 0: for ever."""

    @property
    def is_unused(self) -> bool:
        """Whether nothing was ever begun here, as far as anybody knows."""
        logged = self.at_work or self.crashed or self.upkeep or self.pending_rows or self.unreadable or self.away
        return not (logged or self.killed_windows) and not any(
            state.freshness or state.last_attempts or (state.spool and state.spool.bodies) for state in self.regions
        )
