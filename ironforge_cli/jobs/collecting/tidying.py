"""Keeping the folders of a region clean: nothing half written, nothing older than raw data may be."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ironforge_cli.blizzard.headers import http_time
from ironforge_cli.market.retention import cutoff, trusted_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from ironforge_cli.jobs.storage import Workplace
    from ironforge_cli.regions import Region

log = logging.getLogger(__name__)


def tidy(region: Region, workplace: Workplace, *, before: datetime | None = None) -> None:
    """Remove what killed runs left half written, and raw bodies that are older than a time. Raises nothing."""
    for shelf in (workplace.shelves.spool, workplace.shelves.quarantine):
        try:
            for kept in shelf.sweep(region, before=before):
                log.warning("%s: removed %s: raw data may not be kept longer", region.label, kept.path)
        except Exception:
            # A full disk or a folder of somebody else's must not cost the hour.
            log.exception("%s: the folder %s could not be tidied", region.label, shelf.folder)


def tidy_by(
    headers: Mapping[str, str],
    region: Region,
    workplace: Workplace,
    *,
    known: Iterable[datetime],
    now: datetime,
) -> None:
    """Remove raw bodies that are older than they may be, by the newest time that Blizzard gave to anything.

    `known` are the times of the newest snapshots that are stored or spooled, of any region; this answer's counts, too.
    By a clock of this machine that was set forward, hours would be removed that wait to be stored. Raises nothing.
    """
    theirs = http_time(headers.get("Last-Modified", ""))
    newest = [*known, *([theirs] if theirs is not None else [])]
    before = cutoff(trusted_time(newest, now=now), retention_days=workplace.retention_days)
    if before is not None:
        tidy(region, workplace, before=before)
