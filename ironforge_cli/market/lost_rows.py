"""Whether rows of stored snapshots are still there: what the registry says of each, and what was counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ironforge_cli.values import Value
from ironforge_cli.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ironforge_cli.regions import Region


class CountedSnapshot(Value, frozen=True):
    """One snapshot's rows, as they were registered when it was stored and as they are held."""

    snapshot_time: datetime
    auctions: int | None
    """Raw rows that were registered; None: the registry does not know the snapshot."""
    items: int | None
    """Items for sale that were registered."""
    rows: int
    """Raw rows that are held."""
    statistics: int
    """Rows of statistics that are held, of items for sale."""

    @property
    def is_whole(self) -> bool:
        """Whether all that was registered is held, and no more."""
        return (self.rows, self.statistics) == (self.auctions, self.items)


def told(region: Region, odd: Sequence[CountedSnapshot]) -> str:
    """What is wrong with a region's newest day, and what to do.

    >>> from datetime import UTC, datetime
    >>> from ironforge_cli.regions import Region
    >>> noon = datetime(2024, 1, 15, 12, tzinfo=UTC)
    >>> print(told(Region.EU, [CountedSnapshot(noon, 10, 5, 8, 5)])[:90])
    EU: the rows of 1 snapshot of 2024-01-15 are not those that were stored: of 12:00:00Z 8 of
    >>> unknown = CountedSnapshot(noon, None, None, 8, 5)
    >>> "of 12:00:00Z the registry knows nothing" in told(Region.EU, [unknown, unknown])
    True
    """
    first = odd[0]
    number = counted(len(odd), "snapshot")
    at = f"{first.snapshot_time:%H:%M:%S}Z"
    what = (
        f"of {at} the registry knows nothing"
        if first.auctions is None or first.items is None
        else f"of {at} {first.rows:,} of {first.auctions:,} raw rows are held, and {first.statistics:,} of "
        f"{counted(first.items, 'row')} of statistics"
    )
    return (
        f"{region.label}: the rows of {number} of {first.snapshot_time:%Y-%m-%d} are not those that were stored: "
        f"{what}. Somebody changed the tables. Statistics come again by `ironforge stats recompute` while the raw rows "
        "are held; raw rows come from a backup, or `ironforge snapshots drop` takes the snapshot out whole."
    )
