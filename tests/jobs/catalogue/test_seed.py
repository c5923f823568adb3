from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ironforge_cli.db.repositories import seeders
from ironforge_cli.errors import ExitStatus, UsageError
from ironforge_cli.jobs.catalogue.work import SeedOutcome
from ironforge_cli.values import replace
from tests.jobs import crafts, stored

if TYPE_CHECKING:
    from collections.abc import Callable

    from ironforge_cli.db.repositories.seeders import SeederState
    from ironforge_cli.sandbox.catalogue import Catalogue, InventedRecipe
    from tests.jobs.conftest import Collector
    from tests.jobs.seeders import Seeder

INDEX = "/eu/data/wow/profession/index"
COMPLETED = [SeedOutcome.COMPLETED] * 3
CURRENT = [SeedOutcome.CURRENT] * 3


def states(seeder: Seeder) -> dict[str, SeederState]:
    with seeder.database.connect() as connection:
        found = seeders.seeder_states(connection)
    return {name: state for name, state in found.items() if name != "output"}


def changed(catalogue: Catalogue, **recipes: InventedRecipe | None) -> Catalogue:
    """A catalogue in which some recipes, by `r` and number, are others, or are listed no more."""
    by_id = {int(name[1:]): recipe for name, recipe in recipes.items()}
    gone = {number for number, recipe in by_id.items() if recipe is None}
    tiers = {
        number: tier
        if tier.categories is None
        else replace(
            tier,
            categories=tuple(
                replace(category, recipes=tuple(one for one in category.recipes if one not in gone))
                for category in tier.categories
            ),
        )
        for number, tier in catalogue.tiers.items()
    }
    kept = {number: recipe for number, recipe in {**catalogue.recipes, **by_id}.items() if recipe is not None}
    return replace(catalogue, recipes=kept, tiers=tiers)


def shown(catalogue: Catalogue, *, split: bool = False) -> list[InventedRecipe]:
    """Recipes that are listed and answered, and take something."""
    listed = (catalogue.recipes[number] for number in crafts.shown_recipes(catalogue))
    return [
        recipe for recipe in listed if len(recipe.reagents) > 1 and (recipe.alliance_crafted_item is not None) is split
    ]


# Everything


def test_everything_is_stored_as_the_catalogue_has_it(make_seeder: Callable[..., Seeder]) -> None:
    seeder = make_seeder(professions=(), items=700, recipes=240)
    seeded = seeder()
    assert seeded.status is ExitStatus.DONE
    assert [part.outcome for part in seeded.parts] == COMPLETED
    held = crafts.held(seeder.database)
    assert held == crafts.expected(seeder.sandbox.catalogue)
    recipes, reagents, items = seeded.parts
    assert (recipes.changes.inserted, reagents.changes.inserted) == (len(held.recipes), len(held.reagents))
    assert items.changes.inserted == items.rows == len(held.items)
    statuses = [recipe.status for recipe in seeder.sandbox.catalogue.recipes.values()]
    assert recipes.skipped == {"403": statuses.count(403), "404": statuses.count(404)}
    assert recipes.counted["split by faction"] == len({row[0] for row in held.recipes if row[1] == "Horde"}) > 0
    assert reagents.counted["quantity 0"] > 0
    assert reagents.counted["optional"] > 0
    assert reagents.counted["slots"] == recipes.counted["slots"] > 0
    assert recipes.traffic.requests == len(seeder.asked("professions", "profession", "skill_tier", "recipe")) + 1
    assert reagents.traffic.requests == 0


def test_a_second_run_asks_for_the_index_alone(make_seeder: Callable[..., Seeder]) -> None:
    seeder = make_seeder()
    seeder()
    before = stored.rows(seeder.database, "SELECT id, updated_at FROM recipes ORDER BY 1, faction")
    seeder.sandbox.forget_requests()
    seeded = seeder()
    assert [part.outcome for part in seeded.parts] == CURRENT
    assert seeder.asked() == [INDEX]
    assert stored.rows(seeder.database, "SELECT id, updated_at FROM recipes ORDER BY 1, faction") == before


def test_every_seeder_leaves_its_rows_of_evidence(make_seeder: Callable[..., Seeder]) -> None:
    seeder = make_seeder(recipes=80, items=200)
    seeder()
    seeder()
    logs = stored.rows(seeder.database, "SELECT command, status, region FROM scraper_logs ORDER BY id")
    commands = ["seed recipes", "seed reagents", "seed items"]
    assert [tuple(row) for row in logs] == [
        *((command, "success", None) for command in commands),
        *((command, "no_change", None) for command in commands),
    ]
    benchmarks = stored.rows(
        seeder.database,
        "SELECT operation_name, status, record_count, extra_data -> 'inserted' FROM benchmarks ORDER BY id",
    )
    assert [row[0] for row in benchmarks] == commands * 2
    assert all(row[1] == "success" for row in benchmarks)
    assert all(row[2] == row[3] > 0 for row in benchmarks[:3])
    assert all(row[2] == 0 for row in benchmarks[3:])


def test_names_come_in_the_locale_and_change_with_it(make_seeder: Callable[..., Seeder]) -> None:
    seeder = make_seeder()
    seeder()
    seeder.locale = "de_DE"
    seeded = seeder()
    assert [part.outcome for part in seeded.parts] == COMPLETED
    assert crafts.held(seeder.database) == crafts.expected(seeder.sandbox.catalogue, locale="de_DE")
    assert {state.locale for state in states(seeder).values()} == {"de_DE"}
    assert [part.outcome for part in seeder().parts] == CURRENT


def test_force_asks_for_everything_anew(make_seeder: Callable[..., Seeder]) -> None:
    seeder = make_seeder()
    seeder()
    first = sorted(seeder.asked())
    seeder.sandbox.forget_requests()
    seeded = seeder(force=True)
    assert [part.outcome for part in seeded.parts] == COMPLETED
    assert sorted(seeder.asked()) == first
    assert crafts.held(seeder.database) == crafts.expected(seeder.sandbox.catalogue)
    assert sum(part.changes.inserted + part.changes.deleted for part in seeded.parts) == 0


# A new build of the game


def test_a_new_build_makes_what_is_complete_incomplete(make_seeder: Callable[..., Seeder]) -> None:
    seeder = make_seeder(recipes=80, items=200)
    assert all(not state.completed and state.completed_at is None for state in states(seeder).values())
    seeder()
    before = states(seeder)
    assert all(state.completed and state.newer_build is None for state in before.values())
    assert {state.build for state in before.values()} == {"12.0.9_70114"}
    seeder.sandbox.patch("12.1.0_70500")
    # The recipes tell of it first; the others wait for their turn.
    seeder("recipes", limit=1)
    after = states(seeder)
    assert not any(state.completed for state in after.values())
    assert {(state.build, state.newer_build) for state in after.values()} == {("12.0.9_70114", "12.1.0_70500")}
    assert [state.completed_at for state in after.values()] == [state.completed_at for state in before.values()]
    assert [part.outcome for part in seeder().parts] == COMPLETED
    assert {(state.completed, state.build, state.newer_build) for state in states(seeder).values()} == {
        (True, "12.1.0_70500", None)
    }


def test_an_older_build_than_the_stored_one_is_no_news(make_seeder: Callable[..., Seeder]) -> None:
    seeder = make_seeder(recipes=80, items=200)
    seeder()
    # As a server that has not heard of the patch answers.
    seeder.sandbox.patch("12.0.7_70001")
    assert [part.outcome for part in seeder().parts] == CURRENT
    assert all(state.completed for state in states(seeder).values())


def test_what_a_patch_changed_takes_the_place_of_what_was_stored(make_seeder: Callable[..., Seeder]) -> None:
    seeder = make_seeder()
    catalogue = seeder.sandbox.catalogue
    neutral, split = shown(catalogue), shown(catalogue, split=True)
    joined, parted, poorer, gone, forbidden = split[0], neutral[0], neutral[1], neutral[2], neutral[3]
    seeder()
    now = changed(
        catalogue,
        **{
            # A recipe of two factions becomes one of everybody, and the other way round.
            f"r{joined.id}": replace(
                joined, crafted_item=joined.horde_crafted_item, alliance_crafted_item=None, horde_crafted_item=None
            ),
            f"r{parted.id}": replace(
                parted,
                crafted_item=None,
                alliance_crafted_item=joined.alliance_crafted_item,
                horde_crafted_item=joined.horde_crafted_item,
            ),
            f"r{poorer.id}": replace(poorer, reagents=((poorer.reagents[0][0], 77),), optional_reagents=()),
            f"r{gone.id}": None,
            f"r{forbidden.id}": replace(forbidden, status=403),
        },
    )
    seeder.sandbox.patch("12.1.0_70500", now)
    seeded = seeder()
    assert [part.outcome for part in seeded.parts] == COMPLETED
    held, expected = crafts.held(seeder.database), crafts.expected(now)
    # What Blizzard lists and does not show any more stays as it was known.
    of_forbidden = {row for row in crafts.expected(catalogue).recipes if row[0] == forbidden.id}
    assert of_forbidden
    assert held.recipes == expected.recipes | of_forbidden
    assert {row for row in held.reagents if row[0] != forbidden.id} == expected.reagents
    assert {row[:3] for row in held.reagents if row[0] == poorer.id} == {(poorer.id, "Neutral", poorer.reagents[0][0])}
    assert held.items >= expected.items


def test_answers_from_before_the_patch_are_not_taken_from_the_cache(make_seeder: Callable[..., Seeder]) -> None:
    seeder = make_seeder()
    # A run that ended after it had asked for the recipes, before it stored a thing.
    seeder("recipes")
    crafts.forget(seeder.database, "recipes", "seeder_status", "not_shown")
    changed_recipe = shown(seeder.sandbox.catalogue)[0]
    now = changed(
        seeder.sandbox.catalogue,
        **{f"r{changed_recipe.id}": replace(changed_recipe, reagents=((changed_recipe.reagents[0][0], 99),))},
    )
    seeder.sandbox.patch("12.1.0_70500", now)
    seeder()
    assert crafts.held(seeder.database) == crafts.expected(now)


# Less than everything


def test_a_profession_alone_leaves_the_rest_to_the_next_run(make_seeder: Callable[..., Seeder]) -> None:
    seeder = make_seeder()
    seeded = seeder(profession="alchemy")
    assert [part.outcome for part in seeded.parts] == [SeedOutcome.LIMITED] * 3
    assert seeded.status is ExitStatus.DONE
    held = crafts.held(seeder.database)
    assert {row[3] for row in held.recipes} == {"Alchemy"}
    assert held.reagents
    assert held.items
    asked = set(seeder.asked("recipe"))
    seeder.sandbox.forget_requests()
    assert [part.outcome for part in seeder(profession="171").parts] == [SeedOutcome.LIMITED] * 3
    assert seeder.asked() == [INDEX]
    assert [part.outcome for part in seeder().parts] == COMPLETED
    # What the first run had, the last took from the cache, or remembered as not shown.
    assert not asked & set(seeder.asked("recipe"))
    assert crafts.held(seeder.database) == crafts.expected(seeder.sandbox.catalogue)


@pytest.mark.parametrize("wanted", [("recipes",), ("reagents",), ("items",), ()])
def test_a_profession_that_there_is_not_is_wrong_usage(
    make_seeder: Callable[..., Seeder], wanted: tuple[str, ...]
) -> None:
    seeder = make_seeder(recipes=100)
    with pytest.raises(UsageError, match=r"--profession Juggling is none .* Alchemy, Archaeology"):
        seeder(*wanted, profession="Juggling")
    assert crafts.held(seeder.database).recipes == set()


def test_a_limit_holds_for_every_seeder(make_seeder: Callable[..., Seeder]) -> None:
    seeder = make_seeder()
    seeded = seeder(limit=7)
    assert [part.outcome for part in seeded.parts] == [SeedOutcome.LIMITED] * 3
    assert len(seeder.asked("recipe")) == 7
    assert 0 < len(crafts.held(seeder.database).items) <= 7
    assert not any(state.completed for state in states(seeder).values())


def test_reagents_without_recipes_say_what_to_do(
    make_seeder: Callable[..., Seeder], caplog: pytest.LogCaptureFixture
) -> None:
    seeder = make_seeder(recipes=100)
    (part,) = seeder("reagents").parts
    assert (part.outcome, part.status, part.rows) == (SeedOutcome.LIMITED, ExitStatus.DONE, 0)
    assert "ironforge seed recipes" in (part.message or "")
    assert "ironforge seed recipes" in caplog.text
    assert seeder.asked() == []


# Items


def test_items_of_later_snapshots_are_asked_for_alone(
    make_seeder: Callable[..., Seeder], make_collector: Callable[..., Collector]
) -> None:
    seeder = make_seeder(items=400, recipes=80)
    seeder()
    before = crafts.held(seeder.database).items
    collector = make_collector(seeder.database, sandbox=seeder.sandbox)
    collector.collect()
    seen = {row[0] for row in stored.rows(seeder.database, "SELECT DISTINCT item_id FROM eu_commodity_price_stats")}
    seen |= {row[0] for row in stored.rows(seeder.database, "SELECT DISTINCT item_id FROM us_commodity_price_stats")}
    seeder.sandbox.forget_requests()
    (part,) = seeder("items").parts
    assert part.outcome is SeedOutcome.COMPLETED
    after = crafts.held(seeder.database).items
    assert after == crafts.expected(seeder.sandbox.catalogue, seen=seen).items
    assert part.changes.inserted == len(after - before) > 0
    known = {row[0] for row in before}
    single = {int(path.rpartition("/")[2]) for path in seeder.asked("item")}
    assert single <= seen - known
    assert [part.outcome for part in seeder().parts] == CURRENT


def test_removed_items_are_asked_for_once_a_build_and_when_somebody_insists(make_seeder: Callable[..., Seeder]) -> None:
    seeder = make_seeder(items=400, recipes=250)
    seeder()
    removed = {number for number, item in seeder.sandbox.catalogue.items.items() if item.removed}
    asked = [int(path.rpartition("/")[2]) for path in seeder.asked("item")]
    gone = removed & set(asked)
    assert gone
    assert len(asked) == len(set(asked))
    seeder.sandbox.forget_requests()
    # A new build reads all items again, and may have brought those back.
    seeder.sandbox.patch("12.1.0_70500")
    seeder()
    assert gone <= {int(path.rpartition("/")[2]) for path in seeder.asked("item")}
    seeder.sandbox.forget_requests()
    seeder("items")
    assert not seeder.asked("item")
    seeder.sandbox.forget_requests()
    seeder("items", force=True)
    assert gone <= {int(path.rpartition("/")[2]) for path in seeder.asked("item")}


def test_an_item_that_came_back_is_found_of_the_next_build(make_seeder: Callable[..., Seeder]) -> None:
    seeder = make_seeder(items=400, recipes=250)
    seeder()
    catalogue = seeder.sandbox.catalogue
    back = {number: replace(item, removed=False) for number, item in catalogue.items.items()}
    now = replace(catalogue, items=back)
    seeder.sandbox.patch("12.1.0_70500", now)
    seeder()
    assert crafts.held(seeder.database) == crafts.expected(now)
