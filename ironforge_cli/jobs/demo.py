"""The whole job in a minute: several published hours of every region, collected in turn, and what they show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ironforge_cli.db.repositories import snapshots, stats
from ironforge_cli.errors import ExitStatus, IronforgeError
from ironforge_cli.jobs.collect import Market, collect
from ironforge_cli.jobs.seed import ItemSource, store_found_items

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from ironforge_cli.db.engine import Database
    from ironforge_cli.jobs.collect import Collected, Storage
    from ironforge_cli.jobs.runs import Clock, Progress
    from ironforge_cli.regions import Region


class Api(Market, ItemSource, Protocol):
    """An API that knows auctions and items."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What the hours of one region show."""

    region: Region
    since: datetime
    until: datetime
    snapshots: int
    auctions: int
    """Stored over all hours."""
    seconds: float
    """That collecting took, over all hours."""
    token_price: int | None
    """Copper."""
    busiest: tuple[stats.ItemSales, ...]


@dataclass(frozen=True, slots=True)
class Demonstrated:
    """What the demonstration collected, and what it shows."""

    items: int
    """Whose names were found."""
    regions: tuple[Shown, ...]
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
    api: Api,
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
    seconds: dict[Region, float] = dict.fromkeys(regions, 0.0)
    for hour in range(hours):
        if hour:
            publish()
        clock.check()
        collected = collect(regions, market=api, storage=storage, clock=clock, progress=progress)
        for region in collected.regions:
            seconds[region.region] += sum(region.steps.values())
        if collected.status is not ExitStatus.DONE:
            return Demonstrated(items=items, regions=(), failed=collected)
    return Demonstrated(
        items=items,
        regions=tuple(_shown(region, database=database, seconds=seconds, limit=items_shown) for region in regions),
        failed=None,
    )


def _shown(region: Region, *, database: Database, seconds: Mapping[Region, float], limit: int) -> Shown:
    with database.connect() as connection:
        span = snapshots.span(connection, region)
        token = stats.newest_token_price(connection, region)
        if span is None:
            raise IronforgeError(f"Nothing was stored of {region.label}, though every cycle ended well.")
        return Shown(
            region=region,
            since=span.since,
            until=span.until,
            snapshots=span.snapshots,
            auctions=span.auctions,
            seconds=seconds[region],
            token_price=token[1] if token else None,
            busiest=tuple(stats.busiest(connection, region, since=span.since, limit=limit)),
        )
