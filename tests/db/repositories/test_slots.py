"""Which items fit into which slots by Blizzard's word: what is new is written, and what is no more is deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from ironforge_cli.db.repositories import crafting, slots
from ironforge_cli.market.catalogue import SlotType
from ironforge_cli.market.factions import FACTIONS

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database

FACTION = FACTIONS[0]


def rows(connection: Connection, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(text(query))]


def recipe(connection: Connection, number: int, *types: str) -> None:
    answer = '{"modified_crafting_slots": [' + ",".join(f'{{"slot_type": {{"id": {one}}}}}' for one in types) + "]}"
    connection.execute(
        text("INSERT INTO recipes (id, faction, data) VALUES (:id, :faction, CAST(:data AS jsonb))"),
        {"id": number, "faction": FACTION, "data": answer},
    )


def test_kinds_of_slots_are_those_that_recipes_number(shared: Database) -> None:
    with shared.connect() as connection:
        recipe(connection, 1, "44", '"45"', "46.5", "-1", "null", "1234567890")
        recipe(connection, 2, "43", "44")
        recipe(connection, 3)
        assert slots.named_slot_types(connection) == [43, 44]


def test_what_fits_into_a_kind_is_replaced_and_other_kinds_are_left_alone(shared: Database) -> None:
    with shared.connect() as connection:
        assert slots.known_slot_types(connection) == set()
        slots.store_slot_types(connection, [SlotType(44, (60, 61)), SlotType(43, (60,))])
        noted = "SELECT slot_type, category_id FROM slot_categories ORDER BY 1, 2"
        assert rows(connection, noted) == [(43, 60), (44, 60), (44, 61)]
        slots.store_slot_types(connection, [SlotType(44, (61, 62))])
        assert rows(connection, noted) == [(43, 60), (44, 61), (44, 62)]
        # Of a kind into which nothing fits any more nothing is kept.
        slots.store_slot_types(connection, [SlotType(43, ())])
        assert slots.known_slot_types(connection) == {44}


def test_slots_are_fitted_anew_and_what_files_say_of_them_stays(shared: Database) -> None:
    with shared.connect() as connection:
        recipe(connection, 1, "43", "44")
        recipe(connection, 2, "43")
        slots.store_slot_types(connection, [SlotType(43, (60, 61)), SlotType(44, (60,))])
        connection.execute(
            text("INSERT INTO items (id, crafting_category_id) VALUES (9, 60), (8, 60), (7, 61), (6, 62), (5, NULL)")
        )
        connection.execute(
            text(
                "INSERT INTO recipe_slots (recipe_id, faction, slot, item_id, source, detail) VALUES"
                f" (1, '{FACTION}', 1, 5, 'file', 'mine'), (1, '{FACTION}', 1, 5, 'api', '')"
            )
        )
        changes = slots.refit_slots(connection)
        assert (changes.inserted, changes.deleted) == (8, 1)
        fitting = crafting.fitting_items(connection, [1])
        assert fitting == {(1, FACTION): {1: [7, 8, 9], 2: [8, 9]}}
        assert list(fitting[1, FACTION]) == [1, 2]
        assert crafting.fitting_items(connection, []) == {}
        again = slots.refit_slots(connection)
        assert (again.inserted, again.deleted) == (0, 0)
        connection.execute(text("UPDATE items SET crafting_category_id = 62 WHERE id = 9"))
        changes = slots.refit_slots(connection)
        assert (changes.inserted, changes.deleted) == (0, 3)
        assert rows(connection, "SELECT count(*) FROM recipe_slots WHERE source = 'file'") == [(1,)]
