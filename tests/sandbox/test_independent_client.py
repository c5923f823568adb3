"""Somebody else's client of this API reads the stand-in: what it believes is not our reading of the API alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from blizzardapi2 import BlizzardApi

from ironforge_cli.regions import DEFAULT_REGIONS, Region

if TYPE_CHECKING:
    from ironforge_cli.sandbox.stand_in import Sandbox


@pytest.fixture
def game_data(sandbox: Sandbox) -> Any:
    """The game data part of the library, with its two base addresses redirected and nothing else."""
    api: Any = BlizzardApi(client_id=sandbox.client_id, client_secret=sandbox.client_secret).wow.game_data
    api.API_URLS = {"default": sandbox.api_url}
    api.OAUTH_URLS = {"default": sandbox.oauth_url.removesuffix("/oauth/token")}
    return api


@pytest.mark.parametrize("region", DEFAULT_REGIONS)
def test_it_finds_professions_tiers_recipes_and_items(sandbox: Sandbox, game_data: Any, region: Region) -> None:
    where = {"region": region.value, "locale": "en_US"}
    catalogue = sandbox.catalogue
    index = game_data.get_professions_index(**where)["professions"]
    assert {one["id"]: one["name"] for one in index} == {
        number: one.name.english for number, one in catalogue.professions.items()
    }
    tiers = game_data.get_profession(profession_id=171, **where)["skill_tiers"]
    assert [tier["id"] for tier in tiers] == list(catalogue.professions[171].tiers or ())
    tier = game_data.get_profession_skill_tier(profession_id=171, skill_tier_id=tiers[0]["id"], **where)
    assert tier["name"] == catalogue.tiers[tiers[0]["id"]].name.english
    recipe = next(one for one in catalogue.recipes.values() if one.status == 200 and one.crafted_item is not None)
    read = game_data.get_recipe(recipe_id=recipe.id, **where)
    assert (read["name"], read["crafted_item"]["id"]) == (recipe.name.english, recipe.crafted_item)
    assert [(one["reagent"]["id"], one["quantity"]) for one in read.get("reagents", [])] == list(recipe.reagents)
    item = next(one for one in catalogue.items.values() if not one.removed)
    read = game_data.get_item(item_id=item.id, **where)
    assert (read["id"], read["name"], read["level"]) == (item.id, item.name.english, item.level)


@pytest.mark.parametrize("region", DEFAULT_REGIONS)
def test_it_reads_the_token_and_the_commodities(sandbox: Sandbox, game_data: Any, region: Region) -> None:
    where = {"region": region.value, "locale": "en_US"}
    set_at, price = sandbox.world.token_price(region)
    token = game_data.get_token_index(**where)
    assert (token["price"], token["last_updated_timestamp"] // 1_000) == (price, int(set_at.timestamp()))
    auctions = game_data.get_commodities(**where)["auctions"]
    listings = sandbox.published(region).listings
    assert [one["id"] for one in auctions] == listings.auction_id.tolist()
    assert [one["unit_price"] for one in auctions] == listings.unit_price.tolist()
