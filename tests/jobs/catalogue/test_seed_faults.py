"""What goes wrong while seeding: what is stored, what is said, and that the next good run makes up for it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from ironforge_cli.blizzard.client import BlizzardClient
from ironforge_cli.db import locks
from ironforge_cli.errors import ExitStatus, InterruptedRunError
from ironforge_cli.jobs.catalogue.work import SeedOutcome
from ironforge_cli.values import replace
from tests.jobs import crafts, stored

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.jobs.seeders import Seeder

COMPLETED = [SeedOutcome.COMPLETED] * 3


def assert_made_up_for(seeder: Seeder) -> None:
    """Without faults the next run completes what the last could not."""
    seeder.sandbox.clear_faults()
    assert {part.outcome for part in seeder().parts} <= {SeedOutcome.COMPLETED, SeedOutcome.CURRENT}
    assert [part.outcome for part in seeder().parts] == [SeedOutcome.CURRENT] * 3
    assert crafts.held(seeder.database) == crafts.expected(seeder.sandbox.catalogue)


# Faults that pass

PASSING: dict[str, list[dict[str, Any]]] = {
    "429 with Retry-After": [{"name": "rate_limited", "retry_after": 3}],
    "429 without it": [{"name": "rate_limited"}],
    "5xx, also as a web page, a token that ended, and a broken connection": [
        {"name": "server_error", "status": 503, "count": 1},
        {"name": "html_5xx", "count": 1},
        {"name": "unauthorized", "count": 1},
        {"name": "cut_connection", "count": 1},
    ],
    "JSON that is cut off, and bytes that are none": [
        {"name": "truncated", "count": 1},
        {"name": "garbage", "count": 1},
    ],
    "a web page, and nothing at all": [{"name": "html", "count": 1}, {"name": "empty", "count": 1}],
    "a 204, and a byte order mark": [{"name": "no_content"}, {"name": "bom", "count": 500}],
}


@pytest.mark.parametrize("faults", PASSING.values(), ids=PASSING)
def test_a_fault_that_passes_costs_nothing(make_seeder: Callable[..., Seeder], faults: list[dict[str, Any]]) -> None:
    seeder = make_seeder(recipes=80, items=250)
    for endpoint in ("profession", "skill_tier", "recipe", "item_search", "item"):
        for fault in faults:
            options: dict[str, Any] = {"count": 2, "endpoint": endpoint, **fault}
            seeder.sandbox.set_fault(**options)
    seeded = seeder()
    assert seeded.status is ExitStatus.DONE
    assert [part.outcome for part in seeded.parts] == COMPLETED
    assert crafts.held(seeder.database) == crafts.expected(seeder.sandbox.catalogue)
    (first, *_) = faults
    if first["name"] == "rate_limited":
        waits = seeder.clock.slept
        assert waits
        assert set(waits) == {3.0} if "retry_after" in first else all(1.0 <= wait <= 45.0 for wait in waits)


def test_a_malformed_answer_does_not_stay_in_the_cache(make_seeder: Callable[..., Seeder]) -> None:
    seeder = make_seeder(recipes=80, items=250)
    number = min(row[0] for row in crafts.expected(seeder.sandbox.catalogue).recipes)
    seeder.sandbox.set_fault("truncated", path=f"/recipe/{number}")
    seeded = seeder()
    assert seeded.status is ExitStatus.DONE
    assert seeded.parts[0].skipped["malformed"] == 1
    assert seeder.asked("recipe").count(f"/eu/data/wow/recipe/{number}") == 3
    held = crafts.held(seeder.database)
    assert held.recipes == {row for row in crafts.expected(seeder.sandbox.catalogue).recipes if row[0] != number}
    seeder.sandbox.clear_faults()
    crafts.forget(seeder.database, "seeder_status")
    seeder()
    assert crafts.held(seeder.database) == crafts.expected(seeder.sandbox.catalogue)


# Faults that stay


@pytest.mark.parametrize(
    ("fault", "status", "told"),
    [
        ("truncated", ExitStatus.REFUSED, "recipes make no sense"),
        ("not_found", ExitStatus.UNAVAILABLE, "doesn't show"),
        ("server_error", ExitStatus.UNAVAILABLE, "500"),
    ],
)
def test_many_recipes_that_fail_are_a_failure_of_their_profession_and_nothing_is_lost(
    make_seeder: Callable[..., Seeder], fault: str, status: ExitStatus, told: str
) -> None:
    seeder = make_seeder(recipes=150, items=250)
    seeder()
    before = crafts.held(seeder.database)
    seeder.sandbox.patch("12.1.0_70500")
    seeder.sandbox.set_fault(fault, endpoint="recipe")
    seeded = seeder()
    (recipes, *_) = seeded.parts
    assert recipes.status in {status, ExitStatus.PARTIAL}
    assert recipes.outcome in {SeedOutcome.INCOMPLETE, SeedOutcome.FAILED}
    assert told in (recipes.message or "")
    assert crafts.held(seeder.database) == before
    last = stored.rows(seeder.database, "SELECT status FROM scraper_logs WHERE command = 'seed recipes' ORDER BY id")
    assert last[-1] == ("failed",)
    assert_made_up_for(seeder)


def test_a_profession_that_fails_costs_no_other(make_seeder: Callable[..., Seeder]) -> None:
    seeder = make_seeder()
    catalogue = seeder.sandbox.catalogue
    first = next(iter(catalogue.professions[171].tiers or ()))
    seeder.sandbox.set_fault("server_error", path=f"/profession/171/skill-tier/{first}")
    seeded = seeder()
    assert seeded.status is ExitStatus.PARTIAL
    assert [part.outcome for part in seeded.parts] == [
        SeedOutcome.INCOMPLETE,
        SeedOutcome.LIMITED,
        SeedOutcome.COMPLETED,
    ]
    assert "Alchemy: Blizzard's API is unavailable" in (seeded.parts[0].message or "")
    expected = crafts.expected(catalogue)
    assert crafts.held(seeder.database).recipes >= {row for row in expected.recipes if row[3] != "Alchemy"}
    assert_made_up_for(seeder)


def test_an_api_that_is_away_ends_the_run_before_anything_else(make_seeder: Callable[..., Seeder]) -> None:
    seeder = make_seeder()
    seeder.sandbox.set_fault("server_error")
    seeded = seeder()
    assert [(part.seeder, part.status) for part in seeded.parts] == [("recipes", ExitStatus.UNAVAILABLE)]
    assert seeded.status is ExitStatus.UNAVAILABLE
    assert_made_up_for(seeder)


def test_an_index_of_no_sense_is_refused(make_seeder: Callable[..., Seeder]) -> None:
    seeder = make_seeder()
    seeder.sandbox.set_fault("html", endpoint="professions")
    assert seeder("recipes").status is ExitStatus.REFUSED
    assert_made_up_for(seeder)


def test_a_tier_that_is_not_shown_while_its_recipes_are_is_skipped_and_leaves_the_rest_to_the_next_run(
    make_seeder: Callable[..., Seeder],
) -> None:
    seeder = make_seeder(recipes=250, items=400)
    seeder()
    before = crafts.held(seeder.database)
    tier = max(seeder.sandbox.catalogue.professions[171].tiers or ())
    seeder.sandbox.patch("12.1.0_70500")
    seeder.sandbox.set_fault("not_found", path=f"/skill-tier/{tier}")
    (recipes, *_) = seeder().parts
    assert (recipes.outcome, recipes.status) == (SeedOutcome.INCOMPLETE, ExitStatus.PARTIAL)
    assert recipes.skipped["skill tier not shown"] == 1
    assert {row[0] for row in crafts.held(seeder.database).recipes} == {row[0] for row in before.recipes}
    assert_made_up_for(seeder)


def test_lists_that_come_empty_delete_nothing_that_is_still_shown_whoever_insists(
    make_seeder: Callable[..., Seeder],
) -> None:
    seeder = make_seeder()
    seeder()
    before = crafts.held(seeder.database)
    catalogue = seeder.sandbox.catalogue
    emptied = {number: replace(tier, categories=()) for number, tier in catalogue.tiers.items()}
    seeder.sandbox.patch("12.1.0_70500", replace(catalogue, tiers=emptied))
    for force in (False, True):
        (recipes, *_) = seeder(force=force).parts
        assert recipes.outcome is SeedOutcome.INCOMPLETE
        assert "the lists are wrong, and nothing was deleted" in (recipes.message or "")
        assert crafts.held(seeder.database) == before
    seeder.sandbox.patch("12.1.1_70600", replace(catalogue, tiers=emptied, recipes={}))
    (recipes, *_) = seeder().parts
    assert "too many to delete unasked" in (recipes.message or "")
    assert crafts.held(seeder.database).recipes == before.recipes
    (recipes, *_) = seeder(force=True).parts
    assert recipes.changes.deleted == len(before.recipes)
    assert crafts.held(seeder.database).recipes == set()


def test_single_items_that_are_all_not_there_are_not_taken_for_gone(make_seeder: Callable[..., Seeder]) -> None:
    seeder = make_seeder(recipes=250, items=400)
    hidden = {number: replace(item, unsearchable=True) for number, item in seeder.sandbox.catalogue.items.items()}
    seeder.sandbox.patch("12.0.9_70200", replace(seeder.sandbox.catalogue, items=hidden))
    seeder.sandbox.set_fault("not_found", endpoint="item")
    (*_, items) = seeder().parts
    assert (items.status, items.outcome) == (ExitStatus.UNAVAILABLE, SeedOutcome.FAILED)
    assert stored.rows(seeder.database, "SELECT count(*) FROM not_shown WHERE kind = 'item'") == [(0,)]
    assert_made_up_for(seeder)


def test_recipes_that_are_not_shown_are_listed_for_whoever_asks(
    make_seeder: Callable[..., Seeder], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="ironforge_cli")
    seeder = make_seeder()
    (recipes,) = seeder("recipes").parts
    told = [record.getMessage() for record in caplog.records if "Skipped the recipe" in record.getMessage()]
    asked = {int(path.rpartition("/")[2]) for path in seeder.asked("recipe")}
    statuses = {number: seeder.sandbox.catalogue.recipes[number].status for number in asked}
    hidden = {number: status for number, status in statuses.items() if status != 200}
    assert set(hidden.values()) == {403, 404}
    assert len(told) == len(hidden) == sum(recipes.skipped.values())
    for number, status in hidden.items():
        assert any(f" {number} (" in line and line.endswith(f"answers {status}") for line in told)


def test_a_surprise_is_warned_of_once(make_seeder: Callable[..., Seeder], caplog: pytest.LogCaptureFixture) -> None:
    seeder = make_seeder(recipes=100)

    with seeder.client() as client:
        seeded = seeder("recipes", source=Surprising(client))
    assert seeded.parts[0].counted["with surprises"] > 1
    assert caplog.text.count("has something new: the key 'qualities'") == 1


class Surprising(BlizzardClient):
    """A client whose recipes have a key that nobody knows."""

    def __init__(self, client: BlizzardClient) -> None:
        self.__dict__ = client.__dict__

    def recipe(self, region: Any, recipe_id: int, *, build: str | None = None, anew: bool = False) -> Any:
        read = super().recipe(region, recipe_id, build=build, anew=anew)
        return replace(read, value=[replace(one, surprises=("the key 'qualities'",)) for one in read.value])


# The database, other runs, signals


class Interfering(BlizzardClient):
    """A client that does something at its n-th recipe."""

    def __init__(self, client: BlizzardClient, *, at: int, what: Callable[[], None]) -> None:
        self.__dict__ = {**client.__dict__, "at": at, "what": what}

    def recipe(self, region: Any, recipe_id: int, *, build: str | None = None, anew: bool = False) -> Any:
        self.__dict__["at"] -= 1
        if self.__dict__["at"] == 0:
            self.__dict__["what"]()
        return super().recipe(region, recipe_id, build=build, anew=anew)


def test_a_database_that_ends_in_the_middle_ends_the_run_after_a_rollback(make_seeder: Callable[..., Seeder]) -> None:
    seeder = make_seeder()

    def break_it() -> None:
        with seeder.database.connect(autocommit=True) as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
            connection.execute(text("ALTER TABLE recipes RENAME COLUMN name TO title"))

    with seeder.client() as client:
        seeded = seeder(source=Interfering(client, at=30, what=break_it))
    assert len(seeded.parts) == 1
    assert seeded.status in {ExitStatus.DATABASE, ExitStatus.CONFIGURATION}
    with seeder.database.connect(autocommit=True) as connection:
        connection.execute(text("ALTER TABLE recipes RENAME COLUMN title TO name"))
    asked = set(seeder.asked("recipe"))
    seeder.sandbox.forget_requests()
    assert_made_up_for(seeder)
    there = {f"/eu/data/wow/recipe/{number}" for number in crafts.shown_recipes(seeder.sandbox.catalogue)}
    # What was answered before is in the cache.
    assert not asked & there & set(seeder.asked("recipe"))


def test_a_refusal_of_the_database_is_74_and_rolls_back(make_seeder: Callable[..., Seeder]) -> None:
    seeder = make_seeder()
    with seeder.database.transaction() as connection:
        connection.execute(text("ALTER TABLE recipes ADD CONSTRAINT no_tailors CHECK (profession <> 'Tailoring')"))
    seeded = seeder()
    assert [(part.seeder, part.status) for part in seeded.parts] == [("recipes", ExitStatus.DATABASE)]
    held = crafts.held(seeder.database).recipes
    # Professions are stored by rising number: those before it are there, whole.
    before = {
        row for row in crafts.expected(seeder.sandbox.catalogue).recipes if row[3] in _before("Tailoring", seeder)
    }
    assert held == before
    with seeder.database.transaction() as connection:
        connection.execute(text("ALTER TABLE recipes DROP CONSTRAINT no_tailors"))
    assert_made_up_for(seeder)


def _before(name: str, seeder: Seeder) -> set[str]:
    professions = seeder.sandbox.catalogue.professions.values()
    last = next(one.id for one in professions if one.name.english == name)
    return {one.name.english for one in professions if one.id < last}


def test_a_second_seeder_at_once_is_told_so(make_seeder: Callable[..., Seeder]) -> None:
    seeder = make_seeder()
    with locks.seeding(seeder.database):
        seeded = seeder()
    assert [(part.outcome, part.status) for part in seeded.parts] == [(SeedOutcome.LOCKED, ExitStatus.LOCKED)]
    assert stored.rows(seeder.database, "SELECT command, status FROM scraper_logs") == [("seed recipes", "locked")]
    assert seeder.asked() == []
    assert_made_up_for(seeder)


def test_a_signal_ends_it_between_two_steps(
    make_seeder: Callable[..., Seeder], monkeypatch: pytest.MonkeyPatch
) -> None:
    seeder = make_seeder()

    def stop() -> None:
        raise InterruptedRunError("SIGTERM")

    def ask_to_end() -> None:
        monkeypatch.setattr(seeder.clock, "check", stop)

    with seeder.client() as client, pytest.raises(InterruptedRunError) as ended:
        seeder(source=Interfering(client, at=30, what=ask_to_end))
    assert ended.value.status is ExitStatus.TERMINATED
    monkeypatch.undo()
    assert len(seeder.asked("recipe")) < 30 + seeder.at_once
    assert_made_up_for(seeder)
