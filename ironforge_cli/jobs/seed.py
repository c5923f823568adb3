"""Static data of the game: the names and kinds of items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ironforge_cli.db.repositories import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ironforge_cli.db.engine import Database
    from ironforge_cli.market.catalogue import Item
    from ironforge_cli.regions import Region


class ItemSource(Protocol):
    """Where items come from: Blizzard's API, as `BlizzardClient` speaks it."""

    def items(self, region: Region) -> Iterator[list[Item]]:
        """Every item that can be found, some hundreds at a time."""
        ...

    def item(self, region: Region, item_id: int) -> Item | None:
        """One item, also one that can't be found; None where there is none."""
        ...


def store_found_items(region: Region, *, source: ItemSource, database: Database) -> int:
    """Store every item that a region's search knows, and return how many; each page is kept when it is there."""
    stored = 0
    for page in source.items(region):
        with database.transaction() as connection:
            catalogue.store_items(connection, page)
        stored += len(page)
    return stored


def store_single_items(region: Region, item_ids: Iterable[int], *, source: ItemSource, database: Database) -> int:
    """Store items by their numbers, a request each, and return how many there are.

    The search misses some items that are traded; of those that left the game nobody knows anything any more.
    """
    found = [item for item_id in item_ids if (item := source.item(region, item_id)) is not None]
    with database.transaction() as connection:
        catalogue.store_items(connection, found)
    return len(found)
