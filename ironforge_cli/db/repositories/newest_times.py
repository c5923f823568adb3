"""When the newest snapshots were published. Apart from their rows, whose arrays a question about times needn't load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ironforge_cli.db.transactions import reader
from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from datetime import datetime

    from ironforge_cli.db.transactions import Transaction

_read = reader("snapshots")


def newest_times(connection: Transaction) -> dict[Region, datetime]:
    """When the newest stored snapshot was published, of every region that has one."""
    statement = "SELECT snapshot_time FROM snapshots WHERE region = %(region)s ORDER BY snapshot_time DESC LIMIT 1"
    return {region: row[0] for region in Region for row in _read(connection, statement, {"region": region})}
