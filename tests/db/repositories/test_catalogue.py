from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from ironforge_cli.db.repositories import catalogue
from ironforge_cli.market.catalogue import Item
from ironforge_cli.values import replace

if TYPE_CHECKING:
    from ironforge_cli.db.engine import Database

ORE = Item(
    id=2_770,
    name="Copper Ore",
    level=5,
    item_class="Tradeskill",
    item_subclass="Metal & Stone",
    inventory_type="Non-equippable",
    is_equippable=False,
    is_stackable=True,
    quality="Common",
)
UNKNOWN = Item(7, None, None, None, None, None, None, None, None)


def stored(database: Database) -> list[Item]:
    query = (
        "SELECT id, item_name, item_level, item_class, item_subclass, inventory_type, is_equippable, is_stackable,"
        " quality FROM items ORDER BY id"
    )
    with database.connect() as connection:
        return [Item(*row) for row in connection.execute(text(query))]


def store(database: Database, *items: Item) -> None:
    with database.transaction() as connection:
        catalogue.store_items(connection, items)


def test_items_are_stored_as_they_are(any_database: Database) -> None:
    polite = replace(ORE, id=8, name="Erz für 'Ærtha' \\ 鉱石 😀")
    store(any_database, ORE, polite, UNKNOWN)
    assert stored(any_database) == [UNKNOWN, polite, ORE]
    with any_database.connect() as connection:
        assert catalogue.count_items(connection) == 3


def test_what_is_new_of_an_item_takes_the_place_of_what_was_known(any_database: Database) -> None:
    store(any_database, ORE, UNKNOWN)
    better = replace(UNKNOWN, name="Something", quality="Rare")
    unnamed = replace(ORE, name=None)
    store(any_database, unnamed, better)
    assert stored(any_database) == [better, unnamed]


def test_an_answer_that_does_not_say_the_category_of_an_item_takes_none_away(any_database: Database) -> None:
    def category() -> object:
        with any_database.connect() as connection:
            return connection.execute(text("SELECT crafting_category_id FROM items")).scalar_one()

    for said, held in ((60, 60), (None, 60), (61, 61)):
        store(any_database, replace(ORE, crafting_category_id=said))
        assert category() == held


def test_of_an_item_that_comes_twice_the_last_is_kept(any_database: Database) -> None:
    store(any_database, UNKNOWN, ORE, replace(UNKNOWN, name="Later"))
    assert stored(any_database) == [replace(UNKNOWN, name="Later"), ORE]


def test_no_items_are_no_work(database: Database) -> None:
    store(database)
    with database.connect() as connection:
        assert catalogue.count_items(connection) == 0


def test_changes_are_added_field_by_field() -> None:
    more = catalogue.Changes(inserted=1, updated=2, deleted=3, filtered=4)
    less = catalogue.Changes(inserted=10, updated=20, deleted=30, filtered=40)
    assert more + less == catalogue.Changes(inserted=11, updated=22, deleted=33, filtered=44)
    assert not catalogue.Changes(filtered=1).any
    assert all(catalogue.Changes(**{name: 1}).any for name in ("inserted", "updated", "deleted"))
