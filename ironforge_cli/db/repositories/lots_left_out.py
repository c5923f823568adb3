"""What was left out of stored snapshots: auctions of their bodies that made no sense."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ironforge_cli.db.transactions import reader
from ironforge_cli.market.auctions import LeftOut

if TYPE_CHECKING:
    from datetime import datetime

    from ironforge_cli.db.transactions import Transaction
    from ironforge_cli.regions import Region

_read = reader("snapshots")


def left_out(connection: Transaction, region: Region, moment: datetime) -> LeftOut:
    """What was left out of a registered snapshot; nothing where no snapshot of that time is registered."""
    found = left_out_between(connection, region, since=moment, until=moment)
    return found.get(moment, LeftOut())


def left_out_between(
    connection: Transaction, region: Region, *, since: datetime, until: datetime
) -> dict[datetime, LeftOut]:
    """What was left out of the snapshots between two times, both ends included: those of which something was."""
    statement = (
        "SELECT snapshot_time, skipped, skipped_items, skipped_auctions FROM snapshots WHERE region = %(region)s"
        " AND snapshot_time >= %(since)s AND snapshot_time <= %(until)s AND skipped > 0"
    )
    return {
        moment: LeftOut(skipped, tuple(items), tuple(auctions))
        for moment, skipped, items, auctions in _read(
            connection, statement, {"region": region, "since": since, "until": until}
        )
    }
