"""The whole job in a minute: several published hours of every region, collected in turn, and what they show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ironforge_cli.db.repositories import snapshots, stats, token_prices
from ironforge_cli.errors import ExitStatus, IronforgeError
from ironforge_cli.jobs.catalogue.items import ItemSource, store_found_items, store_single_items
from ironforge_cli.jobs.collecting.collect import Market, collect

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.collecting.collect import Collected
    from ironforge_cli.jobs.evidence.runs import Clock, Progress
    from ironforge_cli.jobs.storage import Storage
    from ironforge_cli.regions import Region


class DemoSource(Market, ItemSource, Protocol):
    """An API that knows auctions and items."""


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
    """Whose names were found."""
    seconds: float
    """That collecting took, over all hours and regions."""
    regions: tuple[ShownRegion, ...]
    failed: Collected | None
    """The cycle that failed, which ended the demonstration; None where none did."""

    @property
    def status(self) -> ExitStatus:
        """The exit code."""
        return self.failed.status if self.failed else ExitStatus.DONE


def demonstrate(
    regions: Sequence[Region],
    *,
    hours: int,
    publish: Callable[[], None],
    api: DemoSource,
    storage: Storage,
    clock: Clock,
    progress: Progress,
    items_shown: int,
) -> Demonstrated:
    """Collect `hours` published hours, calling `publish` between them, and read what they show.

    Raises what the jobs below it raise.
    """
    database = storage.database
    items = store_found_items(regions[0], source=api, database=database)
    seconds = 0.0
    for hour in range(hours):
        if hour:
            publish()
        clock.check()
        began = clock.monotonic()
        collected = collect(regions, market=api, storage=storage, clock=clock, progress=progress)
        seconds += clock.monotonic() - began
        if collected.status is not ExitStatus.DONE:
            return Demonstrated(items=items, seconds=seconds, regions=(), failed=collected)

    def shown() -> tuple[ShownRegion, ...]:
        return tuple(_shown(region, database=database, limit=items_shown) for region in regions)

    found = shown()
    nameless = {busy.sales.item_id for region in found for busy in region.busiest if busy.sales.name is None}
    named = store_single_items(regions[0], sorted(nameless), source=api, database=database)
    return Demonstrated(items=items + named, seconds=seconds, regions=shown() if named else found, failed=None)


def _shown(region: Region, *, database: Database, limit: int) -> ShownRegion:
    with database.connect() as connection:
        span = snapshots.span(connection, region)
        token = token_prices.newest(connection, region)
        if span is None:
            raise IronforgeError(f"Nothing was stored of {region.label}, though every cycle ended well.")
        return ShownRegion(
            region=region,
            since=span.since,
            until=span.until,
            snapshots=span.snapshots,
            auctions=span.auctions,
            token_price=token[1] if token else None,
            busiest=tuple(
                # The first hour has nothing before it to compare with: what sold then is unknown, not zero.
                BusyItem(sales=sales, by_hour=(None, *sales.hourly_sales[1:]))
                for sales in stats.busiest(connection, region, since=span.since, limit=limit)
            ),
        )
