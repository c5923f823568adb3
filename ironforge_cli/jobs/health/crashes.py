"""Whether later work has made up for a run that crashed. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from ironforge_cli.db.repositories.health import LoggedAttempt
    from ironforge_cli.jobs.evidence.windows import KilledWindow
    from ironforge_cli.jobs.health.status_findings import StatusFindings

COLLECTING: Final = frozenset({"collect", "poll"})
_SEEDING: Final = ("seed items", "seed outputs", "seed reagents", "seed recipes")
UPKEEP: Final = ("partitions maintain", *_SEEDING, "stats recompute")
"""What else cron runs. Whatever a person runs once is that person's business: no check fails for it."""
GOOD: Final = frozenset({"success", "no_change"})


def is_made_up_for(crashed: LoggedAttempt, found: StatusFindings) -> bool:
    """Whether a later run did well what a crashed one should have done, or nobody waits for that."""
    if crashed.command not in COLLECTING and crashed.command not in UPKEEP:
        # A person saw it end; and of looking, this run is the later one.
        return True
    if crashed.command not in COLLECTING:
        return any(
            later.timestamp > crashed.timestamp and later.status in GOOD
            for later in found.upkeep
            if (later.command, later.region) == (crashed.command, crashed.region)
        )
    return is_collected_since(crashed.timestamp, crashed.region and [crashed.region], found)


def is_collected_since(moment: datetime, regions: Collection[str] | None, found: StatusFindings) -> bool:
    """Whether every region, or all of some, had a good attempt after a moment."""
    streaks = [state.streak for state in found.regions if regions is None or state.region.value in regions]
    return all(streak and streak.last_good_at and streak.last_good_at > moment for streak in streaks)


def has_row(killed: KilledWindow, found: StatusFindings) -> bool:
    """Whether an attempt was at work when its window was killed, so that its row tells of it."""
    window = killed.window
    return any(row.command == window.command and row.timestamp >= window.started_at for row in found.crashed)
