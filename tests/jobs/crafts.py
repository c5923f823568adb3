"""What the crafting tables have to hold of a stand-in's catalogue, by rules written anew; and what they hold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import text

from ironforge_cli.sandbox.catalogue import INVENTORY_TYPES, ITEM_CLASSES, QUALITIES
from tests.jobs import stored
from tests.statistics_months import make_months

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database
    from ironforge_cli.sandbox.catalogue import Catalogue, InventedItem, InventedRecipe

Rows: TypeAlias = "set[tuple[Any, ...]]"


@dataclass(frozen=True)
class Crafts:
    """Rows of the three tables; of `data` the recipe's number alone."""

    recipes: Rows
    reagents: Rows
    items: Rows


def expected(catalogue: Catalogue, *, locale: str = "en_US", seen: Iterable[int] = ()) -> Crafts:
    """What has to be stored; `seen` are items that snapshots had."""
    places: dict[int, tuple[str, str]] = {}
    for profession in sorted(catalogue.professions.values(), key=lambda one: one.id):
        for tier in (catalogue.tiers[number] for number in profession.tiers or ()):
            for category in tier.categories or ():
                for recipe in category.recipes:
                    place = profession.name.in_locale(locale), tier.name.in_locale(locale)
                    places.setdefault(recipe, place)
    recipes: Rows = set()
    reagents: Rows = set()
    wanted = set(seen)
    for number, place in places.items():
        recipe = catalogue.recipes[number]
        if recipe.status != 200:
            continue
        for faction, item in factions(recipe).items():
            recipes.add((number, faction, recipe.name.in_locale(locale), *place, item, number))
            taken = takes(recipe)
            reagents |= {(number, faction, one, *how) for one, how in taken.items()}
            wanted |= taken.keys() | ({item} if item is not None else set())
    items = {described(catalogue.items[number], locale) for number in wanted if not catalogue.items[number].removed}
    return Crafts(recipes=recipes, reagents=reagents, items=items)


def shown_recipes(catalogue: Catalogue) -> list[int]:
    """The recipes that are listed somewhere and answered."""
    return sorted({row[0] for row in expected(catalogue).recipes})


def factions(recipe: InventedRecipe) -> dict[str, int | None]:
    """Who crafts a recipe, and what comes out."""
    if recipe.alliance_crafted_item is not None:
        return {"Alliance": recipe.alliance_crafted_item, "Horde": recipe.horde_crafted_item}
    return {"Neutral": recipe.crafted_item}


def takes(recipe: InventedRecipe) -> dict[int, tuple[int, bool]]:
    """What a recipe takes: quantity, and whether it is optional."""
    found: dict[int, tuple[int, bool]] = {}
    needed = {item for item, _ in recipe.reagents}
    for item, quantity in recipe.reagents:
        found[item] = (found.get(item, (0, False))[0] + quantity, False)
    for item, quantity in recipe.optional_reagents:
        if item not in needed:
            found[item] = (found.get(item, (0, True))[0] + quantity, True)
    return found


def described(item: InventedItem, locale: str) -> tuple[Any, ...]:
    """A row of items; the stand-in translates names alone."""
    kind, kinds = ITEM_CLASSES[item.item_class]
    return (
        item.id,
        item.name.in_locale(locale),
        item.level,
        kind,
        kinds[item.item_subclass],
        INVENTORY_TYPES[item.inventory_type],
        item.is_equippable,
        item.is_stackable,
        QUALITIES[item.quality],
    )


def held(database: Database) -> Crafts:
    """What is stored; raises where a table holds a row twice."""
    return Crafts(
        recipes=_once(
            database,
            "SELECT id, faction, name, profession, skill_tier, crafted_item_id, CAST(data ->> 'id' AS int)"
            " FROM recipes",
        ),
        reagents=_once(database, "SELECT recipe_id, faction, item_id, quantity, optional FROM reagents"),
        items=_once(
            database,
            "SELECT id, item_name, item_level, item_class, item_subclass, inventory_type, is_equippable, is_stackable,"
            " quality FROM items",
        ),
    )


def seen_in_a_snapshot(connection: Connection, items: Iterable[int]) -> None:
    """Make it so that a snapshot had these items."""
    make_months(connection, datetime(2026, 1, 14, tzinfo=UTC))
    for item in items:
        connection.execute(
            text(
                "INSERT INTO us_commodity_price_stats (item_id, timestamp, total_quantity, num_auctions)"
                " VALUES (:item, '2026-01-14T12:00Z', 1, 1)"
            ),
            {"item": item},
        )


def forget(database: Database, *tables: str) -> None:
    """Empty tables, as if what filled them had been rolled back."""
    with database.transaction() as connection:
        for table in tables:
            connection.execute(text(f"DELETE FROM {table}"))


def _once(database: Database, query: str) -> Rows:
    rows = [tuple(row) for row in stored.rows(database, query)]
    assert len(rows) == len(set(rows))
    return set(rows)
