"""Regions that are collected no more: what is held of them leaves as of any other, and nothing is made for them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ironforge_cli.db.repositories import partitions
from ironforge_cli.errors import ConfigurationError
from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from ironforge_cli.blizzard.spool import Shelf
    from ironforge_cli.jobs.days.housekeeping import Housekeeping
    from ironforge_cli.jobs.storage import Storage
    from ironforge_cli.regions import Region

log = logging.getLogger(__name__)


def with_leaving(
    connection: Connection, regions: Sequence[Region], storage: Storage, housekeeping: Housekeeping
) -> list[Region]:
    """The regions to look after: those given, and those collected no more of which anything is still held."""
    return [*regions, *(region for region in housekeeping.leaving if _is_held(connection, region, storage))]


def _is_held(connection: Connection, region: Region, storage: Storage) -> bool:
    shelves = (storage.shelves.spool, storage.shelves.quarantine)
    return bool(partitions.existing(connection, region)) or any(_holds(shelf, region) for shelf in shelves)


def _holds(shelf: Shelf, region: Region) -> bool:
    try:
        return bool(shelf.kept(region))
    except ConfigurationError:
        # Looked after by itself it hinders no other region, and why is told there.
        return True


def drop_bodies(region: Region, storage: Storage, *, before: datetime | None) -> None:
    """Remove bodies that are older than a time, of a region of which no run comes by; a shelf that refuses is said."""
    if before is None:
        return
    for shelf in (storage.shelves.spool, storage.shelves.quarantine):
        try:
            dropped = shelf.sweep(region, before=before) if shelf.kept(region) else []
        except ConfigurationError as error:
            log.warning("%s: %s", region.label, error)
        else:
            if dropped:
                log.info(
                    "%s: removed %s past their retention from %s",
                    region.label,
                    counted(len(dropped), "body", "bodies"),
                    shelf.folder,
                )
