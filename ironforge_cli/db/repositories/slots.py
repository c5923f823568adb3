"""What fits into the slots of recipes by Blizzard's word: kinds of slots, categories of items, and who has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from ironforge_cli.db.engine import executor
from ironforge_cli.db.repositories.catalogue import Changes

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection

    from ironforge_cli.market.catalogue import SlotType

_execute = executor("slots")

# A slot's place is its own in the list: what Blizzard calls its order may come twice.
_SLOTS: Final = (
    "SELECT id AS recipe_id, faction, CAST(slot.place AS int) AS slot,"
    " CAST(slot.said #>> '{slot_type,id}' AS bigint) AS slot_type FROM recipes CROSS JOIN LATERAL"
    " jsonb_path_query(data, '$.modified_crafting_slots[*]') WITH ORDINALITY AS slot (said, place)"
    " WHERE jsonb_typeof(slot.said #> '{slot_type,id}') = 'number'"
    " AND slot.said #>> '{slot_type,id}' ~ '^[0-9]{1,9}$'"
)


def named_slot_types(connection: Connection) -> list[int]:
    """The kinds of slots that stored recipes name, by rising number."""
    statement = text(f"SELECT DISTINCT CAST(slot_type AS int) FROM ({_SLOTS}) AS named ORDER BY 1")  # noqa: S608 - a constant
    return list(_execute(connection, statement).scalars())


def known_slot_types(connection: Connection) -> set[int]:
    """The kinds of slots of which it is stored what fits."""
    return set(_execute(connection, text("SELECT slot_type FROM slot_categories")).scalars())


def store_slot_types(connection: Connection, found: Collection[SlotType]) -> None:
    """Write what fits into kinds of slots over what was known of them, in the caller's transaction."""
    pairs = [(one.id, category) for one in sorted(found, key=lambda one: one.id) for category in one.categories]
    given = {
        "types": [one.id for one in found],
        "slot_types": [slot_type for slot_type, _ in pairs],
        "categories": [category for _, category in pairs],
    }
    new = "unnest(CAST(:slot_types AS int[]), CAST(:categories AS int[])) AS new (slot_type, category_id)"
    _execute(
        connection,
        text(
            "DELETE FROM slot_categories AS old WHERE slot_type = ANY(CAST(:types AS int[])) AND NOT EXISTS ("  # noqa: S608 - a constant
            f"SELECT FROM {new} WHERE (new.slot_type, new.category_id) = (old.slot_type, old.category_id))"
        ),
        given,
    )
    _execute(
        connection,
        text(f"INSERT INTO slot_categories (slot_type, category_id) SELECT * FROM {new} ON CONFLICT DO NOTHING"),  # noqa: S608 - a constant
        given,
    )


_FITTING: Final = (
    f"SELECT recipe_id, faction, slot, items.id AS item_id FROM ({_SLOTS}) AS named"  # noqa: S608 - a constant
    " JOIN slot_categories ON slot_categories.slot_type = named.slot_type"
    " JOIN items ON items.crafting_category_id = slot_categories.category_id"
    " GROUP BY recipe_id, faction, slot, items.id"
)


def refit_slots(connection: Connection) -> Changes:
    """Write which items fit into which recipes' slots by Blizzard's word, in place of what it was.

    In the caller's transaction. Blizzard says neither how many, nor of which rank, nor whether nothing is made without.
    """
    deleted = _execute(
        connection,
        text(
            f"WITH fitting AS ({_FITTING}) DELETE FROM recipe_slots AS old WHERE source = 'api' AND NOT EXISTS ("  # noqa: S608 - a constant
            "SELECT FROM fitting WHERE (fitting.recipe_id, fitting.faction, fitting.slot, fitting.item_id)"
            " = (old.recipe_id, old.faction, old.slot, old.item_id))"
        ),
    ).rowcount
    inserted = _execute(
        connection,
        text(
            "INSERT INTO recipe_slots (recipe_id, faction, slot, item_id, source)"  # noqa: S608 - a constant
            f" SELECT recipe_id, faction, slot, item_id, 'api' FROM ({_FITTING}) AS fitting ON CONFLICT DO NOTHING"
        ),
    ).rowcount
    return Changes(inserted=inserted, deleted=deleted)
