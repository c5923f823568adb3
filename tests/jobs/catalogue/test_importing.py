from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from ironforge_cli.answers.recipes import all_recipes
from ironforge_cli.errors import UsageError
from ironforge_cli.jobs.catalogue.importing import ImportPlan, import_files, read_files, remove_import
from ironforge_cli.market.crafting_files import read_file
from tests.jobs.stored import benchmarks, rows
from tests.market import test_game_tables as game_tables
from tests.market.test_crafting_files import LUA, recipe

if TYPE_CHECKING:
    from pathlib import Path

    from ironforge_cli.db.engine import Database
    from tests.clocks import TickingClock

RECIPES = """
INSERT INTO recipes (id, faction, name, profession, skill_tier, skill_tier_id, data) VALUES
    (1, 'Neutral', 'Soup', 'Cooking', 'Midnight Cooking', 2907, '{}'),
    (2, 'Neutral', 'Soup', 'Cooking', 'Old Cooking', 2541, '{}'),
    (3, 'Alliance', 'Banner', 'Cooking', 'Old Cooking', 2541, '{}'),
    (3, 'Horde', 'Banner', 'Cooking', 'Old Cooking', 2541, '{}')
"""
RECORDED_FILES = ("koodattu_midnight_recipes", "koodattu_midnight_reagents")
OWN = b"recipe_id,slot,item_id,rank,quantity,required\n3,1,7,,3,true\n99,1,7,,3,true\n"
SPELLS = b"ID,SkillLine,Spell\n2,185,9\n"


@pytest.fixture
def recipes(database: Database) -> Database:
    with database.transaction() as connection:
        connection.execute(text(RECIPES))
        connection.execute(text("INSERT INTO items (id, item_name) VALUES (5, 'Soup')"))
    return database


def taken_in(database: Database, clock: TickingClock, *, dry_run: bool = False, **files: bytes) -> list[ImportPlan]:
    given = read_files((name.replace("_", "."), body) for name, body in files.items())
    return import_files(given, source=None, dry_run=dry_run, database=database, pending=None, clock=clock)


def held(database: Database) -> list[tuple[object, ...]]:
    return rows(
        database,
        "SELECT 'made', recipe_id, faction, item_id, detail FROM recipe_outputs UNION ALL"
        " SELECT 'takes', recipe_id, faction, item_id, detail FROM recipe_slots UNION ALL"
        " SELECT 'asks', 0, '', item_id, source FROM vendor_prices UNION ALL"
        " SELECT 'rank', rank, '', item_id, source FROM item_ranks ORDER BY 1, 2, 3, 4",
    )


def test_a_dry_run_plans_and_writes_nothing(recipes: Database, clock: TickingClock) -> None:
    (plan,) = taken_in(recipes, clock, dry_run=True, own_csv=OWN)
    assert (plan.joined, plan.unknown, plan.ambiguous) == (1, ("recipe 99",), ())
    assert [one.faction for one in plan.slots] == ["Alliance", "Horde"]
    assert held(recipes) == []


def test_an_import_replaces_itself_alone_and_is_taken_out_again(recipes: Database, clock: TickingClock) -> None:
    taken_in(recipes, clock, a_json=recipe(), b_csv=OWN, c_csv=b"item_id,copper\n7,25\n")
    first = held(recipes)
    assert ("made", 1, "Neutral", 5, "koodattu-recipes") in first
    assert ("asks", 0, "", 7, "vendor-prices") in first
    taken_in(recipes, clock, a_json=recipe(), b_csv=OWN, c_csv=b"item_id,copper\n7,25\n")
    assert held(recipes) == first
    taken_in(recipes, clock, a_json=recipe(outputItemID=6))
    assert ("made", 1, "Neutral", 6, "koodattu-recipes") in held(recipes)
    assert ("made", 1, "Neutral", 5, "koodattu-recipes") not in held(recipes)
    remove_import("koodattu-recipes", database=recipes)
    assert held(recipes) == [row for row in first if row[4] != "koodattu-recipes"]
    with pytest.raises(UsageError, match="own-slots, vendor-prices"):
        remove_import("koodattu-recipes", database=recipes)


def test_an_import_may_be_called_otherwise_and_several_kinds_may_not_be_one(
    recipes: Database, clock: TickingClock
) -> None:
    with pytest.raises(UsageError, match="no import is called 'mine': nothing was imported"):
        remove_import("mine", database=recipes)

    def called(**files: bytes) -> list[ImportPlan]:
        given = read_files((name.replace("_", "."), body) for name, body in files.items())
        return import_files(given, source="mine", dry_run=False, database=recipes, pending=None, clock=clock)

    with pytest.raises(UsageError, match="these are of 2: own-slots, vendor-prices"):
        called(b_csv=OWN, c_csv=b"item_id,copper\n7,25\n")
    assert held(recipes) == []
    (plan,) = called(b_csv=OWN)
    assert (plan.source, {row[4] for row in held(recipes)}) == ("mine", {"mine"})
    # An option of each faction.
    assert [row[2:4] for row in benchmarks(recipes, "command")][-1] == (2, "success")
    with pytest.raises(UsageError, match="no import is called 'yours': there are mine"):
        remove_import("yours", database=recipes)


def test_a_spell_is_found_exactly_by_the_games_table_and_else_by_names(recipes: Database, clock: TickingClock) -> None:
    (by_name,) = taken_in(recipes, clock, dry_run=True, a_lua=LUA.encode())
    assert by_name.ambiguous == ("spell 9",)
    (exact,) = taken_in(recipes, clock, dry_run=True, a_lua=LUA.encode(), b_csv=SPELLS)
    assert {one.recipe_id for one in exact.outputs} == {2}
    with pytest.raises(UsageError, match="by itself"):
        taken_in(recipes, clock, b_csv=SPELLS)


def test_tables_of_the_game_are_one_source_joined_by_spells(recipes: Database, clock: TickingClock) -> None:
    files = {f"{name}_csv": body.encode() for name, body in game_tables.TABLES.items()}
    spells = b"ID,SkillLine,Spell\n1,185,9\n2,185,10\n77,185,11\n"
    (planned,) = taken_in(recipes, clock, dry_run=True, **files, a_csv=spells)
    assert (planned.source, planned.joined, planned.unknown) == ("game-tables", 2, ("spell 11",))
    assert held(recipes) == []
    taken_in(recipes, clock, dry_run=False, **files, a_csv=spells)
    first = held(recipes)
    assert ("made", 1, "Neutral", 500, "game-tables") in first
    assert ("takes", 2, "Neutral", 830, "game-tables") in first
    assert ("rank", 2, "", 802, "game-tables") in first
    taken_in(recipes, clock, dry_run=False, **files, a_csv=spells)
    assert held(recipes) == first
    with pytest.raises(UsageError, match="need SkillLineAbility"):
        taken_in(recipes, clock, dry_run=False, **files)
    assert held(recipes) == first
    remove_import("game-tables", database=recipes)
    assert held(recipes) == []


def test_a_file_that_is_refused_keeps_all_others_out(recipes: Database, clock: TickingClock) -> None:
    with pytest.raises(UsageError, match=r"b\.csv.*line 2"):
        taken_in(recipes, clock, a_json=recipe(), b_csv=b"item_id,copper\nx,1\n")
    assert held(recipes) == []


def test_of_the_recorded_recipes_nearly_all_are_known_to_take_what_they_require(
    recorded: Path, database: Database, clock: TickingClock
) -> None:
    files = {name: (recorded / "crafting" / f"{name}.json").read_bytes() for name in RECORDED_FILES}
    named = read_file("x.json", files[RECORDED_FILES[0]]).recipes
    with database.transaction() as connection:
        connection.execute(
            text(
                "INSERT INTO recipes (id, faction, name, profession, skill_tier, skill_tier_id, data)"
                " SELECT row_number() OVER (), 'Neutral', name, 'Any', tier, 2906, '{}'"
                " FROM unnest(CAST(:names AS text[]), CAST(:tiers AS text[])) AS said (name, tier)"
            ),
            {"names": [one.name for one in named], "tiers": [one.tier for one in named]},
        )
        before = all_recipes(connection)
    assert not any(one.are_slots_known for one in before.crafts), "Blizzard's word alone is never enough"
    given = read_files((f"{name}.json", body) for name, body in files.items())
    plans = import_files(given, source=None, dry_run=False, database=database, pending=None, clock=clock)
    assert sum(plan.joined for plan in plans) > 0
    with database.connect() as connection:
        after = all_recipes(connection)
    assert len(after.crafts) == 719
    assert sum(one.are_slots_known for one in after.crafts) / len(after.crafts) >= 0.98
