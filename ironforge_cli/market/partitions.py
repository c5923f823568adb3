"""Daily partitions: which day a snapshot belongs to, and how its partition is called."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ironforge_cli.regions import Region


@dataclass(frozen=True, slots=True)
class DailyPartition:
    """The partition of one region and one UTC day; it spans [starts_at, ends_at)."""

    region: Region
    day: date

    @property
    def name(self) -> str:
        """The table's name: digits alone, whatever the locale.

        >>> from ironforge_cli.regions import Region
        >>> DailyPartition(Region.EU, date(2024, 1, 15)).name
        'auction_snapshots_eu_2024_01_15'
        """
        return f"auction_snapshots_{self.region}_{self.day:%Y_%m_%d}"

    @property
    def starts_at(self) -> datetime:
        """The day's first instant."""
        return datetime.combine(self.day, time(), tzinfo=UTC)

    @property
    def ends_at(self) -> datetime:
        """The first instant that is no longer in it."""
        return self.starts_at + timedelta(days=1)

    @classmethod
    def holding(cls, region: Region, moment: datetime) -> DailyPartition:
        """The partition of a snapshot's time, which has to be aware.

        >>> from datetime import timezone
        >>> from ironforge_cli.regions import Region
        >>> east = timezone(timedelta(hours=9))
        >>> DailyPartition.holding(Region.US, datetime(2024, 1, 15, 3, tzinfo=east)).day
        datetime.date(2024, 1, 14)
        """
        return cls(region, moment.astimezone(UTC).date())
