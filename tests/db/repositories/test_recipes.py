from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from ironforge_cli.db.repositories import catalogue
from ironforge_cli.db.repositories.catalogue import Changes, PlacedRecipe
from ironforge_cli.market.catalogue import Faction, Item, Reagent, Recipe
from ironforge_cli.values import replace
from tests.statistics_months import make_months

if TYPE_CHECKING:
    from ironforge_cli.db.engine import Database

SOUP = Recipe(1, Faction.NEUTRAL, "Soup", 50, (), {"id": 1, "name": "Süppchen 😀"})
CRAB, SALT = Reagent(7, 2, optional=False), Reagent(8, 0, optional=True)


def placed(recipe: Recipe, *, profession: str | None = "Cooking") -> PlacedRecipe:
    return PlacedRecipe(recipe, profession=profession, skill_tier="Classic Cooking", listed_name="Listed")


def store(database: Database, *recipes: Recipe) -> Changes:
    with database.transaction() as connection:
        return catalogue.store_recipes(connection, [placed(recipe) for recipe in recipes])


def take(database: Database, reagents: dict[tuple[int, Faction], tuple[Reagent, ...]]) -> Changes:
    with database.transaction() as connection:
        return catalogue.store_reagents(connection, reagents)


def rows(database: Database, query: str) -> list[tuple[object, ...]]:
    with database.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def test_recipes_are_stored_as_they_are_and_again_without_a_change(any_database: Database) -> None:
    unnamed = replace(SOUP, id=2, name=None, crafted_item_id=None)
    assert store(any_database, SOUP, unnamed) == Changes(inserted=2)
    assert store(any_database, SOUP, unnamed) == Changes()
    assert store(any_database, SOUP, replace(unnamed, name="Named")) == Changes(updated=1)
    assert rows(
        any_database, "SELECT id, faction, name, skill_tier, crafted_item_id, data FROM recipes ORDER BY 1"
    ) == [
        (1, "Neutral", "Soup", "Classic Cooking", 50, SOUP.answer),
        (2, "Neutral", "Named", "Classic Cooking", None, SOUP.answer),
    ]
    with any_database.connect() as connection:
        assert catalogue.count_recipes(connection) == 2
        assert [recipe.id for recipe in catalogue.unlisted_recipes(connection, {1})] == [2]
        assert [one.id for one in catalogue.stored_recipes(connection, "Cooking")] == [1, 2]


def test_a_recipe_without_a_name_takes_that_of_the_list(database: Database) -> None:
    store(database, replace(SOUP, name=None))
    assert rows(database, "SELECT name FROM recipes") == [("Listed",)]


def test_a_recipe_that_is_split_loses_its_old_row_and_its_reagents(any_database: Database) -> None:
    store(any_database, SOUP)
    take(any_database, {(1, Faction.NEUTRAL): (CRAB,)})
    split = [replace(SOUP, faction=faction) for faction in (Faction.ALLIANCE, Faction.HORDE)]
    assert store(any_database, *split) == Changes(inserted=2, deleted=1)
    assert rows(any_database, "SELECT faction FROM recipes ORDER BY 1") == [("Alliance",), ("Horde",)]
    assert rows(any_database, "SELECT count(*) FROM reagents") == [(0,)]


def test_reagents_take_the_place_of_what_a_recipe_took(any_database: Database) -> None:
    store(any_database, SOUP, replace(SOUP, id=2))
    key, other = (1, Faction.NEUTRAL), (2, Faction.NEUTRAL)
    assert take(any_database, {key: (CRAB, SALT), other: (CRAB,)}) == Changes(inserted=3)
    assert take(any_database, {key: (CRAB, SALT), other: (CRAB,)}) == Changes()
    assert take(any_database, {key: (replace(CRAB, quantity=5),)}) == Changes(updated=1, deleted=1)
    assert rows(any_database, "SELECT recipe_id, item_id, quantity, optional FROM reagents ORDER BY 1, 2") == [
        (1, 7, 5, False),
        (2, 7, 2, False),
    ]
    assert take(any_database, {key: (), other: ()}) == Changes(deleted=2)


def test_reagents_of_no_stored_recipe_are_left_out_and_counted(any_database: Database) -> None:
    store(any_database, SOUP)
    changes = take(
        any_database, {(1, Faction.NEUTRAL): (CRAB,), (1, Faction.HORDE): (CRAB, SALT), (9, Faction.NEUTRAL): (SALT,)}
    )
    assert changes == Changes(inserted=1, filtered=3)
    assert rows(any_database, "SELECT recipe_id, faction, item_id FROM reagents") == [(1, "Neutral", 7)]


def test_recipes_that_are_not_listed_are_deleted(database: Database) -> None:
    store(database, SOUP, replace(SOUP, id=2), replace(SOUP, id=3))
    with database.transaction() as connection:
        assert catalogue.delete_recipes(connection, {2, 4}) == Changes(deleted=1)
    assert rows(database, "SELECT id FROM recipes ORDER BY 1") == [(1,), (3,)]


def test_items_are_wanted_until_they_were_read_of_the_build_and_locale(any_database: Database) -> None:
    store(any_database, SOUP)
    take(any_database, {(1, Faction.NEUTRAL): (CRAB, SALT)})
    with any_database.transaction() as connection:
        make_months(connection, datetime(2026, 1, 14, tzinfo=UTC))
        for region, items in (("eu", (7, 30, 31)), ("us", (40, 31))):
            for item in items:
                for hour in range(3):
                    connection.execute(
                        text(
                            f"INSERT INTO {region}_commodity_price_stats (item_id, timestamp, total_quantity,"
                            f" num_auctions) VALUES ({item}, '2026-01-14T0{hour}:00Z', 1, 1)"
                        )
                    )

    def unread(*, build: str | None = "b", locale: str = "en_US", profession: str | None = None) -> list[int]:
        with any_database.connect() as connection:
            return catalogue.unread_items(connection, build=build, locale=locale, profession=profession)

    assert unread() == [7, 8, 30, 31, 40, 50]
    assert unread(profession="Cooking") == [7, 8, 50]
    assert unread(profession="Alchemy") == []
    with any_database.transaction() as connection:
        nothing = Item(7, None, None, None, None, None, None, None, None)
        catalogue.store_items(connection, [nothing, replace(nothing, id=30)], build="b", locale="en_US")
        catalogue.remember_not_shown(connection, "item", {8: 404, 31: 403}, build="b")
        catalogue.remember_not_shown(connection, "recipe", {40: 404}, build="b")
    assert unread() == [31, 40, 50]
    assert unread(locale="de_DE") == [7, 30, 31, 40, 50]
    # Of another build, what left the game may be back.
    assert unread(build="c") == unread(build=None) == [7, 8, 30, 31, 40, 50]
    with any_database.transaction() as connection:
        catalogue.forget_read_items(connection)
    assert unread() == [7, 8, 30, 31, 40, 50]


@pytest.mark.parametrize("kind", ["recipe", "item"])
def test_what_is_not_shown_is_known_for_its_build(database: Database, kind: str) -> None:
    with database.transaction() as connection:
        catalogue.remember_not_shown(connection, kind, {5: 404, 3: 403}, build="b")
        catalogue.remember_not_shown(connection, kind, {5: 403}, build="c")
        assert catalogue.not_shown(connection, kind, build="b") == {3: 403}
        assert catalogue.not_shown(connection, kind, build="c") == {5: 403}
        catalogue.forget_not_shown(connection, kind, {3, 99})
        assert catalogue.not_shown(connection, kind, build="b") == {}
        assert catalogue.not_shown(connection, kind, build="c") == {5: 403}
        catalogue.forget_not_shown(connection, kind)
        assert catalogue.not_shown(connection, kind, build="c") == {}


def test_what_left_the_game_is_asked_for_again_when_a_snapshot_has_it_later(shared: Database) -> None:
    asked_at = datetime(2026, 1, 14, 12, tzinfo=UTC)
    made = (
        "INSERT INTO us_commodity_price_days (day, item_id, mean_quantity, covered_seconds, snapshots,"
        " priced_snapshots) VALUES ('{}', {}, 1, 3600, 1, 0)"
    )
    hour = (
        "INSERT INTO eu_commodity_price_stats (item_id, timestamp, total_quantity, num_auctions)"
        " VALUES ({}, '{}', 1, 1)"
    )
    with shared.connect() as connection:
        make_months(connection, asked_at)
        for statement in (
            # A day that begins later, and the very day.
            made.format("2026-01-15", 1),
            made.format("2026-01-14", 2),
            # An hour later, the very moment, and an hour before.
            hour.format(3, "2026-01-14 13:00Z"),
            hour.format(4, "2026-01-14 12:00Z"),
            hour.format(5, "2026-01-14 11:00Z"),
        ):
            connection.execute(text(statement))
        for item in range(1, 6):
            catalogue.remember_not_shown(connection, "item", {item: 404}, build="b")
        connection.execute(text("UPDATE not_shown SET asked_at = :at"), {"at": asked_at})
        assert catalogue.unread_items(connection, build="b", locale="en_US") == [1, 3]
        # What was asked for again is dated anew.
        catalogue.remember_not_shown(connection, "item", {1: 404, 3: 404}, build="b")
        assert catalogue.unread_items(connection, build="b", locale="en_US") == []
        catalogue.forget_read_items(connection)
        assert catalogue.unread_items(connection, build="b", locale="en_US") == [1, 2, 3, 4, 5]


def test_what_is_stored_is_told_by_what_is_asked_of_it(shared: Database) -> None:
    with shared.connect() as connection:
        assert catalogue.shown_recipe(connection, {1}) is None
        assert catalogue.any_item(connection) is None
        both = [replace(SOUP, id=5, faction=faction) for faction in (Faction.ALLIANCE, Faction.HORDE)]
        catalogue.store_recipes(
            connection,
            [
                placed(replace(SOUP, id=3), profession="Alchemy"),
                placed(replace(SOUP, id=2, name="Stew")),
                *map(placed, both),
                placed(replace(SOUP, id=9), profession=None),
            ],
        )
        unlisted = catalogue.unlisted_recipes(connection, {9})
        assert [(one.id, one.name, one.profession) for one in unlisted] == [
            (3, "Soup", "Alchemy"),
            (2, "Stew", "Cooking"),
            (5, "Soup", "Cooking"),
        ]
        assert catalogue.count_recipes(connection) == 4
        assert catalogue.recipe_professions(connection) == ["Alchemy", "Cooking", None]
        of_none = catalogue.stored_recipes(connection, None)
        assert [(one.id, one.faction) for one in of_none] == [(9, Faction.NEUTRAL)]
        assert [one.id for one in catalogue.stored_recipes(connection, "Cooking")] == [2, 5, 5]
        catalogue.remember_not_shown(connection, "recipe", {2: 403}, build=None)
        catalogue.remember_not_shown(connection, "item", {3: 404}, build=None)
        assert catalogue.shown_recipe(connection, {2, 3, 5}) == 3
        assert catalogue.shown_recipe(connection, {2, 7}) is None
        takes = {(5, faction): (CRAB,) for faction in (Faction.ALLIANCE, Faction.HORDE)}
        catalogue.store_reagents(connection, {**takes, (3, Faction.NEUTRAL): (CRAB, SALT)})
        assert catalogue.reagents_by_recipe(connection) == {
            3: {("Neutral", 7), ("Neutral", 8)},
            5: {("Alliance", 7), ("Horde", 7)},
        }
        assert catalogue.count_reagents(connection) == 4
        nothing = Item(8, None, None, None, None, None, None, None, None)
        catalogue.store_items(connection, [replace(nothing, id=6)])
        catalogue.store_items(connection, [nothing, replace(nothing, id=7)], build="b")
        assert catalogue.any_item(connection) == 7


def test_no_recipes_and_no_reagents_are_no_work(shared: Database) -> None:
    with shared.connect() as connection:
        assert catalogue.store_recipes(connection, []) == Changes()
        assert catalogue.store_reagents(connection, {}) == Changes()
        catalogue.remember_not_shown(connection, "item", {}, build="b")
        assert catalogue.not_shown(connection, "item", build="b") == {}


def test_a_change_of_any_column_of_a_recipe_is_one(shared: Database) -> None:
    before = PlacedRecipe(SOUP, "Cooking", "Classic Cooking", None, 1)
    with shared.connect() as connection:
        catalogue.store_recipes(connection, [before])
        for after in (
            dataclasses.replace(before, profession="Alchemy"),
            dataclasses.replace(before, skill_tier="Dragon Isles Cooking"),
            dataclasses.replace(before, skill_tier_id=2),
            dataclasses.replace(before, recipe=replace(SOUP, crafted_item_id=51)),
            dataclasses.replace(before, recipe=replace(SOUP, answer={"id": 1})),
        ):
            connection.execute(text("UPDATE recipes SET updated_at = '2020-01-01'"))
            assert catalogue.store_recipes(connection, [after]) == Changes(updated=1)
            assert catalogue.store_recipes(connection, [after]) == Changes()
            assert connection.execute(text("SELECT updated_at > '2020-01-02' FROM recipes")).scalar_one()
            assert catalogue.store_recipes(connection, [before]) == Changes(updated=1)
