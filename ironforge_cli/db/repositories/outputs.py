"""What recipes make, as evidence: what it is found by, and its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from ironforge_cli.db.engine import executor
from ironforge_cli.db.generations import CATALOGUE, changed
from ironforge_cli.db.models import PRICE_DAYS, PRICE_STATS
from ironforge_cli.db.repositories.catalogue import Changes
from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

_execute = executor("outputs")


@dataclass(frozen=True, slots=True)
class RecipeToMatch:
    """A stored recipe, as far as it says what it makes."""

    id: int
    faction: str
    name: str | None
    skill_tier_id: int | None
    crafted_item_id: int | None
    quantity: float | None
    """Units of one craft, of a minimum and a maximum the mean; None where Blizzard says nothing."""
    takes_anything: bool
    """Whether Blizzard's answer has reagents or slots; one without turns some of many things into others by chance."""


@dataclass(frozen=True, slots=True)
class Output:
    """That a recipe makes an item, and who says so."""

    recipe_id: int
    faction: str
    item_id: int
    source: str
    """`api`, `file` or `name`."""
    detail: str = ""
    """Which import; empty for the others."""
    rank: int | None = None
    quantity: float | None = None


_RECIPES: Final = text("""
    SELECT id, faction, name, skill_tier_id, crafted_item_id,
        CASE
            WHEN jsonb_typeof(made -> 'value') = 'number' THEN CAST(made ->> 'value' AS float8)
            WHEN jsonb_typeof(made -> 'minimum') = 'number' AND jsonb_typeof(made -> 'maximum') = 'number'
                THEN (CAST(made ->> 'minimum' AS float8) + CAST(made ->> 'maximum' AS float8)) / 2
        END AS quantity,
        NOT data ? 'id' OR jsonb_path_exists(data, '$.reagents[0]')
            OR jsonb_path_exists(data, '$.modified_crafting_slots[0]')
    FROM recipes CROSS JOIN LATERAL (SELECT data -> 'crafted_quantity' AS made) AS quantity
    ORDER BY id, faction""")


def recipes_to_match(connection: Connection) -> list[RecipeToMatch]:
    """Every stored recipe, by rising id."""
    return [RecipeToMatch(*row) for row in _execute(connection, _RECIPES)]


# Days that are made, and hours that are in no day yet, as the seeder of items looks at them.
_SEEN: Final = " UNION ".join(
    f"SELECT item_id FROM {PRICE_DAYS[region].name} UNION SELECT item_id FROM {PRICE_STATS[region].name}"  # noqa: S608 - names of our own
    f" WHERE timestamp >= CAST(coalesce((SELECT max(day) + 1 FROM {PRICE_DAYS[region].name}), '-infinity')"
    " AS timestamp) AT TIME ZONE 'UTC'"
    for region in Region
)
_NAMED: Final = text(
    f"WITH seen AS ({_SEEN}) SELECT id, item_name, id IN (SELECT item_id FROM seen) FROM items"  # noqa: S608 - made of constants
    " WHERE item_name IS NOT NULL AND (is_equippable IS NOT TRUE OR id IN (SELECT item_id FROM seen)) ORDER BY id"
)


def tradable_names(connection: Connection) -> list[tuple[int, str, bool]]:
    """Items that may be traded: number, name, and whether a snapshot ever had it; without what is worn."""
    return [(row[0], row[1], row[2]) for row in _execute(connection, _NAMED)]


_GIVEN: Final = (
    "unnest(CAST(:recipes AS int[]), CAST(:factions AS text[]), CAST(:items AS int[]), CAST(:sources AS text[]),"
    " CAST(:details AS text[]), CAST(:ranks AS smallint[]), CAST(:quantities AS float8[]))"
    " AS new (recipe_id, faction, item_id, source, detail, rank, quantity)"
)
_DELETE: Final = text(
    "DELETE FROM recipe_outputs AS old WHERE source = ANY(CAST(:of AS text[])) AND detail = :detail AND NOT EXISTS ("  # noqa: S608 - made of constants
    f" SELECT FROM {_GIVEN} WHERE (new.recipe_id, new.faction, new.item_id, new.source, new.detail)"
    " = (old.recipe_id, old.faction, old.item_id, old.source, old.detail))"
)
_STORE: Final = text(
    "INSERT INTO recipe_outputs AS old (recipe_id, faction, item_id, source, detail, rank, quantity)"  # noqa: S608 - made of constants
    f" SELECT new.* FROM {_GIVEN} JOIN recipes ON recipes.id = new.recipe_id AND recipes.faction = new.faction"
    " ORDER BY new.recipe_id, new.faction, new.item_id"
    " ON CONFLICT (recipe_id, faction, item_id, source, detail) DO UPDATE"
    " SET rank = excluded.rank, quantity = excluded.quantity, noted_at = now()"
    " WHERE (old.rank, old.quantity) IS DISTINCT FROM (excluded.rank, excluded.quantity)"
    " RETURNING (xmax = 0) AS is_new"
)


def replace_outputs(
    connection: Connection, outputs: Sequence[Output], *, of: Sequence[str], detail: str = ""
) -> Changes:
    """Write all that some sources say in place of what they said, in the caller's transaction.

    Rows that would not change are left alone, those of recipes that are not there are left out.
    """
    given = {
        "recipes": [one.recipe_id for one in outputs],
        "factions": [one.faction for one in outputs],
        "items": [one.item_id for one in outputs],
        "sources": [one.source for one in outputs],
        "details": [one.detail for one in outputs],
        "ranks": [one.rank for one in outputs],
        "quantities": [one.quantity for one in outputs],
    }
    deleted = _execute(connection, _DELETE, {**given, "of": list(of), "detail": detail}).rowcount
    is_new = list(_execute(connection, _STORE, given).scalars())
    changes = Changes(inserted=sum(is_new), updated=len(is_new) - sum(is_new), deleted=deleted)
    if changes.any:
        changed(connection, CATALOGUE)
    return changes


def count_outputs(connection: Connection) -> int:
    """How many rows say what recipes make."""
    return int(_execute(connection, text("SELECT count(*) FROM recipe_outputs")).scalar_one())


@dataclass(frozen=True, slots=True)
class SlotOption:
    """That an item fits into a slot of a recipe, and who says so."""

    recipe_id: int
    faction: str
    slot: int
    item_id: int
    source: str
    """`api` or `file`."""
    detail: str
    rank: int | None
    quantity: int | None
    required: bool | None


_STORE_SLOTS: Final = text(
    "INSERT INTO recipe_slots (recipe_id, faction, slot, item_id, source, detail, rank, quantity, required)"
    " SELECT new.* FROM unnest(CAST(:recipes AS int[]), CAST(:factions AS text[]), CAST(:slots AS int[]),"
    "  CAST(:items AS int[]), CAST(:sources AS text[]), CAST(:details AS text[]), CAST(:ranks AS smallint[]),"
    "  CAST(:quantities AS int[]), CAST(:required AS boolean[]))"
    "  AS new (recipe_id, faction, slot, item_id, source, detail, rank, quantity, required)"
    " JOIN recipes ON recipes.id = new.recipe_id AND recipes.faction = new.faction"
)


def replace_slots(connection: Connection, options: Sequence[SlotOption], *, source: str, detail: str) -> None:
    """Write what somebody says that recipes take in place of what they said, in the caller's transaction."""
    changed(connection, CATALOGUE)
    statement = text("DELETE FROM recipe_slots WHERE source = :source AND detail = :detail")
    _execute(connection, statement, {"source": source, "detail": detail})
    _execute(
        connection,
        _STORE_SLOTS,
        {
            "recipes": [one.recipe_id for one in options],
            "factions": [one.faction for one in options],
            "slots": [one.slot for one in options],
            "items": [one.item_id for one in options],
            "sources": [one.source for one in options],
            "details": [one.detail for one in options],
            "ranks": [one.rank for one in options],
            "quantities": [one.quantity for one in options],
            "required": [one.required for one in options],
        },
    )
