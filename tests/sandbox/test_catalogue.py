from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from itertools import groupby

import pytest
import requests

from ironforge_cli.market.outputs import NamedRecipe, key_of, outputs_by_name
from ironforge_cli.sandbox.catalogue import INVENTORY_TYPES, ITEM_CLASSES, QUALITIES, Catalogue, InventedRecipe
from ironforge_cli.sandbox.invention import invent
from ironforge_cli.sandbox.invention_oddities import OTHER_ERA
from ironforge_cli.sandbox.stand_in import Sandbox
from ironforge_cli.sandbox.words import KINDS, LOCALES

Ask = Callable[..., requests.Response]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return invent(seed=5, items=3_000, recipes=1_200)


def listed_recipes(catalogue: Catalogue) -> list[int]:
    return [
        recipe for tier in catalogue.tiers.values() for category in tier.categories or () for recipe in category.recipes
    ]


def test_the_same_seed_invents_the_same_catalogue_and_another_seed_another() -> None:
    assert invent(seed=1, items=200, recipes=90) == invent(seed=1, items=200, recipes=90)
    assert invent(seed=1, items=200, recipes=90) != invent(seed=2, items=200, recipes=90)


@pytest.mark.parametrize(("items", "commodities"), [(1, 1), (2, 1), (50, 7), (50, 50), (1_001, 1_000)])
def test_a_catalogue_has_the_sizes_asked_for(items: int, commodities: int) -> None:
    made = invent(seed=3, items=items, recipes=40, commodities=commodities)
    assert len(made.items) == items
    assert len(made.commodities) == commodities
    assert list(made.items) == sorted(made.items)
    assert sum(recipe.is_recipe for recipe in made.recipes.values()) == 40


@pytest.mark.parametrize(("items", "commodities"), [(0, 1), (5, 0), (5, 6), (10**6, None)])
def test_impossible_sizes_are_refused(items: int, commodities: int | None) -> None:
    with pytest.raises(ValueError, match=r"items|commodities"):
        invent(seed=1, items=items, recipes=0, commodities=commodities)


def test_every_item_is_of_a_kind_class_and_slot_that_exist(catalogue: Catalogue) -> None:
    for item in catalogue.items.values():
        assert item.name.kind in KINDS
        assert item.quality in QUALITIES
        assert item.inventory_type in INVENTORY_TYPES
        assert item.item_subclass in ITEM_CLASSES[item.item_class][1]
        assert (item.base_price > 0) == item.is_commodity
        assert item.base_price % 100 == 0


def test_only_ranked_items_share_a_name_and_they_are_neighbours_with_rising_prices(catalogue: Catalogue) -> None:
    by_name: dict[str, list[int]] = {}
    for item in catalogue.items.values():
        if item.id >= OTHER_ERA:
            continue
        by_name.setdefault(item.name.english, []).append(item.id)
    shared = [ids for ids in by_name.values() if len(ids) > 1]
    assert len(shared) > 50
    for ids in shared:
        assert ids == list(range(ids[0], ids[0] + len(ids)))
        prices = [catalogue.items[item].base_price for item in ids]
        assert prices == sorted(prices)


def test_new_recipes_are_called_like_things_of_another_era_that_nobody_trades_here(catalogue: Catalogue) -> None:
    far = [item for item in catalogue.items.values() if item.id >= OTHER_ERA]
    recipes = [one for one in catalogue.recipes.values() if one.slots]
    called = {one.name.english for one in recipes}
    near = {item.name.english: item for item in catalogue.items.values() if item.id < OTHER_ERA}
    assert len(far) > 5
    assert {item.name.english for item in far} <= called
    assert not any(item.is_commodity or item.is_equippable for item in far)
    kinds = {near[item.name.english].is_equippable for item in far}
    assert kinds == {True, False}, "what is worn and what is traded"
    asked = {item for one in catalogue.recipes.values() for item, _ in one.optional_reagents}
    assert {item.id for item in far} <= asked
    # By the rule of names, over all recipes of the new tiers: never a thing of the other era.
    tier_of = {
        number: tier.id
        for tier in catalogue.tiers.values()
        for category in tier.categories or ()
        for number in category.recipes
    }
    named = [NamedRecipe(one.id, one.name.english, tier_of[one.id]) for one in recipes]
    ids: dict[str, list[int]] = {}
    for item in catalogue.items.values():
        if not item.is_equippable:
            ids.setdefault(key_of(item.name.english), []).append(item.id)
    told = outputs_by_name(named, ids)
    right = [one.id for one in named if told.get(one.id) == (near[one.name].id,) and len(ids[key_of(one.name)]) > 1]
    assert right, "of two of a name the nearer is taken"
    assert all(item < OTHER_ERA for some in told.values() for item in some)


def test_transmutes_lead_from_one_thing_to_the_next_and_back(catalogue: Catalogue) -> None:
    turned = {
        one.reagents[0][0]: one.crafted_item
        for one in catalogue.recipes.values()
        if one.name.english.startswith("Transmute: ")
    }
    assert len(turned) == 3
    item = next(iter(turned))
    assert turned[turned[turned[item] or 0] or 0] == item
    assert all(catalogue.items[number].is_commodity for number in turned)


def test_there_are_14_real_and_11_pseudo_professions_in_no_order(catalogue: Catalogue) -> None:
    ids = list(catalogue.professions)
    assert len(ids) == 25
    assert ids != sorted(ids)
    assert sum(number < 1_000 for number in ids) == 14
    assert len(catalogue.tiers) == 118
    without_tiers = [profession for profession in catalogue.professions.values() if profession.tiers is None]
    assert 1 <= len(without_tiers) <= 6


def test_recipes_show_every_oddity_of_the_real_ones(catalogue: Catalogue) -> None:
    recipes = [recipe for recipe in catalogue.recipes.values() if recipe.is_recipe]
    forms = {recipe.crafted_quantity.form for recipe in recipes if recipe.crafted_quantity}
    assert forms == {"value", "float_value", "range"}
    oddities: dict[str, Callable[[InventedRecipe], object]] = {
        "another item for each faction": lambda one: one.alliance_crafted_item and one.horde_crafted_item,
        "no crafted item but slots": lambda one: one.crafted_item is None and one.slots,
        "no reagents": lambda one: not one.reagents,
        "a reagent of which none is needed": lambda one: 0 in [quantity for _, quantity in one.reagents],
        "optional reagents": lambda one: one.optional_reagents,
        "a rank": lambda one: one.rank,
        "forbidden": lambda one: one.status == 403,
        "gone": lambda one: one.status == 404,
        "a null description": lambda one: one.has_description and one.description is None,
        "no name in its tier": lambda one: one.unnamed_in_tier,
    }
    for oddity, has_it in oddities.items():
        count = sum(bool(has_it(recipe)) for recipe in recipes)
        assert 0 < count < len(recipes) / 2, oddity
    times = Counter(listed_recipes(catalogue))
    assert set(times) == set(catalogue.recipes)
    assert max(times.values()) >= 2
    assert any(not recipe.is_recipe for recipe in catalogue.recipes.values())
    categories = [category for tier in catalogue.tiers.values() for category in tier.categories or ()]
    assert any(category.name is None for category in categories)
    assert any(tier.categories is None for tier in catalogue.tiers.values())


def test_recipes_name_only_items_and_slots_that_exist_and_never_their_own_product(catalogue: Catalogue) -> None:
    repeated = 0
    for recipe in catalogue.recipes.values():
        used = [item for item, _ in (*recipe.reagents, *recipe.optional_reagents)]
        made = {recipe.crafted_item, recipe.alliance_crafted_item, recipe.horde_crafted_item} - {None}
        repeated += len(used) != len(set(used))
        assert {*used, *made} <= set(catalogue.items)
        assert recipe.crafted_item not in used
        assert set(recipe.slots) <= set(catalogue.slot_types)
        if recipe.alliance_crafted_item is not None:
            assert recipe.crafted_item is None
    # Few list an item twice, as the real ones may.
    assert 0 < repeated < len(catalogue.recipes) / 20


def test_a_full_catalogue_uses_about_as_many_reagents_as_the_real_one() -> None:
    full = invent(seed=1, items=30_000, recipes=9_700)
    reagents = {item for recipe in full.recipes.values() for item, _ in recipe.reagents}
    assert len(full.commodities) == 12_000
    assert 1_000 < len(reagents) <= 1_925


def test_every_listed_recipe_answers_as_the_catalogue_says(sandbox: Sandbox, ask: Ask) -> None:
    statuses = {number: ask(f"recipe/{number}").status_code for number in set(listed_recipes(sandbox.catalogue))}
    assert statuses == {number: recipe.status for number, recipe in sandbox.catalogue.recipes.items()}
    assert {200, 403, 404} == set(statuses.values())


def test_professions_and_tiers_lead_to_every_recipe(sandbox: Sandbox, ask: Ask) -> None:
    index = ask("profession/index", locale="en_US").json()["professions"]
    assert [one["id"] for one in index] == list(sandbox.catalogue.professions)
    reached: list[int] = []
    for listed in index:
        profession = ask(f"profession/{listed['id']}", locale="en_US").json()
        assert profession["name"] == listed["name"]
        for tier in profession.get("skill_tiers", []):
            answer = ask(f"profession/{listed['id']}/skill-tier/{tier['id']}", locale="en_US").json()
            assert answer["name"] == tier["name"]
            reached += [one["id"] for category in answer.get("categories", []) for one in category["recipes"]]
    assert sorted(reached) == sorted(listed_recipes(sandbox.catalogue))


def test_a_recipe_is_written_key_by_key_as_recorded(sandbox: Sandbox, ask: Ask) -> None:
    order = ["_links", "id", "name", "description", "media", "crafted_item", "alliance_crafted_item"]
    order += ["horde_crafted_item", "reagents", "optional_reagents", "rank", "crafted_quantity"]
    order += ["modified_crafting_slots"]
    for recipe in sandbox.catalogue.recipes.values():
        if recipe.status != 200:
            continue
        document = ask(f"recipe/{recipe.id}", locale="en_GB").json()
        assert list(document) == [key for key in order if key in document]
        assert document["name"] == recipe.name.english
        assert [(one["reagent"]["id"], one["quantity"]) for one in document.get("reagents", [])] == list(
            recipe.reagents
        )
        assert document.get("crafted_item", {}).get("id") == recipe.crafted_item
        assert [one["display_order"] for one in document.get("modified_crafting_slots", [])] == list(
            range(len(recipe.slots))
        )


@pytest.mark.parametrize("locale", [None, "en_US", "de_DE", "ko_KR", "xx_XX"])
def test_names_are_strings_with_a_locale_and_dicts_of_all_without(
    sandbox: Sandbox, ask: Ask, locale: str | None
) -> None:
    usual = next(one for one in sandbox.catalogue.items.values() if not (one.removed or one.name.only_english))
    odd = next(one for one in sandbox.catalogue.items.values() if one.name.only_english and not one.removed)
    name = ask(f"item/{usual.id}", locale=locale).json()["name"]
    placeholder = ask(f"item/{odd.id}", locale=locale).json()["name"]
    if locale is None:
        assert list(name) == list(LOCALES)
        assert list(placeholder) == ["en_US", "en_GB"]
        assert len(set(name.values())) > 6
    else:
        assert name == usual.name.in_locale(locale)
        assert (name == usual.name.english) == (locale in {"en_US", "xx_XX"})
        assert placeholder == odd.name.english


def test_static_links_carry_the_build_and_self_links_drop_index(sandbox: Sandbox, ask: Ask) -> None:
    item = next(one for one in sandbox.catalogue.items.values() if not one.removed)
    for path, own in (("profession/index", "profession/"), (f"item/{item.id}", f"item/{item.id}")):
        answer = ask(path, region="us")
        links = re.findall(r'"href":"([^"]+)"', answer.text)
        pattern = r"https://us\.api\.blizzard\.com/data/wow/[^?]+\?namespace=static-\d+\.\d+\.\d+_\d+-us"
        assert all(re.fullmatch(pattern, link) for link in links)
        assert links[0].partition("?")[0].endswith(f"/data/wow/{own}")
        assert answer.headers["Cache-Control"] == "public, max-age=86400"
        assert answer.headers["Battlenet-Namespace"] == "static-us"


def test_a_static_answer_that_the_client_holds_is_a_304(ask: Ask) -> None:
    held = {"If-Modified-Since": ask("profession/index").headers["Last-Modified"]}
    assert ask("profession/index", headers=held).status_code == 304


def test_commodities_lie_in_runs_over_all_ages_of_the_world(catalogue: Catalogue) -> None:
    traded = [item.is_commodity for item in catalogue.items.values()]
    thirds = [sum(traded[start : start + 1_000]) for start in (0, 1_000, 2_000)]
    assert max(thirds) - min(thirds) <= 3
    runs = [len(list(group)) for is_traded, group in groupby(traded) if is_traded]
    assert all(length % 3 == 0 for length in runs[:-1])
