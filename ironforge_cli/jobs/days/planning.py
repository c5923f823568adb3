"""What is due about a region's days: read, and planned by a time that can be trusted. Nothing is changed here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

from ironforge_cli.db.repositories import partitions, unmarked_days
from ironforge_cli.db.repositories.newest_times import newest_times
from ironforge_cli.market.partitions import plan, wanted_days
from ironforge_cli.market.retention import Present
from ironforge_cli.market.unmarked_days import with_undecided
from ironforge_cli.values import replace

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from ironforge_cli.jobs.days.housekeeping import Housekeeping
    from ironforge_cli.jobs.storage import Storage
    from ironforge_cli.market.partitions import Plan
    from ironforge_cli.regions import Region


@dataclass(frozen=True, slots=True)
class Planning:
    """What plans are made by."""

    storage: Storage
    housekeeping: Housekeeping
    present: Present
    adopt: bool = False
    """Whether days that have lost their mark are given it again."""

    @property
    def trusted(self) -> datetime | None:
        """The time by which days and rows leave; None: none does."""
        return self.present.trusted

    def plan(self, connection: Connection, region: Region) -> Plan:
        """What is to be done about a region's partitions: made by the clock, dropped by a time that can be trusted."""
        is_leaving = region in self.housekeeping.leaving
        retention = self.housekeeping.retention_days
        # The newest day of a region stays for as long as the region is collected.
        newest = None if is_leaving else self.present.newest.get(region)
        existing = partitions.existing(connection, region)
        spooled = {
            kept.snapshot_time.astimezone(UTC).date()
            for kept in self.storage.shelves.spool.kept(region)
            if kept.snapshot_time is not None
        }
        wanted = (
            []
            if is_leaving
            else wanted_days(
                now=self.present.clock,
                ahead=self.housekeeping.ahead,
                retention_days=retention,
                spooled=spooled,
                region=region,
            )
        )
        planned = plan(
            existing,
            wanted,
            now=self.trusted,
            retention_days=retention,
            newest=newest,
            in_default=partitions.days_in_default(connection, region, wanted),
            archive=self.housekeeping.archive is not None,
        )
        found = with_undecided(
            planned,
            existing,
            unmarked_days.unmarked(connection, existing),
            adopt=self.adopt,
            now=self.trusted,
            newest=newest,
            retention_days=retention,
        )
        owners = unmarked_days.of_other_owners(connection, existing)
        return replace(found, undecided=(*found.undecided, *owners))


def present_of(connection: Connection, *, now: datetime) -> Present:
    """What counts as now: this machine's clock, and the newest snapshot of every region, whichever are looked after."""
    return Present(clock=now, newest=newest_times(connection))
