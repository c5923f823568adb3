"""Every recorded real answer about professions, recipes and items: through the parsers into the tables, by value."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from ironforge_cli.blizzard.client import BlizzardClient
from ironforge_cli.errors import ExitStatus
from ironforge_cli.jobs.catalogue.seed import SEEDERS, seed
from ironforge_cli.jobs.catalogue.work import Trial
from ironforge_cli.regions import Region
from tests.blizzard.bodies import written
from tests.blizzard.stub_server import Asked, Said, stub_server, token_answer
from tests.jobs import crafts, stored
from tests.jobs.seeders import transport_to

if TYPE_CHECKING:
    from pathlib import Path

    from ironforge_cli.db.engine import Database
    from tests.clocks import TickingClock

ANSWERS = {
    "argentpony": {
        "profession/index": "ProfessionsIndexResponse.json",
        "profession/164": "ProfessionResponse.json",
        "profession/164/skill-tier/2477": "SkillTierResponse.json",
        "recipe/1631": "RecipeResponse.json",
        "recipe/38729": "RecipeWithFactionSpecificItemsResponse.json",
        "item/19019": "ItemResponse.json",
    },
    "koodattu": {
        "profession/index": "professions_index.json",
        "profession/171": "profession_alchemy.json",
        "profession/171/skill-tier/2485": "skill_tier_classic.json",
        "profession/171/skill-tier/2823": "skill_tier_dragonflight.json",
        "recipe/1377": "recipe_classic.json",
        "recipe/46762": "recipe_df.json",
        "recipe/49615": "recipe_tww.json",
        "recipe/52681": "recipe_example.json",
        "recipe/52682": "recipe_simple.json",
        "item/118": "item_classic_potion.json",
        "item/224645": "item_example.json",
        "item/236944": "item_midnight_reagent.json",
        "item/236951": "item_mote.json",
        "item/210796": "item_reagent.json",
    },
}
"""By the recorder: what was asked for, and the file of the answer."""
PLACES = {"argentpony": (164, 2477), "koodattu": (171, 2823)}
"""A profession and a tier of it, in which recipes are listed whose own tier was not recorded."""


def english(name: Any) -> Any:
    return name.get("en_US") if isinstance(name, dict) else name  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - any JSON


def read(recorded: Path, recorder: str) -> dict[str, Any]:
    return {
        path: json.loads((recorded / recorder / name).read_text(encoding="utf-8-sig"))
        for path, name in ANSWERS[recorder].items()
    }


def everything_listed(answers: dict[str, Any], recorder: str) -> dict[str, Any]:
    """The answers as they were recorded; but that the tiers list the recorded recipes, all of them, and no others."""
    profession, tier = PLACES[recorder]
    recipes = {answer["id"] for path, answer in answers.items() if path.startswith("recipe/")}
    changed = dict(answers)
    for path, answer in answers.items():
        if "/skill-tier/" in path:
            categories = [
                {**category, "recipes": [one for one in category.get("recipes", []) if one["id"] in recipes]}
                for category in answer["categories"]
            ]
            if path == f"profession/{profession}/skill-tier/{tier}":
                categories.append({"name": "More", "recipes": [{"id": number, "name": None} for number in recipes]})
            changed[path] = {**answer, "categories": categories}
    return changed


@pytest.mark.parametrize("recorder", ANSWERS)
def test_recorded_answers_become_these_rows(
    recorded: Path, database: Database, clock: TickingClock, tmp_path: Path, recorder: str
) -> None:
    answers = everything_listed(read(recorded, recorder), recorder)

    def answer(asked: Asked) -> Said:
        path = urlsplit(asked.path).path
        if path == "/token":
            return token_answer()
        wanted = path.partition("/data/wow/")[2]
        if wanted == "search/item":
            return Said(body=written({"results": []}))
        if wanted in answers:
            return Said(body=written(answers[wanted]), headers={"Cache-Control": "public, max-age=86400"})
        # What was not recorded is as what has left the game.
        return Said(status=404, body=b'{"code":404,"type":"BLZWEBAPI00000404","detail":"Not Found"}')

    items = [answer for path, answer in answers.items() if path.startswith("item/")]
    with database.transaction() as connection:
        crafts.seen_in_a_snapshot(connection, [item["id"] for item in items])
    with stub_server(answer) as stub, transport_to(f"{stub.url}/token", folder=tmp_path, clock=clock) as transport:
        client = BlizzardClient(transport, api_url=stub.url, locale="en_US")
        seeded = seed(
            SEEDERS,
            source=client,
            database=database,
            pending=None,
            region=Region.EU,
            clock=clock,
            at_once=4,
            trial=Trial(force=True),
        )
    assert seeded.status is ExitStatus.DONE, seeded
    profession, _ = PLACES[recorder]
    recipes = [answer for path, answer in answers.items() if path.startswith("recipe/")]
    rows = stored.rows(database, "SELECT id, faction, name, profession, crafted_item_id, data FROM recipes")
    expected = [
        (one["id"], faction, english(one["name"]), english(answers[f"profession/{profession}"]["name"]), made, one)
        for one in recipes
        for faction, made in factions(one)
    ]
    assert sorted(rows, key=lambda row: row[:2]) == sorted(expected, key=lambda row: row[:2])
    reagents = stored.rows(database, "SELECT recipe_id, faction, item_id, quantity, optional FROM reagents")
    assert sorted(reagents) == sorted(
        (one["id"], faction, part["reagent"]["id"], part["quantity"], False)
        for one in recipes
        for faction, _ in factions(one)
        for part in one.get("reagents", [])
    )
    held = stored.rows(
        database,
        "SELECT id, item_name, item_level, item_class, item_subclass, inventory_type, is_equippable, is_stackable,"
        " quality FROM items",
    )
    assert sorted(held) == sorted(
        (
            item["id"],
            english(item["name"]),
            item["level"],
            *(english(item[part]["name"]) for part in ("item_class", "item_subclass", "inventory_type")),
            item["is_equippable"],
            item["is_stackable"],
            english(item["quality"]["name"]),
        )
        for item in items
    )


def factions(recipe: Any) -> list[tuple[str, int | None]]:
    if "alliance_crafted_item" in recipe:
        return [
            ("Alliance", recipe["alliance_crafted_item"]["id"]),
            ("Horde", recipe["horde_crafted_item"]["id"]),
        ]
    return [("Neutral", recipe["crafted_item"]["id"] if "crafted_item" in recipe else None)]
