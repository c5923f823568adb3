from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.market.crafting_files import read_file
from ironforge_cli.market.given_recipes import (
    CraftingFileError,
    GivenOutput,
    GivenSlot,
)

if TYPE_CHECKING:
    from pathlib import Path

RECIPE: dict[str, Any] = {
    "recipeID": 9,
    "recipeName": "Soup",
    "professionName": "Midnight Cooking",
    "outputItemID": 5,
    "outputQuantityMin": 1,
    "outputQuantityMax": 2,
    "reagents": [{"quantity": 3, "required": True, "options": [{"reagentItemID": 7}, {"reagentItemID": 8}]}],
}
LUA = """
local _, ns = ...
ns.Catalog = {}
ns.Catalog.professions = { [185] = { name = "Cooking", expansions = {1, } }, }
ns.Catalog.recipes = {
  [9] = {skillLine=185, item=5, reagents={required={{3,{7,8}}},finishing={{1,{6}},{80,{3345},c=true}}}},
}
"""


def recipe(**changes: Any) -> bytes:
    return json.dumps([{**RECIPE, **changes}]).encode()


def test_outputs_and_slots_come_of_every_kind_of_file() -> None:
    slots = (GivenSlot(1, 7, None, 3, required=True), GivenSlot(1, 8, None, 3, required=True))
    (of_json,) = read_file("a.json", recipe()).recipes
    assert (of_json.outputs, of_json.slots, of_json.spell) == ((GivenOutput(5, None, 1.5),), slots, 9)
    (of_lua,) = read_file("a.lua", LUA.encode()).recipes
    assert of_lua.outputs == (GivenOutput(5, None, None),)
    assert of_lua.slots == (*slots, GivenSlot(2, 6, None, 1, required=False))
    own = read_file("a.csv", b"recipe_id,slot,item_id,rank,quantity,required\n9,1,7,,3,true\n9,1,8,2,,\n")
    assert own.recipes[0].slots == (
        GivenSlot(1, 7, None, 3, required=True),
        GivenSlot(1, 8, 2, None, required=None),
    )
    made = read_file("a.csv", b"\xef\xbb\xbfrecipe_id,item_id,rank,quantity\r\n9,5,2,2.5\r\n9,6,,\r\n")
    assert made.recipes[0].outputs == (GivenOutput(5, 2, 2.5), GivenOutput(6, None, None))
    assert read_file("a.csv", b"item_id,copper\n7,25\n").prices == {7: 25}
    assert read_file("a.csv", b"ID,SkillLine,Spell,Flags\n3,185,9,0\n").spells == {9: 3}


def test_what_turns_many_things_by_chance_makes_nothing_that_is_known() -> None:
    (found,) = read_file("a.json", recipe(salvageTargets=[{"itemID": 1}])).recipes
    assert found.outputs == ()


def test_a_recipe_that_requires_a_currency_has_no_known_slots() -> None:
    currency = {"quantity": 1, "required": True, "options": [{"reagentItemID": None}]}
    (found,) = read_file("a.json", recipe(reagents=[*RECIPE["reagents"], currency])).recipes
    assert found.slots == ()


def test_a_rank_that_was_guessed_by_the_order_of_ids_is_none() -> None:
    items = [
        {"itemID": number, "qualityRank": number, "qualityRankSource": source}
        for number, source in ((1, "apiReagentQuality"), (2, "inferredByItemIDOrder"))
    ]
    assert read_file("a.json", json.dumps(items).encode()).ranks == {1: 1}


@pytest.mark.parametrize(
    ("name", "body", "says"),
    [
        ("a.lua", b"ns.Catalog.recipes = os.execute('true')", "no data|expected|no table"),
        ("a.lua", b"os.execute('true')", "no data"),
        ("a.lua", b"ns.Catalog.recipes = { [1] = (function() end)() }", "no data"),
        ("a.lua", b"ns.Catalog.recipes = { [1] = 1 + 1 }", "no data|expected"),
        ("a.lua", b"while true do end", "no table"),
        ("a.lua", b"ns.Catalog.recipes = { [1] = {item=5", "expected"),
        ("a.lua", b"x = " + b"{" * 5_000, "deep"),
        ("a.lua", b"x = 'never closed", "no data"),
        ("a.lua", b"x = {}", "no table Catalog"),
        ("a.lua", b"ns.Catalog.recipes = { [1] = {item=99999999999} }", "99999999999"),
        ("a.lua", b"ns.Catalog.recipes = { [1] = 5 }", "table"),
        ("a.json", b"[" * 100_000, "deep|not as"),
        ("a.json", recipe()[:-9], "not as"),
        ("a.json", recipe(recipeID=-1), "recipeID"),
        ("a.json", recipe(reagents=None), "reagents"),
        ("a.json", b"[]", "no kind"),
        ("a.json", b'{"7": {"price": -1}}', "price"),
        ("a.json", b'{"x": {"price": 1}}', "number of an item"),
        ("a.csv", b"item_id,copper\n7,cheap\n", "line 2: copper"),
        ("a.csv", b"item_id,copper\n0,5\n", "line 2: item_id"),
        ("a.csv", b"item_id,copper\n7\n", "line 2"),
        ("a.csv", b"item_id,copper\n", "no rows"),
        ("a.csv", b"recipe_id,item_id,rank,quantity\n1,7,9,\n", "rank"),
        ("a.csv", b"recipe_id,item_id,rank,quantity\n1,7,,nan\n", "quantity"),
        ("a.csv", b"recipe_id,item_id,rank,quantity\n1,7,,\n1,7,,\n", "twice"),
        ("a.csv", b"recipe_id,slot,item_id,rank,quantity,required\n1,1,7,,1,perhaps\n", "required"),
        ("a.csv", b"colour,taste\nred,sour\n", "colour"),
        ("a.csv", b"\xff\xfe\x00", "UTF-8"),
        ("a.csv", b"", "neither"),
    ],
)
def test_a_hostile_file_is_refused_with_what_is_wrong(name: str, body: bytes, says: str) -> None:
    with pytest.raises(CraftingFileError, match=says):
        read_file(name, body)


def test_recorded_files_say_nearly_all_that_is_required(recorded: Path) -> None:
    folder = recorded / "crafting"
    found = read_file("x.json", (folder / "koodattu_midnight_recipes.json").read_bytes())
    assert len(found.recipes) == 719
    assert sum(bool(one.slots) for one in found.recipes) / len(found.recipes) >= 0.98
    assert len(read_file("x.json", (folder / "koodattu_midnight_reagents.json").read_bytes()).ranks) > 400
    sample = read_file("x.lua", (folder / "guildrecipedex_catalog_sample.lua").read_bytes())
    assert len(sample.recipes) == 223
    assert len(read_file("x.json", (recorded / "names/vendor-items.json").read_bytes()).prices) > 2_000
