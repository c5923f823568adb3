from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from ironforge_cli.sandbox.invention import invent
from ironforge_cli.sandbox.stand_in import Sandbox

Ask = Callable[..., requests.Response]

FOLDER = os.environ.get("RECORDED_ANSWERS")
pytestmark = pytest.mark.skipif(
    FOLDER is None, reason="RECORDED_ANSWERS doesn't name the folder of recorded real answers"
)


def recorded(name: str) -> Any:
    return json.loads((Path(FOLDER or "") / name).read_text(encoding="utf-8-sig"))


def same_shape(ours: Any, real: Any, *, where: str = "$") -> None:
    """Compare keys, their order, and kinds of values, down to the first element of every list."""
    assert type(ours) is type(real), where
    if isinstance(real, dict):
        assert list(ours) == list(real), where  # pyright: ignore[reportUnknownArgumentType] - any JSON.
        for key, value in real.items():  # pyright: ignore[reportUnknownVariableType] - any JSON.
            same_shape(ours[key], value, where=f"{where}.{key}")
    elif isinstance(real, list):
        assert ours, where
        same_shape(ours[0], real[0], where=f"{where}[0]")


def same_order(ours: Any, real: Any) -> None:
    """See that the keys which both have come in the same order."""
    shared = [key for key in real if key in ours]
    assert [key for key in ours if key in real] == shared


def test_commodities_have_the_recorded_shape(ask: Ask) -> None:
    same_shape(ask("auctions/commodities").json(), recorded("argentpony/CommoditiesResponse.json"))


def test_a_commodities_body_begins_as_the_recorded_one_does(ask: Ask) -> None:
    real = (Path(FOLDER or "") / "koodattu/commodities_sample.json").read_text(encoding="utf-8-sig")
    head = real[: real.index("[{") + 2]
    assert ask("auctions/commodities").text.startswith(head)


def test_the_token_has_the_recorded_shape(ask: Ask) -> None:
    same_shape(ask("token/index").json(), recorded("argentpony/WowTokenIndexResponse.json"))


def test_a_404_is_the_recorded_one_to_the_byte(ask: Ask) -> None:
    real = (Path(FOLDER or "") / "argentpony/Item404ErrorResponse.json").read_bytes()
    assert ask("item/1").content == real.strip()


def test_the_profession_index_has_the_recorded_shape(ask: Ask) -> None:
    ours, real = ask("profession/index", locale="en_US").json(), recorded("koodattu/professions_index.json")
    same_shape(ours, real)
    assert len(ours["professions"]) == len(real["professions"])
    real_ones = {one["id"] for one in real["professions"] if one["id"] < 1_000}
    assert real_ones == {one["id"] for one in ours["professions"] if one["id"] < 1_000}


def test_a_profession_and_its_tier_have_the_recorded_shape(sandbox: Sandbox, ask: Ask) -> None:
    ours = ask("profession/171", locale="en_US").json()
    same_shape(ours, recorded("koodattu/profession_alchemy.json"))
    tiers = sandbox.catalogue.professions[171].tiers or ()
    listed = (ask(f"profession/171/skill-tier/{tier}", locale="en_US").json() for tier in tiers)
    named = next(
        tier for tier in listed if tier["categories"][0]["name"] and tier["categories"][0]["recipes"][0]["name"]
    )
    same_shape(named, recorded("koodattu/skill_tier_classic.json"))


def test_an_item_has_the_recorded_keys_in_the_recorded_order(sandbox: Sandbox, ask: Ask) -> None:
    reagent = next(
        item
        for item in sandbox.catalogue.items.values()
        if item.is_reagent and item.description and item.id % 2 and not item.removed
    )
    ours, real = ask(f"item/{reagent.id}", locale="en_US").json(), recorded("koodattu/item_reagent.json")
    same_shape(ours, real)


@pytest.mark.parametrize(
    "name",
    [
        "argentpony/RecipeResponse.json",
        "argentpony/RecipeWithFactionSpecificItemsResponse.json",
        "koodattu/recipe_classic.json",
        "koodattu/recipe_df.json",
        "koodattu/recipe_example.json",
        "koodattu/recipe_simple.json",
        "koodattu/recipe_tww.json",
    ],
)
def test_recipes_have_the_recorded_keys_in_the_recorded_order(sandbox: Sandbox, ask: Ask, name: str) -> None:
    real = recorded(name)
    seen: list[list[str]] = []
    for recipe in sandbox.catalogue.recipes.values():
        if recipe.status == 200:
            ours = ask(f"recipe/{recipe.id}", locale="en_US").json()
            same_order(ours, real)
            seen.append([key for key in ours if key not in {"rank", "optional_reagents", "description"}])
    # A faction recipe with slots is rarer than the sandbox's few recipes.
    wanted = [key for key in real if key != "description"]
    if "alliance_crafted_item" in wanted:
        wanted.remove("modified_crafting_slots")
    assert wanted in seen


def test_no_invented_name_is_one_of_the_games() -> None:
    real = {name.casefold() for name in recorded("names/item_names.json").values()}
    assert len(real) > 25_000
    for seed in (1, 2):
        ours = invent(seed=seed, items=20_000, recipes=9_700)
        names = {item.name.english.casefold() for item in ours.items.values()}
        names |= {recipe.name.english.casefold() for recipe in ours.recipes.values()}
        assert names.isdisjoint(real)
