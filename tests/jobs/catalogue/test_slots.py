"""What fits into slots, from Blizzard's kinds of slots to the rows of recipes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from ironforge_cli.db.repositories import seeders
from ironforge_cli.sandbox.catalogue import Catalogue
from tests.jobs.seeders import Seeder
from tests.jobs.stored import rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ironforge_cli.db.engine import Database
    from ironforge_cli.sandbox.stand_in import Sandbox
    from tests.clocks import TickingClock

SLOTS = (
    "SELECT recipe_id, slot, item_id, rank, quantity, required FROM recipe_slots WHERE source = 'api' ORDER BY 1, 2, 3"
)
_UNKNOWN_SLOT = 999_999


@pytest.fixture
def seeder(make_sandbox: Callable[..., Sandbox], database: Database, clock: TickingClock, tmp_path: Path) -> Seeder:
    return Seeder(make_sandbox(), database, clock, tmp_path)


def a_slot(catalogue: Catalogue) -> tuple[int, list[int]]:
    """A kind of slots with the items that fit, as the stand-in means it; the search finds the first of them."""
    of_category = {item.crafting_category: item.id for item in catalogue.searchable if item.crafting_category}
    slot = next(one for one, fits in catalogue.slot_categories.items() if of_category.keys() & fits)
    fits = catalogue.slot_categories[slot]
    return slot, sorted(one.id for one in catalogue.searchable if one.crafting_category in fits)


def test_items_that_fit_are_named_without_a_number_of_units(seeder: Seeder) -> None:
    slot, fitting = a_slot(seeder.sandbox.catalogue)
    said = f'{{"slot_type": {{"id": {slot}}}}}, {{"slot_type": {{"id": {_UNKNOWN_SLOT}}}}}, {{"slot_type": "odd"}}'
    with seeder.database.transaction() as connection:
        connection.execute(
            text("INSERT INTO recipes (id, faction, name, data) VALUES (1, 'Neutral', 'Open', CAST(:data AS jsonb))"),
            {"data": f'{{"id": 1, "modified_crafting_slots": [{said}]}}'},
        )
        connection.execute(
            text("INSERT INTO reagents (recipe_id, faction, item_id, quantity) SELECT 1, 'Neutral', unnest(:items), 1"),
            {"items": fitting},
        )
    part = seeder("items").parts[0]
    assert part.counted["slot types"] == 1
    assert part.skipped["slot types not shown"] == 1
    (made,) = seeder("outputs").parts
    assert made.changes.inserted == len(fitting)
    assert rows(seeder.database, SLOTS) == [(1, 1, item, None, None, None) for item in fitting]
    (again,) = seeder("outputs").parts
    assert not again.changes.any
    asked = seeder("items").parts[0].traffic.requests
    assert asked == 2, "what is complete costs an access token and the index"
    with seeder.database.transaction() as connection:
        seeders.reopen(connection, "item")
    assert seeder("items").parts[0].counted["slot types"] == 1, "where items are not complete all are asked for"
    with seeder.database.transaction() as connection:
        connection.execute(text("DELETE FROM slot_categories"))
    assert seeder("items").parts[0].counted["slot types"] == 1, "and where nothing is known of any"
    with seeder.database.transaction() as connection:
        connection.execute(text("DELETE FROM slot_categories"))
    assert seeder("outputs").parts[0].changes.deleted == len(fitting)
