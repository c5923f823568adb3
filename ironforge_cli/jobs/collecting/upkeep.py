"""The upkeep of days, handed in by whoever collects: done when something was stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from ironforge_cli.errors import STOPPED
from ironforge_cli.jobs.collecting.telling import harmless

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ironforge_cli.jobs.collecting.outcomes import Collected
    from ironforge_cli.jobs.storage import Storage
    from ironforge_cli.regions import Region

Upkeep: TypeAlias = "Callable[[Sequence[Region], Storage], object]"
"""What is done for the days of regions of which something was stored."""


def look_after(collected: Collected, *, storage: Callable[[], Storage], upkeep: Upkeep | None) -> None:
    """Look after the days when a snapshot was stored; whatever comes of that, what was stored is."""
    stored = with_something_stored(collected)
    if upkeep is not None and stored:
        with harmless("The upkeep of days"):
            upkeep(stored, storage())


def with_something_stored(collected: Collected) -> list[Region]:
    """The regions whose tables have grown; none where somebody asked the program to end, so that it does so now."""
    if collected.status in STOPPED:
        return []
    return [region.region for region in collected.regions if region.counts is not None or region.replayed]
