"""How a region's collection ended, and the ends that mean nothing new or a failure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ironforge_cli.errors import BusyError, ExitStatus, IronforgeError, UnreachableError, combined_status
from ironforge_cli.jobs.evidence.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ironforge_cli.jobs.collecting.storing import SnapshotCounts
    from ironforge_cli.jobs.evidence.runs import Attempt
    from ironforge_cli.regions import Region


NOTHING_NEW: Final = "Blizzard has published nothing since."
"""What there is to say of an answer that nothing is newer."""
REPEATED: Final = "The body of "
"""How the message begins of a body that is a stored one under a new time; log rows are found by it."""


@dataclass(frozen=True, slots=True)
class CollectedRegion:
    """How one region's collection ended."""

    region: Region
    outcome: Outcome
    status: ExitStatus
    snapshot_time: datetime | None
    """Of the snapshot that was stored or spooled, or found to be stored already."""
    counts: SnapshotCounts | None
    """None unless a snapshot was stored."""
    message: str | None
    """What went wrong and what to do, or why nothing was new."""
    is_held: bool = True
    """False where its time is stored with another body, so that this one is in no table."""
    replayed: int = 0
    """Spooled snapshots that were stored, too."""
    is_odd: bool = False
    """Whether somebody should look at it, though nothing failed."""
    last_modified: datetime | None = None
    """What Blizzard's answer says of its time; where it said that nothing is newer, the time that was asked for."""
    steps: Mapping[str, float] = field(default_factory=dict[str, float])
    """Seconds of each step."""
    refused_auctions: int | None = None
    """How many its body lists, where it was refused for that."""
    is_unreachable: bool = False
    """Whether the database was away, so that no other body could have been stored either."""

    def tell(self, attempt: Attempt) -> None:
        """Let the attempt's row say how it ended; a good end that is as usual needs no message."""
        is_whole = self.counts is None or not self.counts.skipped
        is_usual = self.status is ExitStatus.DONE and not self.is_odd and is_whole
        # What came from the spool makes a success of an hour that brought nothing new.
        outcome = Outcome.STORED if self.replayed and self.outcome is Outcome.NO_CHANGE else self.outcome
        attempt.ends(outcome, None if is_usual else self.message, last_modified=self.last_modified)


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


def unchanged(
    region: Region, time: datetime | None, why: str, *, last_modified: datetime | None = None
) -> CollectedRegion:
    """Nothing was new, for a reason."""
    return CollectedRegion(
        region=region,
        outcome=Outcome.NO_CHANGE,
        status=ExitStatus.DONE,
        snapshot_time=time,
        counts=None,
        message=why,
        last_modified=last_modified,
    )


def repeated_body(
    region: Region, time: datetime, original: datetime, *, last_modified: datetime | None = None
) -> CollectedRegion:
    """The body is a stored one under a new time: nothing new, and worth telling."""
    return CollectedRegion(
        region=region,
        outcome=Outcome.NO_CHANGE,
        status=ExitStatus.DONE,
        snapshot_time=time,
        counts=None,
        message=(
            f"{REPEATED}{time.isoformat()} is that of {original.isoformat()} again: Blizzard gave it a new time alone."
        ),
        is_odd=True,
        last_modified=last_modified,
    )


def failed(
    region: Region, error: BaseException, *, last_modified: datetime | None = None, spooled: datetime | None = None
) -> CollectedRegion:
    """An error ended it; `spooled` is the time of the snapshot that went to the spool, if one did."""
    status, message = explained(error)
    return CollectedRegion(
        region=region,
        outcome=Outcome.SPOOLED if spooled else Outcome.of(error),
        status=status,
        snapshot_time=spooled,
        counts=None,
        message=f"{message} {in_spool(spooled)}" if spooled else message,
        last_modified=last_modified,
        is_unreachable=isinstance(error, UnreachableError | BusyError),
    )


def explained(error: BaseException) -> tuple[ExitStatus, str]:
    """The exit code of an error, and what is said of it; what is none of ours is a bug."""
    if isinstance(error, IronforgeError):
        return error.status, str(error)
    return ExitStatus.BUG, f"An unexpected error, please report it: {type(error).__name__}: {error}"


def in_spool(time: datetime) -> str:
    """Where a snapshot is that could not be stored, and what becomes of it."""
    return f"The snapshot of {time.isoformat()} is in the spool: the next run with a database stores it."
