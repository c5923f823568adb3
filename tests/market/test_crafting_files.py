from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.market import crafting_files
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


@pytest.mark.parametrize(
    ("least", "most", "quantity"),
    [
        (1, 2, 1.5),
        (2, 2, 2.0),
        (0.5, 1, 0.75),
        (2, 1, None),
        (-1, 1, None),
        (0, 2, None),
        (1, 0, None),
        (1, None, None),
        (None, 2, None),
        (1, 2**31 - 2, 2**30 - 0.5),
        (1, 2**31 - 1, None),
    ],
)
def test_a_recipe_yields_the_mean_of_its_bounds_where_both_make_sense(
    least: float | None, most: float | None, quantity: float | None
) -> None:
    (found,) = read_file("a.json", recipe(outputQuantityMin=least, outputQuantityMax=most)).recipes
    assert found.outputs == (GivenOutput(5, None, quantity),)
    ranked = recipe(outputQuantityMin=least, outputQuantityMax=most, outputQualities=[{"itemID": 6, "rank": 2}])
    (found,) = read_file("a.json", ranked).recipes
    assert found.outputs == (GivenOutput(6, 2, quantity),)


def test_a_recipe_is_told_with_all_by_which_it_is_found() -> None:
    (found,) = read_file("a.json", recipe(outputItemID=None)).recipes
    assert (found.label, found.spell, found.tier, found.name) == (
        "Midnight Cooking: Soup",
        9,
        "Midnight Cooking",
        "Soup",
    )
    assert (found.recipe_id, found.profession, found.named_by, found.outputs) == (None, None, None, ())
    (found,) = read_file("a.LUA", LUA.encode()).recipes
    assert (found.label, found.spell, found.profession, found.named_by) == ("spell 9", 9, "Cooking", 5)
    (found,) = read_file("a.lua", LUA.replace("item=5", "item=0").replace("185,", "186,").encode()).recipes
    assert (found.profession, found.named_by, found.outputs) == (None, None, ())
    (found,) = read_file("a.csv", b"recipe_id,item_id,rank,quantity\n9,5,,\n").recipes
    assert (found.label, found.recipe_id, found.spell, found.slots) == ("recipe 9", 9, None, ())
    kinds = {
        "koodattu-recipes": ("a.json", recipe()),
        "koodattu-reagents": ("a.json", b'[{"itemID": 1, "qualityRank": 1, "qualityRankSource": null}]'),
        "guildrecipedex": ("a.lua", LUA.encode()),
        "vendor-prices": ("a.csv", b"item_id,copper\n7,25\n"),
        "skill-line-ability": ("a.csv", b"ID,SkillLine,Spell\n3,185,9\n"),
        "own-slots": ("a.csv", b"recipe_id,slot,item_id,rank,quantity,required\n9,0,7,,,\n"),
        "own-outputs": ("a.csv", b"recipe_id,item_id,rank,quantity\n9,5,,\n"),
    }
    assert {kind: read_file(*file).kind for kind, file in kinds.items()} == {kind: kind for kind in kinds}


def test_an_item_of_two_ranks_has_none_and_what_is_not_known_is_left_out() -> None:
    two = recipe(outputQualities=[{"itemID": 5, "rank": 1}, {"itemID": 6, "rank": 5}, {"itemID": 5, "rank": 2}])
    assert read_file("a.json", two).ranks == {6: 5}
    items = [
        {"itemID": number, "qualityRank": rank, "qualityRankSource": None}
        for number, rank in ((1, 1), (None, 2), (3, None), (4, 5))
    ]
    assert read_file("a.json", json.dumps(items).encode()).ranks == {1: 1, 4: 5}


def test_numbers_reach_from_the_lowest_to_the_highest_and_a_price_of_nothing_is_none() -> None:
    ends = json.dumps({"1": {"price": 10**12}, str(2**31 - 1): {"price": 1}, "7": {"price": 0}}).encode()
    assert read_file("a.json", ends).prices == {1: 10**12, 2**31 - 1: 1}
    table = f"item_id , copper\n1,1\n {2**31 - 1} ,{10**12}\n".encode()
    assert read_file("a.csv", table).prices == {1: 1, 2**31 - 1: 10**12}
    assert read_file("a.csv", b"ID,SkillLine,Spell\n3,185,0\n4,185,1\n").spells == {1: 4}
    slots = f"recipe_id,slot,item_id,rank,quantity,required\n1,0,1,5,{2**31 - 1},FALSE\n".encode()
    assert read_file("a.csv", slots).recipes[0].slots == (GivenSlot(0, 1, 5, 2**31 - 1, required=False),)
    made = f"recipe_id,item_id,rank,quantity\n1,1,1,{2**31 - 1}\n".encode()
    assert read_file("a.csv", made).recipes[0].outputs == (GivenOutput(1, 1, 2**31 - 1),)
    for name, body in (
        ("a.json", f'{{"{2**31}": {{"price": 1}}}}'),
        ("a.json", '{"0": {"price": 1}}'),
        ("a.json", f'{{"1": {{"price": {10**12 + 1}}}}}'),
        ("a.csv", f"item_id,copper\n1,{10**12 + 1}\n"),
        ("a.csv", "item_id,copper\n1,0\n"),
        ("a.csv", f"item_id,copper\n{2**31},1\n"),
        ("a.csv", "recipe_id,item_id,rank,quantity\n1,1,,0\n"),
        ("a.csv", f"recipe_id,item_id,rank,quantity\n1,1,,{2**31}\n"),
        ("a.csv", "recipe_id,item_id,rank,quantity\n1,1,6,1\n"),
        ("a.csv", "recipe_id,item_id,rank,quantity\n1,1,0,1\n"),
        ("a.csv", "recipe_id,slot,item_id,rank,quantity,required\n1,1,7,,1,\n1,1,7,,1,\n"),
    ):
        with pytest.raises(CraftingFileError):
            read_file(name, body.encode())


def test_an_item_may_come_again_in_another_slot_and_in_another_recipe() -> None:
    head = "recipe_id,slot,item_id,rank,quantity,required\n"
    first, second = read_file("a.csv", f"{head}1,1,7,,1,\n1,2,7,,1,\n2,1,7,,1,\n".encode()).recipes
    assert [one.slot for one in first.slots] == [1, 2]
    assert [one.slot for one in second.slots] == [1]


def test_currencies_in_lua_take_a_place_and_leave_no_slot_or_none_at_all() -> None:
    def slots(reagents: str) -> tuple[GivenSlot, ...]:
        (found,) = read_file("a.lua", f"ns.Catalog.recipes = {{ [9] = {{reagents={{{reagents}}}}} }}".encode()).recipes
        return found.slots

    last = GivenSlot(3, 8, None, None, required=False)
    assert slots("finishing={{0,{8}}},required={{3,{7,7}}},modifying={{1,{5},c=true}}") == (
        GivenSlot(1, 7, None, 3, required=True),
        last,
    )
    assert slots("required={{3,{7}},{1,{5},c=true}},finishing={{0,{8}}}") == ()


def test_a_file_may_be_as_large_as_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b"item_id,copper\n7,25\n"
    monkeypatch.setattr(crafting_files, "LARGEST_BYTES", len(body))
    assert read_file("a.csv", body).prices == {7: 25}
    monkeypatch.setattr(crafting_files, "LARGEST_BYTES", len(body) - 1)
    with pytest.raises(CraftingFileError, match="it is larger than 0 MB"):
        read_file("a.csv", body)


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
