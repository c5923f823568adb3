"""Keeping the folders of a region clean: nothing half written, nothing older than raw data may be."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ironforge_cli.blizzard.headers import http_time
from ironforge_cli.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from ironforge_cli.jobs.storage import Workplace
    from ironforge_cli.regions import Region

log = logging.getLogger(__name__)


def tidy(region: Region, workplace: Workplace, *, before: datetime | None = None) -> None:
    """Remove what killed runs left half written, and raw bodies that were received before a time."""
    for shelf in (workplace.shelves.spool, workplace.shelves.quarantine):
        try:
            for kept in shelf.sweep(region, before=before):
                log.warning("%s: removed %s: raw data may not be kept longer", region.label, kept.path)
        except ConfigurationError:
            # A full disk or a folder of somebody else's must not cost the hour.
            log.exception("%s: the folder %s could not be tidied", region.label, shelf.folder)


def tidy_by(headers: Mapping[str, str], region: Region, workplace: Workplace, *, now: datetime) -> None:
    """Remove raw bodies that are older than they may be, by Blizzard's time and by this machine's.

    By a clock of this machine that was set forward, hours would be removed that still wait to be stored.
    """
    retention, theirs = workplace.retention, http_time(headers.get("Date", ""))
    if retention is not None and theirs is not None:
        tidy(region, workplace, before=min(theirs, now) - retention)
