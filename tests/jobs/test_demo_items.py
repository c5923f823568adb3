from __future__ import annotations

from typing import TYPE_CHECKING

from ironforge_cli.jobs.catalogue.items import store_found_items, store_single_items
from ironforge_cli.regions import Region
from tests.jobs import stored

if TYPE_CHECKING:
    from collections.abc import Callable

    from ironforge_cli.db.engine import Database
    from tests.jobs.conftest import Collector


def names(database: Database) -> dict[int, str]:
    return {row[0]: row[1] for row in stored.rows(database, "SELECT id, item_name FROM items")}


def test_items_that_the_search_misses_get_their_names_one_by_one(
    database: Database, make_collector: Callable[..., Collector]
) -> None:
    collector = make_collector(database, items=1_200)
    catalogue = collector.sandbox.catalogue.items
    missed = [item.id for item in catalogue.values() if item.unsearchable and not item.removed]
    removed = [item.id for item in catalogue.values() if item.removed]
    assert missed
    assert removed
    found = store_found_items(Region.EU, source=collector.client, database=database)
    assert found == len(names(database)) == len(catalogue) - len({*missed, *removed})
    asked = [missed[0], removed[0]]
    assert store_single_items(Region.EU, asked, source=collector.client, database=database) == 1
    assert names(database)[missed[0]] == catalogue[missed[0]].name.english
    assert removed[0] not in names(database)


def test_items_that_are_stored_again_are_there_once(collector: Collector) -> None:
    for _ in range(2):
        stored_now = store_found_items(Region.EU, source=collector.client, database=collector.database)
        assert stored_now == len(names(collector.database))
        assert store_single_items(Region.EU, [], source=collector.client, database=collector.database) == 0
