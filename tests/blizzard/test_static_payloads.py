from __future__ import annotations

import json
from typing import Any

import pytest

from ironforge_cli.blizzard import payloads
from ironforge_cli.errors import RefusedAnswerError
from ironforge_cli.market.catalogue import Faction, Item, ItemPage, Reagent
from tests.blizzard.bodies import written


def link(number: int) -> dict[str, Any]:
    return {"key": {"href": "x"}, "name": f"item {number}", "id": number}


def test_reagents_listed_twice_add_up_and_needed_ones_beat_optional_ones() -> None:
    body = written(
        {
            "id": 5,
            "name": "Potion",
            "media": {},
            "reagents": [
                {"reagent": link(9), "quantity": 2},
                {"reagent": link(7), "quantity": 0},
                {"reagent": link(9), "quantity": 3},
            ],
            "optional_reagents": [{"reagent": link(9), "quantity": 50}, {"reagent": link(8), "quantity": 1}],
        }
    )
    (recipe,) = payloads.recipes(body, locale="en_US")
    assert recipe.reagents == (
        Reagent(item_id=7, quantity=0, optional=False),
        Reagent(item_id=8, quantity=1, optional=True),
        Reagent(item_id=9, quantity=5, optional=False),
    )
    assert (recipe.faction, recipe.crafted_item_id) == (Faction.NEUTRAL, None)
    assert recipe.answer == json.loads(body)


@pytest.mark.parametrize(
    ("crafted", "expected"),
    [
        ({}, {Faction.NEUTRAL: None}),
        ({"crafted_item": 3}, {Faction.NEUTRAL: 3}),
        ({"alliance_crafted_item": 4, "horde_crafted_item": 5}, {Faction.ALLIANCE: 4, Faction.HORDE: 5}),
        ({"horde_crafted_item": 5}, {Faction.HORDE: 5}),
    ],
)
def test_a_recipe_comes_once_for_each_faction_that_crafts_it(
    crafted: dict[str, int], expected: dict[Faction, int | None]
) -> None:
    document = {"id": 5, "name": None, "media": {}} | {key: link(number) for key, number in crafted.items()}
    recipes = payloads.recipes(written(document), locale="en_US")
    assert {recipe.faction: recipe.crafted_item_id for recipe in recipes} == expected


@pytest.mark.parametrize("broken", [{"reagent": {"id": 3}}, {"quantity": 3}, {"reagent": {"id": 0}, "quantity": 1}])
def test_a_reagent_without_item_or_quantity_hides_no_other(broken: dict[str, Any]) -> None:
    good: dict[str, Any] = {"reagent": {"id": 4}, "quantity": 2}
    document: dict[str, Any] = {"id": 5, "name": "x", "media": {}, "reagents": [broken, good]}
    (recipe,) = payloads.recipes(written(document), locale="en_US")
    assert recipe.reagents == (Reagent(item_id=4, quantity=2, optional=False),)
    assert recipe.surprises[0].startswith("the shape of 'reagents'")
    assert recipe.answer == document


def test_a_profession_without_tiers_and_a_tier_without_categories_are_no_fault() -> None:
    assert payloads.skill_tiers(written({"id": 171, "name": "Alchemy"}), locale="en_US") == []
    assert payloads.skill_tier(written({"id": 2823, "name": None}), locale="en_US").recipes == ()


def test_a_recipe_that_stands_in_several_categories_is_listed_once_where_it_comes_first() -> None:
    categories = [{"name": None, "recipes": [link(3), link(1)]}, {"recipes": [link(1), link(2)]}, {"name": "empty"}]
    tier = payloads.skill_tier(written({"id": 2823, "name": "Dragon", "categories": categories}), locale="en_US")
    assert [recipe.id for recipe in tier.recipes] == [3, 1, 2]


def test_a_page_of_the_item_search_says_whether_more_follows() -> None:
    found = {"id": 7, "name": {"en_US": "Ore"}, "item_class": {"name": {"en_US": "Metal"}, "id": 7}, "level": 3}
    page = {"page": 1, "results": [{"key": {"href": "x"}, "data": found}]}
    ore = Item(
        id=7,
        name="Ore",
        level=3,
        item_class="Metal",
        item_subclass=None,
        inventory_type=None,
        is_equippable=None,
        is_stackable=None,
        quality=None,
    )
    assert payloads.item_search(written(page), locale="en_US") == ItemPage(
        (ore,), last_id=ore.id, more=False, malformed=0
    )
    assert payloads.item_search(written(page | {"resultCountCapped": True}), locale="en_US").more


# What nobody has seen before


def recipe_of(**parts: Any) -> bytes:
    return written({"id": 5, "name": "x", "media": {}, **parts})


@pytest.mark.parametrize(
    ("parts", "surprise"),
    [
        ({"quality_tiers": [1]}, "the key 'quality_tiers'"),
        ({"crafted_item": "Ore"}, "the shape of 'crafted_item'"),
        ({"crafted_item": [{"id": 3}]}, "the shape of 'crafted_item'"),
        ({"reagents": {"reagent": {"id": 3}, "quantity": 1}}, "the shape of 'reagents'"),
        ({"reagents": "none"}, "the shape of 'reagents'"),
        ({"modified_crafting_slots": [7]}, "the shape of 'modified_crafting_slots'"),
    ],
)
def test_a_surprise_is_told_and_stays_in_the_answer(parts: dict[str, Any], surprise: str) -> None:
    (recipe,) = payloads.recipes(recipe_of(**parts, rank=2), locale="en_US")
    assert [told.partition(" (")[0] for told in recipe.surprises] == [surprise]
    assert {key: recipe.answer[key] for key in parts} == parts
    assert recipe.crafted_item_id is None


def test_what_is_known_is_no_surprise() -> None:
    known: dict[str, Any] = {
        "description": None,
        "rank": 1,
        "crafted_quantity": {"value": 1.0},
        "crafted_item": {"id": 3},
    }
    (recipe,) = payloads.recipes(recipe_of(**known, modified_crafting_slots=[{}, {}], reagents=None), locale="en_US")
    assert recipe.surprises == ()
    assert (recipe.slots, recipe.reagents, recipe.crafted_item_id) == (2, (), 3)


def test_quantities_that_no_column_holds_end_at_the_largest() -> None:
    most = [{"reagent": {"id": 3}, "quantity": 2**31 - 1}] * 2
    (recipe,) = payloads.recipes(recipe_of(reagents=most), locale="en_US")
    assert recipe.reagents == (Reagent(item_id=3, quantity=2**31 - 1, optional=False),)


def test_the_character_zero_which_postgresql_lacks_is_replaced() -> None:
    body = rb'{"id":5,"name":"x\u0000y","media":{},"description":"a\u0000b"}'
    (recipe,) = payloads.recipes(body, locale="en_US")
    assert recipe.name == "x\ufffdy"
    assert recipe.answer["description"] == "a\ufffdb"


@pytest.mark.parametrize("body", [b"[]", b'[{"id":5}]', b"5", b"null", b'"x"'])
def test_an_answer_that_is_no_object_is_refused(body: bytes) -> None:
    for parse in (payloads.professions, payloads.skill_tiers, payloads.skill_tier, payloads.recipes, payloads.item):
        with pytest.raises(RefusedAnswerError):
            parse(body, locale="en_US")


def test_lists_that_are_null_are_empty() -> None:
    assert payloads.skill_tiers(written({"id": 171, "name": "x", "skill_tiers": None}), locale="en_US") == []
    tier = written({"id": 1, "name": "x", "categories": [{"name": None, "recipes": None}, {"name": "y"}]})
    assert payloads.skill_tier(tier, locale="en_US").recipes == ()
    assert payloads.skill_tier(written({"id": 1, "name": "x", "categories": None}), locale="en_US").recipes == ()


def test_a_result_of_the_search_that_makes_no_sense_costs_no_other() -> None:
    good = {"data": {"id": 7, "name": {"fr_FR": "Seul"}, "item_class": None}}
    results = [good, {"data": {"id": 9, "item_class": None}}, {"data": None}, 5]
    page = payloads.item_search(written({"results": results, "resultCountCapped": True}), locale="en_US")
    assert [(item.id, item.name) for item in page.items] == [(7, "Seul")]
    # The walk goes on behind what could not be read.
    assert (page.last_id, page.more, page.malformed) == (9, True, 3)


@pytest.mark.parametrize(
    ("href", "build"),
    [
        ("https://eu.api.blizzard.com/data/wow/recipe/5?namespace=static-12.0.1_65617-eu", "12.0.1_65617"),
        ("https://us.api.blizzard.com/data/wow/recipe/5?locale=x&namespace=static-9.1.0_39069-us", "9.1.0_39069"),
        ("https://us.api.blizzard.com/data/wow/recipe/5?namespace=static-us", None),
        ("https://us.api.blizzard.com/data/wow/token/?namespace=dynamic-us", None),
    ],
)
def test_links_of_static_data_tell_the_build(href: str, build: str | None) -> None:
    assert payloads.build(written({"_links": {"self": {"href": href}}})) == build
