"""What lies in the spool and the quarantine of a region, and of which hours it is. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ironforge_cli.jobs.health.status_findings import Shelved, Unresolved

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from ironforge_cli.blizzard.spool import Kept
    from ironforge_cli.db.repositories.health import Stored

LATELY: Final = timedelta(hours=24)
"""A missed hour, and a refused body of one, are a problem for a day; then they are history."""
_SAME_HOUR: Final = timedelta(minutes=30)
# A body whose time is unknown is of the publication before it was received, mostly by less than this.
_CLOCKS_DIFFER: Final = timedelta(minutes=5)
_RECEIVED_WITHIN: Final = timedelta(minutes=45)


def is_of(kept: Kept, hour: datetime) -> bool:
    """Whether a body is of the snapshot of a time, give or take; by when it was received where it bears no time."""
    if kept.snapshot_time is not None:
        return abs(kept.snapshot_time - hour) <= _SAME_HOUR
    return -_CLOCKS_DIFFER <= kept.received_at - hour <= _RECEIVED_WITHIN


def shelved(bodies: Sequence[Kept], sizes: Mapping[str, int]) -> Shelved:
    """What a shelf holds; `sizes` are its files' by their bodies' names."""
    received = sorted(bodies, key=lambda kept: kept.received_at)
    return Shelved(
        bodies=len(bodies),
        bytes=sum(sizes.get(kept.name, 0) for kept in bodies),
        oldest_at=received[0].received_at if received else None,
        newest_at=received[-1].received_at if received else None,
        newest_reason=received[-1].reason if received else None,
    )


def unresolved(quarantine: Iterable[Kept], stored: Sequence[Stored], *, now: datetime) -> list[Unresolved]:
    """The bodies that were refused within the last 24 hours and whose hour is not stored."""
    return [
        Unresolved(kept.name, kept.received_at, kept.reason)
        for kept in quarantine
        if kept.received_at > now - LATELY and not any(is_of(kept, one.snapshot_time) for one in stored)
    ]
