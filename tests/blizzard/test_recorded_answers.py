"""Real answers through the real parsers, against what the json module alone makes of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ironforge_cli.blizzard import payloads
from ironforge_cli.errors import RefusedAnswerError
from ironforge_cli.market.auctions import Auctions
from ironforge_cli.market.catalogue import Faction, Item, Named, Recipe, SkillTier, SlotType
from ironforge_cli.market.time_left import TimeLeft
from ironforge_cli.regions import Region

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# The folders of Blizzard's answers; others hold what people made of the game's files.
ANSWERED = ("argentpony", "koodattu")
SAMPLE = "koodattu/commodities_sample.json"
LOCALE = "en_US"


def name_in(value: Any) -> Any:
    return value.get(LOCALE) if isinstance(value, dict) else value  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - any JSON


def expect_professions(answer: Any) -> list[Named]:
    return [Named(id=one["id"], name=name_in(one["name"])) for one in answer["professions"]]


def expect_skill_tiers(answer: Any) -> list[Named]:
    return [Named(id=one["id"], name=name_in(one["name"])) for one in answer["skill_tiers"]]


def expect_tier(answer: Any) -> SkillTier:
    listed: dict[int, Named] = {}
    for category in answer["categories"]:
        for one in category.get("recipes", []):
            listed.setdefault(one["id"], Named(id=one["id"], name=name_in(one["name"])))
    return SkillTier(id=answer["id"], name=name_in(answer["name"]), recipes=tuple(listed.values()))


def expect_slot_types(answer: Any) -> list[Named]:
    return [Named(id=one["id"], name=one.get("name")) for one in answer["slot_types"]]


def expect_slot_type(answer: Any) -> SlotType:
    return SlotType(answer["id"], tuple(sorted(one["id"] for one in answer["compatible_categories"])))


def expect_recipes(answer: Any) -> list[tuple[Any, ...]]:
    reagents = sorted((one["reagent"]["id"], one["quantity"], False) for one in answer.get("reagents", []))
    if "alliance_crafted_item" in answer:
        crafted = [
            (Faction.ALLIANCE, answer["alliance_crafted_item"]["id"]),
            (Faction.HORDE, answer["horde_crafted_item"]["id"]),
        ]
    else:
        crafted = [(Faction.NEUTRAL, answer.get("crafted_item", {}).get("id"))]
    return [(answer["id"], faction, name_in(answer["name"]), item_id, reagents, answer) for faction, item_id in crafted]


def flat(recipes: list[Recipe]) -> list[tuple[Any, ...]]:
    return [
        (
            recipe.id,
            recipe.faction,
            recipe.name,
            recipe.crafted_item_id,
            [(reagent.item_id, reagent.quantity, reagent.optional) for reagent in recipe.reagents],
            recipe.answer,
        )
        for recipe in recipes
    ]


def expect_item(answer: Any) -> Item:
    return Item(
        id=answer["id"],
        name=name_in(answer["name"]),
        level=answer["level"],
        item_class=name_in(answer["item_class"]["name"]),
        item_subclass=name_in(answer["item_subclass"]["name"]),
        inventory_type=name_in(answer["inventory_type"]["name"]),
        is_equippable=answer["is_equippable"],
        is_stackable=answer["is_stackable"],
        quality=name_in(answer["quality"]["name"]),
        crafting_category_id=answer.get("modified_crafting", {}).get("category", {}).get("id"),
    )


def expect_token(answer: Any) -> tuple[datetime, int]:
    set_at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=answer["last_updated_timestamp"])
    return set_at, answer["price"]


def rows(auctions: Auctions) -> list[tuple[int, int, int, int, str]]:
    return [
        (number, item, price, quantity, TimeLeft(left).name)
        for number, item, price, quantity, left in zip(
            auctions.auction_id.tolist(),
            auctions.item_id.tolist(),
            auctions.unit_price.tolist(),
            auctions.quantity.tolist(),
            auctions.time_left.tolist(),
            strict=True,
        )
    ]


def expect_rows(answer: Any) -> list[tuple[int, int, int, int, str]]:
    return sorted(
        (one["id"], one["item"]["id"], one["unit_price"], one["quantity"], one["time_left"])
        for one in answer["auctions"]
    )


def parse_professions(body: bytes) -> Any:
    return payloads.professions(body, locale=LOCALE)


def parse_skill_tiers(body: bytes) -> Any:
    return payloads.skill_tiers(body, locale=LOCALE)


def parse_tier(body: bytes) -> Any:
    return payloads.skill_tier(body, locale=LOCALE)


def parse_slot_types(body: bytes) -> Any:
    return payloads.slot_types(body, locale=LOCALE)


def parse_slot_type(body: bytes) -> Any:
    return payloads.slot_type(body, locale=LOCALE)


def parse_recipes(body: bytes) -> Any:
    return flat(payloads.recipes(body, locale=LOCALE))


def parse_item(body: bytes) -> Any:
    return payloads.item(body, locale=LOCALE)


def parse_us_auctions(body: bytes) -> Any:
    return rows(payloads.commodities(body, region=Region.US))


READ: dict[str, tuple[Callable[[bytes], Any], Callable[[Any], Any]]] = {
    "argentpony/CommoditiesResponse.json": (parse_us_auctions, expect_rows),
    "argentpony/ItemResponse.json": (parse_item, expect_item),
    "argentpony/ModifiedCraftingReagentSlotTypeIndexResponse.json": (parse_slot_types, expect_slot_types),
    "argentpony/ModifiedCraftingReagentSlotTypeResponse.json": (parse_slot_type, expect_slot_type),
    "argentpony/ProfessionResponse.json": (parse_skill_tiers, expect_skill_tiers),
    "argentpony/ProfessionsIndexResponse.json": (parse_professions, expect_professions),
    "argentpony/RecipeResponse.json": (parse_recipes, expect_recipes),
    "argentpony/RecipeWithFactionSpecificItemsResponse.json": (parse_recipes, expect_recipes),
    "argentpony/SkillTierResponse.json": (parse_tier, expect_tier),
    "argentpony/WowTokenIndexResponse.json": (payloads.token_price, expect_token),
    "koodattu/item_classic_potion.json": (parse_item, expect_item),
    "koodattu/item_example.json": (parse_item, expect_item),
    "koodattu/item_midnight_reagent.json": (parse_item, expect_item),
    "koodattu/item_mote.json": (parse_item, expect_item),
    "koodattu/item_reagent.json": (parse_item, expect_item),
    "koodattu/profession_alchemy.json": (parse_skill_tiers, expect_skill_tiers),
    "koodattu/professions_index.json": (parse_professions, expect_professions),
    "koodattu/recipe_classic.json": (parse_recipes, expect_recipes),
    "koodattu/recipe_df.json": (parse_recipes, expect_recipes),
    "koodattu/recipe_example.json": (parse_recipes, expect_recipes),
    "koodattu/recipe_simple.json": (parse_recipes, expect_recipes),
    "koodattu/recipe_tww.json": (parse_recipes, expect_recipes),
    "koodattu/skill_tier_classic.json": (parse_tier, expect_tier),
    "koodattu/skill_tier_dragonflight.json": (parse_tier, expect_tier),
}
"""Answers that the tool asks for: the parser, and an independent calculation of what it has to make of them."""

REFUSED: dict[str, tuple[Callable[[bytes], Any], str]] = {
    "argentpony/AuctionsResponse.json": (parse_us_auctions, "`unit_price` - at `$.auctions[0].unit_price`"),
    "argentpony/Item404ErrorResponse.json": (parse_item, "field `id`"),
    "argentpony/ItemClassResponse.json": (parse_item, "field `id`"),
    "argentpony/ItemClassesIndexResponse.json": (parse_item, "field `id`"),
    "argentpony/ItemMediaResponse.json": (parse_item, "field `name`"),
    "argentpony/ItemSubclassResponse.json": (parse_item, "field `id`"),
    "argentpony/ModifiedCraftingCategoryIndexResponse.json": (parse_recipes, "field `id`"),
    "argentpony/ModifiedCraftingCategoryResponse.json": (parse_recipes, "field `media`"),
    "argentpony/ModifiedCraftingIndexResponse.json": (parse_recipes, "field `id`"),
    "argentpony/ProfessionMediaResponse.json": (parse_skill_tiers, "field `name`"),
    "argentpony/RecipeMediaResponse.json": (parse_recipes, "field `name`"),
    "koodattu/item_classes.json": (parse_item, "field `id`"),
}
"""Answers of endpoints that the tool doesn't use: the nearest parser, and why it has to refuse them."""


def test_every_recorded_answer_stands_in_one_of_the_tables(recorded: Path) -> None:
    found = {str(path.relative_to(recorded)) for folder in ANSWERED for path in recorded.glob(f"{folder}/*.json")}
    assert found == READ.keys() | REFUSED.keys() | {SAMPLE}


@pytest.mark.parametrize("name", READ)
def test_a_recorded_answer_is_read_as_the_json_module_reads_it(recorded: Path, name: str) -> None:
    parse, expect = READ[name]
    body = (recorded / name).read_bytes()
    assert parse(body) == expect(json.loads(body.decode("utf-8-sig")))


@pytest.mark.parametrize("name", REFUSED)
def test_an_answer_of_another_endpoint_is_refused(recorded: Path, name: str) -> None:
    parse, why = REFUSED[name]
    with pytest.raises(RefusedAnswerError) as refused:
        parse((recorded / name).read_bytes())
    assert why in str(refused.value)


def test_the_recorded_404_tells_its_detail(recorded: Path) -> None:
    assert payloads.fault_detail((recorded / "argentpony/Item404ErrorResponse.json").read_bytes()) == "Not Found"


def test_the_recorded_commodities_are_refused_where_they_are_cut(recorded: Path) -> None:
    body = (recorded / SAMPLE).read_bytes()
    cut_at = len(body.rstrip())
    with pytest.raises(RefusedAnswerError) as refused:
        payloads.commodities(body, region=Region.EU)
    assert f"cut off at byte {cut_at:,} of {len(body):,}" in str(refused.value)
    assert "The last whole auction is 2080985473 (number 1,112)." in str(refused.value)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["without", "with"])
def test_the_recorded_commodities_trimmed_to_whole_auctions_are_read(recorded: Path, mark: bytes) -> None:
    text = (recorded / SAMPLE).read_text(encoding="utf-8-sig")
    trimmed = text[: text.rindex('},{"id"') + 1] + "]}"
    expected = expect_rows(json.loads(trimmed))
    assert len(expected) == 1_112
    auctions = payloads.commodities(mark + trimmed.encode(), region=Region.EU)
    assert rows(auctions) == expected
    assert auctions.items == len({row[1] for row in expected})
