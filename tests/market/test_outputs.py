from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.market.outputs import GAP, NamedRecipe, clusters, key_of, outputs_by_name

if TYPE_CHECKING:
    from pathlib import Path

MIDNIGHT, WAR_WITHIN = 2_906, 2_871


def of(recipes: list[NamedRecipe], **items: list[int]) -> dict[int, tuple[int, ...]]:
    return outputs_by_name(recipes, {name.replace("_", " "): ids for name, ids in items.items()})


def tier(tier_id: int = MIDNIGHT) -> list[NamedRecipe]:
    """Two recipes that say of which era their tier is."""
    return [NamedRecipe(1, "Anchor", tier_id), NamedRecipe(2, "Buoy", tier_id)]


ERA = {"anchor": [240_000, 240_001], "buoy": [241_000]}


def test_a_homonym_of_another_era_is_left_out() -> None:
    assert of([*tier(), NamedRecipe(3, "Soup", MIDNIGHT)], **ERA, soup=[700, 240_500])[3] == (240_500,)


def test_a_set_within_a_wide_cluster_is_cut_where_ranks_do_not_fit() -> None:
    found = of([*tier(), NamedRecipe(3, "Soup", MIDNIGHT)], **ERA, soup=[237_000, 240_500, 240_501])
    assert found[3] == (240_500, 240_501)


def test_ids_within_the_wide_gap_are_one_cluster_and_further_ones_are_not() -> None:
    recipes = [*tier(WAR_WITHIN), NamedRecipe(3, "Soup", WAR_WITHIN)]
    wide = [240_500, 240_501, 245_501]
    assert of(recipes, **ERA, soup=wide)[3] == tuple(wide)
    # Were they one, all three would stay, as many as there are ranks.
    assert of(recipes, **ERA, soup=[*wide[:2], 245_502])[3] == (240_500, 240_501)


def test_as_many_as_the_era_has_ranks_stay_together() -> None:
    found = of([*tier(WAR_WITHIN), NamedRecipe(3, "Soup", WAR_WITHIN)], **ERA, soup=[237_000, 240_500, 240_501])
    assert found[3] == (237_000, 240_500, 240_501)


def test_what_is_too_far_from_its_tier_is_refused() -> None:
    found = of([*tier(), NamedRecipe(3, "Near", MIDNIGHT), NamedRecipe(4, "Far", MIDNIGHT)], **ERA,
               near=[200_001, 100], far=[200_000, 100])  # fmt: skip
    assert 3 in found
    assert 4 not in found


def test_ids_are_cut_where_the_next_is_further_away_than_the_gap() -> None:
    assert clusters([], gap=GAP) == []
    assert clusters([7 + GAP, 7], gap=GAP) == [[7, 7 + GAP]]
    assert clusters([8 + GAP, 7], gap=GAP) == [[7], [8 + GAP]]


def test_of_a_tier_that_is_not_known_nothing_is_said() -> None:
    assert of([NamedRecipe(1, "Anchor", None)], **ERA) == {}


@pytest.mark.parametrize("name", ["Transmute: Anchor", "Transmutieren: Anchor", "Transmutation : Anchor", "ANCHOR"])
def test_a_transmutation_is_called_as_what_it_makes_in_every_language(name: str) -> None:
    assert key_of(name) == "anchor"


# What recipes of two eras are called, and what some of them make that is no item of any market, or of an older one.
DRAGONFLIGHT_RECIPES = (
    "Elemental Potion of Ultimate Power|Phial of Tepid Versatility|Refreshing Healing Potion|Transmute: Awakened Air"
    "|Potion of the Hushed Zephyr|Omnium Draconis|Enchant Weapon - Sophic Devotion|Enchant Ring - Devotion of Haste"
    "|Primal Molten Alloy|Obsidian Seared Alloy|Primal Whetstone|Draconium Blacksmith\u2019s Hammer|Vibrant Shard"
    "|Contract: Valdrakken Accord|Vantus Rune: Vault of the Incarnates|Cosmic Ink|Runed Writhebark|Chilled Rune"
    "|Draconic Treatise on Alchemy|Illustrious Insight|Sterling Alloy"
)
WAR_WITHIN_RECIPES = (
    "Algari Healing Potion|Algari Mana Potion|Tempered Potion|Flask of Alchemical Chaos|Phial of Truesight"
    "|Potion of Unwavering Focus|Core Alloy|Ironclaw Whetstone|Ironclaw Alloy|Enchant Weapon - Authority of Storms"
    "|Enchant Chest - Crystalline Radiance|Gleaming Shard|Refulgent Crystal|Oil of Beledar's Grace|Algari Mana Oil"
    "|Contract: Council of Dornogal|Vantus Rune: Nerub-ar Palace|Shadow Ink|Boundless Cipher|Codified Greenwood"
    "|Algari Treatise on Mining|Luminous Ink|Algari Flask Cauldron"
)
NOT_OF_ITS_MARKET = {
    *("Draconic Treatise on Alchemy", "Illustrious Insight", "Sterling Alloy"),
    *("Algari Treatise on Mining", "Luminous Ink", "Algari Flask Cauldron"),
}


@pytest.mark.parametrize(
    ("tier_id", "names", "first", "last"),
    [(2_823, DRAGONFLIGHT_RECIPES, 188_000, 211_000), (WAR_WITHIN, WAR_WITHIN_RECIPES, 211_000, 236_000)],
)
def test_recipes_of_other_eras_make_what_is_of_their_era(
    recorded: Path, tier_id: int, names: str, first: int, last: int
) -> None:
    items = tradable_items(recorded)
    recipes = [NamedRecipe(place, name, tier_id) for place, name in enumerate(names.split("|"))]
    found = outputs_by_name(recipes, items)
    assert {one.name for one in recipes if one.id not in found} == NOT_OF_ITS_MARKET & {one.name for one in recipes}
    for ids in found.values():
        assert len(ids) in {1, 3}
        assert first <= min(ids) <= max(ids) <= last


def tradable_items(recorded: Path) -> dict[str, list[int]]:
    items: dict[str, list[int]] = defaultdict(list)
    tradable: dict[str, str] = json.loads((recorded / "names/tradable_items.json").read_bytes())
    for number, name in tradable.items():
        items[key_of(name)].append(int(number))
    return items


def test_recorded_recipes_make_what_their_names_say(recorded: Path) -> None:
    """At least 99% of what can be traded exactly, and nothing that is wrong of what can't."""
    recipes: list[dict[str, Any]] = json.loads((recorded / "crafting/koodattu_midnight_recipes.json").read_bytes())
    tradable: dict[str, str] = json.loads((recorded / "names/tradable_items.json").read_bytes())
    items = tradable_items(recorded)
    crafted = [one for one in recipes if not one["salvageTargets"]]
    found = outputs_by_name(
        [NamedRecipe(one["recipeID"], one["recipeName"], one["professionSkillLineID"]) for one in crafted], items
    )
    right = traded = 0
    for one in crafted:
        ids = {made["itemID"] for made in one["outputQualities"]} or {one["outputItemID"]}
        wanted = tuple(sorted(number for number in ids if str(number) in tradable))
        if wanted:
            traded += 1
            right += found.get(one["recipeID"]) == wanted
        else:
            assert one["recipeID"] not in found, one["recipeName"]
    assert traded > 500
    assert right / traded >= 0.99
