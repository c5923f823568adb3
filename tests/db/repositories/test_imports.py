"""What an import said is replaced by its own next word, and leaves whole when it is taken out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from ironforge_cli.db import generations
from ironforge_cli.db.repositories import imports, outputs
from ironforge_cli.db.repositories.imports import ImportRow
from ironforge_cli.db.repositories.outputs import Output, SlotOption
from ironforge_cli.market.factions import FACTIONS
from tests.statistics_months import make_months

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from ironforge_cli.db.engine import Database

FACTION = FACTIONS[0]
NOON = datetime(2026, 1, 14, 12, tzinfo=UTC)
TABLES = ("recipe_outputs", "recipe_slots", "item_ranks", "vendor_prices", "imports")


def whose(connection: Connection) -> dict[str, list[str]]:
    """Who has a row in each table."""
    names = {table: "detail" if table.startswith("recipe") else "source" for table in TABLES}
    return {
        table: list(connection.execute(text(f"SELECT {name} FROM {table} ORDER BY 1")).scalars())
        for table, name in names.items()
    }


def recipe(connection: Connection) -> None:
    connection.execute(text(f"INSERT INTO recipes (id, faction, name, data) VALUES (7, '{FACTION}', 'Seven', '{{}}')"))


def write(connection: Connection, source: str) -> None:
    outputs.replace_outputs(connection, [Output(7, FACTION, 1, "file", source, None, 2.0)], of=["file"], detail=source)
    slot = SlotOption(7, FACTION, 1, 2, "file", source, None, 3, required=True)
    outputs.replace_slots(connection, [slot], source="file", detail=source)
    imports.replace_ranks(connection, {1: 2}, source=source)
    imports.replace_prices(connection, {3: 40}, source=source)
    imports.note(connection, ImportRow(source, "x", "x.lua", 1, 1, 1, 1, 0, 0))


def test_an_import_leaves_with_all_that_it_said_and_with_nothing_of_others(shared: Database) -> None:
    with shared.connect() as connection:
        recipe(connection)
        for source in ("mine", "theirs"):
            write(connection, source)
        outputs.replace_outputs(connection, [Output(7, FACTION, 1, "name")], of=["name"])
        imports.forget(connection, "mine")
        assert whose(connection) == {table: ["theirs"] for table in TABLES} | {"recipe_outputs": ["", "theirs"]}
        assert imports.sources(connection) == ["theirs"]


def test_what_an_import_says_again_takes_the_place_of_what_it_said(shared: Database) -> None:
    with shared.connect() as connection:
        recipe(connection)
        for source in ("mine", "theirs"):
            write(connection, source)
        imports.replace_ranks(connection, {1: 3, 9: 1}, source="mine")
        imports.replace_prices(connection, {4: 50}, source="mine")
        again = SlotOption(7, FACTION, 2, 2, "file", "mine", 1, None, required=None)
        outputs.replace_slots(connection, [again], source="file", detail="mine")
        connection.execute(text("UPDATE imports SET imported_at = '2026-01-01'"))
        imports.note(connection, ImportRow("mine", "y", "y.lua", 2, 3, 4, 5, 6, 7))
        is_new = text("SELECT source FROM imports WHERE imported_at = now()")
        assert connection.execute(is_new).scalars().all() == ["mine"]
        fitting = text("SELECT detail, slot, rank, quantity, required FROM recipe_slots ORDER BY detail")
        assert list(map(tuple, connection.execute(fitting))) == [
            ("mine", 2, 1, None, None),
            ("theirs", 1, None, 3, True),
        ]
        ranks = text("SELECT source, item_id, rank FROM item_ranks ORDER BY source, item_id")
        assert list(map(tuple, connection.execute(ranks))) == [("mine", 1, 3), ("mine", 9, 1), ("theirs", 1, 2)]
        prices = text("SELECT source, item_id, price FROM vendor_prices ORDER BY source")
        assert list(map(tuple, connection.execute(prices))) == [("mine", 4, 50), ("theirs", 3, 40)]
        noted = text(
            'SELECT kind, files, outputs, slots, ranks, prices, "unknown", ambiguous FROM imports ORDER BY source'
        )
        assert list(map(tuple, connection.execute(noted))) == [
            ("y", "y.lua", 2, 3, 4, 5, 6, 7),
            ("x", "x.lua", 1, 1, 1, 1, 0, 0),
        ]


def test_recipes_and_items_are_named_as_they_are_stored_in_order(shared: Database) -> None:
    other = FACTIONS[1]
    with shared.connect() as connection:
        assert (imports.recipes_to_join(connection), imports.names_of_items(connection)) == ([], {})
        connection.execute(
            text(
                "INSERT INTO recipes (id, faction, name, profession, skill_tier, data) VALUES"
                f" (9, '{max(FACTION, other)}', 'Nine', 'Smith', 'Old', '{{}}'),"
                f" (7, '{FACTION}', NULL, NULL, NULL, '{{}}'),"
                f" (9, '{min(FACTION, other)}', 'Neuf', 'Forge', 'New', '{{}}')"
            )
        )
        assert imports.recipes_to_join(connection) == [
            imports.RecipeToJoin(7, FACTION, name=None, profession=None, skill_tier=None),
            imports.RecipeToJoin(9, min(FACTION, other), name="Neuf", profession="Forge", skill_tier="New"),
            imports.RecipeToJoin(9, max(FACTION, other), name="Nine", profession="Smith", skill_tier="Old"),
        ]
        connection.execute(text("INSERT INTO items (id, item_name) VALUES (2, 'Two'), (1, 'One'), (3, NULL)"))
        assert imports.names_of_items(connection) == {1: "One", 2: "Two"}


@pytest.mark.parametrize("write", [imports.replace_ranks, imports.replace_prices, imports.forget])
def test_whoever_keeps_the_catalogue_is_told_of_each_change(shared: Database, write: Callable[..., None]) -> None:
    with shared.connect() as connection:
        recipe(connection)
        if write is imports.forget:
            write(connection, "mine")
        else:
            write(connection, {1: 1}, source="mine")
        assert connection.info[generations._KEY] == {generations.CATALOGUE}  # pyright: ignore[reportPrivateUsage] - what is to be told at the end
        connection.info.pop(generations._KEY)  # pyright: ignore[reportPrivateUsage] - it is undone


def test_whoever_keeps_the_catalogue_is_told_of_outputs_that_change_and_of_slots(shared: Database) -> None:
    made = Output(7, FACTION, 1, "file", "mine")
    with shared.connect() as connection:
        recipe(connection)

        def told() -> set[str]:
            return connection.info.pop(generations._KEY, set())  # pyright: ignore[reportPrivateUsage] - what is to be told at the end

        for rows, wanted in (([made], {generations.CATALOGUE}), ([made], set[str]()), ([], {generations.CATALOGUE})):
            outputs.replace_outputs(connection, rows, of=["file"], detail="mine")
            assert told() == wanted
        outputs.replace_slots(connection, [], source="file", detail="mine")
        assert told() == {generations.CATALOGUE}


def test_outputs_that_would_not_change_are_left_alone_and_those_of_no_recipe_left_out(shared: Database) -> None:
    made = Output(7, FACTION, 1, "file", "mine", None, 2.0)
    with shared.connect() as connection:
        recipe(connection)

        def replaced(*rows: Output, of: str = "file", detail: str = "mine") -> tuple[int, int, int]:
            changes = outputs.replace_outputs(connection, rows, of=[of], detail=detail)
            return changes.inserted, changes.updated, changes.deleted

        assert replaced(made, Output(8, FACTION, 1, "file", "mine")) == (1, 0, 0)
        assert replaced(made) == (0, 0, 0)
        assert replaced(Output(7, FACTION, 1, "file", "mine", 1, 2.0)) == (0, 1, 0)
        assert replaced(Output(7, FACTION, 1, "file", "mine", 1, 2.5)) == (0, 1, 0)
        # Others' words stay: another source's, and another import's.
        assert replaced(Output(7, FACTION, 1, "name"), of="name", detail="") == (1, 0, 0)
        assert replaced(of="file", detail="theirs") == (0, 0, 0)
        assert outputs.count_outputs(connection) == 2
        assert replaced(Output(7, FACTION, 2, "file", "mine")) == (1, 0, 1)
        assert replaced() == (0, 0, 1)
        assert outputs.count_outputs(connection) == 1


@pytest.mark.parametrize(
    ("item", "is_seen", "is_told"),
    [
        ("'Ore', false, true", False, True),
        ("'Ore', NULL, NULL", False, True),
        ("'Helm', true, true", False, False),
        ("'Helm', true, true", True, True),
        ("NULL, false, true", True, False),
    ],
)
def test_what_is_worn_is_traded_only_where_a_snapshot_had_it(
    shared: Database, item: str, *, is_seen: bool, is_told: bool
) -> None:
    with shared.connect() as connection:
        connection.execute(text(f"INSERT INTO items (id, item_name, is_equippable, is_stackable) VALUES (5, {item})"))
        if is_seen:
            make_months(connection, NOON)
            connection.execute(
                text(
                    "INSERT INTO us_commodity_price_stats (item_id, timestamp, total_quantity, num_auctions)"
                    " VALUES (5, :noon, 1, 1)"
                ),
                {"noon": NOON},
            )
        found = outputs.tradable_names(connection)
        assert [number for number, *_ in found] == [5] * is_told
        assert [seen for *_, seen in found] == [is_seen] * is_told


def test_recipes_are_matched_by_what_their_answers_say(shared: Database) -> None:
    answers = {
        1: '{"id": 1, "crafted_quantity": {"value": 2}, "reagents": [1]}',
        2: '{"id": 2, "crafted_quantity": {"minimum": 1, "maximum": 4}}',
        3: '{"id": 3, "crafted_quantity": {"minimum": 1, "maximum": "many"}, "modified_crafting_slots": [1]}',
        4: '{"id": 4, "crafted_quantity": {"value": "2", "maximum": 4}, "reagents": []}',
        5: '{"id": 5, "crafted_quantity": {"value": 3, "minimum": 1, "maximum": 9}, "modified_crafting_slots": []}',
        # Of an answer that was never read nothing is known.
        6: "{}",
    }
    with shared.connect() as connection:
        for number in sorted(answers, reverse=True):
            connection.execute(
                text(
                    "INSERT INTO recipes (id, faction, name, skill_tier_id, crafted_item_id, data)"
                    f" VALUES (:id, '{FACTION}', 'Name', 7, 70, CAST(:data AS jsonb))"
                ),
                {"id": number, "data": answers[number]},
            )
        found = outputs.recipes_to_match(connection)
        assert [(one.id, one.quantity, one.takes_anything) for one in found] == [
            (1, 2, True),
            (2, 2.5, False),
            (3, None, True),
            (4, None, False),
            (5, 3, False),
            (6, None, True),
        ]
        assert {(one.faction, one.name, one.skill_tier_id, one.crafted_item_id) for one in found} == {
            (FACTION, "Name", 7, 70)
        }


@pytest.mark.parametrize(("since_midnight", "is_seen"), [(-1, False), (0, True)])
def test_hours_are_looked_at_from_the_end_of_the_newest_day_on(
    shared: Database, since_midnight: int, *, is_seen: bool
) -> None:
    midnight = datetime(2026, 1, 14, tzinfo=UTC)
    with shared.connect() as connection:
        make_months(connection, midnight)
        connection.execute(text("INSERT INTO items (id, item_name) VALUES (5, 'Ore'), (6, 'Day')"))
        connection.execute(
            text(
                "INSERT INTO eu_commodity_price_days (day, item_id, mean_quantity, covered_seconds, snapshots,"
                " priced_snapshots) VALUES ('2026-01-13', 6, 1, 3600, 1, 0)"
            )
        )
        connection.execute(
            text(
                "INSERT INTO eu_commodity_price_stats (item_id, timestamp, total_quantity, num_auctions)"
                " VALUES (5, :at, 1, 1)"
            ),
            {"at": midnight + timedelta(seconds=since_midnight)},
        )
        assert outputs.tradable_names(connection) == [(5, "Ore", is_seen), (6, "Day", True)]
