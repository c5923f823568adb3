"""Large tables that nobody vacuums: what is told of them. Pure.

A table that has just come to want it is none: the next upkeep, or the server, vacuums it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from ironforge_cli.jobs.health.crashes import GOOD
from ironforge_cli.wording import counted, how_long

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ironforge_cli.db.repositories.vacuuming import VacuumedTable
    from ironforge_cli.jobs.health.status_findings import StatusFindings

LONGEST: Final = timedelta(days=7)
"""So long nobody may have vacuumed a large table that wants it."""
_LARGE: Final = 100_000
_UPKEEP: Final = "partitions maintain"


def untidy(found: StatusFindings) -> Iterator[str]:
    """What is to be said of each large table that has wanted vacuuming for too long, where no upkeep does it."""
    if any(one.command == _UPKEEP and one.status in GOOD for one in found.upkeep):
        return
    for table in found.vacuumed or ():
        since = table.vacuumed_at or _began(table)
        if not table.is_wanted or table.rows < _LARGE or since is None or found.now - since <= LONGEST:
            continue
        last = f"was last vacuumed {how_long(found.now - since)} ago" if table.vacuumed_at else "was never vacuumed"
        yield (
            f"The table {table.name}, about {counted(table.rows, 'row')}, {last}, and wants it. Run"
            " `ironforge partitions maintain`, and see whether cron does."
        )


def _began(table: VacuumedTable) -> datetime | None:
    """When rows can have come into a table at the earliest: a month's not before it begins."""
    *_, year, month = ("", "", *table.name.split("_"))
    # Of ironforge's tables only those of months bear a number.
    if table.stored_since is not None and year.isdigit():
        return max(table.stored_since, datetime(int(year), int(month), 1, tzinfo=UTC))
    return table.stored_since
