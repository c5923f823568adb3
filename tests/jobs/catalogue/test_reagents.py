"""What stored recipes take, without asking anybody: how far a limit reaches, and what is complete afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from ironforge_cli.db.repositories import seeders
from ironforge_cli.jobs.catalogue.work import SeedOutcome, Trial, Unseen, Work
from ironforge_cli.regions import Region
from tests.jobs.seeders import Seeder
from tests.jobs.stored import rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ironforge_cli.db.engine import Database
    from ironforge_cli.sandbox.stand_in import Sandbox
    from tests.clocks import TickingClock

BUILD = "1.0.0_1"
TAKES = '{"id": %d, "name": "Soup", "media": {}, "reagents": [{"reagent": {"id": 7}, "quantity": 2}]}'


@pytest.fixture
def seeder(make_sandbox: Callable[..., Sandbox], database: Database, clock: TickingClock, tmp_path: Path) -> Seeder:
    with database.transaction() as connection:
        for number, profession in ((1, "Alchemy"), (2, "Alchemy"), (3, "Cooking"), (4, "Cooking")):
            connection.execute(
                text("INSERT INTO recipes (id, faction, profession, data) VALUES (:id, 'Neutral', :of, :data)"),
                {"id": number, "of": profession, "data": TAKES % number},
            )
        for name in ("recipe", "reagent"):
            seeders.complete(connection, name, build=BUILD, locale="en_US")
    return Seeder(make_sandbox(), database, clock, tmp_path)


def is_complete(database: Database) -> bool:
    with database.transaction() as connection:
        return seeders.seeder_states(connection)["reagent"].completed


def test_a_limit_holds_for_all_professions_together_and_what_is_begun_is_complete_no_more(seeder: Seeder) -> None:
    assert seeder("reagents").parts[0].outcome is SeedOutcome.CURRENT
    assert rows(seeder.database, "SELECT recipe_id FROM reagents") == []
    (part,) = seeder("reagents", force=True, limit=3).parts
    assert part.outcome is SeedOutcome.LIMITED
    assert rows(seeder.database, "SELECT recipe_id, quantity FROM reagents ORDER BY 1") == [(1, 2), (2, 2), (3, 2)]
    assert not is_complete(seeder.database)
    (part,) = seeder("reagents").parts
    assert (part.outcome, part.changes.inserted) == (SeedOutcome.COMPLETED, 1)
    assert is_complete(seeder.database)


def test_a_build_that_came_up_meanwhile_is_noted_and_an_older_one_is_no_news(seeder: Seeder) -> None:
    with seeder.client() as source:
        work = Work(source, seeder.database, Region.EU, seeder.clock, Unseen(), 1, Trial())
        own = work.build
        seen = "SELECT DISTINCT seen_build FROM seeder_status"
        assert rows(seeder.database, seen) == [(own,)]
        for build in (None, own, "0.0.1_1"):
            work.see(build)
        assert rows(seeder.database, seen) == [(own,)]
        newer = "99.0.0_999999"
        work.see(newer)
        assert rows(seeder.database, seen) == [(newer,)]
