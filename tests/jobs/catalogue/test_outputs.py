from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from ironforge_cli.db.repositories import seeders
from ironforge_cli.db.repositories.outputs import RecipeToMatch
from ironforge_cli.jobs.catalogue.outputs import counts_of, outputs_of
from ironforge_cli.jobs.catalogue.work import SeedOutcome
from tests.jobs import crafts
from tests.jobs.seeders import Seeder
from tests.jobs.stored import rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ironforge_cli.db.engine import Database
    from ironforge_cli.sandbox.stand_in import Sandbox
    from tests.clocks import TickingClock

RECIPES = """
INSERT INTO recipes (id, faction, name, profession, skill_tier, skill_tier_id, crafted_item_id, data) VALUES
    (1, 'Neutral', 'Quiet Draught', 'Alchemy', 'Midnight Alchemy', 2906, NULL, '{"id": 1, "reagents": [{}]}'),
    (2, 'Neutral', 'Grinding', 'Alchemy', 'Midnight Alchemy', 2906, NULL, '{"id": 2}'),
    (3, 'Alliance', 'Banner', 'Tailoring', 'Tailoring', 2540, 501, '{"id": 3, "crafted_quantity": {"value": 2}}'),
    (3, 'Horde', 'Banner', 'Tailoring', 'Tailoring', 2540, 502, '{"id": 3, "crafted_quantity": {"value": 2}}'),
    (4, 'Neutral', 'Shot', 'Engineering', 'Engineering', 2501, 503,
     '{"id": 4, "crafted_quantity": {"minimum": 1, "maximum": 4}}')
"""
ITEMS = """
INSERT INTO items (id, item_name, is_equippable) VALUES
    (240001, 'Quiet Draught', false), (240000, 'quiet  draught', false), (77, 'Quiet Draught', true),
    (240010, 'Grinding', false)
"""


@pytest.fixture
def seeder(make_sandbox: Callable[..., Sandbox], database: Database, clock: TickingClock, tmp_path: Path) -> Seeder:
    with database.transaction() as connection:
        connection.execute(text(RECIPES))
        connection.execute(text(ITEMS))
    return Seeder(make_sandbox(), database, clock, tmp_path)


def outputs(database: Database) -> list[tuple[object, ...]]:
    return rows(database, "SELECT recipe_id, faction, item_id, source, quantity FROM recipe_outputs ORDER BY 1, 2, 3")


def test_outputs_are_blizzards_word_or_what_names_tell_and_change_with_the_items(seeder: Seeder) -> None:
    (part,) = seeder("outputs").parts
    expected = [
        (1, "Neutral", 240_000, "name", None),
        (1, "Neutral", 240_001, "name", None),
        (3, "Alliance", 501, "api", 2.0),
        (3, "Horde", 502, "api", 2.0),
        (4, "Neutral", 503, "api", 2.5),
    ]
    assert outputs(seeder.database) == expected
    assert part.outcome is SeedOutcome.LIMITED, "recipes and items were never complete"
    assert part.counted["recipes without a known output"] == 1
    (again,) = seeder("outputs").parts
    assert not again.changes.any
    with seeder.database.transaction() as connection:
        crafts.seen_in_a_snapshot(connection, [240_001])
    (changed,) = seeder("outputs").parts
    assert changed.changes.deleted == 1
    assert [row for row in outputs(seeder.database) if row[0] == 1] == [expected[1]]


def test_outputs_are_complete_where_recipes_and_items_are_until_either_is_of_another_build(seeder: Seeder) -> None:
    def complete(name: str, build: str) -> None:
        with seeder.database.transaction() as connection:
            seeders.complete(connection, name, build=build, locale="en_US")

    def seeded() -> tuple[SeedOutcome, bool]:
        (part,) = seeder("outputs").parts
        with seeder.database.transaction() as connection:
            state = seeders.seeder_states(connection)["output"]
        assert (state.build, state.locale) == ((part.build, "en_US") if state.completed else (None, None))
        assert (part.message is None) is state.completed
        return part.outcome, state.completed

    complete("recipe", "1.0.0_1-1_1")
    assert seeded() == (SeedOutcome.LIMITED, False)
    complete("item", "1.0.0_1-1_1")
    assert seeded() == (SeedOutcome.COMPLETED, True)
    assert seeded() == (SeedOutcome.CURRENT, True)
    with seeder.database.transaction() as connection:
        crafts.seen_in_a_snapshot(connection, [240_001])
    assert seeded() == (SeedOutcome.COMPLETED, True)
    complete("recipe", "1.0.1_2-1_2")
    assert seeded() == (SeedOutcome.COMPLETED, True)


def recipe(number: int, name: str | None = "Soup", **changes: Any) -> RecipeToMatch:
    usual: dict[str, Any] = {
        "faction": "Neutral",
        "skill_tier_id": 2_906,
        "crafted_item_id": None,
        "quantity": None,
        "takes_anything": True,
    }
    return RecipeToMatch(id=number, name=name, **{**usual, **changes})


def test_names_tell_where_blizzard_does_not_and_only_of_what_takes_anything() -> None:
    stored = [
        recipe(1, crafted_item_id=7, quantity=2.5),
        recipe(2, "Stew", quantity=3.0),
        recipe(3, "Roast", quantity=0.0),
        recipe(4, "Grinding", takes_anything=False),
        recipe(5, None),
    ]
    named = [(10, "Soup", True), (11, "Stew", True), (12, "Roast", True), (13, "Grinding", True)]
    found = outputs_of(stored, named)
    assert [(one.recipe_id, one.item_id, one.source, one.quantity) for one in found] == [
        (1, 7, "api", 2.5),
        (2, 11, "name", 3.0),
        # A quantity of nothing is none that is known.
        (3, 12, "name", None),
    ]
    # In the order in which they are shown.
    assert list(counts_of(stored, found).by_name.items()) == [
        ("recipes whose output Blizzard names", 1),
        ("recipes whose output their name tells", 2),
        ("recipes without a known output", 2),
    ]


def test_of_items_of_one_name_those_that_were_for_sale_count_alone() -> None:
    named = [(10, "Soup", False), (11, "soup", True), (12, "Stew", False)]
    found = outputs_of([recipe(1), recipe(2, "Stew")], named)
    assert [(one.recipe_id, one.item_id) for one in found] == [(1, 11), (2, 12)]


def test_what_two_factions_make_is_two_outputs_and_several_ranks_are_one_recipe() -> None:
    stored = [recipe(1, faction=faction) for faction in ("Alliance", "Horde")]
    found = outputs_of(stored, [(10, "Soup", True), (11, "Soup", True)])
    assert [(one.faction, one.item_id) for one in found] == [
        (faction, item) for faction in ("Alliance", "Horde") for item in (10, 11)
    ]
    assert counts_of(stored, found).by_name == {"recipes whose output their name tells": 2}


class Written:
    """What a person is shown, one line after the other."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def begin(self, name: str, *, total: int) -> None:
        self.lines.append(f"{name}: {total}")

    def advance(self, steps: int = 1) -> None:
        self.lines.append(f"+{steps}")

    def tell(self, line: str) -> None:
        self.lines.append(line)


def test_whoever_watches_is_shown_what_was_found(seeder: Seeder) -> None:
    progress = Written()
    seeder("outputs", progress=progress)
    assert progress.lines == ["outputs: 1", "+1", "5 outputs of 4 recipes"]
