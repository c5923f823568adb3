"""Items, recipes and reagents, and what Blizzard doesn't show of them.

Whoever stores recipes or items in two transactions at once does so in the order of their ids, so that none waits for
another in a circle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from ironforge_cli.db.engine import executor
from ironforge_cli.db.generations import CATALOGUE, changed
from ironforge_cli.db.models import ITEMS, NOT_SHOWN, PRICE_DAYS, PRICE_STATS, REAGENTS, RECIPES
from ironforge_cli.market.catalogue import Faction
from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import Connection

    from ironforge_cli.market import catalogue

_DESCRIPTION: Final = tuple(column.name for column in ITEMS.columns if not column.primary_key)

_execute = executor("catalogue")


@dataclass(frozen=True, slots=True)
class Changes:
    """What storing changed, in rows."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    filtered: int = 0
    """Rows that were left out, since what they refer to is not there."""

    def __add__(self, other: Changes) -> Changes:
        return Changes(
            inserted=self.inserted + other.inserted,
            updated=self.updated + other.updated,
            deleted=self.deleted + other.deleted,
            filtered=self.filtered + other.filtered,
        )

    @property
    def any(self) -> bool:
        """Whether any row is another than before."""
        return bool(self.inserted or self.updated or self.deleted)


@dataclass(frozen=True, slots=True)
class PlacedRecipe:
    """A recipe as one faction crafts it, and where it is listed."""

    recipe: catalogue.Recipe
    profession: str | None
    skill_tier: str | None
    listed_name: str | None
    """Its name in the list, for where it has none of its own."""
    skill_tier_id: int | None = None


@dataclass(frozen=True, slots=True)
class UnlistedRecipe:
    """A stored recipe that no list names any more."""

    id: int
    name: str | None
    profession: str | None
    skill_tier: str | None


@dataclass(frozen=True, slots=True)
class StoredRecipe:
    """A row of recipes, as far as its reagents are read from it."""

    id: int
    faction: Faction
    answer: bytes
    """Blizzard's answer, as JSON."""


def store_items(
    connection: Connection, items: Sequence[catalogue.Item], *, build: str | None = None, locale: str | None = None
) -> None:
    """Write items, over what was known of them, in the caller's transaction; of one that comes twice, the last.

    `build` and `locale` are what they were read of; without them they are read again when next something seeds them.
    """
    if not items:
        return
    changed(connection, CATALOGUE)
    statement = insert(ITEMS)
    changes: dict[str, Any] = {name: statement.excluded[name] for name in _DESCRIPTION}
    # Not every answer about an item says it.
    category = ITEMS.c.crafting_category_id
    changes[category.name] = func.coalesce(statement.excluded[category.name], category)
    _execute(
        connection,
        statement.on_conflict_do_update(index_elements=[ITEMS.c.id], set_=changes),
        [
            {
                "id": item.id,
                "item_name": item.name,
                "item_level": item.level,
                "item_class": item.item_class,
                "item_subclass": item.item_subclass,
                "inventory_type": item.inventory_type,
                "is_equippable": item.is_equippable,
                "is_stackable": item.is_stackable,
                "quality": item.quality,
                "crafting_category_id": item.crafting_category_id,
                "build": build,
                "locale": locale,
            }
            # Two who write the same items in one order wait for each other, and in two orders deadlock.
            for item in sorted(items, key=lambda item: item.id)
        ],
    )


def count_items(connection: Connection) -> int:
    """How many items are known."""
    return int(_execute(connection, select(func.count()).select_from(ITEMS)).scalar_one())


def forget_read_items(connection: Connection) -> None:
    """Let every item be read again, also those that Blizzard didn't show; what is known of them stays."""
    _execute(connection, update(ITEMS).values(build=None))
    _execute(connection, delete(NOT_SHOWN).where(NOT_SHOWN.c.kind == "item"))


# Items of a region's statistics: those of its days, and of the hours that are in no day yet.
_SINCE: Final = "coalesce((SELECT max(day) + 1 FROM {days}), '-infinity')"
_SEEN: Final = f"""
    SELECT DISTINCT item_id FROM {{days}}
    UNION SELECT item_id FROM {{hours}} WHERE timestamp >= CAST({_SINCE} AS timestamp) AT TIME ZONE 'UTC'"""  # noqa: S608 - made of constants
_TABLES: Final = [{"days": PRICE_DAYS[region].name, "hours": PRICE_STATS[region].name} for region in Region]
_OF_ANY: Final = (
    "SELECT item_id FROM reagents",
    "SELECT crafted_item_id FROM recipes WHERE crafted_item_id IS NOT NULL",
    *(_SEEN.format(**names) for names in _TABLES),
)
_OF_A_PROFESSION: Final = (
    """SELECT item_id FROM reagents JOIN recipes ON recipes.id = recipe_id AND recipes.faction = reagents.faction
       WHERE profession IS NOT DISTINCT FROM :profession""",
    """SELECT crafted_item_id FROM recipes
       WHERE crafted_item_id IS NOT NULL AND profession IS NOT DISTINCT FROM :profession""",
)
_UNREAD: Final = """
    SELECT wanted.item_id FROM ({wanted}) AS wanted (item_id)
    WHERE NOT EXISTS (SELECT FROM items WHERE items.id = wanted.item_id
                      AND items.build IS NOT DISTINCT FROM :build AND items.locale IS NOT DISTINCT FROM :locale)
    AND NOT EXISTS (SELECT FROM not_shown WHERE kind = 'item' AND not_shown.id = wanted.item_id AND status = 404
                    AND not_shown.build IS NOT DISTINCT FROM :build AND NOT ({seen_since}))
    ORDER BY 1"""
# Whether any snapshot had an item after it was asked for, by the days that follow and the hours that are in none.
_SEEN_AFTER: Final = f"""
    EXISTS (SELECT FROM {{days}} AS made WHERE made.item_id = not_shown.id
            AND made.day > CAST(not_shown.asked_at AT TIME ZONE 'UTC' AS date))
    OR EXISTS (SELECT FROM {{hours}} AS stats WHERE stats.item_id = not_shown.id
               AND stats.timestamp > not_shown.asked_at
               AND stats.timestamp >= CAST({_SINCE} AS timestamp) AT TIME ZONE 'UTC')"""  # noqa: S608 - made of constants
_SEEN_SINCE: Final = " OR ".join(_SEEN_AFTER.format(**names) for names in _TABLES)


def unread_items(connection: Connection, *, build: str | None, locale: str, profession: str | None = None) -> list[int]:
    """Items that a recipe takes or makes, or that any snapshot had, and that were not read of this build and locale.

    By rising id, without those that left the game: that this build doesn't show, unless a snapshot had them after they
    were asked for. With `profession` only what its recipes take and make.
    """
    wanted = " UNION ".join(_OF_ANY if profession is None else _OF_A_PROFESSION)
    parameters = {"build": build, "locale": locale}
    if profession is not None:
        parameters["profession"] = profession
    return list(_execute(connection, text(_UNREAD.format(wanted=wanted, seen_since=_SEEN_SINCE)), parameters).scalars())


def remember_not_shown(connection: Connection, kind: str, statuses: Mapping[int, int], *, build: str | None) -> None:
    """Remember what Blizzard answered for things that it doesn't show: 403 or 404 by id."""
    if not statuses:
        return
    statement = insert(NOT_SHOWN)
    _execute(
        connection,
        statement.on_conflict_do_update(
            index_elements=[NOT_SHOWN.c.kind, NOT_SHOWN.c.id],
            set_={"status": statement.excluded.status, "build": statement.excluded.build, "asked_at": func.now()},
        ),
        [{"kind": kind, "id": number, "status": statuses[number], "build": build} for number in sorted(statuses)],
    )


def not_shown(connection: Connection, kind: str, *, build: str | None) -> dict[int, int]:
    """What Blizzard answered for things that it didn't show of this build: 403 or 404 by id."""
    query = select(NOT_SHOWN.c.id, NOT_SHOWN.c.status).where(
        NOT_SHOWN.c.kind == kind, NOT_SHOWN.c.build.is_not_distinct_from(build)
    )
    return {row.id: row.status for row in _execute(connection, query)}


def forget_not_shown(connection: Connection, kind: str, ids: Collection[int] | None = None) -> None:
    """Let things be asked for again that Blizzard didn't show; without `ids` all of a kind."""
    statement = delete(NOT_SHOWN).where(NOT_SHOWN.c.kind == kind)
    if ids is not None:
        statement = statement.where(NOT_SHOWN.c.id.in_(sorted(ids)))
    _execute(connection, statement)


_STORE_RECIPES: Final = text(
    "INSERT INTO recipes AS old (id, faction, name, profession, skill_tier, skill_tier_id, crafted_item_id, data)"
    " SELECT id, faction, name, profession, skill_tier, skill_tier_id, crafted_item_id, CAST(data AS jsonb)"
    " FROM unnest(CAST(:ids AS int[]), CAST(:factions AS text[]), CAST(:names AS text[]),"
    "  CAST(:professions AS text[]), CAST(:skill_tiers AS text[]), CAST(:skill_tier_ids AS int[]),"
    "  CAST(:crafted AS int[]), CAST(:data AS text[]))"
    "  AS new (id, faction, name, profession, skill_tier, skill_tier_id, crafted_item_id, data)"
    " ORDER BY id, faction"
    " ON CONFLICT (id, faction) DO UPDATE SET name = excluded.name, profession = excluded.profession,"
    "  skill_tier = excluded.skill_tier, skill_tier_id = excluded.skill_tier_id,"
    "  crafted_item_id = excluded.crafted_item_id, data = excluded.data, updated_at = now()"
    " WHERE (old.name, old.profession, old.skill_tier, old.skill_tier_id, old.crafted_item_id, old.data)"
    "  IS DISTINCT FROM (excluded.name, excluded.profession, excluded.skill_tier, excluded.skill_tier_id,"
    "  excluded.crafted_item_id, excluded.data)"
    # A row that was there before was locked by this transaction for its update.
    " RETURNING (xmax = 0) AS is_new"
)
_DELETE_OTHER_FACTIONS: Final = text(
    "DELETE FROM recipes AS old WHERE old.id = ANY(CAST(:ids AS int[])) AND NOT EXISTS ("
    " SELECT FROM unnest(CAST(:ids AS int[]), CAST(:factions AS text[])) AS new (id, faction)"
    " WHERE new.id = old.id AND new.faction = old.faction)"
)


def store_recipes(connection: Connection, recipes: Sequence[PlacedRecipe]) -> Changes:
    """Write recipes over what was known of them, in the caller's transaction; no recipe may come twice.

    `recipes` hold every faction of each recipe in them: rows of other factions are deleted, with their reagents. Rows
    that would not change are left alone.
    """
    if not recipes:
        return Changes()
    keys = {
        "ids": [placed.recipe.id for placed in recipes],
        "factions": [placed.recipe.faction.value for placed in recipes],
    }
    deleted = _execute(connection, _DELETE_OTHER_FACTIONS, keys).rowcount
    is_new = list(
        _execute(
            connection,
            _STORE_RECIPES,
            {
                **keys,
                "names": [placed.recipe.name or placed.listed_name for placed in recipes],
                "professions": [placed.profession for placed in recipes],
                "skill_tiers": [placed.skill_tier for placed in recipes],
                "skill_tier_ids": [placed.skill_tier_id for placed in recipes],
                "crafted": [placed.recipe.crafted_item_id for placed in recipes],
                "data": [msgspec.json.encode(placed.recipe.answer).decode() for placed in recipes],
            },
        ).scalars()
    )
    return _noted(connection, Changes(inserted=sum(is_new), updated=len(is_new) - sum(is_new), deleted=deleted))


def count_recipes(connection: Connection) -> int:
    """How many recipes are stored, whatever their factions."""
    return int(_execute(connection, text("SELECT count(DISTINCT id) FROM recipes")).scalar_one())


def unlisted_recipes(connection: Connection, listed: Collection[int]) -> list[UnlistedRecipe]:
    """The stored recipes that are not among the listed ones, by profession, tier and id."""
    query = text(
        "SELECT DISTINCT ON (profession, skill_tier, id) id, name, profession, skill_tier FROM recipes"
        " WHERE id <> ALL(CAST(:listed AS int[])) ORDER BY profession, skill_tier, id"
    )
    rows = _execute(connection, query, {"listed": sorted(listed)})
    # A recipe of two factions is one.
    return list({row.id: UnlistedRecipe(row.id, row.name, row.profession, row.skill_tier) for row in rows}.values())


def reagents_by_recipe(connection: Connection) -> dict[int, set[tuple[str, int]]]:
    """What stored recipes take, by their ids: factions and items."""
    found: dict[int, set[tuple[str, int]]] = {}
    for number, faction, item in _execute(connection, text("SELECT recipe_id, faction, item_id FROM reagents")):
        found.setdefault(number, set()).add((faction, item))
    return found


def shown_recipe(connection: Connection, listed: Collection[int]) -> int | None:
    """One of the listed recipes that is stored, and that Blizzard didn't refuse to show when it was last asked for."""
    query = text(
        "SELECT id FROM recipes WHERE id = ANY(CAST(:listed AS int[]))"
        " AND NOT EXISTS (SELECT FROM not_shown WHERE kind = 'recipe' AND not_shown.id = recipes.id)"
        " ORDER BY id LIMIT 1"
    )
    return _execute(connection, query, {"listed": sorted(listed)}).scalar()


def any_item(connection: Connection) -> int | None:
    """An item that Blizzard has shown."""
    return _execute(connection, text("SELECT id FROM items WHERE build IS NOT NULL ORDER BY id LIMIT 1")).scalar()


def count_reagents(connection: Connection) -> int:
    """How many rows say what recipes take."""
    return int(_execute(connection, select(func.count()).select_from(REAGENTS)).scalar_one())


def delete_recipes(connection: Connection, gone: Collection[int]) -> Changes:
    """Delete recipes by their ids, with their reagents."""
    statement = text("DELETE FROM recipes WHERE id = ANY(CAST(:gone AS int[]))")
    return _noted(connection, Changes(deleted=_execute(connection, statement, {"gone": sorted(gone)}).rowcount))


def recipe_professions(connection: Connection) -> list[str | None]:
    """Names of the professions that have recipes; None where a profession has no name."""
    query = select(RECIPES.c.profession).distinct().order_by(RECIPES.c.profession)
    return list(_execute(connection, query).scalars())


def stored_recipes(connection: Connection, profession: str | None) -> list[StoredRecipe]:
    """The recipes of a profession, by rising id."""
    query = text(
        "SELECT id, faction, CAST(data AS text) FROM recipes WHERE profession IS NOT DISTINCT FROM :profession"
        " ORDER BY id, faction"
    )
    return [
        StoredRecipe(id=number, faction=Faction(faction), answer=answer.encode())
        for number, faction, answer in _execute(connection, query, {"profession": profession})
    ]


_DELETE_OTHER_REAGENTS: Final = text(
    "DELETE FROM reagents AS old"
    " USING unnest(CAST(:recipes AS int[]), CAST(:recipe_factions AS text[])) AS recipe (id, faction)"
    " WHERE old.recipe_id = recipe.id AND old.faction = recipe.faction AND NOT EXISTS ("
    "  SELECT FROM unnest(CAST(:ids AS int[]), CAST(:factions AS text[]), CAST(:items AS int[]))"
    "  AS new (recipe_id, faction, item_id)"
    "  WHERE new.recipe_id = old.recipe_id AND new.faction = old.faction AND new.item_id = old.item_id)"
)
_STORE_REAGENTS: Final = text(
    "INSERT INTO reagents AS old (recipe_id, faction, item_id, quantity, optional)"
    " SELECT new.recipe_id, new.faction, new.item_id, new.quantity, new.optional"
    " FROM unnest(CAST(:ids AS int[]), CAST(:factions AS text[]), CAST(:items AS int[]), CAST(:quantities AS int[]),"
    "  CAST(:optional AS boolean[])) AS new (recipe_id, faction, item_id, quantity, optional)"
    # What refers to a recipe that is not there, or not any more, is left out; the others stay until the end.
    " JOIN (SELECT id, faction FROM recipes WHERE id = ANY(CAST(:recipes AS int[])) ORDER BY id, faction FOR KEY SHARE)"
    "  AS recipe ON recipe.id = new.recipe_id AND recipe.faction = new.faction"
    " ORDER BY new.recipe_id, new.faction, new.item_id"
    " ON CONFLICT (recipe_id, faction, item_id) DO UPDATE"
    " SET quantity = excluded.quantity, optional = excluded.optional"
    " WHERE (old.quantity, old.optional) IS DISTINCT FROM (excluded.quantity, excluded.optional)"
    " RETURNING (xmax = 0) AS is_new"
)
_COUNT_RECIPES_THERE: Final = text(
    "SELECT count(*) FROM unnest(CAST(:ids AS int[]), CAST(:factions AS text[])) AS new (recipe_id, faction)"
    " JOIN recipes ON recipes.id = new.recipe_id AND recipes.faction = new.faction"
)


def store_reagents(
    connection: Connection, reagents: Mapping[tuple[int, Faction], Sequence[catalogue.Reagent]]
) -> Changes:
    """Write what recipes take, by id and faction, in place of what they took; no item may come twice in one.

    In the caller's transaction. Rows whose recipe is not there are counted and left out.
    """
    keys = sorted(reagents)
    rows = [(number, faction.value, one) for number, faction in keys for one in reagents[number, faction]]
    parameters = {
        "recipes": [number for number, _ in keys],
        "recipe_factions": [faction.value for _, faction in keys],
        "ids": [number for number, _, _ in rows],
        "factions": [faction for _, faction, _ in rows],
        "items": [one.item_id for _, _, one in rows],
        "quantities": [one.quantity for _, _, one in rows],
        "optional": [one.optional for _, _, one in rows],
    }
    deleted = _execute(connection, _DELETE_OTHER_REAGENTS, parameters).rowcount
    is_new = list(_execute(connection, _STORE_REAGENTS, parameters).scalars())
    there = int(_execute(connection, _COUNT_RECIPES_THERE, parameters).scalar_one())
    updated = len(is_new) - sum(is_new)
    return _noted(
        connection, Changes(inserted=sum(is_new), updated=updated, deleted=deleted, filtered=len(rows) - there)
    )


def _noted(connection: Connection, changes: Changes) -> Changes:
    """The same, and answers are told where any row is another."""
    if changes.any:
        changed(connection, CATALOGUE)
    return changes
