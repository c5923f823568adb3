"""When the newest snapshots were published. Apart from their rows, whose arrays a question about times needn't load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from ironforge_cli.db.engine import executor
from ironforge_cli.db.models import REGISTRY
from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

_execute = executor("snapshots")


def newest_times(connection: Connection) -> dict[Region, datetime]:
    """When the newest stored snapshot was published, of every region that has one."""
    time = REGISTRY.c.snapshot_time
    found: dict[Region, datetime] = {}
    for region in Region:
        statement = select(time).where(REGISTRY.c.region == region).order_by(time.desc()).limit(1)
        newest = _execute(connection, statement).scalar_one_or_none()
        if newest is not None:
            found[region] = newest
    return found
