"""The whole job in a minute: several published hours of every region, collected in turn, and what they show."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Protocol

from ironforge_cli.db.repositories import snapshots, stats, token_prices
from ironforge_cli.errors import ExitStatus, IronforgeError
from ironforge_cli.jobs.catalogue.seed import SEEDERS, seed
from ironforge_cli.jobs.catalogue.work import CatalogueSource
from ironforge_cli.jobs.collecting.collect import Market, collect

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.catalogue.work import Seeded
    from ironforge_cli.jobs.collecting.collect import Collected
    from ironforge_cli.jobs.evidence.runs import Clock, Progress
    from ironforge_cli.jobs.storage import Storage
    from ironforge_cli.regions import Region

_A_DAY: Final = 24
_APART: Final = 12
_AT_ONCE: Final = 8


class DemoSource(Market, CatalogueSource, Protocol):
    """An API that knows auctions, items and recipes."""


def published_hours(*, hours: int, days: int) -> list[int]:
    """Which hours before the newest one are collected, the oldest first.

    The last `hours` all are; of the days before, which are there for usual prices and changes, every twelfth. That of a
    day ago is taken an hour earlier: where it was published a little late, it would be too young to be compared with.

    >>> published_hours(hours=3, days=0), published_hours(hours=2, days=1)
    ([2, 1, 0], [25, 12, 1, 0])
    """
    earlier = {hour + (hour == _A_DAY) for hour in range(_APART, _A_DAY * days + 1, _APART)}
    return sorted({*range(hours), *(hour for hour in earlier if hour >= hours)}, reverse=True)


@dataclass(frozen=True, slots=True)
class BusyItem:
    """One of the items that sold for most gold, over all hours."""

    sales: stats.ItemSales
    by_hour: tuple[int | None, ...]
    """Units sold by each snapshot, oldest first; None where there was none before to compare with."""


@dataclass(frozen=True, slots=True)
class ShownRegion:
    """What the hours of one region show."""

    region: Region
    since: datetime
    until: datetime
    snapshots: int
    auctions: int
    """Stored over all hours."""
    token_price: int | None
    """Copper."""
    busiest: tuple[BusyItem, ...]


@dataclass(frozen=True, slots=True)
class Demonstrated:
    """What the demonstration collected, and what it shows."""

    items: int
    """Whose names are known."""
    seconds: float
    """That collecting took, over all hours and regions."""
    regions: tuple[ShownRegion, ...]
    failed: Collected | None
    """The cycle that failed, which ended the demonstration; None where none did."""
    seeded: Seeded | None = None
    """What became of recipes, what they take and make, and items; None where it did not come to that."""

    @property
    def status(self) -> ExitStatus:
        """The exit code."""
        if self.failed is not None:
            return self.failed.status
        return ExitStatus.DONE if self.seeded is None else self.seeded.status


def demonstrate(
    regions: Sequence[Region],
    *,
    hours: int,
    days: int,
    publish: Callable[[int], None],
    api: DemoSource,
    storage: Storage,
    clock: Clock,
    progress: Progress,
    items_shown: int,
) -> Demonstrated:
    """Collect `hours` published hours and some of the days before; seed recipes and items; read what the hours show.

    `publish` is called between them, with how many hours pass.

    Raises what the jobs below it raise.
    """
    database = storage.database
    seconds = 0.0
    collected_at = published_hours(hours=hours, days=days)
    for passed in (0, *(before - now for before, now in pairwise(collected_at))):
        if passed:
            publish(passed)
        clock.check()
        began = clock.monotonic()
        collected = collect(regions, market=api, storage=storage, clock=clock, progress=progress)
        seconds += clock.monotonic() - began
        if collected.status is not ExitStatus.DONE:
            return Demonstrated(items=0, seconds=seconds, regions=(), failed=collected)
    # After the hours: names are asked for of what was traded, and what recipes make is told by those names.
    seeded = seed(
        SEEDERS,
        source=api,
        database=database,
        pending=storage.pending,
        region=regions[0],
        clock=clock,
        at_once=_AT_ONCE,
    )
    return Demonstrated(
        items=next((part.rows or 0 for part in seeded.parts if part.seeder == "items"), 0),
        seconds=seconds,
        regions=tuple(_shown(region, database=database, hours=hours, limit=items_shown) for region in regions),
        failed=None,
        seeded=seeded,
    )


def _shown(region: Region, *, database: Database, hours: int, limit: int) -> ShownRegion:
    with database.connect() as connection:
        span = snapshots.span(connection, region)
        token = token_prices.newest(connection, region)
        if span is None:
            raise IronforgeError(f"Nothing was stored of {region.label}, though every cycle ended well.")
        newest = snapshots.registry(connection, region, limit=hours)
        return ShownRegion(
            region=region,
            since=span.since,
            until=span.until,
            snapshots=span.snapshots,
            auctions=span.auctions,
            token_price=token[1] if token else None,
            busiest=tuple(
                # The very first hour has nothing before it to compare with: what sold then is unknown, not zero.
                BusyItem(
                    sales=sales,
                    by_hour=tuple(
                        None if row.interval_seconds is None else units
                        for row, units in zip(newest, sales.hourly_sales, strict=True)
                    ),
                )
                for sales in stats.busiest(connection, region, since=newest[0].snapshot_time, limit=limit)
            ),
        )
